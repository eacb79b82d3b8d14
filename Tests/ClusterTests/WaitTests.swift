import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// WAIT and HEARSAY LAG in a set of three.
    @Suite struct WaitTests {
        @Test func `WAIT counts the members that have this connection's last write, and no more`() throws {
            let cluster = try TestCluster(3)
            let client = try cluster.client(0)
            for number in 0..<20 {
                try expectOK([["SET", "key", "\(number)"]], client)
                #expect(try client.ask("WAIT", "2", "0") == .integer(2))
                // Whoever is counted has it, readable.
                for index in 1...2 { #expect(try cluster.client(index).ask("GET", "key").text == "\(number)") }
            }
            try cluster.kill9(2)
            try cluster.waitUntilLinked([0: [1], 1: [0]])
            try expectOK([["SET", "key", "later"]], client)
            #expect(try client.ask("WAIT", "1", "0") == .integer(1))
            let began = Date.now
            #expect(try client.ask("WAIT", "2", "300") == .integer(1))
            #expect(Date.now.timeIntervalSince(began) >= 0.3)
            // Nobody waits for another's write.
            #expect(try cluster.nodes[0].client().ask("WAIT", "2", "0") == .integer(2))
            try cluster.restart(2)
            #expect(try client.ask("WAIT", "2", "0") == .integer(2))
        }

        @Test func `LAG tells who lacks how many writes of whom, and since when`() throws {
            let cluster = try TestCluster(3)
            let client = try cluster.client(0)
            let before = Int(Date.now.timeIntervalSince1970 * 1_000)
            try expectOK([["SET", "key", "value"]], client)
            #expect(try client.ask("WAIT", "2", "0") == .integer(2))
            try cluster.kill9(2)
            try cluster.waitUntilLinked([0: [1], 1: [0]])
            try expectOK((0..<10).map { ["SET", "new:\($0)", "value"] }, client)
            #expect(try client.ask("WAIT", "1", "0") == .integer(1))
            let lags = try Self.lags(client)
            #expect(lags.count == 6)
            #expect(lags["n3 of n1"]?["lacks"] == "10" && lags["n3 of n2"]?["lacks"] == "0" && lags["n2 of n1"]?["lacks"] == "0", "\(lags)")
            let upTo = try #require(lags["n3 of n1"]?["up-to-ms"].flatMap { Int($0) })
            #expect(upTo >= before - 1 && upTo <= Int(Date.now.timeIntervalSince1970 * 1_000))
            try cluster.restart(2)
            try cluster.waitUntilEqual()
            try eventually("nobody to lack anything") { try Self.lags(client).values.allSatisfy { $0["lacks"] == "0" } }
        }

        private static func lags(_ client: RedisClient) throws -> [String: [String: String]] {
            guard case .array(let all) = try client.ask("HEARSAY", "LAG") else { return [:] }
            return all.reduce(into: [:]) { lags, reply in
                let fields = fields(of: reply)
                lags["\(fields["member"] ?? "?") of \(fields["of"] ?? "?")"] = fields
            }
        }
    }
}
