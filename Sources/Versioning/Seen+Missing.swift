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
        for theirs in other.entries {
            let known = self.entries.first { $0.replica == theirs.replica } ?? Entry(replica: theirs.replica, watermark: 0, runs: [])
            if let sequence = theirs.firstMissing(from: known) { return Dot(replica: theirs.replica, sequence: sequence) }
        }
        return nil
    }
}

extension Seen.Entry {
    /// The first sequence number that this covers and `known` does not.
    fileprivate func firstMissing(from known: Seen.Entry) -> UInt64? {
        for run in (self.watermark > 0 ? [1...self.watermark] : []) + self.runs {
            let candidate = known.firstUncovered(from: run.lowerBound)
            if let candidate, candidate <= run.upperBound { return candidate }
        }
        return nil
    }

    fileprivate func covers(all sequences: ClosedRange<UInt64>) -> Bool {
        self.firstUncovered(from: sequences.lowerBound).map { $0 > sequences.upperBound } ?? true
    }

    /// The first number from `start` on that is not covered; nil where all to the last of 64 bits are.
    private func firstUncovered(from start: UInt64) -> UInt64? {
        var candidate = start
        for run in (self.watermark > 0 ? [1...self.watermark] : []) + self.runs where run.contains(candidate) {
            if run.upperBound == .max { return nil }
            candidate = run.upperBound + 1
        }
        return candidate
    }
}
