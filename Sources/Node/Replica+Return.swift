import Basics
import Membership
import PeerWire
import Storage
import Versioning

/// How a node comes back on which the others do not count any more (I24): one that was fenced, or whose store is older than what they have forgotten.
///
/// What it holds may have been deleted everywhere else, with nothing left that says so. So it gives up its store for that of the others. What
/// perhaps nobody else has it takes along (`Export`), and decides on each once it has everything else.
///
///     returning node                    a member
///     may I return? + roster  →         takes the roster over; has all data, and counts itself
///                             ←         come back + what it has seen
///     order in the log, restart: exports, empty store, new id → joins as any other
///
/// - Invariant: of those who wait to return the last never gets an answer: only a complete member gives one, and none that waits itself.
extension Replica {
    /// True where this node counts for nobody, and may come back by itself.
    package var seeksReturn: Bool {
        guard let peers = self.peers, self.store.isFounded, peers.identity.state != .contested, peers.leave == nil else { return false }
        switch peers.ownStatus ?? .active {
        case .active: return self.store.isForgetful
        case .fenced: return true
        case .replaced, .left, .removed: return false
        }
    }

    /// Asks a member whether this node may give up its store. The member hears first who is no member any more, as far as this node knows.
    func askToReturn(on link: PeerLink) {
        link.state = .returning
        link.reader.maximumMessageBytes = PeerWire.maximumIntroductionBytes
        self.send(.mayReturn(roster: self.peers!.table.roster.encoded), on: link, dependsOn: self.store.appliedPosition)
    }

    /// The member whom this node asks may be one that it has not heard of.
    func learnOnReturn(_ roster: [UInt8], on link: PeerLink, at now: Instant) {
        guard let roster = roster.withUnsafeBytes({ try? Roster(decoding: $0) }) else {
            return self.refuse(link, because: "it sent a malformed roster")
        }
        if let refusal = self.merge(roster, at: now) { self.refuse(link, because: refusal) }
    }

    /// A node of this cluster asks whether it may give up its store.
    func answerReturn(_ roster: [UInt8], on link: PeerLink, at now: Instant) {
        guard let roster = roster.withUnsafeBytes({ try? Roster(decoding: $0) }) else {
            return self.refuse(link, because: "it sent a malformed roster")
        }
        if let refusal = self.merge(roster, at: now) { return self.refuse(link, because: refusal) }
        guard !link.isClosing else { return }
        guard !self.isExcluded, !self.isJoining, !self.store.hasDamage, self.peers!.leave == nil else {
            return self.close(link, because: nil)  // Another may have everything.
        }
        let before = self.peers!.table.roster
        // It will not come back under this id.
        if (try? self.peers!.table.change { $0.retire(link.peer!, as: .fenced) }) == true { self.rosterChanged(from: before, at: now) }
        self.send(.comeBack(seen: self.store.seen), on: link, dependsOn: self.store.appliedPosition)
    }

    /// A member has everything that it has seen: the next start gives up this store.
    func mayComeBack(_ seen: Seen, on link: PeerLink) {
        guard self.seeksReturn, self.peers!.returnsBehind == nil, self.peers!.table.roster.isActive(link.peer!) else {
            return self.close(link, because: nil)
        }
        self.peers!.tickIsMixed = true
        self.peers!.returnsBehind = self.store.order(ReturnOrder(seen: seen))
        self.close(link, because: nil)
    }

    /// Has the driver open the store again, once the log says durably what for.
    func tendReturn() {
        guard let position = self.peers!.returnsBehind, position < self.store.synced, !self.peers!.hasAskedToReopen else { return }
        self.peers!.hasAskedToReopen = true
        self.tell("gives up its data for those of the other members, but for what only this node may have")
        self.peers!.requests.append(.reopen)
    }

    /// The members of a store that was given up, whom to ask to be let in again; nil where the store is no such.
    var formerRoster: Roster? { self.store.control(.formerMembers).flatMap { bytes in bytes.withUnsafeBytes { try? Roster(decoding: $0) } } }
}
