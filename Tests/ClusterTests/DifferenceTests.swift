import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// HEARSAY DIFF and REPAIR.
    ///
    /// Two nodes that are linked do not stay different: they mend as soon as their summaries show it. So the network lets their greetings pass and
    /// holds what follows until the command has begun. Without logs to catch up from, nothing moves before its session has ended.
    @Suite struct DifferenceTests {
        @Test func `DIFF names exactly the keys that differ, REPAIR DRYRUN counts them, and REPAIR gives them`() throws {
            let cluster = try TestCluster(2, flags: ["--gossip-interval", "60s", "--log-cap", "0"])
            let here = try cluster.client(0)
            try expectOK((0..<1_000).map { ["SET", "same:\($0)", "value"] }, here)
            try cluster.waitUntilEqual()

            #expect(try Self.differences(Self.askDifferent(cluster, "a", ["HEARSAY", "DIFF", "n2"])) == Self.expected("a"))
            #expect(try Self.differences(Self.askDifferent(cluster, "b", ["HEARSAY", "DIFF", "n2", "LIMIT", "2"])).count == 2)
            let dry = try fields(of: Self.askDifferent(cluster, "c", ["HEARSAY", "REPAIR", "n2", "DRYRUN"]))
            #expect(dry["only-here"] == "5" && dry["only-there"] == "3" && dry["in-both"] == "4", "\(dry)")
            let repair = try fields(of: Self.askDifferent(cluster, "d", ["HEARSAY", "REPAIR", "n2"]))
            #expect(repair["entries-in"] == "6" && repair["entries-out"] == "6" && repair["equal-roots"] == "1", "\(repair)")
            #expect((repair["bytes-in"].flatMap { Int($0) } ?? 0) > 0 && (repair["bytes-out"].flatMap { Int($0) } ?? 0) > 0, "\(repair)")
            let data = try cluster.waitUntilEqual()
            #expect(data["d:both:0"] == "later" && data["d:gone:0"] == nil && data["d:there:2"] == "value")
            #expect(try here.ask("HEARSAY", "DIFF", "n2") == .array([]))
        }

        /// Has two nodes differ in keys of a prefix, and the first one answer a command before they mend.
        private static func askDifferent(_ cluster: TestCluster, _ prefix: String, _ command: [String]) throws -> Reply {
            try Self.makeDifferent(cluster, prefix)
            cluster.change([0], [1]) { $0.holdBehindGreeting() }
            cluster.heal()
            try cluster.waitUntilLinked()
            let here = try cluster.client(0)
            try here.send([command])
            // Whoever is answered now came behind the command.
            #expect(try cluster.nodes[0].client().ask("PING") == .simple("PONG"))
            cluster.change([0], [1]) { $0.release() }
            return try here.reply()
        }

        @Test func `members that are not there are named in an error`() throws {
            let cluster = try TestCluster(2)
            let client = try cluster.client(0)
            #expect(try client.ask("HEARSAY", "DIFF", "n9").errorText?.contains("no member has that name") == true)
            #expect(try client.ask("HEARSAY", "REPAIR", "n1").errorText?.contains("this node") == true)
            try cluster.kill9(1)
            try cluster.waitUntilAlone(0)
            #expect(try client.ask("HEARSAY", "DIFF", "n2").errorText?.contains("not linked") == true)
        }

        private static func makeDifferent(_ cluster: TestCluster, _ prefix: String) throws {
            let (here, there) = (try cluster.client(0), try cluster.client(1))
            try cluster.waitUntilEqual()
            try expectOK((0..<3).map { ["SET", "\(prefix):gone:\($0)", "value"] } + [["SET", "\(prefix):both:0", "value"]], here)
            try cluster.waitUntilEqual()
            cluster.cut([0], from: [1])
            try cluster.waitUntilLinked([0: [], 1: []])
            try expectOK((0..<5).map { ["SET", "\(prefix):here:\($0)", "value"] } + [["SET", "\(prefix):both:0", "earlier"]], here)
            #expect(try here.ask("DEL", "\(prefix):gone:0") == .integer(1))
            let began = Date.now
            try eventually("some milliseconds to pass") { Date.now.timeIntervalSince(began) > 0.005 }
            try expectOK((0..<3).map { ["SET", "\(prefix):there:\($0)", "value"] } + [["SET", "\(prefix):both:0", "later"]], there)
            #expect(try there.ask("DEL", "\(prefix):gone:1", "\(prefix):gone:2") == .integer(2))
        }

        /// The keys that differ, each with the member that is ahead.
        private static func expected(_ prefix: String) -> [String: String] {
            let ahead = [
                "n1": ["here:0", "here:1", "here:2", "here:3", "here:4", "gone:0"],
                "n2": ["there:0", "there:1", "there:2", "both:0", "gone:1", "gone:2"],
            ]
            return ahead.reduce(into: [:]) { all, member in for key in member.value { all["\(prefix):\(key)"] = member.key } }
        }

        private static func differences(_ reply: Reply) -> [String: String] {
            guard case .array(let all) = reply else { return ["no list": "\(reply)"] }
            var differences: [String: String] = [:]
            for case .array(let parts) in all where parts.count == 5 {
                #expect(parts[4].text == "\(parts[3].text == "n1" ? "n2" : "n1") has not seen it")
                differences[parts[0].text ?? "nil"] = parts[3].text
            }
            return differences
        }
    }
}
