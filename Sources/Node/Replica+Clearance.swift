import AntiEntropy
import Basics
import Digests
import Membership
import PeerWire
import Storage
import Versioning

/// When tombstones may be dropped, and how members come to agree on it (I22, I25).
///
/// A tombstone goes once its window has passed and every member, whether it is up or down, has announced under the present list of members that it has it,
/// while this node has seen all that each had written itself by then: so no older write is on its way that only the tombstone would keep away. Writes of
/// replicas that are members no longer have to be settled first: all members hold the same of them, and nothing else of them ever counts.
extension Replica {
    /// What the sweep of this node is at.
    struct Sweeping {
        /// When it next looks for what may go.
        var nextAt: Instant
        /// Another node's floors that are being taken over.
        var adopts: Floors?
        /// Who keeps tombstones from being dropped, at the last look.
        var blockers: [Blocker] = []
    }

    /// Why nothing older may be dropped.
    enum Blocker: Equatable {
        /// A member has not announced what it has seen under the present list of members.
        case silent(MemberName)
        /// This node has not seen all that a member had written when it announced.
        case ahead(MemberName)
        /// Not all members hold the same of a replica that writes no more.
        case unsettled(ReplicaID)
        /// This node has lost something to damage.
        case damage
    }

    /// So many tombstones go in a tick: few, and often, as clients wait meanwhile.
    private static let sweepEntries = 64

    /// When `tendSweep` has something to do although nothing happens; nil where never.
    var sweepDeadline: Instant? {
        guard let collection = self.collectionDeadline else { return self.mayHoldDroppable ? self.sweeping.nextAt : nil }
        return self.mayHoldDroppable ? min(collection, self.sweeping.nextAt) : collection
    }

    // Asked for in every tick.
    private var mayHoldDroppable: Bool {
        (self.sweeping.adopts != nil || self.store.mayDrop) && self.store.isFounded && !self.isJoining
    }

    /// Drops a few tombstones, and entries that have expired, if it is time and there are any that may go.
    func tendSweep(at moment: Moment) throws(StoreError) {
        let (revision, expired, trimmed) = (self.store.floorsRevision, self.store.counters.droppedExpired, self.store.counters.trimmed)
        try self.store.tendSweep(at: moment.now)
        if self.store.counters.trimmed != trimmed { self.peers?.tickIsMixed = true }
        if self.store.counters.droppedExpired != expired { self.collecting.dropped(at: moment.now) }
        // Before anything that is read from the store without what was dropped: an older copy of one of the members must not take that for all there is.
        if self.store.floorsRevision != revision { for link in self.peers?.links ?? [] where link.isReady { self.sendClearance(on: link) } }
        try self.tendCollection(at: moment)
        guard moment.now >= self.sweeping.nextAt, self.mayHoldDroppable else { return }
        guard !self.isExcluded else {
            self.sweeping.nextAt = moment.now + Self.longestInterval
            return
        }
        if let floors = self.sweeping.adopts {
            let limit = Store.SweepLimit(floors: floors, expired: self.expiredBefore(moment) ?? 0, isAdoption: true)
            let progress = try self.store.sweep(limit, budget: Self.sweepEntries)
            if progress == .done { self.sweeping.adopts = nil }
            self.sweeping.nextAt = moment.now + (progress == .early ? Self.longestInterval / 60 : progress == .done ? .zero : Self.stepInterval)
            return self.noteSweep(progress)
        }
        let window = ClusterSetting.window.duration(in: self.roster ?? Roster())
        self.fenceAbsent(at: moment.now)
        guard let floors = self.confirmedFloors(at: moment.now) else {
            self.sweeping.nextAt = moment.now + Self.sweepInterval(window: window)
            return
        }
        let limit = Store.SweepLimit(
            floors: floors, stampTime: Self.stampTime(aged: window, at: moment.wall), expired: self.expiredBefore(moment) ?? 0)
        let progress = try self.store.sweep(limit, budget: Self.sweepEntries)
        switch progress {
        case .dropped, .advanced: self.sweeping.nextAt = moment.now + Self.stepInterval
        case .waits, .early, .done: self.sweeping.nextAt = moment.now + Self.sweepInterval(window: window)
        }
        self.noteSweep(progress)
    }

    /// The greatest stamp time that is so old.
    static func stampTime(aged window: Duration, at wall: WallTime) -> UInt64 {
        let milliseconds = wall.milliseconds - min(wall.milliseconds, UInt64(window.wholeNanoseconds / 1_000_000))
        return milliseconds << UInt64(Stamp.counterBits) | 0xffff
    }

    /// So long a sweep waits between two steps: for raised floors to become durable, or for a drain.
    static let stepInterval = Duration.milliseconds(2)

    /// A short window is looked at often.
    private static func sweepInterval(window: Duration) -> Duration { max(.seconds(1), min(window / 60, Self.longestInterval)) }
    private static let longestInterval = Duration.seconds(60)

    // MARK: Confirmation

    /// Up to where tombstones are confirmed by all; nil where they are not.
    func confirmedFloors(at now: Instant) -> Floors? {
        let (own, seen) = (self.store.identity.replica, self.store.seen)
        var (floors, blockers) = (Floors(), [Blocker]())
        if self.store.hasDamage { blockers.append(.damage) }
        var announcements: [Seen] = [seen]
        floors.confirm(own, through: seen.watermark(of: own))
        for member in self.peers?.table.members ?? [] {
            guard let announced = self.confirmation(of: member, seen: seen, &blockers) else { continue }
            announcements.append(announced)
            floors.confirm(member.replica, through: announced.watermark(of: member.replica))
        }
        self.settleRetired(announcements, &blockers)
        self.sweeping.blockers = blockers
        guard blockers.isEmpty else { return nil }
        for replica in seen.replicas {
            let least = announcements.map { self.store.settled.watermark(of: replica, in: $0) }.min()!
            floors.raise(replica, to: least, stampTime: 0)
        }
        return floors
    }

    /// The newest announcement of a member under the present list of members, of which this node has seen all that the member wrote itself.
    private func confirmation(of member: Member, seen: Seen, _ blockers: inout [Blocker]) -> Seen? {
        guard let relation = self.peers!.relation(to: member.replica), let announced = relation.confirmed ?? relation.current else {
            blockers.append(.silent(member.name))
            return nil
        }
        if let current = relation.current, seen.watermark(of: member.replica) >= current.watermark(of: member.replica) {
            self.peers!.withRelation(to: member.replica, at: self.lastTick) { $0.confirmed = current }
            return current
        }
        guard relation.confirmed != nil else {
            blockers.append(.ahead(member.name))
            return nil
        }
        return announced
    }

    /// Settles replicas that write no more, once all members have announced the same of them.
    private func settleRetired(_ announcements: [Seen], _ blockers: inout [Blocker]) {
        guard let roster = self.peers?.table.roster else { return }
        let isComplete = announcements.count == roster.active.count
        var settled: [(ReplicaID, Seen)] = []
        for entry in roster.entries where entry.status != .active && !self.store.settled.contains(entry.member.replica) {
            let replica = entry.member.replica
            let sets = announcements.map { $0.only(replica) }
            if isComplete, sets.allSatisfy({ $0 == sets[0] }), !sets[0].mayHaveForgotten(replica) {
                settled.append((replica, sets[0]))
            } else {
                blockers.append(.unsettled(replica))
            }
        }
        guard !settled.isEmpty else { return }
        self.peers!.tickIsMixed = true
        self.store.settle(settled)
    }

    /// A member has announced what it has seen, and lists the same members.
    func confirmed(by peer: ReplicaID, _ announced: Seen, at now: Instant) {
        self.peers!.withRelation(to: peer, at: now) { $0.current = announced }
    }

    // MARK: Gossip

    /// A hash of floors and settled replicas. Kept until they change.
    var clearanceHash: UInt64 {
        let revision = self.store.clearanceRevision
        if let hashed = self.clearanceHashed, hashed.revision == revision { return hashed.hash }
        let hash = self.store.clearance.encoded.withUnsafeBytes { checksum(of: $0, seed: 0) }
        self.clearanceHashed = (revision, hash)
        return hash
    }

    func sendClearance(on link: PeerLink) {
        self.send(.clearance(self.store.clearance.encoded), on: link, dependsOn: self.store.appliedPosition)
    }

    /// A member has told its floors, and what it has settled, which is final.
    func learnClearance(_ bytes: [UInt8], on link: PeerLink, at now: Instant) {
        guard let clearance = bytes.span.bytes.withUnsafeBytes({ try? Clearance(decoding: $0) }) else {
            return self.refuse(link, because: "it sent malformed floors")
        }
        link.clearance = clearance
        guard !self.isJoining else { return }
        if clearance.floors.firstMissing(having: self.store.seen, clearance.settled) != nil { return self.foundForgetful(at: now) }
        // Under another epoch one of both has yet to hear of something: it is told again.
        guard self.isCurrent(link) else { return }
        guard !clearance.settled.ids.contains(where: self.peers!.table.roster.isActive) else {
            return self.refuse(link, because: "it holds that a member writes no more")
        }
        self.peers!.tickIsMixed = true
        self.store.settle(clearance.settled)
        self.adopt(clearance.floors)
    }

    /// Takes over floors of which this node has seen everything that they were raised upon. Of replicas that write no more that is what all had seen of
    /// them while they were members; what they wrote after that follows the tombstones, and what was settled before the floors were raised came along.
    private func adopt(_ floors: Floors) {
        guard floors.mayBeAdopted(having: self.store.seen, self.store.settled) else { return }
        var target = self.sweeping.adopts ?? self.store.clearance.floors
        let before = target
        target.join(floors)
        guard target != before else { return }
        (self.sweeping.adopts, self.sweeping.nextAt) = (target, self.lastTick)
    }

    /// Whether differing floors may explain differing roots: then there is nothing to compare before one side has taken over the other's, which takes it a
    /// few rounds, or cannot.
    func isClearing(with link: PeerLink, at now: Instant) -> Bool {
        guard let clearance = link.clearance, clearance.floors.floors != self.store.floors.floors else {
            link.clearingSince = nil
            return false
        }
        if link.clearingSince == nil { link.clearingSince = now }
        guard now.since(link.clearingSince!) < self.peers!.rounds.leastInterval * Self.clearingRounds else { return false }
        self.peers!.counters.unevenRounds += 1
        return true
    }

    static let clearingRounds = 5

    /// What other members have dropped this node has never seen: its store is older than what it has once announced (I20, I24). What it holds may have been
    /// deleted, so that it serves nobody any more.
    private func foundForgetful(at now: Instant) {
        guard !self.store.isForgetful else { return }
        self.store.setControl(.forgetful, [1])
        if let exclusion { self.exclude(exclusion) }
    }
}
