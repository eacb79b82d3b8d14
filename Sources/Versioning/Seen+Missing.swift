import Basics

extension Seen {
    /// All but what has been seen of one replica.
    package func without(_ replica: ReplicaID) -> Seen { Seen(checked: self.entries.filter { $0.replica != replica }) }

    /// Whether successive writes of a replica have all been seen.
    package func covers(_ replica: ReplicaID, _ sequences: ClosedRange<UInt64>) -> Bool {
        guard let entry = self.entries.first(where: { $0.replica == replica }) else { return false }
        return sequences.upperBound <= entry.watermark || entry.covers(all: sequences)
    }

    /// The first dot, by replica and sequence number, that `other` covers and this does not; nil where this covers all of it.
    package func firstMissing(of other: Seen) -> Dot? {
        var index = self.entries.startIndex
        for theirs in other.entries {
            let known = self.entry(of: theirs.replica, from: &index)
            if let sequence = known.map(theirs.firstMissing) ?? theirs.first { return Dot(replica: theirs.replica, sequence: sequence) }
        }
        return nil
    }

    /// A replica's entry; nil where nothing of it has been seen.
    ///
    /// - Parameter index: where to look from; where to look from for a greater replica.
    func entry(of replica: ReplicaID, from index: inout Int) -> Entry? {
        while index < self.entries.endIndex, self.entries[index].replica < replica { index += 1 }
        return index < self.entries.endIndex && self.entries[index].replica == replica ? self.entries[index] : nil
    }
}

/// Asked for with every message of a round: they make no arrays.
extension Seen.Entry {
    /// The first sequence number that this covers.
    fileprivate var first: UInt64? { self.watermark > 0 ? 1 : self.runs.first?.lowerBound }

    /// The first sequence number that this covers and `known` does not.
    fileprivate func firstMissing(from known: Seen.Entry) -> UInt64? {
        if self.watermark > known.watermark { return known.watermark + 1 }  // Between a watermark and the first run one is always missing.
        for run in self.runs where run.upperBound > known.watermark {
            if let candidate = known.firstUncovered(from: run.lowerBound), candidate <= run.upperBound { return candidate }
        }
        return nil
    }

    fileprivate func covers(all sequences: ClosedRange<UInt64>) -> Bool {
        self.firstUncovered(from: sequences.lowerBound).map { $0 > sequences.upperBound } ?? true
    }

    /// The first number from `start`, which is not 0, on that is not covered; nil where all to the last of 64 bits are.
    private func firstUncovered(from start: UInt64) -> UInt64? {
        guard self.watermark < .max else { return nil }
        var candidate = max(start, self.watermark + 1)
        for run in self.runs {
            if run.lowerBound > candidate { break }
            if run.upperBound == .max { return nil }
            candidate = max(candidate, run.upperBound + 1)
        }
        return candidate
    }
}
