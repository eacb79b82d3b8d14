import Basics

/// Up to where tombstones have been dropped, replica by replica: what lies at or below a floor and is a tombstone, or has expired, is as absent, on every
/// node that has taken the floor over.
///
/// A floor travels with what had been seen of each member's own writes when it was raised. A node that has seen as much may take it over: everything
/// that a dropped tombstone has to keep away is known to it, so that the rule for known dots (I23) keeps it away from there on. A node that has not would
/// let an older write in behind the tombstone's back.
///
/// - Invariant: `floors` and `confirmed` ascend by replica, and no number is 0.
/// - Invariant: floors only rise.
/// - Bound: `Seen.maximumReplicas` of each.
/// - Source: ours; the rule is I22 of the invariants. Riak's and Cassandra's drop by age alone, and deleted data come back.
package struct Floors: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package let replica: ReplicaID
        package fileprivate(set) var sequence: UInt64
    }

    package private(set) var floors: [Entry] = []
    /// Up to where of each member's own writes those had seen all who confirmed the tombstones.
    package private(set) var confirmed: [Entry] = []
    /// The greatest stamp time of what was dropped.
    package private(set) var stampTime: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { self.floors.isEmpty }

    /// The sequence number up to which tombstones of a replica have been dropped; 0 where none was.
    package func floor(of replica: ReplicaID) -> UInt64 { self.floors.sequence(of: replica) }

    package func covers(_ dot: Dot) -> Bool { !self.floors.isEmpty && dot.sequence <= self.floor(of: dot.replica) }

    /// - Returns: false where the floor was as high already, or there is no room for another replica.
    @discardableResult
    package mutating func raise(_ replica: ReplicaID, to sequence: UInt64, stampTime: UInt64) -> Bool {
        guard self.floors.raise(replica, to: sequence) else { return false }
        self.stampTime = max(self.stampTime, stampTime)
        return true
    }

    /// Notes that something was dropped below the floors with a stamp time.
    package mutating func dropped(stampTime: UInt64) { self.stampTime = max(self.stampTime, stampTime) }

    /// Notes what had been seen of a member's own writes.
    package mutating func confirm(_ replica: ReplicaID, through sequence: UInt64) { _ = self.confirmed.raise(replica, to: sequence) }

    /// Takes over what another node has dropped.
    ///
    /// - Precondition: `mayBeAdopted(having:)` with what this node has seen.
    package mutating func join(_ other: Floors) {
        for entry in other.floors { _ = self.floors.raise(entry.replica, to: entry.sequence) }
        for entry in other.confirmed { _ = self.confirmed.raise(entry.replica, to: entry.sequence) }
        self.stampTime = max(self.stampTime, other.stampTime)
    }

    /// Whether a node that has seen so much may take these floors over.
    package func mayBeAdopted(having seen: Seen, _ settled: Settled) -> Bool {
        self.confirmed.allSatisfy { settled.watermark(of: $0.replica, in: seen) >= $0.sequence }
    }

    /// The first replica of which a node that has seen so much lacks something below its floor; nil where there is none.
    ///
    /// No member lacks anything: all had announced it before the floor was raised. Who does has forgotten what it once had (I20, I24).
    ///
    /// - Parameter settled: what was settled before the floors were raised, and told with them.
    package func firstMissing(having seen: Seen, _ settled: Settled) -> ReplicaID? {
        self.floors.first { settled.watermark(of: $0.replica, in: seen) < $0.sequence }?.replica
    }
}

extension [Floors.Entry] {
    fileprivate func place(of replica: ReplicaID) -> (index: Int, isKnown: Bool) {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].replica < replica { low = middle + 1 } else { high = middle }
        }
        return (low, low < self.count && self[low].replica == replica)
    }

    fileprivate func sequence(of replica: ReplicaID) -> UInt64 {
        let (index, isKnown) = self.place(of: replica)
        return isKnown ? self[index].sequence : 0
    }

    fileprivate mutating func raise(_ replica: ReplicaID, to sequence: UInt64) -> Bool {
        let (index, isKnown) = self.place(of: replica)
        if isKnown {
            guard self[index].sequence < sequence else { return false }
            self[index].sequence = sequence
        } else {
            guard sequence > 0, self.count < Seen.maximumReplicas else { return false }
            self.insert(Floors.Entry(replica: replica, sequence: sequence), at: index)
        }
        return true
    }
}

/// Replicas that write no more, and exactly which of their writes all members had: no other ever counts.
///
/// - Invariant: `ids` ascend; `writes` has of no other replica anything.
/// - Bound: `Seen.maximumReplicas`.
/// - Source: ours, I25.
package struct Settled: Equatable, Sendable {
    package private(set) var ids: [ReplicaID] = []
    package private(set) var writes = Seen()

    package init() {}

    package func contains(_ replica: ReplicaID) -> Bool {
        let index = self.index(of: replica)
        return index < self.ids.count && self.ids[index] == replica
    }

    /// False for a write of a settled replica that its set does not have.
    package func allows(_ dot: Dot) -> Bool { self.ids.isEmpty || !self.contains(dot.replica) || self.writes.covers(dot) }

    /// - Parameter writes: what all members have seen of the replica; what it holds of others does not count.
    /// - Returns: false where the replica is settled already, which is final, or there is no room.
    @discardableResult
    package mutating func settle(_ replica: ReplicaID, with writes: Seen) -> Bool {
        guard !self.contains(replica), self.ids.count < Seen.maximumReplicas else { return false }
        self.ids.insert(replica, at: self.index(of: replica))
        self.writes.join(writes.only(replica))
        return true
    }

    /// Takes over what another node has settled.
    ///
    /// - Returns: those that are new.
    package mutating func join(_ other: Settled) -> [ReplicaID] { other.ids.filter { self.settle($0, with: other.writes) } }

    /// The greatest sequence number up to which all writes of a replica have been seen that ever count: no member has what lies in the gaps of a settled
    /// set, and nobody ever will. That is for whoever has settled the replica to say: nobody tells others to have seen what is nowhere.
    package func watermark(of replica: ReplicaID, in seen: Seen) -> UInt64 {
        guard self.contains(replica) else { return seen.watermark(of: replica) }
        var filled = seen.only(replica)
        filled.join(self.writes.gaps(of: replica))
        return filled.watermark(of: replica)
    }

    private func index(of replica: ReplicaID) -> Int {
        var (low, high) = (0, self.ids.count)
        while low < high {
            let middle = (low + high) / 2
            if self.ids[middle] < replica { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Seen {
    /// What has been seen of one replica, and nothing else.
    package func only(_ replica: ReplicaID) -> Seen { Seen(checked: self.entries.filter { $0.replica == replica }) }

    /// True where some of what was seen of a replica may have been forgotten.
    package func mayHaveForgotten(_ replica: ReplicaID) -> Bool {
        self.entries.first { $0.replica == replica }.map { $0.runs.count >= Seen.maximumRunsPerReplica } ?? false
    }

    /// Between what has been seen of a replica.
    func gaps(of replica: ReplicaID) -> Seen {
        guard let entry = self.entries.first(where: { $0.replica == replica }) else { return Seen() }
        var (gaps, last): ([ClosedRange<UInt64>], UInt64) = ([], entry.watermark)
        for run in entry.runs {
            gaps.append(last + 1...run.lowerBound - 1)
            last = run.upperBound
        }
        guard let first = gaps.first else { return Seen() }
        let watermark = first.lowerBound == 1 ? first.upperBound : 0
        let runs = watermark > 0 ? Array(gaps.dropFirst()) : gaps
        return Seen(checked: [Entry(replica: replica, watermark: watermark, runs: runs)])
    }
}
