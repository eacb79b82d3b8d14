import Basics

/// Successive writes of one replica.
package struct DotRange: Equatable, Sendable {
    package let replica: ReplicaID
    package let sequences: ClosedRange<UInt64>

    package init(replica: ReplicaID, sequences: ClosedRange<UInt64>) { (self.replica, self.sequences) = (replica, sequences) }
}

extension DotRange: CustomStringConvertible {
    /// The replica's 32 digits, a slash, first and last.
    package var description: String { "\(self.replica)/\(self.sequences)" }
}

extension [DotRange] {
    /// Whether one of the ranges, which ascend by replica and sequence number and do not overlap, holds the dot.
    package func covers(_ dot: Dot) -> Bool {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            let range = self[middle]
            if (range.replica, range.sequences.upperBound) < (dot.replica, dot.sequence) { low = middle + 1 } else { high = middle }
        }
        return low < self.count && self[low].replica == dot.replica && self[low].sequences.contains(dot.sequence)
    }
}

extension Seen {
    /// What `other` covers and this does not, ascending; no more than so many ranges, the first ones.
    package func missing(of other: Seen, limit: Int) -> [DotRange] {
        var missing: [DotRange] = []
        var index = self.entries.startIndex
        for theirs in other.entries {
            while index < self.entries.endIndex, self.entries[index].replica < theirs.replica { index += 1 }
            let isKnown = index < self.entries.endIndex && self.entries[index].replica == theirs.replica
            let known = isKnown ? self.entries[index].ranges : []
            for sequences in uncovered(of: theirs.ranges, by: known) {
                guard missing.count < limit else { return missing }
                missing.append(DotRange(replica: theirs.replica, sequences: sequences))
            }
        }
        return missing
    }
}

extension Seen.Entry {
    /// All that is covered, ascending.
    fileprivate var ranges: [ClosedRange<UInt64>] { (self.watermark > 0 ? [1...self.watermark] : []) + self.runs }
}

/// The parts of some ranges that others do not cover; both ascend and do not overlap.
private func uncovered(of ranges: [ClosedRange<UInt64>], by known: [ClosedRange<UInt64>]) -> [ClosedRange<UInt64>] {
    var rest: [ClosedRange<UInt64>] = []
    var next = known.startIndex
    for range in ranges {
        var first = range.lowerBound
        var isDone = false
        while next < known.endIndex, known[next].upperBound < first { next += 1 }
        var index = next
        while index < known.endIndex, known[index].lowerBound <= range.upperBound {
            if known[index].lowerBound > first { rest.append(first...known[index].lowerBound - 1) }
            guard known[index].upperBound < range.upperBound else {
                isDone = true
                break
            }
            first = known[index].upperBound + 1
            index += 1
        }
        if !isDone { rest.append(first...range.upperBound) }
    }
    return rest
}
