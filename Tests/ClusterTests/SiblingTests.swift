import TestSupport
import Testing

extension ProcessTests {
    /// Keys that keep concurrent writes, on real nodes.
    @Suite struct SiblingTests {
        @Test
        func `reading and writing through five nodes in turn leaves one sibling (I14)`() throws {
            let rounds = ProcessTests.isSoak ? 10_000 : 1_000
            let cluster = try TestCluster(5)
            let clients = try (0..<5).map { try cluster.client($0) }
            var context = ""
            for round in 1...rounds {
                // Written on another node than it was read on: what that lacks still comes later.
                let client = clients[round % 5]
                #expect(try client.ask("VSET", "counter", "\(round)", "CONTEXT", context) == .ok)
                let read = try SiblingRead(client.ask("VGET", "counter"))
                #expect(read.siblings.first == "\(round)" && read.siblings.count == 1, "\(read.siblings)")
                context = read.context
            }
            try cluster.waitUntilEqual()
            for client in clients { #expect(try SiblingRead(client.ask("VGET", "counter")).siblings == ["\(rounds)"]) }
        }

        @Test
        func `of blind writers on both sides of splits none is dropped: as many siblings as were acknowledged, or an error (I14, I15)`() throws {
            let cluster = try TestCluster(3)
            try cluster.waitUntilEqual()
            for index in 0..<3 { cluster.cut([index], from: Set(0..<3).subtracting([index])) }
            try cluster.waitUntilLinked([0: [], 1: [], 2: []])
            // All at once: each has a connection of its own, and no answer is waited for before the last is sent. The first node has too many.
            let writers = try (0..<200).map { number in (number, try cluster.nodes[number < 120 ? 0 : 1 + number % 2].client()) }
            for (number, client) in writers { try client.send([["VSET", "k", "\(number)"]]) }
            var (acknowledged, refused): (Set<String>, Int) = ([], 0)
            for (number, client) in writers {
                switch try client.reply() {
                case .ok: acknowledged.insert("\(number)")
                case .error(let text) where text.hasPrefix("ERR the key has as many siblings as it may"): refused += 1
                case let other: Issue.record("\(number): \(other)")
                }
            }
            #expect(acknowledged.count == 180 && refused == 20, "\(acknowledged.count) and \(refused)")
            cluster.heal()
            try cluster.waitUntilLinked()
            try cluster.waitUntilEqual()
            for index in 0..<3 {
                let read = try SiblingRead(cluster.client(index).ask("VGET", "k"))
                #expect(Set(read.siblings) == acknowledged && read.siblings.count == acknowledged.count)
                try expectDigestVerifies(cluster.client(index))
            }
            // Over the limit only a write that replaces some is taken.
            #expect(try cluster.client(1).ask("VSET", "k", "one more") != .ok)
            let context = try SiblingRead(cluster.client(2).ask("VGET", "k")).context
            #expect(try cluster.client(2).ask("VSET", "k", "merged", "CONTEXT", context) == .ok)
            try cluster.waitUntilEqual()
            for index in 0..<3 { #expect(try SiblingRead(cluster.client(index).ask("VGET", "k")).siblings == ["merged"]) }
        }

        @Test
        func `siblings outlive kill -9 of every node, and verify finds them whole`() throws {
            let cluster = try TestCluster(3)
            for number in 0..<100 {
                for index in 0..<3 { #expect(try cluster.client(index).ask("VSET", "k:\(number)", "by \(index)") == .ok) }
            }
            try cluster.waitUntilEqual()
            for index in 0..<3 { try cluster.kill9(index) }
            for index in 0..<3 { try cluster.restart(index) }
            try cluster.waitUntilLinked()
            try cluster.waitUntilEqual()
            for index in 0..<3 {
                for number in 0..<100 {
                    #expect(try SiblingRead(cluster.client(index).ask("VGET", "k:\(number)")).siblings.sorted() == ["by 0", "by 1", "by 2"])
                }
                try expectDigestVerifies(cluster.client(index))
            }
        }
    }
}

/// What VGET answers.
private struct SiblingRead {
    private(set) var context = ""
    private(set) var siblings: [String] = []

    init(_ reply: Reply) throws {
        guard case .array(let fields) = reply, fields.count == 4, case .array(let siblings) = fields[3] else {
            Issue.record("not what VGET answers: \(reply)")
            return
        }
        (self.context, self.siblings) = (fields[1].text ?? "", siblings.map { $0.text ?? "" })
    }
}
