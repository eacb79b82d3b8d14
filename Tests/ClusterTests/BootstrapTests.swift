import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// How a node that joins gets everything, and what breaks meanwhile.
    @Suite struct BootstrapTests {
        private static let count = 20_000
        /// About two seconds for all of it.
        private static let slowly = ["--bootstrap-rate", "1536KiB"]

        private static func load(_ client: RedisClient) throws {
            let value = String(repeating: "v", count: 100)
            try expectOK((0..<Self.count).map { ["SET", "key:\($0)", value] }, client)
        }

        private static func number(_ name: String, _ client: RedisClient) throws -> Int { Int(try info(name, client) ?? "") ?? -1 }

        private static func isServing(_ client: RedisClient) throws -> Bool { try client.ask("EXISTS", "nobody").errorText == nil }

        @Test func `a node joins while clients write, answers -LOADING until it has everything, and the rest comes from the log`() throws {
            let cluster = try TestCluster(3, flags: Self.slowly)
            try Self.load(cluster.client(0))
            try cluster.waitUntilEqual()
            let joiner = try NodeProcess(["--name", "n4", "--peer-listen", "127.0.0.1:0", "--seed", "127.0.0.1:\(cluster.nodes[0].peerPort!)"])
            let client = try joiner.client()
            var (written, refusals, reasons) = (0, 0, Set<String>())
            try eventually("n4 to serve") {
                try expectOK((0..<20).map { ["SET", "key:\(($0 + written) * 7 % Self.count)", "new \(written)"] }, cluster.client(written / 20 % 3))
                written += 20
                let reply = try client.ask("GET", "key:1")
                if let text = reply.errorText {
                    refusals += 1
                    reasons.insert(String(text.prefix(40)))
                }
                return reply.errorText == nil
            }
            #expect(refusals > 10 && reasons.allSatisfy { $0.hasPrefix("LOADING ") }, "\(refusals) refusals: \(reasons)")
            #expect(reasons.contains { $0.contains("getting what the cluster holds: ") }, "no progress among \(reasons)")
            let expected = try cluster.waitUntilEqual()
            try eventually("n4 to have what was written meanwhile") {
                try client.ask("HEARSAY", "DIGEST") == cluster.client(0).ask("HEARSAY", "DIGEST")
            }
            #expect(try contents(of: client) == expected)
            try expectDigestVerifies(client)
            // Where both dial each other at once one of the two links goes, and what it carried begins again on the other.
            let bootstraps = try Self.number("bootstraps_begun", client) + Self.number("bootstraps_resumed", client)
            #expect((1...2).contains(bootstraps), "\(bootstraps) bootstraps")
            #expect(try Self.number("bootstrap_messages_dropped", client) > 0)
            print("n4 joined while \(written) writes were answered")
        }

        @Test func `a joiner that is killed three times goes on where it was, and the member gives little twice`() throws {
            let home = try NodeProcess(["--name", "n1", "--peer-listen", "127.0.0.1:0"] + Self.slowly)
            let giver = try home.client()
            try Self.load(giver)
            // Nobody can dial it: all it gets comes from the one member that it dials.
            let joiner = try NodeProcess(["--name", "n2", "--seed", "127.0.0.1:\(home.peerPort!)"])
            var stored = 0
            for breaks in 1...3 {
                let client = try joiner.client()
                try eventually("n2 to have stored more than \(stored) entries") {
                    let now = try Self.number("bootstrap_stored_entries", client)
                    defer { stored = max(stored, now) }
                    return now >= Self.count * breaks / 5
                }
                try joiner.kill9()
                try joiner.restart()
            }
            let client = try joiner.client()
            try eventually("n2 to serve") { try Self.isServing(client) }
            #expect(try client.ask("DBSIZE") == .integer(Self.count))
            #expect(try client.ask("HEARSAY", "DIGEST") == giver.ask("HEARSAY", "DIGEST"))
            try expectDigestVerifies(client)
            let given = try Self.number("given_entries", giver)
            #expect(try (Self.number("givings_begun", giver), Self.number("givings_resumed", giver)) == (1, 3))
            // What was gathered, or on its way, at each break: less than half a second's worth.
            #expect((Self.count...Self.count + 3 * Self.count / 4).contains(given), "\(given) entries were given")
            print("of \(Self.count) entries the member gave \(given), over three kills")
        }

        @Test func `where the member that gives is killed, another gives everything from the first entry on`() throws {
            let cluster = try TestCluster(2, flags: Self.slowly)
            try Self.load(cluster.client(0))
            try cluster.waitUntilEqual()
            let seeds = cluster.nodes.flatMap { ["--seed", "127.0.0.1:\($0.peerPort!)"] }
            let joiner = try NodeProcess(["--name", "n3"] + seeds)
            let client = try joiner.client()
            try eventually("n3 to have stored something") { try Self.number("bootstrap_stored_entries", client) >= Self.count / 4 }
            let donor = try #require(["n1", "n2"].firstIndex(of: try info("bootstrap_donor", client)))
            try cluster.kill9(donor)
            try eventually("n3 to serve") { try Self.isServing(client) }
            #expect(try Self.number("bootstraps_begun", client) == 2)
            #expect(try Self.number("given_entries", cluster.client(1 - donor)) == Self.count)
            #expect(try client.ask("HEARSAY", "DIGEST") == cluster.client(1 - donor).ask("HEARSAY", "DIGEST"))
            try cluster.restart(donor)
            #expect(try cluster.waitUntilEqual() == contents(of: client))
        }

        @Test func `a member's file does not grow while it gives under writes`() throws {
            let home = try NodeProcess(["--name", "n1", "--peer-listen", "127.0.0.1:0", "--table-entries", "2000", "--bootstrap-rate", "768KiB"])
            let client = try home.client()
            try Self.load(client)
            var round = 0
            func overwrite() throws {
                round += 1
                let value = String(repeating: "\(round % 10)", count: 100)
                try expectOK((0..<2_000).map { ["SET", "key:\(($0 * 9_973 + round) % Self.count)", value] }, client)
            }
            // Until LMDB has as many free pages as drains need.
            for _ in 0..<30 { try overwrite() }
            let (before, drainsBefore) = try (Self.number("base_bytes", client), Self.number("drains", client))
            let joiner = try NodeProcess(["--name", "n2", "--seed", "127.0.0.1:\(home.peerPort!)"])
            let joined = try joiner.client()
            try eventually("n2 to serve") {
                try overwrite()
                return try Self.isServing(joined)
            }
            let (after, drains) = try (Self.number("base_bytes", client), Self.number("drains", client) - drainsBefore)
            print("\(drains) drains while it gave; \(before) bytes before, \(after) after")
            #expect(drains >= 10)
            #expect(Double(after) < 1.25 * Double(before), "\(before) bytes before, \(after) after \(drains) drains")
        }

        @Test func `join --watch shows who gives and how far it is, and ends once the node serves`() throws {
            let home = try NodeProcess(["--name", "n1", "--peer-listen", "127.0.0.1:0"] + Self.slowly)
            let giver = try home.client()
            try Self.load(giver)
            let joiner = try NodeProcess(["--name", "n2", "--seed", "127.0.0.1:\(home.peerPort!)"])
            let watched = try NodeProcess.run(["join", "--watch", "--at", "127.0.0.1:\(joiner.port)"])
            #expect(watched.ending == .exited(0), "\(watched)")
            #expect(
                watched.errors.contains("from n1: ") && watched.errors.contains("entries stored") && watched.errors.contains("s to go"), "\(watched)")
            #expect(!watched.errors.contains("\u{1b}") && watched.output.contains("serves"), "\(watched)")
            #expect(try Self.isServing(joiner.client()))
            let quiet = try NodeProcess.run(["join", "--at", "127.0.0.1:\(joiner.port)"])
            #expect(quiet.ending == .exited(0) && quiet.errors.isEmpty, "\(quiet)")
            try joiner.kill9()
            #expect(try NodeProcess.run(["join", "--at", "127.0.0.1:\(joiner.port)"]).ending == .exited(69))
            #expect(try NodeProcess.run(["join", "--help"]).output.contains("--watch"))
        }

        @Test func `the rate holds what is given down, and can be changed while it is`() throws {
            let home = try NodeProcess(["--name", "n1", "--peer-listen", "127.0.0.1:0", "--bootstrap-rate", "64KiB"])
            let client = try home.client()
            try Self.load(client)
            let joiner = try NodeProcess(["--name", "n2", "--seed", "127.0.0.1:\(home.peerPort!)"])
            try eventually("n1 to give") { try Self.number("given_bytes", client) > 0 }
            let (began, before) = (ContinuousClock.now, try Self.number("given_bytes", client))
            try eventually("a few portions to have been given") { try Self.number("given_bytes", client) >= before + (32 << 10) }
            let took = ContinuousClock.now - began
            // Half a second's worth, less a portion that was due.
            #expect(took >= .milliseconds(400), "\(took)")
            #expect(try client.ask("CONFIG", "GET", "bootstrap-rate") == .array([.text("bootstrap-rate"), .text("65536")]))
            #expect(try client.ask("CONFIG", "SET", "bootstrap-rate", "0") == .ok)
            try eventually("n2 to serve") { try Self.isServing(joiner.client()) }
            #expect(try client.ask("CONFIG", "SET", "bootstrap-rate", "-1").errorText != nil)
        }
    }
}
