import Basics

/// How long the requests of one kind took, in microseconds. All zero where there were none.
package struct LatencySummary: Equatable, Sendable {
    package var count = 0
    package var p50 = 0.0
    package var p90 = 0.0
    package var p99 = 0.0
    package var p999 = 0.0
    package var longest = 0.0
}

/// What a load run measured, and what was not as expected.
package struct ServeBenchReport: Equatable, Sendable {
    /// The keys written before the measurement.
    package struct Load: Equatable, Sendable {
        package let operations: Int
        package let seconds: Double
    }

    package let options: ServeBenchOptions
    package let load: Load?
    /// Replies to GETs and SETs, error replies included, and the seconds from the first request to the last reply.
    package let operations: Int
    package let seconds: Double
    package let sets: LatencySummary
    package let gets: LatencySummary
    /// The answers to `HEARSAY DIGEST`; nil if it was not to be asked.
    package let digests: LatencySummary?
    /// The longest time without a reply on any connection while requests were outstanding.
    package let longestPauseMicroseconds: Double
    package let hits: Int
    package let misses: Int
    package let wrongValues: Int
    package let errors: ErrorTally
    /// Idle connections that the node closed.
    package let idleClosedCount: Int
    /// Why the run counts as failed, each in one line; empty for a good run.
    package let failures: [String]

    package var rate: Double { self.seconds > 0 ? Double(self.operations) / self.seconds : 0 }

    /// The share of GETs that found a value; 1 if there were none.
    package var hitRate: Double {
        let total = self.hits + self.misses
        return total > 0 ? Double(self.hits) / Double(total) : 1
    }

    init(options: ServeBenchOptions, load: PhaseResult?, measured: PhaseResult, idleClosedCount: Int) {
        let tally = measured.tally
        self.options = options
        self.load = load.map { Load(operations: $0.tally.replies, seconds: $0.elapsed.inSeconds) }
        (self.operations, self.seconds) = (tally.replies, measured.elapsed.inSeconds)
        (self.sets, self.gets) = (tally.sets.summary, tally.gets.summary)
        self.digests = options.digestEvery == nil ? nil : tally.digests.summary
        self.longestPauseMicroseconds = tally.longestPause.inSeconds * 1_000_000
        (self.hits, self.misses, self.wrongValues) = (tally.hits, tally.misses, tally.wrongValues)
        (self.errors, self.idleClosedCount) = (tally.errors, idleClosedCount)
        self.failures = Self.failures(of: tally, options: options, idleClosedCount: idleClosedCount)
    }

    private static func failures(of tally: Tally, options: ServeBenchOptions, idleClosedCount: Int) -> [String] {
        var failures: [String] = []
        if tally.errors.total > 0, !options.allowErrors {
            failures.append("\(grouped(tally.errors.total)) requests were answered with an error")
        }
        if tally.wrongValues > 0 {
            failures.append("\(grouped(tally.wrongValues)) GETs answered a value of another length than \(options.valueBytes) bytes")
        }
        let gets = tally.hits + tally.misses
        if let floor = options.hitRateFloor, gets > 0, Double(tally.hits) < floor * Double(gets) {
            let rate = Double(tally.hits) / Double(gets)
            failures.append("hit rate \(fixed(rate, decimals: 6)) is below \(fixed(floor, decimals: 6)): \(grouped(tally.misses)) misses")
        }
        if idleClosedCount > 0 {
            failures.append("\(grouped(idleClosedCount)) of \(grouped(options.idleClients)) idle connections were closed by the node")
        }
        return failures
    }
}
