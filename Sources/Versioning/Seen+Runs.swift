import Basics

/// The arithmetic of one replica's watermark and runs.
///
/// Neighbours are compared as `lower - 1` against what is below, never as `upper + 1`: numbers come from peers, up to the last that 64 bits hold.
extension Seen.Entry {
    func covers(_ sequence: UInt64) -> Bool {
        if sequence <= self.watermark { return true }
        guard !self.runs.isEmpty else { return false }
        let index = self.firstRun(endingAtOrAfter: sequence)
        return index < self.runs.count && self.runs[index].lowerBound <= sequence
    }

    /// - Returns: Whether the number was not covered before.
    @inline(__always)
    mutating func insert(_ sequence: UInt64) -> Bool {
        guard sequence > self.watermark else { return false }
        if sequence - 1 == self.watermark {
            self.watermark = sequence
            if !self.runs.isEmpty { self.absorb() }
            return true
        }
        return self.insertBeyondGap(sequence)
    }

    /// Adds all that `other`, of the same replica, covers.
    mutating func join(_ other: Self) {
        self.watermark = max(self.watermark, other.watermark)
        if self.runs.isEmpty { self.runs = other.runs } else if !other.runs.isEmpty { self.runs = merged(self.runs, other.runs) }
        self.settle()
    }

    /// Makes runs that ascend and have gaps between them those of an entry: none touches the watermark, and there are not too many.
    mutating func settle() {
        self.absorb()
        self.forgetFarRuns()
    }

    /// Takes out a number that is covered.
    mutating func remove(_ sequence: UInt64) {
        if sequence <= self.watermark {
            if sequence < self.watermark { self.runs.insert(sequence + 1...self.watermark, at: 0) }
            self.watermark = sequence - 1
            return self.forgetFarRuns()
        }
        let index = self.firstRun(endingAtOrAfter: sequence)
        let run = self.runs.remove(at: index)
        if sequence < run.upperBound { self.runs.insert(sequence + 1...run.upperBound, at: index) }
        if sequence > run.lowerBound { self.runs.insert(run.lowerBound...sequence - 1, at: index) }
        self.forgetFarRuns()
    }

    private mutating func insertBeyondGap(_ sequence: UInt64) -> Bool {
        let index = self.firstRun(endingAtOrAfter: sequence)
        if index < self.runs.count, self.runs[index].lowerBound <= sequence { return false }
        let joinsBelow = index > 0 && self.runs[index - 1].upperBound == sequence - 1
        let joinsAbove = index < self.runs.count && self.runs[index].lowerBound - 1 == sequence
        switch (joinsBelow, joinsAbove) {
        case (true, true):
            self.runs[index - 1] = self.runs[index - 1].lowerBound...self.runs[index].upperBound
            self.runs.remove(at: index)
        case (true, false):
            self.runs[index - 1] = self.runs[index - 1].lowerBound...sequence
        case (false, true):
            self.runs[index] = sequence...self.runs[index].upperBound
        case (false, false):
            self.runs.insert(sequence...sequence, at: index)
            self.forgetFarRuns()
        }
        return true
    }

    /// Lets the watermark swallow the runs that it has reached.
    private mutating func absorb() {
        var count = 0
        for run in self.runs {
            guard run.lowerBound <= self.watermark || run.lowerBound - 1 == self.watermark else { break }
            self.watermark = max(self.watermark, run.upperBound)
            count += 1
        }
        if count > 0 { self.runs.removeFirst(count) }
    }

    private mutating func forgetFarRuns() {
        if self.runs.count > Seen.maximumRunsPerReplica { self.runs.removeLast(self.runs.count - Seen.maximumRunsPerReplica) }
    }

    private func firstRun(endingAtOrAfter sequence: UInt64) -> Int {
        var (low, high) = (0, self.runs.count)
        while low < high {
            let middle = (low + high) / 2
            if self.runs[middle].upperBound < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Two lists of runs as one; each ascends and has gaps between its runs.
private func merged(_ left: [ClosedRange<UInt64>], _ right: [ClosedRange<UInt64>]) -> [ClosedRange<UInt64>] {
    var merged: [ClosedRange<UInt64>] = []
    merged.reserveCapacity(left.count + right.count)
    var (fromLeft, fromRight) = (0, 0)
    while fromLeft < left.count || fromRight < right.count {
        let takesLeft = fromRight == right.count || fromLeft < left.count && left[fromLeft].lowerBound < right[fromRight].lowerBound
        let run = takesLeft ? left[fromLeft] : right[fromRight]
        if takesLeft { fromLeft += 1 } else { fromRight += 1 }
        if let last = merged.last, run.lowerBound == 0 || run.lowerBound - 1 <= last.upperBound {
            merged[merged.count - 1] = last.lowerBound...max(last.upperBound, run.upperBound)
        } else {
            merged.append(run)
        }
    }
    return merged
}
