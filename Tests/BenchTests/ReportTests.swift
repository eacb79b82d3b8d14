import Foundation
import Testing

@testable import Bench

@Suite struct ReportTests {
    @Test(arguments: [
        (0.0, 1, "0.0"), (1.25, 1, "1.3"), (-1.25, 2, "-1.25"), (0.04, 1, "0.0"), (99.999, 2, "100.00"), (12, 0, "12"),
        (1e300, 3, "9223372036854775.807"),
        (.nan, 1, "0.0"), (.infinity, 1, "0.0"), (0.000_5, 3, "0.001"),
    ])
    func `numbers have fixed decimals`(_ number: Double, _ decimals: Int, _ text: String) {
        #expect(fixed(number, decimals: decimals) == text)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567"), (Int.min, "-9,223,372,036,854,775,808")])
    func `large numbers are grouped`(_ number: Int, _ text: String) {
        #expect(grouped(number) == text)
    }

    @Test func `the first five kinds of errors are named and the rest counted`() {
        var tally = ErrorTally()
        for index in 0..<8 { for _ in 0...index { tally.record("ERR \(index)") } }
        #expect(tally.kinds.map(\.text) == ["ERR 0", "ERR 1", "ERR 2", "ERR 3", "ERR 4"])
        #expect(tally.kinds.map(\.count) == [1, 2, 3, 4, 5])
        #expect(tally.otherCount == 6 + 7 + 8)
        #expect(tally.total == 36)
    }

    @Test func `percentiles are those of the recorded latencies`() {
        var record = LatencyRecord()
        for microseconds in 1...1_000 { record.record(.microseconds(microseconds)) }
        record.record(.seconds(100_000))
        let summary = record.summary
        #expect(summary.count == 1_001)
        // Three significant digits, and 64 ns at the low end.
        #expect(abs(summary.p50 - 501) < 1 && abs(summary.p99 - 991) < 2 && abs(summary.p999 - 1_000) < 2)
        #expect(abs(summary.longest - 3_600_000_000) < 4_000_000)
        #expect(LatencyRecord().summary == LatencySummary())
    }

    @Test func `the longest pause runs from reply to reply, the first from the start`() {
        var tally = Tally(start: .init(nanoseconds: 100))
        tally.noteReplies(1, at: .init(nanoseconds: 400))
        tally.noteReplies(2, at: .init(nanoseconds: 500))
        #expect(tally.longestPause == .nanoseconds(300))
        tally.noteReplies(1, at: .init(nanoseconds: 900))
        #expect(tally.longestPause == .nanoseconds(400))
        #expect(tally.replies == 4)
    }

    @Test func `the JSON is one object that a parser reads, whatever an error's text holds`() throws {
        var tally = Tally(start: .init(nanoseconds: 0))
        tally.errors.record("ERR \"quoted\" \\ \u{1}\n")
        var options = ServeBenchOptions()
        options.password = Array("secret".utf8)
        let result = PhaseResult(tally: tally, elapsed: .seconds(2))
        let report = ServeBenchReport(options: options, load: nil, measured: result, idleClosedCount: 0)
        let json = report.json()
        #expect(!json.contains("secret") && !json.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let kinds = try #require(object["error_kinds"] as? [[String: Any]])
        #expect(kinds.first?["text"] as? String == "ERR \"quoted\" \\ \u{1}\n")
        #expect(object["load"] is NSNull)
        #expect(report.failures == ["1 requests were answered with an error"])
    }
}
