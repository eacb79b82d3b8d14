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
            let known = self.entry(of: theirs.replica, from: &index)
            // As most are, in every round.
            if theirs.runs.isEmpty, theirs.watermark <= known?.watermark ?? 0 { continue }
            for sequences in uncovered(of: Ranges(theirs), by: Ranges(known)) {
                guard missing.count < limit else { return missing }
                missing.append(DotRange(replica: theirs.replica, sequences: sequences))
            }
        }
        return missing
    }
}

/// All that an entry covers, ascending: the watermark's numbers, where there are any, and the runs.
private struct Ranges {
    private let watermark: UInt64
    private let runs: [ClosedRange<UInt64>]
    let count: Int

    init(_ entry: Seen.Entry?) {
        (self.watermark, self.runs) = (entry?.watermark ?? 0, entry?.runs ?? [])
        self.count = self.runs.count + (self.watermark > 0 ? 1 : 0)
    }

    subscript(index: Int) -> ClosedRange<UInt64> {
        guard self.watermark > 0 else { return self.runs[index] }
        return index == 0 ? 1...self.watermark : self.runs[index - 1]
    }
}

/// The parts of some ranges that others do not cover.
private func uncovered(of ranges: Ranges, by known: Ranges) -> [ClosedRange<UInt64>] {
    var rest: [ClosedRange<UInt64>] = []
    var next = 0
    for range in (0..<ranges.count).lazy.map({ ranges[$0] }) {
        var first = range.lowerBound
        var isDone = false
        while next < known.count, known[next].upperBound < first { next += 1 }
        var index = next
        while index < known.count, known[index].lowerBound <= range.upperBound {
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
