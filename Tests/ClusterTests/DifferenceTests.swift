import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// HEARSAY DIFF and REPAIR.
    ///
    /// Two nodes that are linked do not stay different: a session begins as soon as their summaries show it. So the network lets their greetings
    /// pass and holds what follows until DIFF has begun, and rounds are a minute apart.
    @Suite struct DifferenceTests {
        @Test func `DIFF names exactly the keys that differ, REPAIR DRYRUN counts them, and REPAIR gives them`() throws {
            let cluster = try TestCluster(2, flags: ["--gossip-interval", "60s"])
            let (here, there) = (try cluster.client(0), try cluster.client(1))
            try expectOK((0..<1_000).map { ["SET", "same:\($0)", "value"] }, here)
            try cluster.waitUntilEqual()
            try Self.makeDifferent(cluster)

            cluster.change([0], [1]) { $0.holdBehindFirstFrame() }
            cluster.heal()
            try cluster.waitUntilLinked()
            try here.send([["HEARSAY", "DIFF", "n2"]])
            // Whoever is answered now came behind DIFF.
            #expect(try cluster.nodes[0].client().ask("PING") == .simple("PONG"))
            cluster.change([0], [1]) { $0.release() }
            let differences = Self.differences(try here.reply())
            #expect(differences == Self.expected)

            let dry = try fields(of: here.ask("HEARSAY", "REPAIR", "n2", "DRYRUN"))
            #expect(dry["only-here"] == "5" && dry["only-there"] == "3" && dry["in-both"] == "4", "\(dry)")
            #expect(try there.ask("GET", "here:0") == .null, "a dry run gave something")
            let limited = Self.differences(try here.ask("HEARSAY", "DIFF", "n2", "LIMIT", "2"))
            #expect(limited.count == 2)

            let repair = try fields(of: here.ask("HEARSAY", "REPAIR", "n2"))
            #expect(repair["entries-in"] == "6" && repair["entries-out"] == "6" && repair["equal-roots"] == "1", "\(repair)")
            #expect((repair["bytes-in"].flatMap { Int($0) } ?? 0) > 0 && (repair["bytes-out"].flatMap { Int($0) } ?? 0) > 0, "\(repair)")
            let data = try cluster.waitUntilEqual()
            #expect(data["both:0"] == "later" && data["gone:0"] == nil && data["there:2"] == "value")
            #expect(try here.ask("HEARSAY", "DIFF", "n2") == .array([]))
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

        private static func makeDifferent(_ cluster: TestCluster) throws {
            let (here, there) = (try cluster.client(0), try cluster.client(1))
            try expectOK((0..<3).map { ["SET", "gone:\($0)", "value"] } + [["SET", "both:0", "value"]], here)
            try cluster.waitUntilEqual()
            cluster.cut([0], from: [1])
            try cluster.waitUntilLinked([0: [], 1: []])
            try expectOK((0..<5).map { ["SET", "here:\($0)", "value"] } + [["SET", "both:0", "earlier"]], here)
            #expect(try here.ask("DEL", "gone:0") == .integer(1))
            let began = Date.now
            try eventually("some milliseconds to pass") { Date.now.timeIntervalSince(began) > 0.005 }
            try expectOK((0..<3).map { ["SET", "there:\($0)", "value"] } + [["SET", "both:0", "later"]], there)
            #expect(try there.ask("DEL", "gone:1", "gone:2") == .integer(2))
        }

        /// The keys that differ, each with the member that is ahead.
        private static let expected = [
            "here:0": "n1", "here:1": "n1", "here:2": "n1", "here:3": "n1", "here:4": "n1", "there:0": "n2", "there:1": "n2", "there:2": "n2",
            "both:0": "n2", "gone:0": "n1", "gone:1": "n2", "gone:2": "n2",
        ]

        private static func differences(_ reply: Reply) -> [String: String] {
            guard case .array(let all) = reply else { return ["no list": "\(reply)"] }
            var differences: [String: String] = [:]
            for case .array(let parts) in all where parts.count == 4 { differences[parts[0].text ?? "nil"] = parts[3].text }
            return differences
        }
    }
}
