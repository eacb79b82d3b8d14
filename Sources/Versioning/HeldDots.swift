import Basics

/// Writes that came before their time: they are asked for again once that has come (I11).
///
/// Only their names are kept. Successive writes of one replica whose stamps lie close together are one entry, so that a clock which is seconds ahead
/// costs a few entries however much its node writes.
///
/// - Invariant: entries ascend by replica and sequence number and do not overlap.
/// - Bound: `maximumEntries`. Of more, the one that is due first is forgotten, which is safe: it is asked for again, and held again, for the shortest
///   time.
/// - Complexity: O(log entries) to find a place, O(entries) to insert there or to release.
/// - Source: ours.
package struct HeldDots: Equatable, Sendable {
    package static let maximumEntries = 4_096
    /// Writes whose stamps lie in one such span are due together, at its end.
    package static let spanMilliseconds: UInt64 = 250

    fileprivate struct Entry: Equatable, Sendable {
        let replica: ReplicaID
        var sequences: ClosedRange<UInt64>
        /// The end of the span of their stamps.
        let due: UInt64
    }

    private var entries: [Entry] = [] { didSet { self.named = nil } }
    /// The same without their times. Made when it is asked for: a round with each member asks, and entries seldom change in between.
    private var named: Seen?
    /// What is due first; kept, as it is asked for in every tick.
    package private(set) var earliestDue: UInt64?

    package init() {}

    package var isEmpty: Bool { self.entries.isEmpty }
    package var entryCount: Int { self.entries.count }

    /// What is due last.
    package var latestDue: UInt64? { self.entries.lazy.map(\.due).max() }

    /// How many writes there are, of all replicas or of one.
    package func count(of replica: ReplicaID? = nil) -> Int {
        self.entries.reduce(0) { sum, entry in
            replica.map { $0 == entry.replica } ?? true ? sum + Int(clamping: entry.sequences.upperBound - entry.sequences.lowerBound) + 1 : sum
        }
    }

    /// Keeps a write that is stamped with these milliseconds.
    ///
    /// - Precondition: its number is not 0.
    package mutating func insert(_ dot: Dot, stampedAt milliseconds: UInt64) {
        precondition(dot.sequence > 0, "\(dot) names no write")
        let due = milliseconds / Self.spanMilliseconds * Self.spanMilliseconds + (Self.spanMilliseconds - 1)
        let index = self.firstIndex(notBefore: dot)
        if index < self.entries.count, self.entries[index].contains(dot) { return }
        let joinsBelow = index > 0 && self.entries[index - 1].isFollowed(by: dot, due)
        let joinsAbove = index < self.entries.count && self.entries[index].isPreceded(by: dot, due)
        switch (joinsBelow, joinsAbove) {
        case (true, true):
            self.entries[index - 1].sequences = self.entries[index - 1].sequences.lowerBound...self.entries[index].sequences.upperBound
            self.entries.remove(at: index)
        case (true, false): self.entries[index - 1].sequences = self.entries[index - 1].sequences.lowerBound...dot.sequence
        case (false, true): self.entries[index].sequences = dot.sequence...self.entries[index].sequences.upperBound
        case (false, false):
            self.entries.insert(Entry(replica: dot.replica, sequences: dot.sequence...dot.sequence, due: due), at: index)
            self.earliestDue = min(due, self.earliestDue ?? due)
            if self.entries.count > Self.maximumEntries { self.forgetEarliest() }
        }
    }

    private mutating func forgetEarliest() {
        guard let index = self.entries.firstIndex(where: { $0.due == self.earliestDue }) else { return }
        self.entries.remove(at: index)
        self.earliestDue = self.entries.lazy.map(\.due).min()
    }

    /// Lets go of what is due, and of what has been seen meanwhile.
    ///
    /// - Parameter milliseconds: the latest stamp that is taken now.
    /// - Returns: whether something was due.
    package mutating func release(through milliseconds: UInt64, seen: Seen) -> Bool {
        let isDue = self.earliestDue.map { $0 <= milliseconds } ?? false
        self.entries.removeAll { $0.due <= milliseconds || seen.covers($0.replica, $0.sequences) }
        self.earliestDue = self.entries.lazy.map(\.due).min()
        return isDue
    }

    /// Whether one of the writes is among what a peer has seen.
    package func has(anyOf seen: Seen) -> Bool {
        self.entries.contains { seen.covers(Dot(replica: $0.replica, sequence: $0.sequences.lowerBound)) }
    }

    /// What has been seen, and what is held as if it had been: what need not be asked for.
    package mutating func added(to seen: Seen) -> Seen {
        if self.isEmpty { return seen }
        if self.named == nil { self.named = Seen(self.entries.lazy.map { DotRange(replica: $0.replica, sequences: $0.sequences) }) }
        var added = seen
        added.join(self.named!)
        return added
    }

    private func firstIndex(notBefore dot: Dot) -> Int {
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            let entry = self.entries[middle]
            if (entry.replica, entry.sequences.upperBound) < (dot.replica, dot.sequence) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension HeldDots {
    package static func == (left: Self, right: Self) -> Bool { left.entries == right.entries }
}

extension HeldDots.Entry {
    fileprivate func contains(_ dot: Dot) -> Bool { self.replica == dot.replica && self.sequences.contains(dot.sequence) }

    fileprivate func isFollowed(by dot: Dot, _ due: UInt64) -> Bool {
        self.replica == dot.replica && self.due == due && self.sequences.upperBound == dot.sequence - 1
    }

    fileprivate func isPreceded(by dot: Dot, _ due: UInt64) -> Bool {
        self.replica == dot.replica && self.due == due && self.sequences.lowerBound - 1 == dot.sequence
    }
}

extension Seen {
    /// Some ranges, which ascend and do not overlap; no more runs than any `Seen` has.
    fileprivate init(_ ranges: some Sequence<DotRange>) {
        var added: ContiguousArray<Entry> = []
        var entry: Entry?
        for range in ranges {
            if entry?.replica != range.replica {
                if let entry { added.append(entry) }
                entry = Entry(replica: range.replica, watermark: 0, runs: [])
            }
            if let run = entry!.runs.last, run.upperBound == range.sequences.lowerBound - 1 {
                entry!.runs[entry!.runs.count - 1] = run.lowerBound...range.sequences.upperBound
            } else {
                entry!.runs.append(range.sequences)
            }
        }
        if let entry { added.append(entry) }
        for index in added.indices { added[index].settle() }
        self.init(checked: added)
    }
}
