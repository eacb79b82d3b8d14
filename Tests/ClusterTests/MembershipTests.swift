import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// Who belongs to a set, and how that changes.
    @Suite struct MembershipTests {
        @Test func `a member that leaves hands over what only it has, is forgotten by nobody's data, and takes no more writes`() throws {
            let cluster = try TestCluster(3)
            try expectOK((0..<300).map { ["SET", "key:\($0)", "value"] }, cluster.client(2))
            #expect(try cluster.client(2).ask("HEARSAY", "LEAVE") == .ok)
            for command in [["SET", "a", "1"], ["GET", "key:1"], ["HEARSAY", "DIGEST"]] {
                #expect(try cluster.client(2).ask(command).errorText?.hasPrefix("NOMEMBER this node has left the cluster") == true)
            }
            #expect(try cluster.client(2).ask("HEARSAY", "STATUS").text?.contains("this node has left the cluster") == true)
            for index in 0..<2 {
                try eventually("n\(index + 1) to know") { try Self.names(cluster.client(index)) == ["n1", "n2"] }
                #expect(try contents(of: cluster.client(index)).count == 300)
            }
            // It stays out, also after a restart, and has said so.
            try cluster.kill9(2)
            try cluster.restart(2)
            #expect(try cluster.client(2).ask("GET", "key:1").errorText?.hasPrefix("NOMEMBER") == true)
            // The others go on, and a restart waits for nobody who has gone.
            let id = try info("replica_id", cluster.client(1))
            try cluster.kill9(1)
            try cluster.restart(1)
            try expectOK([["SET", "a", "1"]], cluster.client(1))
            #expect(try info("replica_id", cluster.client(1)) == id)
            // With an empty folder it may come again.
            try cluster.wipe(2)
            try cluster.waitUntilServing()
            try cluster.waitUntilLinked()
            #expect(try cluster.waitUntilEqual().count == 301)
        }

        @Test func `a member that is down is removed by name, does not come back with its data, and may with an empty folder`() throws {
            let cluster = try TestCluster(3)
            try expectOK([["SET", "a", "1"]], cluster.client(2))
            try cluster.waitUntilEqual()
            let client = try cluster.client(0)
            #expect(try client.ask("HEARSAY", "REMOVE", "n3").errorText?.contains("is up and linked") == true)
            #expect(try client.ask("HEARSAY", "REMOVE", "n1").errorText?.contains("that is this node") == true)
            #expect(try client.ask("HEARSAY", "REMOVE", "n9").errorText?.contains("no member has that name") == true)
            try cluster.kill9(2)
            try cluster.waitUntilLinked([0: [1], 1: [0]])
            #expect(try client.ask("HEARSAY", "REMOVE", "n3") == .ok)
            for index in 0..<2 { try eventually("n\(index + 1) to know") { try Self.names(cluster.client(index)) == ["n1", "n2"] } }
            try cluster.restart(2)
            try eventually("n3 to hear of it") {
                try cluster.client(2).ask("GET", "a").errorText?.hasPrefix("NOMEMBER this node was removed") == true
            }
            try cluster.wipe(2)
            try cluster.waitUntilServing()
            #expect(try cluster.waitUntilEqual() == ["a": "1"])
            #expect(try Self.names(client) == ["n1", "n2", "n3"])
        }

        @Test func `nobody leaves alone, or while the others do not have what only it has`() throws {
            let alone = try NodeProcess(["--peer-listen", "127.0.0.1:0"])
            #expect(try alone.client().ask("HEARSAY", "LEAVE").errorText == "ERR this node is the only member")
            #expect(try NodeProcess().client().ask("HEARSAY", "LEAVE").errorText == "ERR this node is the only member")
            let cluster = try TestCluster(2)
            try cluster.kill9(1)
            try cluster.waitUntilAlone(0)
            #expect(try cluster.client(0).ask("HEARSAY", "LEAVE").errorText?.contains("no other member is linked") == true)
            try expectOK([["SET", "a", "1"]], cluster.client(0))
        }

        @Test func `a member that returns under another address is the same`() throws {
            let home = try NodeProcess(["--name", "home", "--peer-listen", "127.0.0.1:0"])
            let other = try NodeProcess(["--name", "other", "--peer-listen", "127.0.0.1:0", "--seed", "127.0.0.1:\(home.peerPort!)"])
            try expectOK([["SET", "a", "1"]], home.client())
            try eventually("other to have it") { try other.client().ask("GET", "a") == .text("1") }
            let before = try #require(try members(home.client()).first { $0["name"] == "other" })
            try other.kill9()
            try other.restart()
            try eventually("other to be linked again") {
                let now = try members(home.client()).first { $0["name"] == "other" }
                return now?["state"] == "linked" && now?["id"] == before["id"] && now?["address"] == "127.0.0.1:\(other.peerPort!)"
            }
            #expect(other.peerPort.map { "127.0.0.1:\($0)" } != before["address"])
            // Answered once all before it is durable: the new address too.
            try expectOK([["SET", "a", "2"]], home.client())
            // It is dialled there: home finds it again after both were down, and knows it without a seed.
            try home.kill9()
            try home.restart()
            try eventually("home to find other") { try members(home.client()).contains { $0["name"] == "other" && $0["state"] == "linked" } }
        }

        @Test func `what is set on one node holds on all, and wrong settings are refused by name`() throws {
            let cluster = try TestCluster(2)
            let client = try cluster.client(0)
            #expect(
                try fields(of: client.ask("HEARSAY", "SETTING")) == [
                    "identity.patience": "2000", "clock.drift": "1000", "gc.window": "3600", "gc.auto-fence": "0",
                ])
            for (arguments, error) in [
                (["gone.window"], "ERR no such setting; HEARSAY SETTING lists them"),
                (["identity.patience", "x"], "ERR value is not an integer or out of range"),
                (["identity.patience", "-1"], "ERR identity.patience takes a number from 0 to 600000"),
                (["identity.patience", "600001"], "ERR identity.patience takes a number from 0 to 600000"),
                (["clock.drift", "99"], "ERR clock.drift takes a number from 100 to 300000"),
                (["clock.drift", "300001"], "ERR clock.drift takes a number from 100 to 300000"),
            ] { #expect(try client.ask(["HEARSAY", "SETTING"] + arguments).errorText == error) }
            #expect(try client.ask("HEARSAY", "SETTING", "IDENTITY.PATIENCE", "600000") == .ok)
            for value in ["100", "300000"] { #expect(try client.ask("HEARSAY", "SETTING", "clock.drift", value) == .ok) }
            try eventually("n2 to know") { try cluster.client(1).ask("HEARSAY", "SETTING", "identity.patience").text == "600000" }
            try cluster.kill9(1)
            try cluster.restart(1)
            try eventually("n2 to know again") { try cluster.client(1).ask("HEARSAY", "SETTING", "identity.patience").text == "600000" }
        }

        @Test func `a member that is started without flags for peers finds the others by what it knows`() throws {
            let home = try NodeProcess(["--name", "home", "--peer-listen", "127.0.0.1:0"])
            let folder = try TemporaryFolder()
            var other: NodeProcess? = try NodeProcess(["--name", "other", "--seed", "127.0.0.1:\(home.peerPort!)"], in: folder)
            try eventually("other to be a member") {
                try Self.names(home.client()) == ["home", "other"] && other!.client().ask("DBSIZE") == .integer(0)
            }
            try other!.kill9()
            other = try NodeProcess(["--name", "other"], in: folder)
            try expectOK([["SET", "a", "1"]], other!.client())
            try eventually("home to have it") { try home.client().ask("GET", "a") == .text("1") }
        }

        private static func names(_ client: RedisClient) throws -> [String] { try members(client).compactMap { $0["name"] } }
    }
}
