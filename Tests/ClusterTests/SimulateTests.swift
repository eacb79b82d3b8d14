import TestSupport
import Testing

/// `hearsay simulate`.
@Suite struct SimulateTests {
    @Test func `one seed gives one history, event by event, in every process`() throws {
        let runs = try (0..<2).map { _ in try NodeProcess.run(["simulate", "--seed", "5", "--count", "2", "--operations", "300"]) }
        let histories = runs.map { run in run.output.split(separator: "\n").filter { $0.hasPrefix("seed ") } }
        #expect(histories[0].count == 2 && histories[0].allSatisfy { $0.contains("digest") })
        #expect(histories[0] == histories[1])
    }
}
