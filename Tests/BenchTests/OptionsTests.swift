import Testing

@testable import Bench

@Suite struct OptionsTests {
    /// Whether options changed like this are accepted.
    private func accepts(_ change: (inout ServeBenchOptions) -> Void) -> Bool {
        var options = ServeBenchOptions()
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
        #expect(self.accepts { $0.clients = 10_000 } && !self.accepts { $0.clients = 10_001 } && !self.accepts { $0.clients = 0 })
        #expect(self.accepts { $0.pipeline = 10_000 } && !self.accepts { $0.pipeline = 10_001 } && !self.accepts { $0.pipeline = 0 })
        #expect(self.accepts { $0.port = 65_535 } && !self.accepts { $0.port = 65_536 } && !self.accepts { $0.port = 0 })
        #expect(self.accepts { $0.keys = 1_000_000_000_000 } && !self.accepts { $0.keys = 1_000_000_000_001 } && !self.accepts { $0.keys = 0 })
        #expect(self.accepts { $0.valueBytes = 0 } && !self.accepts { $0.valueBytes = -1 } && !self.accepts { $0.valueBytes = 64 * 1024 * 1024 + 1 })
        #expect(self.accepts { $0.idleClients = 60_000 } && !self.accepts { $0.idleClients = 60_001 } && !self.accepts { $0.idleClients = -1 })
        #expect(self.accepts { $0.getShare = 1 } && !self.accepts { $0.getShare = 1.01 } && !self.accepts { $0.getShare = .nan })
        #expect(
            self.accepts { $0.limit = .seconds(86_400) } && !self.accepts { $0.limit = .seconds(86_401) } && !self.accepts { $0.limit = .seconds(0) })
        #expect(self.accepts { $0.limit = .requests(1) } && !self.accepts { $0.limit = .requests(0) })
        #expect(self.accepts { $0.expectedHitRate = 1 } && !self.accepts { $0.expectedHitRate = 1.1 })
        #expect(self.accepts { $0.ttlSeconds = 1 } && !self.accepts { $0.ttlSeconds = 0 })
        #expect(self.accepts { $0.ttlSeconds = 1_000_000_000 } && !self.accepts { $0.ttlSeconds = 1_000_000_001 })
        #expect(self.accepts { $0.digestEvery = .milliseconds(10) } && !self.accepts { $0.digestEvery = .milliseconds(9) })
        #expect(
            self.accepts { $0.keyPrefix = String(repeating: "p", count: 488) } && !self.accepts { $0.keyPrefix = String(repeating: "p", count: 489) })
    }

    @Test func `the memory of all requests in flight is bounded`() {
        #expect(self.accepts { ($0.clients, $0.pipeline, $0.valueBytes) = (10, 100, 1_000_000) })
        #expect(!self.accepts { ($0.clients, $0.pipeline, $0.valueBytes) = (10, 108, 1_000_000) })
    }
}
