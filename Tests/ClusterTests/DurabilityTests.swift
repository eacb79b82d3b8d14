import Basics
import TestSupport
import Testing

extension ProcessTests {
    /// What was answered is there, however the node ended.
    @Suite struct DurabilityTests {
        @Test(arguments: ["always", "interval"])
        func `SIGTERM loses no answered write and ends with status 0`(durability: String) throws {
            let node = try NodeProcess(["--durability", durability])
            let client = try node.client()
            let keys = (0..<2_000).map { "key:\($0)" }
            try client.send(keys.map { ["SET", $0, "value of \($0)"] })
            for _ in keys { #expect(try client.reply() == .ok) }
            let digest = try client.ask("HEARSAY", "DIGEST")
            #expect(try node.terminate() == .exited(0), "\(node.log)")
            try node.restart()
            let after = try node.client()
            try after.send(keys.map { ["GET", $0] })
            let lost = try keys.filter { try after.reply() != .text("value of \($0)") }
            #expect(lost == [])
            #expect(try after.ask("HEARSAY", "VERIFY") == digest)
        }

        @Test func `SIGTERM with clients that are idle or in the middle of a command ends with status 0`() throws {
            let node = try NodeProcess()
            let idle = try node.client()
            #expect(try idle.ask("PING") == .simple("PONG"))
            let halfway = try node.socket()
            try halfway.send("*3\r\n$3\r\nSET\r\n$1\r\na")
            #expect(try node.terminate() == .exited(0), "\(node.log)")
            #expect(try idle.isAtEnd())
        }

        @Test(arguments: ["always", "interval"])
        func `kill -9 under load loses no answered write, round after round`(durability: String) throws {
            // Small tables, so that rounds hit drains and their hand-overs and not only the log.
            let node = try NodeProcess(["--durability", durability, "--table-entries", "1000"])
            var generator = SplitMix64(seed: ProcessTests.seed)
            var writers = (0..<4).map { Writer(name: "writer\($0)") }
            for round in 1...(ProcessTests.isSoak ? 20 : 4) {
                let comment: Comment = "round \(round), HEARSAY_SEED=\(ProcessTests.seed)"
                let clients = try writers.map { _ in try node.client() }
                let target = Int.random(in: 500...3_000, using: &generator)
                var answered = 0
                while answered < target {
                    for index in writers.indices { try writers[index].sendGroup(to: clients[index], using: &generator) }
                    for index in writers.indices { answered += try writers[index].takeGroup(from: clients[index]) }
                }
                for index in writers.indices { try writers[index].sendGroup(to: clients[index], using: &generator) }
                try node.kill9()
                for index in writers.indices { writers[index].takeWhatArrived(from: clients[index]) }

                try node.restart()
                let reader = try node.client()
                var live = 0
                for index in writers.indices { live += try writers[index].check(reader, comment) }
                #expect(try reader.ask("DBSIZE") == .integer(live), comment)
                try expectDigestVerifies(reader, comment)
            }
            #expect(try node.terminate() == .exited(0), "\(node.log)")
        }

        @Test func `an empty store has the digest zero, and a delete does not lower the number of entries`() throws {
            let node = try NodeProcess()
            let client = try node.client()
            #expect(try expectDigestVerifies(client) == "0:" + String(repeating: "0", count: 32))
            #expect(try client.ask("MSET", "a", "1", "b", "2") == .ok)
            #expect(try expectDigestVerifies(client)?.hasPrefix("2:") == true)
            #expect(try client.ask("DEL", "a") == .integer(1))
            #expect(try expectDigestVerifies(client)?.hasPrefix("2:") == true)
            #expect(try client.ask("DBSIZE") == .integer(1))
        }
    }
}

/// One client's share of the keys, with all that each may hold: the last answered value and those sent after it without an answer.
private struct Writer {
    /// Sent at once and then waited for.
    private static let groupCount = 64
    private static let keyCount = 300

    private struct Write {
        let key: Int
        /// Nil for a delete.
        let value: String?
    }

    let name: String
    private var answered = [String?](repeating: nil, count: Self.keyCount)
    /// Sent, not answered, oldest first.
    private var unanswered: [Write] = []
    private var writeCount = 0

    init(name: String) {
        self.name = name
    }

    /// Sends sets and some deletes of random keys.
    mutating func sendGroup(to client: RedisClient, using generator: inout SplitMix64) throws {
        let group = (0..<Self.groupCount).map { _ in
            self.writeCount += 1
            let isDelete = Int.random(in: 0..<5, using: &generator) == 0
            let padding = String(repeating: "x", count: Int.random(in: 0...300, using: &generator))
            return Write(key: Int.random(in: 0..<Self.keyCount, using: &generator), value: isDelete ? nil : "\(self.writeCount)\(padding)")
        }
        try client.send(group.map { write in write.value.map { ["SET", self.key(write.key), $0] } ?? ["DEL", self.key(write.key)] })
        self.unanswered += group
    }

    /// Waits for the answers to all that was sent, and returns their number.
    mutating func takeGroup(from client: RedisClient) throws -> Int {
        let count = self.unanswered.count
        for _ in 0..<count { try self.takeAnswer(from: client) }
        return count
    }

    /// Takes the answers that a killed node had sent: those count, too.
    mutating func takeWhatArrived(from client: RedisClient) {
        while !self.unanswered.isEmpty, (try? self.takeAnswer(from: client)) != nil {}
    }

    /// Compares every key with what it may hold, takes what it does hold as answered, and returns the number of live keys.
    mutating func check(_ reader: RedisClient, _ comment: Comment) throws -> Int {
        try reader.send((0..<Self.keyCount).map { ["GET", self.key($0)] })
        var wrong: [String] = []
        for key in 0..<Self.keyCount {
            let reply = try reader.reply()
            let possible = [self.answered[key]] + self.unanswered.filter { $0.key == key }.map(\.value)
            if reply.errorText != nil || !possible.contains(reply.text) { wrong.append("\(self.key(key)): \(possible), not \(reply)") }
            self.answered[key] = reply.text
        }
        #expect(wrong.isEmpty, "\(wrong.count) of \(Self.keyCount) keys, among them \(wrong.prefix(3)); \(comment)")
        self.unanswered = []
        return self.answered.count { $0 != nil }
    }

    private func key(_ number: Int) -> String { "\(self.name):\(number)" }

    private mutating func takeAnswer(from client: RedisClient) throws {
        let reply = try client.reply()
        #expect(reply.errorText == nil)
        let write = self.unanswered.removeFirst()
        self.answered[write.key] = write.value
    }
}
