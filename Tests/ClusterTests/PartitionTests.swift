import Basics
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// A network that falls apart and comes together again.
    @Suite struct PartitionTests {
        @Test(arguments: [true, false])
        func `two and one that were apart have equal data afterwards, lose nothing, and no deleted key comes back`(keepsLogs: Bool) throws {
            let cluster = try TestCluster(3, flags: keepsLogs ? [] : ["--log-cap", "0"])
            let story = PartitionStory(count: ProcessTests.isSoak ? 10_000 : 1_000)
            try story.prepare(cluster.client(0))
            try cluster.waitUntilEqual()

            let before = try Self.figures(of: cluster.client(2))
            cluster.cut([0, 1], from: [2])
            try cluster.waitUntilLinked([0: [1], 1: [0], 2: []])
            try story.write(large: cluster.client(0), small: cluster.client(2))
            // Otherwise nothing was cut, and the test would show nothing.
            #expect(try cluster.client(2).ask("GET", "large:0") == .null)
            #expect(try cluster.client(1).ask("GET", "small:0") == .null)

            cluster.heal()
            try cluster.waitUntilLinked()
            let data = try cluster.waitUntilEqual()
            story.check(data)
            // What the third one lacked came in one way or the other, and not in both.
            let after = try Self.figures(of: cluster.client(2))
            #expect((after["log_entries_in"]! - before["log_entries_in"]! >= story.count / 2) == keepsLogs, "\(before) \(after)")
            #expect((after["entries_in"]! - before["entries_in"]! > 0) == !keepsLogs, "\(before) \(after)")
            for index in 0..<3 { try expectDigestVerifies(cluster.client(index)) }
        }

        /// The figures of both its peers together, as INFO has them.
        private static func figures(of client: RedisClient) throws -> [String: Int] {
            let lines = try (client.ask("INFO", "hearsay").text ?? "").split(whereSeparator: \.isNewline).filter { $0.hasPrefix("peer_") }
            return lines.reduce(into: ["log_entries_in": 0, "entries_in": 0]) { sums, line in
                for field in line.split(separator: ",") {
                    let parts = field.split(separator: "=")
                    if parts.count == 2, let number = Int(parts[1]) { sums[String(parts[0]), default: 0] += number }
                }
            }
        }
    }
}

/// What is written on the two sides of a partition, and what must be there when it has healed.
private struct PartitionStory {
    /// Operations of each side.
    let count: Int

    private var own: Range<Int> { 0..<self.count / 2 }
    private var shared: Range<Int> { 0..<self.count / 4 }
    private var deleted: Range<Int> { 0..<self.count / 4 }

    /// What is there before: keys that one of the sides will delete.
    func prepare(_ client: RedisClient) throws {
        try expectOK(self.deleted.map { ["SET", "gone:\($0)", "before"] } + self.shared.map { ["SET", "shared:\($0)", "before"] }, client)
    }

    /// Both sides write keys of their own, delete half each of what is to go, and write the same keys: first the one side, later the other.
    func write(large: RedisClient, small: RedisClient) throws {
        try expectOK(self.own.map { ["SET", "large:\($0)", "large \($0)"] }, large)
        try expectOK(self.own.map { ["SET", "small:\($0)", "small \($0)"] }, small)
        for (client, parity) in [(large, 0), (small, 1)] {
            let replies = try askAll(self.deleted.filter { $0 % 2 == parity }.map { ["DEL", "gone:\($0)"] }, client)
            #expect(replies.allSatisfy { $0 == .integer(1) })
        }
        let (even, odd) = (self.shared.filter { $0 % 2 == 0 }, self.shared.filter { $0 % 2 == 1 })
        try expectOK(even.map { ["SET", "shared:\($0)", "small"] }, small)
        try expectOK(odd.map { ["SET", "shared:\($0)", "large"] }, large)
        // Later by the clock that decides: its unit is the millisecond.
        let began = Date.now
        try eventually("some milliseconds to pass") { Date.now.timeIntervalSince(began) > 0.005 }
        try expectOK(even.map { ["SET", "shared:\($0)", "large"] }, large)
        try expectOK(odd.map { ["SET", "shared:\($0)", "small"] }, small)
    }

    func check(_ data: [String: String]) {
        let lost = self.own.filter { data["large:\($0)"] != "large \($0)" || data["small:\($0)"] != "small \($0)" }
        #expect(lost.isEmpty, "\(lost.count) keys of one side are lost, among them \(lost.prefix(3))")
        let back = self.deleted.filter { data["gone:\($0)"] != nil }
        #expect(back.isEmpty, "\(back.count) deleted keys are back, among them \(back.prefix(3))")
        let earlier = self.shared.filter { data["shared:\($0)"] != ($0 % 2 == 0 ? "large" : "small") }
        #expect(earlier.isEmpty, "the earlier write won for \(earlier.count) keys, among them \(earlier.prefix(3))")
        #expect(data.count == 2 * self.own.count + self.shared.count)
    }
}

/// Sends writes that must all be answered OK.
func expectOK(_ commands: [[String]], _ client: RedisClient, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let failed = try askAll(commands, client).filter { $0 != .ok }
    #expect(failed.isEmpty, "\(failed.count) writes were not answered OK: \(failed.prefix(1))", sourceLocation: sourceLocation)
}
