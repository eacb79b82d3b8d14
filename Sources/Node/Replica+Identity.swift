import Basics
import Membership
import PeerWire
import Storage
import Versioning

/// Whether this process may write under its store's replica id (I20).
extension Replica {
    /// Judges by what a member remembers whether this store is its newest copy.
    ///
    /// - Returns: false where it is not, and the node goes on under a new id.
    func isOurs(_ introduction: Introduction, from member: Member, at now: Instant) -> Bool {
        let (own, seen) = (self.store.identity.replica, self.store.seen)
        // By watermarks: runs beyond them may have been forgotten in all honesty.
        let hasForgotten = introduction.announced.map { told in told.replicas.contains { seen.watermark(of: $0) < told.watermark(of: $0) } } ?? false
        let memory = IdentityGuard.Memory(start: introduction.start, sequence: introduction.sequence, hasForgotten: hasForgotten)
        let reason = self.peers!.identity.answered(member.replica, named: member.name, memory, ownSequence: seen.watermark(of: own))
        guard let reason else { return true }
        self.renew(because: reason, at: now)
        return false
    }

    /// Siblings that name writes of this node's id which it knows nothing of: it is an older copy of what it was, though no member had heard of those, and
    /// would make them anew, named already.
    ///
    /// - Returns: whether it has taken a new id for that.
    func hasForgotten(whatNames record: RecordView, from link: PeerLink, at now: Instant) -> Bool {
        guard let siblings = record.siblings else { return false }
        var named = NamedWrites()
        named.note(siblings)
        let (replica, own) = (self.store.identity.replica, self.store.seen.watermark(of: self.store.identity.replica))
        guard named.greatest(of: replica) > own, let name = link.hello.flatMap({ try? MemberName($0.name) }) else { return false }
        self.renew(because: .unknownWrites(of: name, theirs: named.greatest(of: replica), own: own), at: now)
        return true
    }

    /// Waits no longer for members that do not answer.
    func tendIdentity(at now: Instant) {
        guard let reason = self.peers!.identity.deadlinePassed(at: now) else { return }
        self.renew(because: reason, at: now)
    }

    /// Goes on under an id that nobody ever had. All data stay; what was written so far counts as another's.
    private func renew(because reason: IdentityGuard.Reason, at now: Instant) {
        guard !self.isExcluded else { return }
        let (old, before, new) = (self.store.identity.replica, self.peers!.table.roster, self.peers!.drawReplica())
        self.peers!.tickIsMixed = true
        let member = Member(
            replica: new, name: self.peers!.table.ownName, address: self.peers!.configuration.advertised, start: self.store.start)
        do throws(RosterRefusal) {
            try self.peers!.table.change { roster throws(RosterRefusal) in try roster.replace(old, with: member) }
        } catch {
            self.peerFailure = .foreign(reason: "this node needs a new replica id (\(reason)), and cannot take one: \(error)")
            return
        }
        self.store.changeReplica(to: new)
        self.resumeClock()
        self.peers!.table.moved(to: new, roster: self.peers!.table.roster)
        self.peers!.identity.renewed(because: reason)
        self.tell("goes on under the new replica id \(new) in place of \(old): \(reason)")
        self.rosterChanged(from: before, at: now)
        for link in self.peers!.links where !link.isClosing { self.close(link, because: nil) }
    }

    /// Stamps go on from the greatest so far, under the store's id.
    func resumeClock() {
        self.clock = HybridLogicalClock(replica: self.store.identity.replica, startingAt: max(self.clock.latest, self.store.greatestStamp))
    }

    /// Another live process has this node's id.
    func metTwin(_ nonce: UInt64, on link: PeerLink) {
        guard nonce == self.store.start.nonce, link.state != .founding else { return self.refuse(link, because: "it sent a message out of order") }
        if self.peers!.identity.state != .contested { self.tell(Self.twinText) }
        self.peers!.identity.metTwin()
        if link.state == .ownID { self.close(link, because: nil) }
    }

    static let twinText: String =
        "another process runs with this node's replica id, on a copy of its data folder; stop one and restart the other"

    /// True where another live process has been met with this node's id: an operator has to choose.
    package var isContested: Bool { self.peers?.identity.state == .contested }

    // MARK: Writes

    /// True while clients' writes wait until it is known whether this store is its newest copy.
    var holdsWrites: Bool { self.peers?.identity.isAsking ?? false }

    /// True while the tables are full and cannot be drained for want of room.
    var refusesForRoom: Bool { !self.store.admitsWrites && self.store.drainFailure != nil }

    /// Why writes are refused; nil where they are not.
    var writeRefusal: String? {
        if self.refusesForRoom { return "no space left on the device" }
        if let clockTrouble, clockTrouble.stopsWrites { return self.text(of: clockTrouble) }
        guard let peers = self.peers else { return nil }
        if peers.identity.state == .contested { return Self.twinText }
        return peers.leave == nil ? nil : "this node is leaving the cluster"
    }
}
