import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// I22, I23: what was deleted stays deleted, and is forgotten.
    @Suite struct TombstoneTests {
        @Test
        func
            `after a partition of two and one, with writes and deletes on both sides and no window, none is back, none is lost, and all tombstones go`()
            throws
        {
            let (writes, deletes) = (10_000, 5_000)
            let cluster = try TestCluster(3)
            let (left, right) = (try cluster.client(0), try cluster.client(2))
            try expectOK([["HEARSAY", "SETTING", "gc.window", "0"]], left)
            try expectOK((0..<2 * deletes).map { ["SET", "old\($0)", "value"] }, left)
            try cluster.waitUntilEqual()
            cluster.cut([2], from: [0, 1])
            func change(_ side: String, _ range: Range<Int>, _ client: RedisClient) throws {
                try expectOK((0..<writes).map { ["SET", "\(side)\($0)", "value"] }, client)
                let keys = range.map { "old\($0)" }
                #expect(try client.ask(["DEL"] + keys) == .integer(keys.count))
            }
            try change("left", 0..<deletes, left)
            try change("right", deletes..<2 * deletes, right)
            // Neither side drops anything while it does not hear of the other.
            #expect(try Int(info("tombstones", left) ?? "") ?? 0 == deletes && info("gc_blocked_by", left)?.contains("n3") == true)
            cluster.heal()
            let all = try cluster.waitUntilEqual()
            let expected = (0..<writes).flatMap { ["left\($0)", "right\($0)"] }
            #expect(all.count == expected.count && expected.allSatisfy { all[$0] == "value" })
            for node in 0..<3 {
                let client = try cluster.client(node)
                try eventually("tombstones of n\(node + 1) to go") { try info("tombstones", client) == "0" }
                #expect(try client.ask("HEARSAY", "VERIFY").errorText == nil)
            }
            #expect(try cluster.waitUntilEqual().count == expected.count)
        }
    }
}
