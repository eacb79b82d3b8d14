import Basics
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// Nodes that replicate, as users meet them: what any answers reaches all, whatever lies between them.
    @Suite struct ConvergenceTests {
        @Test func `three empty nodes with --expect 3 found one cluster, and what is written on any is read on all`() throws {
            let cluster = try TestCluster(3)
            let ids = try (0..<3).map { try info("cluster_id", cluster.client($0)) }
            #expect(Set(ids).count == 1 && ids[0]?.count == 32, "\(ids)")
            for index in 0..<3 { #expect(try cluster.client(index).ask("SET", "from:\(index)", "value \(index)") == .ok) }
            #expect(try cluster.waitUntilEqual() == ["from:0": "value 0", "from:1": "value 1", "from:2": "value 2"])
            for index in 0..<3 { try expectDigestVerifies(cluster.client(index)) }
        }

        @Test func `A and C cut apart, a SET on A is readable on C through B within moments`() throws {
            let cluster = try TestCluster(3)
            cluster.cut([0], from: [2])
            try cluster.waitUntilLinked([0: [1], 1: [0, 2], 2: [1]])
            var times: [Duration] = []
            for number in 0..<20 {
                let began = ContinuousClock.now
                #expect(try cluster.client(0).ask("SET", "key:\(number)", "value") == .ok)
                try eventually("the write on C") { try cluster.client(2).ask("GET", "key:\(number)") == .text("value") }
                times.append(.now - began)
            }
            print("from A over B to C: median \(times.sorted()[10]), longest \(times.max()!)")
            // Two gossip intervals are 400 ms; a busy machine gets five times that.
            #expect(times.max()! < .seconds(2))
        }

        @Test func `with every connection to one node refused data go both ways`() throws {
            let cluster = try TestCluster(3, unreachable: [1])
            _ = try askAll((0..<300).map { ["SET", "key:\($0)", "from \($0 % 3)"] }, cluster.client(1))
            _ = try askAll((0..<300).map { ["SET", "other:\($0)", "value"] }, cluster.client(0))
            #expect(try cluster.waitUntilEqual().count == 600)
        }

        @Test(.enabled(if: ProcessTests.isSoak)) func `members that gossip once a minute do not take each other for dead in between`() throws {
            let cluster = try TestCluster(2, flags: ["--gossip-interval", "60s"])
            let end = Deadline(in: .seconds(45))
            try eventually("45 s to pass") { end.hasPassed }
            for node in cluster.nodes {
                #expect(try node.terminate() == .exited(0))
                #expect(!node.log.contains("silent"), "\(node.log)")
            }
        }

        @Test(arguments: ["always", "interval"])
        func `nodes that are killed and restarted under load lose no answered write and end equal`(durability: String) throws {
            var generator = SplitMix64(seed: ProcessTests.seed)
            // Small tables, so that kills hit drains too.
            let cluster = try TestCluster(3, flags: ["--durability", durability, "--table-entries", "1000"])
            var writers = (0..<3).map { UniqueWriter(name: "writer\($0)") }
            for round in 1...(ProcessTests.isSoak ? 20 : 3) {
                let victim = Int.random(in: 0..<3, using: &generator)
                for _ in 0..<Int.random(in: 2...6, using: &generator) { try writers.writeGroups(on: cluster) }
                try writers[victim].sendGroup(to: cluster.client(victim))
                let dying = try cluster.client(victim)
                try cluster.kill9(victim)
                writers[victim].takeWhatArrived(from: dying)
                // The others go on without it.
                for _ in 0..<2 { try writers.writeGroups(on: cluster, except: victim) }
                try cluster.restart(victim)
                try writers.writeGroups(on: cluster)
                let answered = writers.map(\.answered.count).reduce(0, +)
                print("\(durability), round \(round): killed \(TestCluster.name(victim)), \(answered) writes answered")
            }
            let data = try cluster.waitUntilEqual()
            for writer in writers {
                let lost = writer.answered.filter { data[$0] != "value of \($0)" }
                #expect(lost.isEmpty, "\(lost.count) lost, among them \(lost.prefix(3)); HEARSAY_SEED=\(ProcessTests.seed)")
            }
            for index in 0..<3 { try expectDigestVerifies(cluster.client(index), "HEARSAY_SEED=\(ProcessTests.seed)") }
        }
    }
}

/// One client's writes: each key once, so that whatever was answered must be there.
private struct UniqueWriter {
    private static let groupCount = 100

    let name: String
    private(set) var answered: [String] = []
    private var unanswered: [String] = []
    private var count = 0

    init(name: String) { self.name = name }

    mutating func sendGroup(to client: RedisClient) throws {
        let keys = (0..<Self.groupCount).map { "\(self.name):\(self.count + $0)" }
        self.count += keys.count
        try client.send(keys.map { ["SET", $0, "value of \($0)"] })
        self.unanswered += keys
    }

    mutating func takeGroup(from client: RedisClient) throws {
        while !self.unanswered.isEmpty { try self.takeAnswer(from: client) }
    }

    /// Takes the answers that a killed node had sent; writes without one may be there or not.
    mutating func takeWhatArrived(from client: RedisClient) {
        while !self.unanswered.isEmpty, (try? self.takeAnswer(from: client)) != nil {}
        self.unanswered = []
    }

    private mutating func takeAnswer(from client: RedisClient) throws {
        let reply = try client.reply()
        #expect(reply == .ok)
        self.answered.append(self.unanswered.removeFirst())
    }
}

extension [UniqueWriter] {
    /// One group on each node, all under way at once.
    fileprivate mutating func writeGroups(on cluster: TestCluster, except absent: Int? = nil) throws {
        for index in self.indices where index != absent { try self[index].sendGroup(to: cluster.client(index)) }
        for index in self.indices where index != absent { try self[index].takeGroup(from: cluster.client(index)) }
    }
}

/// A field of INFO.
func info(_ name: String, _ client: RedisClient) throws -> String? {
    let lines = try client.ask("INFO").text?.split(whereSeparator: \.isNewline) ?? []
    return lines.first { $0.hasPrefix("\(name):") }.map { String($0.dropFirst(name.count + 1)) }
}
