import Basics
import Histogram

/// How long requests of one kind took, in nanoseconds: every one of them counted, none sampled.
///
/// - Bound: three significant digits up to an hour; what is longer counts as an hour.
struct LatencyRecord: Sendable {
    private static let longestNanoseconds: UInt64 = 3_600_000_000_000

    // A resolution of 64 ns keeps the counts small enough to stay in the processor's cache.
    private var histogram = Histogram<UInt64>(lowestDiscernibleValue: 64, highestTrackableValue: Self.longestNanoseconds)

    mutating func record(_ latency: Duration, count: Int = 1) {
        let nanoseconds = UInt64(clamping: latency.wholeNanoseconds)
        self.histogram.record(min(nanoseconds, Self.longestNanoseconds), count: UInt64(count))
    }

    var summary: LatencySummary {
        func microseconds(_ percentile: Double) -> Double { Double(self.histogram.valueAtPercentile(percentile)) / 1_000 }
        let count = Int(clamping: self.histogram.totalCount)
        guard count > 0 else { return LatencySummary() }
        return LatencySummary(
            count: count, p50: microseconds(50), p90: microseconds(90), p99: microseconds(99), p999: microseconds(99.9),
            longest: Double(self.histogram.max) / 1_000)
    }
}

/// The error replies of a run by their text.
///
/// - Bound: the first `kindLimit` different texts; the errors of any other text are only counted.
package struct ErrorTally: Equatable, Sendable {
    package struct Kind: Equatable, Sendable {
        package let text: String
        package internal(set) var count: Int
    }

    package static let kindLimit = 5

    /// In the order of their first arrival.
    package private(set) var kinds: [Kind] = []
    package private(set) var otherCount = 0

    package var total: Int { self.kinds.reduce(self.otherCount) { $0 + $1.count } }

    mutating func record(_ text: String) {
        if let index = self.kinds.firstIndex(where: { $0.text == text }) {
            self.kinds[index].count += 1
        } else if self.kinds.count < Self.kindLimit {
            self.kinds.append(Kind(text: text, count: 1))
        } else {
            self.otherCount += 1
        }
    }
}

/// Everything that is counted while requests run.
///
/// - Invariant: each reply to a load connection is counted in exactly one of `sets`, `gets` and `errors`, which also has those of the asker of digests.
struct Tally: Sendable {
    var sets = LatencyRecord()
    var gets = LatencyRecord()
    var digests = LatencyRecord()
    var hits = 0
    var misses = 0
    /// GETs whose value has another length than every SET gives it.
    var wrongValues = 0
    var errors = ErrorTally()
    private(set) var replies = 0
    private(set) var longestPause = Duration.zero
    private(set) var lastReplyAt: Instant

    /// The first pause is counted from `start`, when the first request is written.
    init(start: Instant) {
        self.lastReplyAt = start
    }

    /// Notes that `count` replies arrived on some load connection in one read.
    mutating func noteReplies(_ count: Int, at now: Instant) {
        self.replies += count
        self.longestPause = max(self.longestPause, now.since(self.lastReplyAt))
        self.lastReplyAt = now
    }
}
