import Basics
import Simulation
import Testing

/// Tombstones that go, told as stories (I22 to I25).
@Suite struct ClearanceTests {
    private static let seeds: [UInt64] = [1, 2, 3]

    private func withWindow(_ seconds: Int, seed: UInt64, nodes: Int, logCapBytes: Int = 1 << 30) throws -> World {
        let world = try World.calm(seed: seed, nodes: nodes, logCapBytes: logCapBytes)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "\(seconds)", of: 0) == "+OK\r\n")
        try world.run(for: .seconds(1))
        return world
    }

    private func delete(_ key: String, on node: Int, in world: World) throws {
        #expect(try world.ask("DEL", key, of: node) == ":1\r\n")
    }

    private func run(_ world: World, until isSo: () -> Bool) throws {
        for _ in 0..<20_000 where !isSo() { try world.run(for: .milliseconds(5)) }
        #expect(isSo())
    }

    @Test(arguments: Self.seeds)
    func `a deleted key leaves nothing behind on any node once all have heard of it, and all stay equal without comparing`(seed: UInt64) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        for number in 0..<50 { try world.set("key\(number)", to: "value", on: number % 3) }
        try world.run(for: .seconds(1))
        for number in 0..<40 { try self.delete("key\(number)", on: (number + 1) % 3, in: world) }
        try world.run(for: .seconds(60))
        for node in 0..<3 {
            #expect(world.tombstones(of: node).held == 0 && world.tombstones(of: node).stored == 0, "\(world.tombstones(of: node))")
            #expect(world.mendings(of: node).sessions == 0)
        }
        try world.converge()
        try world.check()
        #expect(try world.value(of: "key45", on: 2) == "value" && world.value(of: "key5", on: 2) == nil)
    }

    @Test(arguments: Self.seeds)
    func `from where a node drops something until all have dropped it three rounds go by at most, and no session begins`(seed: UInt64) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        for number in 0..<60 { try world.set("key\(number)", to: "value", on: number % 3) }
        try world.run(for: .seconds(90))
        for number in 0..<60 where number % 4 > 0 { try self.delete("key\(number)", on: number % 3, in: world) }
        var (differsSince, longest, differences): ([Int]?, Int, Int) = (nil, 0, 0)
        for _ in 0..<15_000 {
            try world.run(for: .milliseconds(1))
            if try world.holdSameData() {
                if differsSince != nil { differences += 1 }
                differsSince = nil
            } else {
                differsSince = differsSince ?? world.roundQuestions
                longest = max(longest, world.rounds(since: differsSince!))
            }
        }
        #expect(differences > 1 && longest <= 3 && differsSince == nil, "\(differences) times, \(longest) rounds")
        #expect((0..<3).allSatisfy { world.tombstones(of: $0).held == 0 && world.mendings(of: $0).sessions == 0 })
    }

    @Test(arguments: Self.seeds)
    func `nothing is dropped before its window has passed`(seed: UInt64) throws {
        let world = try self.withWindow(30, seed: seed, nodes: 2)
        try world.set("key", to: "value", on: 0)
        try self.delete("key", on: 0, in: world)
        try world.run(for: .seconds(28))
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 1 })
        try world.run(for: .seconds(10))
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 0 })
    }

    @Test(arguments: Self.seeds)
    func `a shorter window counts as soon as all have heard of it, not when the longer one would have been looked at again`(seed: UInt64) throws {
        let world = try self.withWindow(3_600, seed: seed, nodes: 3)
        try world.set("key", to: "value", on: 0)
        try self.delete("key", on: 0, in: world)
        try world.run(for: .seconds(130))
        #expect((0..<3).allSatisfy { world.tombstones(of: $0).held == 1 })
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "5", of: 1) == "+OK\r\n")
        try world.run(for: .seconds(5))
        #expect((0..<3).allSatisfy { world.tombstones(of: $0).held == 0 })
    }

    @Test(arguments: Self.seeds)
    func `a member that is away holds every tombstone back and is named, and its old value is dead when it returns`(seed: UInt64) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        try world.set("key", to: "value", on: 0)
        try world.run(for: .seconds(5))
        world.kill(2)
        try self.delete("key", on: 0, in: world)
        try world.run(for: .seconds(120))
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 1 })
        let status = try #require(try world.ask("HEARSAY", "STATUS", of: 1))
        #expect(status.contains("node2 is away for ") && status.contains(": until it is back, fenced or removed 1 tombstones"), "\(status)")
        #expect(status.contains("tombstones  1, the oldest ") && status.contains(" old, 1 blocked, 0 dropped since the start"), "\(status)")
        let info = try #require(try world.ask("INFO", "hearsay", of: 1))
        #expect(info.contains("tombstones_droppable:0\r\ntombstones_blocked:1\r\n"), "\(info)")
        try world.start(2)
        try world.run(for: .seconds(60))
        #expect((0..<3).allSatisfy { world.tombstones(of: $0).held == 0 })
        try world.converge()
        try world.check()
        #expect(try (0..<3).allSatisfy { try world.value(of: "key", on: $0) == nil })
    }

    @Test(arguments: Self.seeds)
    func `once a member that is away is removed tombstones go, and it may not bring back what it has`(seed: UInt64) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        try world.set("key", to: "value", on: 0)
        try world.run(for: .seconds(5))
        world.kill(2)
        try self.delete("key", on: 0, in: world)
        try world.run(for: .seconds(1))
        #expect(try world.ask("HEARSAY", "REMOVE", "node2", of: 0)?.contains("ERR") != true)
        try world.run(for: .seconds(60))
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 0 })
        try world.start(2)
        try world.run(for: .seconds(30))
        #expect(!world.isServing(2))
        #expect(try (0..<2).allSatisfy { try world.value(of: "key", on: $0) == nil })
    }

    @Test(arguments: Self.seeds)
    func `of a member that is removed no write is missing that others have, though one before it was lost: its deletes go too (I25)`(seed: UInt64)
        throws
    {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        try world.set("key", to: "value", on: 0)
        try world.run(for: .seconds(5))
        for other in 0..<2 { world.cutApart(2, other) }
        try world.set("lost", to: "value", on: 2)
        try world.run(for: .milliseconds(5))
        world.joinTogether()
        try self.delete("key", on: 2, in: world)
        // Long enough for the push, not for the round that would ask for what was lost.
        try world.run(for: .milliseconds(5))
        world.kill(2)
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 1 })
        try world.run(for: .seconds(1))
        #expect(try world.ask("HEARSAY", "REMOVE", "node2", of: 0)?.contains("ERR") != true)
        try world.run(for: .seconds(60))
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 0 })
        #expect(try (0..<2).allSatisfy { try world.value(of: "key", on: $0) == nil && world.value(of: "lost", on: $0) == nil })
    }

    @Test(arguments: Self.seeds)
    func `what a session read before a delete does not come back behind it, though the delete was dropped while it was under way (I23 b)`(
        seed: UInt64
    ) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        for number in 0..<10 { try world.set("key\(number)", to: "value", on: 1) }
        try world.run(for: .seconds(60))
        world.cutApart(0, 2)
        world.lag(from: 1, to: 0, by: .seconds(4))
        #expect(try world.lose("key3", on: 0))
        try self.run(world) { world.openSessions(of: 1).count > 0 }
        world.lag(from: 1, to: 0, by: .seconds(28))
        try self.run(world) { world.openSessions(of: 1).given > 0 }
        world.joinTogether()
        try self.run(world) { world.links(of: 0) == 2 }
        try self.delete("key3", on: 2, in: world)
        try self.run(world) { world.tombstones(of: 2).held == 1 }
        try self.run(world) { world.tombstones(of: 0).held == 0 && world.floorCount(of: 0) == 1 }
        #expect(world.openSessions(of: 0).count == 1, "what was read is under way still")
        #expect(try world.value(of: "key3", on: 0) == nil)
        try world.run(for: .seconds(60))
        #expect(try (0..<3).allSatisfy { try world.value(of: "key3", on: $0) == nil })
        world.lag(from: 1, to: 0, by: .zero)
        try world.converge()
        try world.check()
    }

    @Test(arguments: Self.seeds)
    func `what a copy of a member has seen confirms nothing before it is known to be the newest (I20, I22a)`(seed: UInt64) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        try world.set("key", to: "first", on: 2)
        try world.run(for: .seconds(90))
        // Nobody hears what node 2 writes; node 1 does not hear of its copy, so that the copy cannot be sure.
        try world.addCopy(of: 2)
        for node in [0, 1, 3] { world.cutApart(2, node) }
        world.cutApart(1, 3)
        try world.set("key", to: "second", on: 2)
        try world.run(for: .seconds(20))
        try self.delete("key", on: 0, in: world)
        try world.run(for: .seconds(10))
        try world.start(3)
        try world.run(for: .milliseconds(1_900))
        #expect(try world.value(of: "key", on: 3) == "", "the copy has the tombstone")
        #expect((0..<2).allSatisfy { world.tombstones(of: $0).held == 1 && world.floorCount(of: $0) == 0 })
        let status = try #require(try world.ask("HEARSAY", "STATUS", of: 0))
        #expect(status.contains("attention   node2 is linked, but confirms no delete: "), "\(status)")
        world.kill(3)
        world.endCuts()
        try world.run(for: .seconds(30))
        #expect(try (0..<3).allSatisfy { try world.read("key", on: $0) == nil })
    }

    @Test(arguments: Self.seeds)
    func `an older copy that has never seen what all have dropped since comes back with their data, and brings nothing back (I20, I24)`(seed: UInt64)
        throws
    {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        try world.set("key", to: "value", on: 2)
        try world.run(for: .seconds(5))
        world.copyDisk(of: 2)
        try self.delete("key", on: 2, in: world)
        for number in 0..<5 { try world.set("more\(number)", to: "value", on: 2) }
        try world.run(for: .seconds(60))
        #expect((0..<3).allSatisfy { world.tombstones(of: $0).held == 0 })
        try world.putBackDisk(of: 2)
        try world.run(for: .seconds(60))
        #expect(try (0..<2).allSatisfy { try world.value(of: "key", on: $0) == nil && world.value(of: "more4", on: $0) == "value" })
        try world.heal()
        try world.converge()
        try world.check()
        #expect(world.isServing(2) && world.counts[.returns] == 1 && world.counts[.exclusions] == 0)
        #expect(try world.value(of: "key", on: 2) == nil && world.value(of: "more4", on: 2) == "value")
    }

    @Test(arguments: Self.seeds)
    func `a node that joins after tombstones were dropped takes over what was dropped, and drops what it is told late`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2, joiners: 1)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "0", of: 0) == "+OK\r\n")
        for number in 0..<20 { try world.set("key\(number)", to: "value", on: number % 2) }
        try world.run(for: .seconds(1))
        for number in 0..<10 { try self.delete("key\(number)", on: 0, in: world) }
        try world.run(for: .seconds(60))
        try world.start(2)
        try world.run(for: .seconds(30))
        #expect(world.isServing(2) && world.floorCount(of: 2) == world.floorCount(of: 0) && world.floorCount(of: 0) > 0)
        try self.delete("key15", on: 2, in: world)
        try world.run(for: .seconds(60))
        #expect((0..<3).allSatisfy { world.tombstones(of: $0).held == 0 })
        try world.converge()
        try world.check()
    }
}
