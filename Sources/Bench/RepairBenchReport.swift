/// What the repair bench measured: medians of its runs, and plain LMDB beside them.
package struct RepairBenchReport: Equatable, Sendable {
    package let options: RepairBenchOptions
    /// From the first byte of the connection to equal digests.
    package let seconds: Double
    /// The same with `RepairBench.delay` added each way.
    package let delayedSeconds: Double
    package let digestBytes: Int
    package let recordBytes: Int
    /// Of each node.
    package let processorSeconds: [Double]
    /// The same over one `REPAIR DRYRUN`, which counts and gives nothing; empty where there were none.
    package let dryProcessorSeconds: [Double]
    package let raw: RepairBench.RawRates
    /// The least and the greatest of the runs without a delay.
    private let digestByteRange: ClosedRange<Int>
    private let recordByteRange: ClosedRange<Int>
    private let secondsRange: ClosedRange<Double>

    /// - Parameters:
    ///   - prompt: the runs without a delay; all but round trips is of these.
    ///   - delayed: the runs with one.
    ///   - dryProcessorSeconds: of each dry run, if there were any, each node's processor time.
    init(
        options: RepairBenchOptions, prompt: [RepairSample], delayed: [RepairSample], dryProcessorSeconds: [[Double]], raw: RepairBench.RawRates
    ) {
        precondition(!prompt.isEmpty && !delayed.isEmpty, "no runs")
        (self.options, self.raw) = (options, raw)
        (self.seconds, self.delayedSeconds) = (median(prompt.map(\.seconds)), median(delayed.map(\.seconds)))
        self.digestBytes = Int(median(prompt.map { Double($0.traffic.digestBytes) }))
        self.digestByteRange = range(prompt.map(\.traffic.digestBytes))
        self.recordByteRange = range(prompt.map(\.traffic.recordBytes))
        self.secondsRange = range(prompt.map(\.seconds))
        self.recordBytes = Int(median(prompt.map { Double($0.traffic.recordBytes) }))
        self.processorSeconds = medians(prompt.map(\.processorSeconds))
        self.dryProcessorSeconds = medians(dryProcessorSeconds)
    }

    /// How often something had to cross before the next thing could, there and back: what a delay costs, in units of it.
    package var roundTrips: Double { (self.delayedSeconds - self.seconds) / (2 * RepairBench.delay.inSeconds) }

    package var repairedPerSecond: Double { self.seconds > 0 ? Double(self.options.differ) / self.seconds : 0 }

    /// The report for a person: a table of a few lines.
    package func text() -> String {
        func line(_ name: String, _ value: String, _ note: String = "") -> String {
            leftAligned(name, width: 15) + rightAligned(value, width: 14) + (note.isEmpty ? "" : "  \(note)")
        }
        func bytesLine(_ name: String, _ count: Int, _ range: ClosedRange<Int>) -> String {
            let share = fixed(Double(count) / Double(self.options.differ), decimals: 1)
            return line(name, grouped(count), "\(share) an entry that differs; \(grouped(range.lowerBound)) to \(grouped(range.upperBound))")
        }
        let (options, differ) = (self.options, self.options.differ)
        let milliseconds = [self.seconds, self.delayedSeconds].map { fixed($0 * 1_000, decimals: 1) }
        let share = self.raw.perSecond > 0 ? self.repairedPerSecond / self.raw.perSecond : 0
        return [
            "\(grouped(options.keys)) equal keys, \(grouped(differ)) that differ (\(options.pattern), \(options.method)), \(grouped(options.valueBytes)) B values, "
                + "seed \(options.seed), medians of \(options.repeatCount)",
            line("round trips", fixed(self.roundTrips, decimals: 2), "\(milliseconds[0]) ms, and \(milliseconds[1]) ms with 100 ms added each way"),
            bytesLine("digest bytes", self.digestBytes, self.digestByteRange),
            bytesLine("record bytes", self.recordBytes, self.recordByteRange),
            line(
                "seconds", fixed(self.seconds, decimals: 4),
                "\(fixed(self.secondsRange.lowerBound, decimals: 4)) to \(fixed(self.secondsRange.upperBound, decimals: 4))"),
            line("repaired/s", grouped(Int(self.repairedPerSecond.rounded())), "\(fixed(share, decimals: 2)) x LMDB in batches"),
            line("CPU seconds", self.processorSeconds.map { fixed($0, decimals: 3) }.joined(separator: " "), "first node, second node"),
            self.dryProcessorSeconds.isEmpty
                ? nil
                : line("", self.dryProcessorSeconds.map { fixed($0, decimals: 3) }.joined(separator: " "), "to count what differs: REPAIR DRYRUN"),
            line("LMDB puts/s", grouped(Int(self.raw.perSecond.rounded())), "synced batches of 1,000"),
            line("", grouped(Int(self.raw.sortedPerSecond.rounded())), "one synced batch, sorted"),
        ].compactMap(\.self).joined(separator: "\n")
    }

    /// The report for a program: one JSON object on one line. `cpu_seconds` has a number for each node.
    package func json() -> String {
        var object = JSONObject()
        object.add("keys", self.options.keys)
        object.add("differ", self.options.differ)
        object.add("round_trips", self.roundTrips, decimals: 3)
        object.add("digest_bytes", self.digestBytes)
        object.add("record_bytes", self.recordBytes)
        object.add("seconds", self.seconds, decimals: 6)
        object.add("repaired_per_second", self.repairedPerSecond, decimals: 1)
        object.add("cpu_seconds", self.processorSeconds, decimals: 6)
        object.add("dryrun_cpu_seconds", self.dryProcessorSeconds, decimals: 6)
        object.add("raw_lmdb_per_second", self.raw.perSecond, decimals: 1)
        object.add("raw_lmdb_sorted_per_second", self.raw.sortedPerSecond, decimals: 1)
        return object.text
    }
}

/// Of each column.
private func medians(_ rows: [[Double]]) -> [Double] { (rows.first ?? []).indices.map { column in median(rows.map { $0[column] }) } }

private func range<Number: Comparable>(_ numbers: [Number]) -> ClosedRange<Number> { numbers.min()!...numbers.max()! }

/// The middle one of some numbers; of an even number of them the mean of the two in the middle.
package func median(_ numbers: [Double]) -> Double {
    precondition(!numbers.isEmpty, "the median of nothing")
    let sorted = numbers.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
