import Basics
import RESP
import Simulation
import Testing

/// Siblings on several nodes, told as stories (I1, I14 to I16, I22 to I25).
@Suite struct SiblingTests {
    private static let seeds: [UInt64] = [1, 2, 3]

    private struct Read: Equatable {
        let context: String
        let siblings: [String]
    }

    private func read(_ key: String, on node: Int, in world: World) throws -> Read {
        var parser = ReplyParser()
        parser.append(try #require(try world.ask("VGET", key, of: node)).utf8)
        let reply = try parser.next()
        guard case .array(let fields)? = reply, fields.count == 4, case .array(let siblings) = fields[3] else {
            Issue.record("not what VGET answers: \(String(describing: reply))")
            return Read(context: "", siblings: [])
        }
        return Read(context: fields[1].text ?? "", siblings: siblings.map { $0.text ?? "" })
    }

    private func write(_ key: String, _ value: String, _ context: String = "", on node: Int, in world: World) throws {
        #expect(try world.ask("VSET", key, value, "CONTEXT", context, of: node) == "+OK\r\n")
    }

    @Test(arguments: Self.seeds)
    func `what is written apart stands side by side on every node, and one write with the context of both ends it`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        try self.write("cart", "empty", on: 0, in: world)
        try world.run(for: .seconds(2))
        for other in 0..<2 { world.cutApart(2, other) }
        for (node, value) in [(0, "milk"), (2, "tea")] {
            try self.write("cart", value, try self.read("cart", on: node, in: world).context, on: node, in: world)
        }
        try world.run(for: .seconds(5))
        #expect(try self.read("cart", on: 1, in: world).siblings == ["milk"])
        world.joinTogether()
        try world.converge()
        try world.check()
        for node in 0..<3 { #expect(try self.read("cart", on: node, in: world).siblings.sorted() == ["milk", "tea"]) }
        #expect(try Set((0..<3).map { try self.read("cart", on: $0, in: world).context }).count == 1, "all have seen the same")
        try self.write("cart", "milk, tea", try self.read("cart", on: 1, in: world).context, on: 2, in: world)
        try world.converge()
        for node in 0..<3 { #expect(try self.read("cart", on: node, in: world).siblings == ["milk, tea"]) }
    }

    @Test(arguments: Self.seeds)
    func `reading here and writing there, one after the other, never makes a second sibling, though nodes lag (I14)`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 5)
        try self.write("k", "0", on: 0, in: world)
        var last = try self.read("k", on: 0, in: world)
        for round in 1...200 {
            let node = (round * 3) % 5
            try self.write("k", "\(round)", last.context, on: node, in: world)
            // The next one reads where it was written, which knows more of it than all others.
            last = try self.read("k", on: node, in: world)
            #expect(last.siblings.first == "\(round)" && last.siblings.count == 1, "\(last.siblings)")
        }
        try world.converge()
        try world.check()
        for node in 0..<5 { #expect(try self.read("k", on: node, in: world).siblings == ["200"]) }
    }

    @Test(arguments: Self.seeds)
    func `a delete takes with it what its context names also where that comes later, and a sibling that it had not seen lives on`(seed: UInt64) throws
    {
        let world = try World.calm(seed: seed, nodes: 3)
        for other in 0..<2 { world.cutApart(2, other) }
        try self.write("k", "seen", on: 0, in: world)
        try self.write("k", "unseen", on: 2, in: world)
        let context = try self.read("k", on: 0, in: world).context
        world.joinTogether()
        world.cutApart(0, 2)
        world.cutApart(0, 1)
        #expect(try world.ask("VDEL", "k", "CONTEXT", context, of: 2)?.hasPrefix(":") == true)
        #expect(try self.read("k", on: 2, in: world).siblings == ["unseen"])
        world.joinTogether()
        try world.converge()
        try world.check()
        for node in 0..<3 { #expect(try self.read("k", on: node, in: world).siblings == ["unseen"]) }
    }

    @Test(arguments: Self.seeds)
    func `deletes of siblings go once all have heard of them, also from beside a live one, and all nodes stay equal`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "0", of: 0) == "+OK\r\n")
        for key in ["gone", "beside"] { try self.write(key, "old", on: 0, in: world) }
        try world.run(for: .seconds(5))
        for other in 0..<2 { world.cutApart(2, other) }
        for key in ["gone", "beside"] {
            #expect(try world.ask("VDEL", key, "CONTEXT", try self.read(key, on: 0, in: world).context, of: 0) == ":1\r\n")
        }
        try self.write("beside", "new", on: 2, in: world)
        try world.run(for: .seconds(5))
        world.joinTogether()
        try world.run(for: .seconds(150))
        for node in 0..<3 {
            #expect(world.tombstones(of: node).held == 0 && world.tombstones(of: node).stored == 0, "\(world.tombstones(of: node))")
            #expect(try self.read("beside", on: node, in: world).siblings == ["new"])
            #expect(try self.read("gone", on: node, in: world) == Read(context: "", siblings: []))
        }
        try world.converge()
        try world.check()
        try self.write("gone", "again", on: 1, in: world)
        try world.converge()
        for node in 0..<3 { #expect(try self.read("gone", on: node, in: world).siblings == ["again"]) }
    }

    @Test(arguments: Self.seeds)
    func `a lost node gets siblings back in a session, and one that was cut off for long by the digest tree`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3, logCapBytes: 0)
        for number in 0..<20 { try self.write("k\(number)", "first", on: number % 3, in: world) }
        try world.run(for: .seconds(5))
        for other in 0..<2 { world.cutApart(2, other) }
        for number in 0..<20 {
            try self.write("k\(number)", "here", on: 0, in: world)
            try self.write("k\(number)", "there", on: 2, in: world)
            try world.set("r\(number)", to: "register", on: number % 3)
        }
        try world.run(for: .seconds(90))
        world.joinTogether()
        try world.converge()
        try world.check()
        for node in 0..<3 {
            for number in 0..<20 { #expect(try self.read("k\(number)", on: node, in: world).siblings.sorted() == ["first", "here", "there"]) }
        }
    }

    @Test(arguments: Self.seeds)
    func `between a register and siblings that were made apart the newer writes stay (I16)`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2)
        world.cutApart(0, 1)
        try self.write("k", "older", on: 0, in: world)
        try world.run(for: .seconds(1))
        try world.set("k", to: "register", on: 1)
        try world.run(for: .seconds(1))
        try self.write("k", "newer", on: 0, in: world)
        try world.set("r", to: "older", on: 1)
        try world.run(for: .seconds(1))
        world.joinTogether()
        try world.converge()
        try world.check()
        for node in 0..<2 { #expect(try self.read("k", on: node, in: world).siblings == ["newer"]) }
    }

    @Test(arguments: Self.seeds)
    func `contexts forget a replica that writes no more once all know what replaced its writes, and not before (I14, I25)`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3, logCapBytes: 0)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "0", of: 0) == "+OK\r\n")
        try self.write("k", "by one that goes", on: 2, in: world)
        try world.run(for: .seconds(5))
        world.kill(2)
        try world.run(for: .seconds(1))
        #expect(try world.ask("HEARSAY", "REMOVE", "node2", of: 0)?.contains("ERR") != true)
        try world.run(for: .seconds(90))
        // Node 1 has the old sibling, and does not hear of what replaces it, nor of that again.
        world.cutApart(0, 1)
        for value in ["replaced", "again", "once more"] {
            try self.write("k", value, try self.read("k", on: 0, in: world).context, on: 0, in: world)
        }
        #expect(try world.namedReplicas(of: "k", on: 0) == 2, "the one that goes, and the writer")
        try world.run(for: .seconds(90))
        world.endCuts()
        try world.run(for: .seconds(30))
        for node in 0..<2 { #expect(try self.read("k", on: node, in: world).siblings == ["once more"]) }
        // Floors pass what was written, with a delete behind it.
        try world.set("r", to: "register", on: 0)
        #expect(try world.ask("DEL", "r", of: 0) == ":1\r\n")
        try world.run(for: .seconds(150))
        try self.write("k", "last", try self.read("k", on: 1, in: world).context, on: 1, in: world)
        #expect(try world.namedReplicas(of: "k", on: 1) == 1, "only whose write it replaced")
        try world.run(for: .seconds(30))
        for node in 0..<2 { #expect(try self.read("k", on: node, in: world).siblings == ["last"]) }
    }

    @Test(arguments: Self.seeds, [0, 900])
    func `what expires goes from beside what stays, and whole keys with the last of it, on all nodes alike`(
        seed: UInt64, apart milliseconds: Int
    ) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        world.setClock(of: 1, aheadBy: milliseconds)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "0", of: 0) == "+OK\r\n")
        for number in 0..<10 {
            for key in ["beside\(number)", "gone\(number)"] {
                for other in 0..<2 { world.cutApart(2, other) }
                let stays = key.hasPrefix("beside")
                #expect(try world.ask("VSET", key, "one", "PX", "\(2_000 + number * 300)", of: number % 2) == "+OK\r\n")
                #expect(try (stays ? world.ask("VSET", key, "two", of: 2) : world.ask("VSET", key, "two", "PX", "3000", of: 2)) == "+OK\r\n")
                world.joinTogether()
            }
        }
        try world.run(for: .milliseconds(1_500))
        let sessions = (0..<3).map { world.mendings(of: $0).sessions }
        try world.run(for: .seconds(120))
        for node in 0..<3 {
            #expect(world.expiring(of: node).held == 0 && world.expiring(of: node).stored == 0, "\(world.expiring(of: node))")
            #expect(world.mendings(of: node).sessions == sessions[node], "nobody compares anything for it")
            for number in 0..<10 {
                #expect(try self.read("beside\(number)", on: node, in: world).siblings == ["two"])
                #expect(try self.read("gone\(number)", on: node, in: world) == Read(context: "", siblings: []))
            }
            #expect(world.expiring(of: node).dropped == 30)
        }
        try world.heal()
        try world.converge()
        try world.check()
    }

    @Test(arguments: Self.seeds)
    func `what expires while a member is away goes once that has heard of it, and takes what it had replaced with it`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "0", of: 0) == "+OK\r\n")
        try self.write("k", "old", on: 0, in: world)
        try world.run(for: .seconds(5))
        world.kill(2)
        let context = try self.read("k", on: 0, in: world).context
        #expect(try world.ask("VSET", "k", "new", "CONTEXT", context, "PX", "1000", of: 0) == "+OK\r\n")
        try world.run(for: .seconds(120))
        for node in 0..<2 {
            #expect(world.expiring(of: node).stored == 1 && world.expiring(of: node).dropped == 0, "member 2 has the old one still")
            #expect(try self.read("k", on: node, in: world).siblings == [])
        }
        try world.start(2)
        try world.run(for: .seconds(120))
        for node in 0..<3 {
            #expect(world.expiring(of: node).stored == 0, "\(world.expiring(of: node))")
            #expect(try self.read("k", on: node, in: world) == Read(context: "", siblings: []))
        }
        try world.converge()
        try world.check()
    }

    @Test(arguments: Self.seeds)
    func `a node on an older disk learns from a context that it once wrote more, and loses nothing that it writes now (I20)`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        try self.write("k", "first", on: 0, in: world)
        try world.run(for: .seconds(5))
        world.copyDisk(of: 0)
        for other in 1..<3 { world.cutApart(0, other) }
        for number in 0..<5 { try self.write("k", "lost \(number)", on: 0, in: world) }
        try world.run(for: .seconds(1))
        // What only this node has is gone with its disk; a client has read it, and writes in its place elsewhere.
        let context = try self.read("k", on: 0, in: world).context
        try self.write("k", "instead", context, on: 1, in: world)
        try world.putBackDisk(of: 0)
        world.joinTogether()
        // As soon as it takes any, and before it has heard of that.
        for number in 0..<5 {
            while try world.ask("VSET", "k", "new \(number)", of: 0) != "+OK\r\n" { try world.run(for: .milliseconds(1)) }
        }
        try world.converge()
        for node in 0..<3 {
            #expect(try self.read("k", on: node, in: world).siblings.sorted() == ["instead"] + (0..<5).map { "new \($0)" })
        }
    }

    @Test(arguments: Self.seeds)
    func `a stream of writes beside siblings that expire holds back nothing that is to be dropped`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "0", of: 0) == "+OK\r\n")
        for number in 0..<1_000 { try world.set("gone\(number)", to: "value", on: number % 2) }
        // A node that has no room just then does not answer: what is written is many, not all.
        for number in 0..<1_000 {
            _ = try world.ask("DEL", "gone\(number)", of: number % 2)
            try world.run(for: .milliseconds(5))
        }
        for round in 0..<6_000 {
            _ = try world.ask("VSET", "stream\(round % 10)", "\(round)", "PX", "3000", of: round % 2)
            try world.run(for: .milliseconds(25))
        }
        for node in 0..<2 {
            #expect(world.tombstones(of: node).held == 0 && world.tombstones(of: node).stored == 0, "\(world.tombstones(of: node))")
            #expect(world.expiring(of: node).dropped > 3_000, "\(world.expiring(of: node))")
        }
        try world.converge()
        try world.check()
    }

    @Test(arguments: Self.seeds)
    func `below a prefix that is to have siblings plain writes on two sides of a split are both kept`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        try world.set("cart:old", to: "register", on: 0)
        #expect(try world.ask("HEARSAY", "POLICY", "SET", "cart:", "siblings", of: 0) == "+OK\r\n")
        #expect(try world.ask("HEARSAY", "POLICY", "SET", "cart:lww:", "lww", of: 1) == "+OK\r\n")
        try world.run(for: .seconds(2))
        #expect(try world.ask("HEARSAY", "POLICY", of: 2) == "*4\r\n$9\r\ncart:lww:\r\n$3\r\nlww\r\n$5\r\ncart:\r\n$8\r\nsiblings\r\n")
        for other in 0..<2 { world.cutApart(2, other) }
        for (node, value) in [(0, "here"), (2, "there")] {
            for key in ["cart:1", "cart:lww:1", "cart:old", "other"] { try world.set(key, to: value, on: node) }
        }
        #expect(try world.ask("SET", "cart:2", "x", "EX", "10", of: 0) == "+OK\r\n")
        #expect(try world.ask("TYPE", "cart:2", of: 0) == "+siblings\r\n")
        world.joinTogether()
        try world.converge()
        try world.check()
        for node in 0..<3 {
            #expect(try self.read("cart:1", on: node, in: world).siblings.sorted() == ["here", "there"])
            for key in ["cart:lww:1", "cart:old", "other"] { #expect(try world.ask("TYPE", key, of: node) == "+string\r\n") }
        }
        try world.set("cart:1", to: "both", on: 1)
        try world.converge()
        for node in 0..<3 { #expect(try self.read("cart:1", on: node, in: world).siblings == ["both"], "a plain write replaces what its node sees") }
        #expect(try world.ask("HEARSAY", "POLICY", "SET", String(repeating: "p", count: 65), "lww", of: 0) == "ERR prefix is longer than 64 bytes")
        #expect(try world.ask("HEARSAY", "POLICY", "SET", String(repeating: " ", count: 64), "siblings", of: 0) == "+OK\r\n")
        #expect(try world.ask("HEARSAY", "POLICY", "SET", "cart:", "sets", of: 0) == "ERR syntax error")
    }
}
