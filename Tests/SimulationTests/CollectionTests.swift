import Basics
import Simulation
import Testing

/// Expired entries that go, told as stories (I22, I27).
@Suite struct CollectionTests {
    private static let seeds: [UInt64] = [1, 2, 3]

    private func withWindow(_ seconds: Int, seed: UInt64, nodes: Int) throws -> World {
        let world = try World.calm(seed: seed, nodes: nodes)
        #expect(try world.ask("HEARSAY", "SETTING", "gc.window", "\(seconds)", of: 0) == "+OK\r\n")
        try world.run(for: .seconds(1))
        return world
    }

    @Test(arguments: Self.seeds, [0, 900])
    func `what expires leaves digest and disk of every node, with clocks apart by less than the drift bound, and nobody compares anything`(
        seed: UInt64, apart milliseconds: Int
    ) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        world.setClock(of: 1, aheadBy: milliseconds)
        for number in 0..<20 { try world.set("stays\(number)", to: "value", on: number % 3) }
        // A stream of them, in which some expire at any time.
        for round in 0..<100 {
            for number in 0..<5 {
                try world.set("key\(round * 5 + number)", to: "value", forMilliseconds: 3_000 + number * 300, on: (round + number) % 3)
            }
            try world.run(for: .milliseconds(500))
        }
        try world.run(for: .seconds(120))
        for node in 0..<3 {
            let expiring = world.expiring(of: node)
            #expect(expiring.held == 0 && expiring.stored == 0 && expiring.dropped == 500, "\(expiring)")
            #expect(world.mendings(of: node).sessions == 0)
        }
        try world.heal()
        let healing = try world.converge()
        #expect(healing.rounds <= 3)
        try world.check()
        #expect(try world.value(of: "stays7", on: 2) == "value" && world.value(of: "key7", on: 2) == nil)
    }

    @Test(arguments: Self.seeds)
    func `thousands that expire at once go on every node`(seed: UInt64) throws {
        let world = try self.withWindow(5, seed: seed, nodes: 2)
        for number in 0..<1_500 {
            _ = try world.ask("SET", "key\(number)", "value", "PXAT", "\(world.rightTime / 1_000 * 1_000 + 20_000)", of: number % 2)
        }
        try world.run(for: .seconds(10))
        #expect((0..<2).allSatisfy { world.expiring(of: $0).dropped == 0 })
        try world.run(for: .seconds(170))
        for node in 0..<2 { #expect(world.expiring(of: node).held == 0 && world.expiring(of: node).stored == 0, "\(world.expiring(of: node))") }
        #expect(world.mendings(of: 0).sessions == 0)
    }

    @Test(arguments: Self.seeds)
    func `a member that is away holds back what it has not seen, and nothing of that comes back with it`(seed: UInt64) throws {
        let world = try self.withWindow(0, seed: seed, nodes: 3)
        for number in 0..<10 { try world.set("key\(number)", to: "older", on: number % 3) }
        try world.run(for: .seconds(5))
        world.kill(2)
        for number in 0..<10 { try world.set("key\(number)", to: "a newer value", forMilliseconds: 2_000, on: number % 2) }
        try world.run(for: .seconds(120))
        #expect((0..<2).allSatisfy { world.expiring(of: $0).held == 10 && world.expiring(of: $0).dropped == 0 })
        #expect(try (0..<2).allSatisfy { try world.withoutValues(on: $0) == 10 }, "the values take no room meanwhile")
        world.setClock(of: 0, aheadBy: -600_000)
        #expect(try world.read("key3", on: 0) == nil, "a clock that is set back shows none of them again")
        world.setClock(of: 0, aheadBy: 0)
        let status = try #require(try world.ask("HEARSAY", "STATUS", of: 1))
        #expect(status.contains("10 expired entries wait to be dropped, 0 dropped"), "\(status)")
        try world.start(2)
        try world.run(for: .seconds(120))
        #expect((0..<3).allSatisfy { world.expiring(of: $0).held == 0 && world.expiring(of: $0).stored == 0 })
        try world.converge()
        try world.check()
        #expect(try (0..<3).allSatisfy { try world.read("key3", on: $0) == nil && world.value(of: "key3", on: $0) == nil })
    }
}
