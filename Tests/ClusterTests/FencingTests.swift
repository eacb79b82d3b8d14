import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// I24, I25: a member that stayed away is fenced, and comes back.
    @Suite struct FencingTests {
        private func salvage(_ node: NodeProcess, _ words: String...) throws -> FinishedProcess {
            try NodeProcess.run(["salvage"] + words + ["--at", "127.0.0.1:\(node.port)"])
        }

        @Test
        func `everything is deleted and dropped while a fenced member is away: none of its old keys comes back, and of its new ones none is lost`()
            throws
        {
            let (old, new) = (2_000, 100)
            // Tables so small that the deletes reach LMDB, and with that the list of what may be dropped, at once.
            let cluster = try TestCluster(3, flags: ["--table-entries", "1000"])
            let (first, away) = (try cluster.client(0), try cluster.client(2))
            try expectOK([["HEARSAY", "SETTING", "gc.window", "0"]], first)
            try expectOK((0..<old).map { ["SET", "old\($0)", "value"] }, away)
            try cluster.waitUntilEqual()
            cluster.cut([2], from: [0, 1])
            // Half of the new ones before anything is deleted: nothing will tell whether those were deleted too.
            try expectOK((0..<new / 2).map { ["SET", "new\($0)", "mine"] }, away)
            try cluster.waitUntilAlone(2)
            #expect(try first.ask(["DEL"] + (0..<old).map { "old\($0)" }) == .integer(old))
            try eventually("the link to be given up") { try cluster.linked(0) == ["n2"] }
            try expectOK([["HEARSAY", "FENCE", "n3"]], first)
            for node in 0..<2 { try eventually("tombstones to go") { try info("tombstones", cluster.client(node)) == "0" } }
            try expectOK((new / 2..<new).map { ["SET", "new\($0)", "mine"] }, away)
            cluster.heal()
            try cluster.nodes[2].waitForLogLine("opening the store again")
            cluster.forgetClient(2)
            try cluster.nodes[2].waitForLogLine("of \(new) versions that this node took along")
            try cluster.waitUntilLinked()
            let all = try cluster.waitUntilEqual()
            #expect(all == Dictionary(uniqueKeysWithValues: (new / 2..<new).map { ("new\($0)", "mine") }))
            let client = try cluster.client(2)
            #expect(try info("exports_salvaged", client) == "\(new / 2)" && info("exports_reentered", client) == "\(new / 2)")
            let kept = try self.salvage(cluster.nodes[2], "list")
            let lines = kept.output.split(separator: "\n")
            #expect(lines.count == new / 2 && lines.allSatisfy { $0.hasSuffix("\"mine\"") }, "\(kept)")
            #expect(try self.salvage(cluster.nodes[2], "discard", "new0").ending == .exited(0))
            #expect(try self.salvage(cluster.nodes[2], "discard", "new0").ending == .exited(1))
            #expect(try self.salvage(cluster.nodes[2], "replay", "--all").ending == .exited(0))
            #expect(try self.salvage(cluster.nodes[2], "list").output.isEmpty)
            #expect(try cluster.waitUntilEqual().count == new - 1)
            for node in 0..<3 { #expect(try cluster.client(node).ask("HEARSAY", "VERIFY").errorText == nil) }
        }

        @Test func `a fenced member that is restarted before it is let in, and killed on the way, comes back all the same`() throws {
            let cluster = try TestCluster(3)
            try expectOK([["SET", "key", "value"]], cluster.client(0))
            try cluster.waitUntilEqual()
            try cluster.kill9(2)
            try eventually("the link to be given up") { try cluster.linked(0) == ["n2"] }
            try expectOK([["HEARSAY", "FENCE", "n3"]], cluster.client(0))
            cluster.cut([2], from: [0, 1])
            try cluster.restart(2)
            #expect(try cluster.client(2).ask("GET", "key") == .text("value"), "it has not heard of that")
            try expectOK([["SET", "mine", "value"]], cluster.client(2))
            try cluster.kill9(2)
            cluster.heal()
            try cluster.restart(2)
            try cluster.nodes[2].waitForLogLine("opening the store again")
            try cluster.kill9(2)
            try cluster.restart(2)
            try cluster.waitUntilLinked()
            try eventually("what only it had to be everywhere") { try cluster.client(1).ask("GET", "mine") == .text("value") }
            #expect(try cluster.waitUntilEqual() == ["key": "value", "mine": "value"])
        }
    }
}
