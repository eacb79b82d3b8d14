import Basics

/// What this node's state reflects: for each replica all writes up to a watermark, and a bounded number of runs beyond it.
///
///     sequence    1 2 3 4 5 6 7 8 9 ...
///     seen        x x x x . x x . x          watermark 4, runs 6...7 and 9...9
///
/// - Invariant: entries are sorted by replica and none is empty; runs are sorted, and at least one number is missing between a run and what is
///   below it. So equal sets of dots are equal values, with equal encodings, in whatever order the dots came.
/// - Bound: `maximumRunsPerReplica` and `maximumReplicas`. What exceeds them is *forgotten*, as if it had not been seen, which is safe: a forgotten
///   dot is asked for again and its merge changes nothing. The run farthest from the watermark goes first: it waits for the most gaps. Of replicas
///   the known ones stay, because forgetting a watermark could mean this node's own, whose dots would then be issued twice. The laws of `join` (it
///   commutes, associates, is idempotent) hold while nothing is forgotten; a dot that neither side has seen is never covered.
/// - Complexity: O(log replicas) to find a replica, O(1) for the one found last, so a burst from one replica pays for one search.
/// - Source: Malkhi and Terry, "Concise Version Vectors in WinFS" (DISC 2005), for the watermark with exceptions; the bounds are ours.
package struct Seen: Sendable {
    /// The number of runs kept beyond one replica's watermark.
    package static let maximumRunsPerReplica = 64

    /// The number of replicas kept, retired ones included.
    package static let maximumReplicas = 4_096

    /// One replica's share.
    struct Entry: Equatable, Sendable {
        let replica: ReplicaID
        var watermark: UInt64
        var runs: [ClosedRange<UInt64>]

        var isEmpty: Bool { self.watermark == 0 && self.runs.isEmpty }
    }

    private(set) var entries: ContiguousArray<Entry>

    /// Where the last change was; a hint that speeds up the next, never part of the value.
    private var recent = 0

    package init() {
        self.entries = []
    }

    /// The entries must satisfy the type's invariant.
    init(checked entries: ContiguousArray<Entry>) {
        self.entries = entries
    }

    /// The replicas of which anything has been seen, sorted.
    package var replicas: [ReplicaID] { self.entries.map(\.replica) }

    /// The greatest sequence number up to which all writes of the replica have been seen; 0 where none has.
    package func watermark(of replica: ReplicaID) -> UInt64 {
        let (index, isKnown) = self.position(of: replica)
        return isKnown ? self.entries[index].watermark : 0
    }

    /// The greatest sequence number of the replica that has been seen; 0 where none has.
    package func greatest(of replica: ReplicaID) -> UInt64 {
        let (index, isKnown) = self.position(of: replica)
        return isKnown ? self.entries[index].runs.last?.upperBound ?? self.entries[index].watermark : 0
    }

    /// Whether the dot has been seen (and not been forgotten).
    package func covers(_ dot: Dot) -> Bool {
        let (index, isKnown) = self.position(of: dot.replica)
        return isKnown ? self.entries[index].covers(dot.sequence) : dot.sequence == 0
    }

    /// Marks a dot as seen: the watermark advances if it is the next one, a run begins or grows if there is a gap before it.
    ///
    /// - Returns: Whether the dot was not covered before. It is covered after, unless a bound made it forgotten at once.
    package mutating func insert(_ dot: Dot) -> Bool {
        let (index, isKnown) = self.position(of: dot.replica)
        if !isKnown {
            guard dot.sequence > 0 else { return false }
            guard self.entries.count < Seen.maximumReplicas else { return true }
            self.entries.insert(Entry(replica: dot.replica, watermark: 0, runs: []), at: index)
        }
        self.recent = index
        return self.entries[index].insert(dot.sequence)
    }

    /// Adds all that `other` has seen.
    package mutating func join(_ other: Seen) {
        for theirs in other.entries {
            let (index, isKnown) = self.position(of: theirs.replica)
            if isKnown {
                // Most bring nothing new: that must not copy all the others.
                if theirs.runs.isEmpty, theirs.watermark <= self.entries[index].watermark { continue }
                self.entries[index].join(theirs)
            } else if self.entries.count < Seen.maximumReplicas {
                self.entries.insert(theirs, at: index)
            }
        }
    }

    /// Takes back a dot whose write could not be appended; if it is this node's own, its number will be issued again.
    ///
    /// Undoing the newest insertion gives the earlier value, but for what was forgotten.
    /// - Precondition: The dot is covered, and names a write.
    package mutating func remove(_ dot: Dot) {
        let (index, isKnown) = self.position(of: dot.replica)
        precondition(isKnown && dot.sequence > 0 && self.entries[index].covers(dot.sequence), "\(dot) is not in \(self)")
        self.entries[index].remove(dot.sequence)
        if self.entries[index].isEmpty { self.entries.remove(at: index) }
    }

    /// True where nothing has been seen.
    package var isEmpty: Bool { self.entries.isEmpty }

    /// Whether this covers every dot that `other` does.
    package func covers(all other: Seen) -> Bool { self.firstMissing(of: other) == nil }

    /// Where the replica's entry is, or where it belongs.
    @inline(__always)
    private func position(of replica: ReplicaID) -> (index: Int, isKnown: Bool) {
        if self.recent < self.entries.count {
            // By halves: a derived `==` of another module is called through its witness table, for twice the time of all else here.
            let found = self.entries[self.recent].replica
            if found.high == replica.high, found.low == replica.low { return (self.recent, true) }
        }
        return self.search(for: replica)
    }

    private func search(for replica: ReplicaID) -> (index: Int, isKnown: Bool) {
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].replica < replica { low = middle + 1 } else { high = middle }
        }
        return (low, low < self.entries.count && self.entries[low].replica == replica)
    }
}

extension Seen: Equatable {
    package static func == (left: Self, right: Self) -> Bool { left.entries == right.entries }
}

extension Seen: CustomStringConvertible {
    /// Each replica with its watermark and runs, in order: `[9f...3c: 4, 6...7, 9...9]`.
    package var description: String {
        let texts = self.entries.map { entry in
            "\(entry.replica): " + ([String(entry.watermark)] + entry.runs.map { "\($0)" }).joined(separator: ", ")
        }
        return "[" + texts.joined(separator: "; ") + "]"
    }
}
