import Foundation
import Testing

@testable import Bench

@Suite struct RepairBenchTests {
    private func accepts(_ change: (inout RepairBenchOptions) -> Void) -> Bool {
        var options = RepairBenchOptions()
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
        #expect(self.accepts { $0.differ = 1 } && !self.accepts { $0.differ = 0 })
        #expect(self.accepts { $0.differ = 10_000_000 } && !self.accepts { $0.differ = 10_000_001 })
        #expect(self.accepts { $0.valueBytes = 0 } && !self.accepts { $0.valueBytes = -1 })
        #expect(self.accepts { $0.valueBytes = 16 << 20 } && !self.accepts { $0.valueBytes = 16 << 20 + 1 })
        #expect(self.accepts { $0.repeatCount = 1 } && !self.accepts { $0.repeatCount = 0 })
        #expect(self.accepts { $0.repeatCount = 100 } && !self.accepts { $0.repeatCount = 101 })
        #expect(!self.accepts { $0.folder = "" })
    }

    @Test func `no more keys can be updated than there are`() {
        #expect(self.accepts { ($0.pattern, $0.keys, $0.differ) = (.updates, 100, 100) })
        #expect(!self.accepts { ($0.pattern, $0.keys, $0.differ) = (.updates, 100, 101) })
        #expect(self.accepts { ($0.pattern, $0.keys, $0.differ) = (.uniform, 100, 101) })
    }

    // MARK: Keys that differ

    private func draws(_ pattern: RepairBenchOptions.Pattern, differ: Int = 101) -> [DifferingKeys.Draw] {
        var options = RepairBenchOptions()
        (options.keys, options.differ, options.pattern) = (1_000, differ, pattern)
        var keys = DifferingKeys(options, seed: 5)
        return (0..<4).map { _ in keys.next() }
    }

    @Test(arguments: RepairBenchOptions.Pattern.allCases)
    func `each run draws as many keys as are to differ, half on each node unless one has all`(pattern: RepairBenchOptions.Pattern) {
        for draw in self.draws(pattern) {
            #expect(draw.first.count == (pattern == .onesided ? 101 : 51))
            #expect(Set(draw.first + draw.second).count == 101)
        }
    }

    @Test(arguments: [RepairBenchOptions.Pattern.uniform, .clustered, .onesided])
    func `new keys are new in each run`(pattern: RepairBenchOptions.Pattern) {
        let draws = self.draws(pattern)
        #expect(Set(draws.flatMap { $0.first + $0.second }).count == 4 * 101)
        #expect(draws.allSatisfy { $0.prefix != DifferingKeys.equalPrefix && $0.prefix.count == DifferingKeys.equalPrefix.count })
    }

    @Test func `clustered keys are in sequence, and updates are of keys that both nodes have`() {
        #expect(self.draws(.clustered).flatMap { $0.first + $0.second } == Array(0..<404))
        for draw in self.draws(.updates, differ: 1_000) {
            #expect(draw.prefix == DifferingKeys.equalPrefix)
            #expect((draw.first + draw.second).sorted() == Array(0..<1_000))
        }
    }

    // MARK: Report

    private func report(prompt: [Double], delayed: [Double]) -> RepairBenchReport {
        func samples(_ seconds: [Double]) -> [RepairSample] {
            seconds.map { RepairSample(seconds: $0, traffic: PeerTraffic(), processorSeconds: [$0 / 2, $0 / 4]) }
        }
        return RepairBenchReport(
            options: RepairBenchOptions(), prompt: samples(prompt), delayed: samples(delayed),
            dryProcessorSeconds: prompt.map { [$0, $0 / 5] }, raw: RepairBench.RawRates(perSecond: 50_000, sortedPerSecond: 700_000))
    }

    @Test func `figures are medians, and a round trip is what costs two delays`() {
        let report = self.report(prompt: [0.5, 0.1, 0.2], delayed: [1.2, 9, 1.1])
        #expect(report.seconds == 0.2 && report.delayedSeconds == 1.2)
        #expect(abs(report.roundTrips - 5) < 1e-9)
        #expect(report.repairedPerSecond == 50_000)
        #expect(report.processorSeconds == [0.1, 0.05])
        #expect(report.dryProcessorSeconds == [0.2, 0.04])
        #expect(median([4]) == 4 && median([1, 2]) == 1.5 && median([3, 1, 2, 10]) == 2.5)
    }

    @Test func `the JSON is one object with exactly the names that are documented`() throws {
        let json = self.report(prompt: [0.25], delayed: [1]).json()
        #expect(!json.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(
            object.keys.sorted() == [
                "cpu_seconds", "differ", "digest_bytes", "dryrun_cpu_seconds", "keys", "raw_lmdb_per_second", "raw_lmdb_sorted_per_second",
                "record_bytes",
                "repaired_per_second", "round_trips", "seconds",
            ])
        #expect(object["cpu_seconds"] as? [Double] == [0.125, 0.062_5])
        #expect(object["round_trips"] as? Double == 3.75)
    }

    @Test func `a node's ports are read from a whole line that says ready`() throws {
        let line = "2026-01-01T00:00:00+0000 info hearsay: data=/tmp/ready listen=127.0.0.1:4001 peers=127.0.0.1:4002 [Server] ready"
        let ports = try #require(portsWhenReady(inLog: "something else\n\(line)\n"))
        #expect(ports.clients == 4_001 && ports.peers == 4_002)
        #expect(portsWhenReady(inLog: line) == nil)
        let alone = try #require(portsWhenReady(inLog: "listen=127.0.0.1:4001 [Server] ready\n"))
        #expect(alone.clients == 4_001 && alone.peers == nil)
    }
}
