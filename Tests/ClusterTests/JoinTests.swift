import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// Who gets into a cluster, and who is kept out.
    @Suite struct JoinTests {
        @Test func `an empty node joins by a seed alone, and answers -LOADING until it has everything`() throws {
            let cluster = try TestCluster(3)
            let count = ProcessTests.isSoak ? 200_000 : 10_000
            try expectOK((0..<count).map { ["SET", "key:\($0)", "value of \($0)"] }, cluster.client(0))
            try expectOK((0..<50).map { ["SET", "gone:\($0)", "value"] }, cluster.client(0))
            try cluster.waitUntilEqual()
            _ = try askAll((0..<50).map { ["DEL", "gone:\($0)"] }, cluster.client(1))
            try cluster.waitUntilEqual()
            let way = try CuttingProxy(to: cluster.nodes[0].peerPort)
            way.cut()
            let joiner = try NodeProcess(["--name", "n4", "--peer-listen", "127.0.0.1:0", "--seed", "127.0.0.1:\(way.port)"])
            let client = try joiner.client()
            for command in [["GET", "key:1"], ["SET", "key:1", "other"], ["DBSIZE"], ["SCAN", "0"], ["HEARSAY", "VERIFY"]] {
                let reply = try askAll([command], client)[0]
                #expect(reply.errorText?.hasPrefix("LOADING ") == true, "\(command): \(reply)")
            }
            way.heal()
            let began = ContinuousClock.now
            var reasons: Set<String> = []
            var first = Reply.null
            try eventually("n4 to have everything") {
                first = try client.ask("DBSIZE")
                first.errorText.map { _ = reasons.insert($0) }
                return first.errorText == nil
            }
            print("n4 has \(count) keys after \(ContinuousClock.now - began); it said: \(reasons.sorted())")
            #expect(reasons.allSatisfy { $0.hasPrefix("LOADING ") })
            #expect(first == .integer(count), "the first answer showed a part only")
            #expect(try client.ask("HEARSAY", "DIGEST") == cluster.client(0).ask("HEARSAY", "DIGEST"))
            #expect(try contents(of: client) == cluster.waitUntilEqual())
            try expectDigestVerifies(client)
        }

        @Test func `a node that is killed while it joins goes on where it starts again, and shows no part of the data`() throws {
            let cluster = try TestCluster(3)
            let count = 10_000
            try expectOK((0..<count).map { ["SET", "key:\($0)", "value of \($0)"] }, cluster.client(0))
            try cluster.waitUntilEqual()
            let joiner = try NodeProcess(["--name", "n4", "--seed", "127.0.0.1:\(cluster.nodes[0].peerPort!)"])
            for _ in 0..<3 {
                try eventually("n4 to be let in") {
                    let reply = try joiner.client().ask("GET", "key:1")
                    return reply.errorText?.contains("getting what the cluster holds") ?? true
                }
                try joiner.kill9()
                try joiner.restart()
            }
            let client = try joiner.client()
            var first = Reply.null
            try eventually("n4 to have everything") {
                first = try client.ask("DBSIZE")
                return first.errorText == nil
            }
            #expect(first == .integer(count), "the first answer showed a part only")
            try expectDigestVerifies(client)
        }

        @Test func `a node whose folder was emptied comes back under its name, as another replica, and gets everything`() throws {
            let cluster = try TestCluster(3)
            try expectOK((0..<500).map { ["SET", "key:\($0)", "value"] }, cluster.client(2))
            try cluster.waitUntilEqual()
            let former = try info("replica_id", cluster.client(2))
            try cluster.kill9(2)
            try FileManager.default.removeItem(atPath: cluster.nodes[2].data)
            try cluster.restart(2)
            try cluster.waitUntilServing()
            try cluster.waitUntilLinked()
            #expect(try cluster.waitUntilEqual().count == 500)
            #expect(try info("replica_id", cluster.client(2)) != former)
            for index in 0..<3 { #expect(try members(cluster.client(index)).compactMap { $0["name"] } == ["n1", "n2", "n3"]) }
            // Its own writes of before are not taken for new ones, nor new ones for those of before.
            try expectOK((0..<100).map { ["SET", "key:\($0)", "again"] }, cluster.client(2))
            #expect(try cluster.waitUntilEqual().count { $0.value == "again" } == 100)
        }

        @Test func `nodes of two clusters with data refuse each other, say both ids, and go on serving`() throws {
            let home = try NodeProcess(["--name", "home", "--peer-listen", "127.0.0.1:0"])
            #expect(try home.client().ask("SET", "a", "home") == .ok)
            let (folder, strangersCluster) = try Self.formerNode(writing: true)
            let stranger = try NodeProcess(["--name", "stranger", "--seed", "127.0.0.1:\(home.peerPort!)"], in: folder)
            let ids = try [info("cluster_id", home.client())!, strangersCluster]
            #expect(ids[0] != ids[1])
            for node in [home, stranger] { try node.waitForLogLine("refused", ids[0], ids[1], "neither is empty") }
            #expect(try home.client().ask("GET", "a") == .text("home"))
            #expect(try stranger.client().ask("GET", "a") == .text("stranger"))
            for node in [home, stranger] { #expect(try node.client().ask("SET", "b", "1") == .ok) }
            #expect(try members(home.client()).compactMap { $0["name"] } == ["home"])
        }

        @Test func `a node with an empty store of another cluster takes over the cluster of its seed`() throws {
            let home = try NodeProcess(["--name", "home", "--peer-listen", "127.0.0.1:0"])
            #expect(try home.client().ask("SET", "a", "home") == .ok)
            let (folder, formerCluster) = try Self.formerNode(writing: false)
            let joiner = try NodeProcess(["--name", "stranger", "--seed", "127.0.0.1:\(home.peerPort!)"], in: folder)
            let client = try joiner.client()
            try eventually("the joiner to have everything") { try client.ask("GET", "a") == .text("home") }
            #expect(try info("cluster_id", client) == info("cluster_id", home.client()))
            #expect(try info("cluster_id", client) != formerCluster)
        }

        @Test func `a node whose only seed is itself founds a cluster`() throws {
            let way = try CuttingProxy()
            let node = try NodeProcess(["--peer-listen", "127.0.0.1:0", "--seed", "127.0.0.1:\(way.port)"])
            let client = try node.client()
            #expect(try client.ask("GET", "a").errorText?.hasPrefix("LOADING ") == true)
            way.lead(to: node.peerPort)
            try node.waitForLogLine("founded cluster")
            #expect(try client.ask("SET", "a", "1") == .ok)
            #expect(try members(client).count == 1)
        }

        @Test func `of two nodes with one name the second is refused by that name, and the first goes on`() throws {
            let first = try NodeProcess(["--name", "twin", "--peer-listen", "127.0.0.1:0"])
            #expect(try first.client().ask("SET", "a", "1") == .ok)
            let second = try NodeProcess(["--name", "twin", "--seed", "127.0.0.1:\(first.peerPort!)"])
            for node in [first, second] { try node.waitForLogLine("refused", "the name twin is taken") }
            #expect(try second.client().ask("GET", "a").errorText?.hasPrefix("LOADING ") == true)
            #expect(try first.client().ask("GET", "a") == .text("1"))
        }

        @Test(arguments: ["0.0.0.0:0", "[::]:0"])
        func `a peer listener off loopback is refused, and the line names the flag`(listen: String) throws {
            let folder = try TemporaryFolder()
            let refused = try NodeProcess.run(["node", "--data", "\(folder.path)/data", "--listen", "127.0.0.1:0", "--peer-listen", listen])
            #expect(refused.ending == .exited(78), "\(refused)")
            #expect(refused.errors.split(separator: "\n").count == 1 && refused.errors.contains("--insecure-listen"), "\(refused)")
        }

        /// The folder of a node that was alone, and the id of its cluster.
        private static func formerNode(writing: Bool) throws -> (folder: TemporaryFolder, cluster: String) {
            let node = try NodeProcess(["--name", "stranger"])
            let client = try node.client()
            if writing { #expect(try client.ask("SET", "a", "stranger") == .ok) }
            let cluster = try #require(try info("cluster_id", client))
            #expect(try node.terminate() == .exited(0))
            return (node.folder, cluster)
        }
    }
}
