import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// I20: a store that is not its newest copy goes on under a new replica id, or not at all.
    @Suite struct IdentityTests {
        private static let rounds = isSoak ? 20 : 6

        @Test func `a wiped node that returns under its name while others are written to gets a new id each time, and nothing acknowledged is lost`()
            throws
        {
            let cluster = try TestCluster(3)
            var (ids, written): (Set<String>, [String]) = ([], [])
            func write(_ count: Int, _ prefix: String, on nodes: [Int]) throws {
                for node in nodes {
                    let keys = (0..<count).map { "\(prefix):\(node):\($0)" }
                    try expectOK(keys.map { ["SET", $0, "value"] }, cluster.client(node))
                    written += keys
                }
            }
            for round in 0..<20 {
                try write(200, "before:\(round)", on: [0, 1, 2])
                // What only the disk has that goes now is gone with it.
                #expect(try cluster.client(2).ask("WAIT", "1", "0").text == nil)
                ids.insert(try #require(try info("replica_id", cluster.client(2))))
                try cluster.wipe(2)
                while try cluster.client(2).ask("GET", "nothing").errorText != nil { try write(10, "during:\(round):\(written.count)", on: [0, 1]) }
            }
            #expect(ids.count == 20)
            try cluster.waitUntilLinked()
            let data = try cluster.waitUntilEqual()
            #expect(written.allSatisfy { data[$0] == "value" } && data.count == written.count)
            for index in 0..<3 {
                #expect(try members(cluster.client(index)).compactMap { $0["name"] } == ["n1", "n2", "n3"])
                #expect(try members(cluster.client(index)).allSatisfy { $0["epoch"] == "43" }, "3 founders, 20 replaced, 20 let in")
            }
        }

        @Test func `an older copy that is put back goes on under a new id, keeps its data, and uses no dot twice`() throws {
            let cluster = try TestCluster(3)
            var expected: [String: String] = [:]
            for round in 0..<(Self.rounds + Self.rounds % 2) {
                try cluster.waitUntilLinked()
                let id = try info("replica_id", cluster.client(2))
                try cluster.kill9(2)
                let copy = try cluster.copyData(of: 2)
                try cluster.restart(2)
                try cluster.waitUntilLinked()
                // What it has forgotten: its own writes, or only that it was told of others'.
                for number in 0..<20 { expected["\(round):first:\(number)"] = "1" }
                try expectOK((0..<20).map { ["SET", "\(round):first:\($0)", "1"] }, cluster.client(round % 2 == 0 ? 2 : 0))
                try cluster.waitUntilEqual()
                #expect(try cluster.client(round % 2 == 0 ? 2 : 0).ask("WAIT", "2", "0") == .integer(2))
                #expect(try info("replica_id", cluster.client(2)) == id, "a restart alone costs no id")
                try cluster.kill9(2)
                try cluster.putBack(copy, on: 2)
                for number in 0..<20 { expected["\(round):second:\(number)"] = "2" }
                try expectOK((0..<20).map { ["SET", "\(round):second:\($0)", "2"] }, cluster.client(2))
                #expect(try info("replica_id", cluster.client(2)) != id, "round \(round)")
                let data = try cluster.waitUntilEqual()
                #expect(data == expected, "round \(round)")
            }
        }

        @Test func `of two processes on copies of one store no two write under one id, and nothing that they acknowledged is lost`() throws {
            let cluster = try TestCluster(3)
            var acknowledged: [String] = []
            for round in 0..<(isSoak ? 10 : 3) {
                try cluster.waitUntilLinked()
                let id = try info("replica_id", cluster.client(2))
                try cluster.kill9(2)
                let copy = try cluster.copyData(of: 2)
                try cluster.restart(2)
                try cluster.waitUntilLinked()
                let twin = try cluster.startNode(2, on: copy)
                // Both are written to until it is clear who goes on.
                let clients = [try cluster.client(2), try twin.client()]
                for number in 0..<40 {
                    for (index, client) in clients.enumerated() {
                        let key = "\(round):\(index):\(number)"
                        if try client.ask("SET", key, "value") == .ok { acknowledged.append(key) }
                    }
                }
                let ids = try clients.map { try info("replica_id", $0) }
                let refusals = try clients.map { try $0.ask("SET", "probe", "value").errorText ?? "" }
                #expect(
                    zip(ids, refusals).count { $0.0 == id && $0.1 == "" } <= 1 && (ids[0] != ids[1] || refusals.allSatisfy { $0 != "" }),
                    "\(ids) \(refusals)")
                #expect(
                    refusals.contains { $0.contains("another process runs with this node's replica id") || $0.contains("was replaced") },
                    "\(refusals)")
                // The operator stops one, and starts the other again.
                try twin.kill9()
                try cluster.kill9(2)
                try cluster.restart(2)
                if try cluster.client(2).ask("GET", "nothing").errorText?.hasPrefix("NOMEMBER") == true { try cluster.wipe(2) }
                try cluster.waitUntilServing()
                let data = try cluster.waitUntilEqual()
                #expect(acknowledged.filter { data[$0] != "value" } == [], "round \(round)")
            }
        }

        @Test func `a restart waits with writes until all have answered, and takes a new id where one does not`() throws {
            let cluster = try TestCluster(3)
            try expectOK([["SET", "before", "1"], ["HEARSAY", "SETTING", "identity.patience", "500"]], cluster.client(0))
            try cluster.waitUntilEqual()
            try eventually("the setting to be known") { try cluster.client(2).ask("HEARSAY", "SETTING", "identity.patience").text == "500" }
            try cluster.kill9(1)
            let id = try info("replica_id", cluster.client(2))
            try cluster.kill9(2)
            try cluster.restart(2)
            let began = Date.now
            #expect(try cluster.client(2).ask("GET", "before") == .text("1"), "reads go on")
            try expectOK([["SET", "after", "2"]], cluster.client(2))
            #expect(Date.now.timeIntervalSince(began) >= 0.3, "not before the members have had their time")
            #expect(try info("replica_id", cluster.client(2)) != id)
            try cluster.restart(1)
            #expect(try cluster.waitUntilEqual() == ["before": "1", "after": "2"])
            #expect(try members(cluster.client(1)).compactMap { $0["name"] } == ["n1", "n2", "n3"])
        }
    }
}
