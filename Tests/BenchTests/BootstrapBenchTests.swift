import Foundation
import Testing

@testable import Bench

@Suite struct BootstrapBenchTests {
    private func accepts(_ change: (inout BootstrapBenchOptions) -> Void) -> Bool {
        var options = BootstrapBenchOptions()
        change(&options)
        do throws(BenchError) {
            try options.validate()
            return true
        } catch {
            return false
        }
    }

    @Test func `every option is bounded below and above`() {
        #expect(self.accepts { _ in })
        #expect(self.accepts { $0.keys = 1 } && !self.accepts { $0.keys = 0 })
        #expect(self.accepts { $0.keys = 100_000_000 } && !self.accepts { $0.keys = 100_000_001 })
        #expect(self.accepts { $0.valueBytes = 0 } && !self.accepts { $0.valueBytes = -1 })
        #expect(self.accepts { $0.valueBytes = 16 << 20 } && !self.accepts { $0.valueBytes = 16 << 20 + 1 })
        #expect(self.accepts { $0.bytesPerSecond = 1 << 50 } && !self.accepts { $0.bytesPerSecond = -1 })
        #expect(!self.accepts { $0.bytesPerSecond = 1 << 50 + 1 })
        #expect(self.accepts { $0.repeatCount = 100 } && !self.accepts { $0.repeatCount = 101 } && !self.accepts { $0.repeatCount = 0 })
        #expect(self.accepts { $0.clients = 1_000 } && !self.accepts { $0.clients = 1_001 } && !self.accepts { $0.clients = 0 })
        #expect(self.accepts { $0.seconds = 3_600 } && !self.accepts { $0.seconds = 3_601 } && !self.accepts { $0.seconds = 0 })
        #expect(!self.accepts { $0.folder = "" })
    }

    private static func clients(getNanoseconds: Int64, setNanoseconds: Int64) -> ServeBenchReport {
        var tally = Tally(start: .init(nanoseconds: 0))
        for _ in 0..<100 {
            tally.gets.record(.nanoseconds(getNanoseconds))
            tally.sets.record(.nanoseconds(setNanoseconds))
            tally.hits += 1
        }
        return ServeBenchReport(
            options: ServeBenchOptions(), load: nil, measured: PhaseResult(tally: tally, elapsed: .seconds(1)), idleClosedCount: 0)
    }

    private var report: BootstrapBenchReport {
        var options = BootstrapBenchOptions()
        options.keys = 1_000
        let samples = [(0.5, 1_000), (0.25, 2_000), (1.0, 3_000)].map { seconds, bytes in
            BootstrapSample(seconds: seconds, bytes: bytes, processorSeconds: [0.125, seconds])
        }
        return BootstrapBenchReport(
            options: options, samples: samples, rawSeconds: [0.25, 0.1, 0.3], calm: Self.clients(getNanoseconds: 100_000, setNanoseconds: 200_000),
            disturbed: Self.clients(getNanoseconds: 200_000, setNanoseconds: 500_000), disturbingBootstraps: 7)
    }

    @Test func `the report has the medians, their ratio, and how much later the slowest answers came`() throws {
        let report = self.report
        #expect(report.seconds == 0.5 && report.bytes == 2_000 && report.processorSeconds == [0.125, 0.5])
        #expect(report.entriesPerSecond == 2_000 && report.rawEntriesPerSecond == 4_000 && report.ratio == 0.5)
        #expect(abs(report.slowdowns.gets - 2) < 0.01 && abs(report.slowdowns.sets - 2.5) < 0.01)
        let text = report.text()
        for part in ["0.500", "0.250 to 1.000", "2,000", "0.50 x LMDB", "GET p99", "SET p99", "2.50 x", "7 bootstraps"] {
            #expect(text.contains(part), "\(part)")
        }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
        #expect(object["ratio"] as? Double == 0.5 && object["raw_lmdb_sorted_per_second"] as? Double == 4_000)
        #expect(object["keys"] as? Int == 1_000 && (object["failures"] as? [String])?.isEmpty == true)
    }
}
