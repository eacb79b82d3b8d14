import Basics
import Simulation
import Testing

/// Members that stayed away, were fenced, and come back (I24, I25), told as stories.
@Suite struct FencingTests {
    private static let seeds: [UInt64] = [1, 2, 3]

    /// Three nodes with `key0` to `key9`, written on the last, which hears nobody from then on and writes `key10` to `key14`. The others delete the first ten
    /// and fence it.
    private func fenced(seed: UInt64) throws -> World {
        let world = try World.calm(seed: seed, nodes: 3)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "0", of: 0) == "+OK\r\n")
        for number in 0..<10 { try world.set("key\(number)", to: "value", on: 2) }
        try world.run(for: .seconds(5))
        for other in 0..<2 { world.cutApart(2, other) }
        for number in 0..<5 { try world.set("key1\(number)", to: "early", on: 2) }
        try world.run(for: .seconds(60))
        for number in 0..<10 { #expect(try world.ask("DEL", "key\(number)", of: 0) == ":1\r\n") }
        try world.run(for: .seconds(60))
        #expect(world.tombstones(of: 0).held == 10, "a member that is away holds them back")
        #expect(try world.ask("HEARSAY", "FENCE", "node2", of: 0) == "+OK\r\n")
        try world.run(for: .seconds(60))
        return world
    }

    @Test(arguments: Self.seeds)
    func `once a member is fenced tombstones go, and it comes back by itself without what was deleted and with what only it wrote`(seed: UInt64)
        throws
    {
        let world = try self.fenced(seed: seed)
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 0 })
        // It has not heard of that, and takes writes.
        for number in 0..<5 { try world.set("key2\(number)", to: "late", on: 2) }
        #expect(world.isServing(2))
        try world.heal()
        try world.converge()
        try world.check()
        #expect(world.counts[.returns] == 1 && world.counts[.exclusions] == 0)
        for node in 0..<3 {
            for number in 0..<10 { #expect(try world.value(of: "key\(number)", on: node) == nil) }
            for number in 0..<5 { #expect(try world.value(of: "key2\(number)", on: node) == "late") }
            // Nothing tells whether these were deleted elsewhere.
            for number in 0..<5 { #expect(try world.value(of: "key1\(number)", on: node) == nil) }
        }
        let kept = try #require(try world.ask("HEARSAY", "SALVAGE", of: 2))
        #expect(kept.hasPrefix("*5\r\n") && (0..<5).allSatisfy { kept.contains("key1\($0)\r\n") }, "\(kept)")
        #expect(try world.ask("HEARSAY", "SALVAGE", of: 0) == "*0\r\n")
    }

    @Test(arguments: Self.seeds)
    func `what only a fenced member has of another's writes tells an older copy of that one that it is one, and none is lost (I20, I24)`(seed: UInt64)
        throws
    {
        let world = try World.calm(seed: seed, nodes: 3)
        try world.set("early", to: "value", on: 0)
        try world.run(for: .seconds(10))
        world.copyDisk(of: 0)
        world.cutApart(1, 0)
        world.cutApart(1, 2)
        try world.set("late", to: "value", on: 0)
        try world.run(for: .seconds(10))
        world.joinTogether()
        world.cutApart(2, 0)
        world.cutApart(2, 1)
        world.kill(0)
        try world.run(for: .seconds(60))
        #expect(try world.ask("HEARSAY", "FENCE", "node2", of: 1) == "+OK\r\n")
        try world.putBackDisk(of: 0)
        try world.run(for: .seconds(10))
        #expect(try (0..<2).allSatisfy { try world.read("late", on: $0) == nil })
        world.joinTogether()
        try world.run(for: .seconds(60))
        #expect(try (0..<3).allSatisfy { try world.read("late", on: $0) == "value" && world.read("early", on: $0) == "value" })
        try world.heal()
        try world.converge()
        try world.check()
    }

    @Test(arguments: Self.seeds)
    func `what is kept aside is written again or given up at an operator's word, once`(seed: UInt64) throws {
        let world = try self.fenced(seed: seed)
        try world.heal()
        try world.converge()
        #expect(try world.ask("HEARSAY", "SALVAGE", "REPLAY", "key11", of: 2) == "+OK\r\n")
        #expect(try world.ask("HEARSAY", "SALVAGE", "DISCARD", "key12", of: 2) == "+OK\r\n")
        #expect(try world.ask("HEARSAY", "SALVAGE", "DISCARD", "key12", of: 2)?.hasPrefix("ERR nothing of that key is kept aside") == true)
        #expect(try world.ask("HEARSAY", "SALVAGE", "REPLAY", "nothing", of: 2)?.hasPrefix("ERR nothing of that key is kept aside") == true)
        try world.run(for: .seconds(5))
        world.kill(2)
        try world.start(2)
        try world.run(for: .seconds(5))
        let kept = try #require(try world.ask("HEARSAY", "SALVAGE", of: 2))
        #expect(kept.hasPrefix("*3\r\n") && !kept.contains("key11") && !kept.contains("key12"), "\(kept)")
        #expect(try world.ask("HEARSAY", "SALVAGE", "LIMIT", "2", of: 2)?.hasPrefix("*2\r\n") == true)
        for node in 0..<3 {
            #expect(try world.value(of: "key11", on: node) == "early")
            #expect(try world.value(of: "key12", on: node) == nil)
        }
    }

    @Test(arguments: Self.seeds)
    func `of what a fenced member wrote and others overwrote the greater version stays`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        try world.set("mine", to: "before", on: 0)
        try world.set("theirs", to: "before", on: 0)
        try world.run(for: .seconds(5))
        for other in 0..<2 { world.cutApart(2, other) }
        try world.set("theirs", to: "lesser", on: 2)
        try world.run(for: .seconds(1))
        try world.set("theirs", to: "greater", on: 0)
        try world.set("mine", to: "lesser", on: 1)
        try world.run(for: .seconds(1))
        try world.set("mine", to: "greater", on: 2)
        try world.run(for: .seconds(60))
        #expect(try world.ask("HEARSAY", "FENCE", "node2", of: 1) == "+OK\r\n")
        try world.heal()
        try world.converge()
        try world.check()
        for node in 0..<3 {
            #expect(try world.value(of: "mine", on: node) == "greater" && world.value(of: "theirs", on: node) == "greater")
        }
        #expect(try world.ask("HEARSAY", "SALVAGE", of: 2) == "*0\r\n")
    }

    @Test(arguments: Self.seeds)
    func `a member that nobody fences but by agreement is fenced once it has been away for twice the window, by the greater part`(seed: UInt64) throws
    {
        let world = try World.calm(seed: seed, nodes: 3)
        for (setting, value) in [("gc.window", "60"), ("gc.auto-fence", "1")] {
            #expect(try world.ask("HEARSAY", "SETTING", setting, value, of: 0) == "+OK\r\n")
        }
        try world.set("key", to: "value", on: 0)
        try world.run(for: .seconds(5))
        for other in 0..<2 { world.cutApart(2, other) }
        for node in [0, 2] { #expect(try world.ask("DEL", "key", of: node) == ":1\r\n") }
        try world.run(for: .seconds(100))
        #expect(world.tombstones(of: 0).held == 1)
        try world.run(for: .seconds(120))
        #expect(world.tombstones(of: 0).held == 0 && world.tombstones(of: 1).held == 0)
        #expect(world.tombstones(of: 2).held == 1, "the lesser part fences nobody")
        try world.heal()
        try world.converge()
        try world.check()
        #expect(world.counts[.returns] == 1)
    }

    @Test(arguments: Self.seeds)
    func `two members that fence each other both keep their data, until an operator decides`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2)
        world.cutApart(0, 1)
        try world.run(for: .seconds(60))
        for node in 0..<2 {
            try world.set("key\(node)", to: "value", on: node)
            #expect(try world.ask("HEARSAY", "FENCE", "node\(1 - node)", of: node) == "+OK\r\n")
        }
        world.joinTogether()
        try world.run(for: .seconds(60))
        #expect(!world.isServing(0) && !world.isServing(1) && world.counts[.returns] == 0)
        #expect(try (0..<2).allSatisfy { try world.value(of: "key\($0)", on: $0) == "value" })
    }

    @Test func `nobody is fenced that is linked, nor this node itself, nor whom no member is called`() throws {
        let world = try World.calm(seed: 1, nodes: 2)
        #expect(try world.ask("HEARSAY", "FENCE", "node1", of: 0) == "ERR node1 is up and linked: nothing waits for it")
        #expect(try world.ask("HEARSAY", "FENCE", "node0", of: 0) == "ERR that is this node")
        #expect(try world.ask("HEARSAY", "FENCE", "node7", of: 0)?.hasPrefix("ERR no member has that name") == true)
    }
}
