/// What the bootstrap bench measured: medians of its runs, and plain LMDB beside them.
package struct BootstrapBenchReport: Equatable, Sendable {
    package let options: BootstrapBenchOptions
    /// From the start of the joiner's process until it serves.
    package let seconds: Double
    private let secondsRange: ClosedRange<Double>
    /// Records as they cross.
    package let bytes: Int
    /// Of the member and the joiner, over a bootstrap.
    package let processorSeconds: [Double]
    /// One sorted synced load of the same entries into an empty LMDB file.
    package let rawSeconds: Double
    /// What clients of the member saw without a bootstrap, and with one after the other.
    package let calm: ServeBenchReport
    package let disturbed: ServeBenchReport
    package let disturbingBootstraps: Int

    init(
        options: BootstrapBenchOptions, samples: [BootstrapSample], rawSeconds: [Double], calm: ServeBenchReport, disturbed: ServeBenchReport,
        disturbingBootstraps: Int
    ) {
        precondition(!samples.isEmpty && !rawSeconds.isEmpty, "no runs")
        let all = samples.map(\.seconds)
        (self.options, self.seconds, self.secondsRange) = (options, median(all), all.min()!...all.max()!)
        self.bytes = Int(median(samples.map { Double($0.bytes) }))
        self.processorSeconds = [0, 1].map { node in median(samples.map { $0.processorSeconds[node] }) }
        (self.rawSeconds, self.calm, self.disturbed) = (median(rawSeconds), calm, disturbed)
        self.disturbingBootstraps = disturbingBootstraps
    }

    package var entriesPerSecond: Double { Double(self.options.keys) / self.seconds }
    package var rawEntriesPerSecond: Double { Double(self.options.keys) / self.rawSeconds }
    package var ratio: Double { self.rawSeconds / self.seconds }

    /// By how much the slowest hundredth of GETs, and of SETs, took longer while bootstraps ran.
    package var slowdowns: (gets: Double, sets: Double) {
        func times(_ before: LatencySummary, _ after: LatencySummary) -> Double { before.p99 > 0 ? after.p99 / before.p99 : 0 }
        return (times(self.calm.gets, self.disturbed.gets), times(self.calm.sets, self.disturbed.sets))
    }

    /// The report for a person: a table of a few lines.
    package func text() -> String {
        func line(_ name: String, _ value: String, _ note: String = "") -> String {
            leftAligned(name, width: 15) + rightAligned(value, width: 14) + (note.isEmpty ? "" : "  \(note)")
        }
        func latency(_ name: String, _ before: LatencySummary, _ after: LatencySummary, _ times: Double) -> String {
            let numbers = [before.p50, after.p50].map { fixed($0, decimals: 1) }
            let note = "µs, \(fixed(before.p99, decimals: 1)) without a bootstrap: \(fixed(times, decimals: 2)) x; p50 \(numbers[1]), \(numbers[0])"
            return line("\(name) p99", fixed(after.p99, decimals: 1), note)
        }
        let options = self.options
        let rate = options.bytesPerSecond == 0 ? "no rate" : "at most \(grouped(options.bytesPerSecond)) B/s"
        let mebibytes = Double(self.bytes) / self.seconds / 1_048_576
        return [
            "\(grouped(options.keys)) keys, \(grouped(options.valueBytes)) B values, \(rate), seed \(options.seed), medians of \(options.repeatCount)",
            line(
                "seconds", fixed(self.seconds, decimals: 3),
                "\(fixed(self.secondsRange.lowerBound, decimals: 3)) to \(fixed(self.secondsRange.upperBound, decimals: 3)), from the start of the process until it serves"
            ),
            line("entries/s", grouped(Int(self.entriesPerSecond.rounded())), "\(fixed(self.ratio, decimals: 2)) x LMDB"),
            line("MiB/s", fixed(mebibytes, decimals: 1), "\(grouped(self.bytes)) B of records"),
            line("CPU seconds", self.processorSeconds.map { fixed($0, decimals: 3) }.joined(separator: " "), "member, joiner"),
            line("LMDB entries/s", grouped(Int(self.rawEntriesPerSecond.rounded())), "one sorted synced load of the same entries"),
            latency("GET", self.calm.gets, self.disturbed.gets, self.slowdowns.gets),
            latency("SET", self.calm.sets, self.disturbed.sets, self.slowdowns.sets),
            line(
                "requests/s", grouped(Int(self.disturbed.rate.rounded())),
                "\(grouped(Int(self.calm.rate.rounded()))) without; \(options.clients) clients, \(self.disturbingBootstraps) bootstraps in \(options.seconds) s"
            ),
        ].joined(separator: "\n")
    }

    /// The report for a program: one JSON object on one line. Latencies are in microseconds.
    package func json() -> String {
        var object = JSONObject()
        object.add("keys", self.options.keys)
        object.add("rate_bytes_per_second", self.options.bytesPerSecond)
        object.add("seconds", self.seconds, decimals: 6)
        object.add("entries_per_second", self.entriesPerSecond, decimals: 1)
        object.add("record_bytes", self.bytes)
        object.add("cpu_seconds", self.processorSeconds, decimals: 6)
        object.add("raw_lmdb_sorted_per_second", self.rawEntriesPerSecond, decimals: 1)
        object.add("ratio", self.ratio, decimals: 3)
        for (name, report) in [("calm", self.calm), ("disturbed", self.disturbed)] {
            object.add("\(name)_get_p99", report.gets.p99, decimals: 1)
            object.add("\(name)_set_p99", report.sets.p99, decimals: 1)
            object.add("\(name)_requests_per_second", report.rate, decimals: 1)
        }
        object.add("get_slowdown", self.slowdowns.gets, decimals: 3)
        object.add("set_slowdown", self.slowdowns.sets, decimals: 3)
        object.add("failures", self.calm.failures + self.disturbed.failures)
        return object.text
    }
}
