import Basics
import Glibc
import Node
import Simulation
import Testing

/// Empty nodes that join while others write.
@Suite struct JoiningTests {
    private static let histories = UInt64(300 * (getenv("HEARSAY_SEEDS").flatMap { Int(String(cString: $0)) } ?? 1))

    @Test func `whatever breaks, a joiner applies nothing else until it has everything, and has all that it then says it has seen (I24, I26, I28)`()
        async throws
    {
        var (counts, next) = (Counts(), UInt64(1))
        await withTaskGroup(of: Counts?.self) { group in
            func startNext() {
                guard next <= Self.histories else { return }
                let seed = next
                next += 1
                group.addTask { Self.run(seed: seed) }
            }
            startNext()
            startNext()
            while let outcome = await group.next() {
                if let outcome { counts.add(outcome) }
                startNext()
            }
        }
        for (name, count) in [
            ("joins", counts[.joined]), ("bootstraps from the first entry on", counts[.bootstraps]), ("resumed", counts[.resumedBootstraps]),
            ("jobs stored", counts[.loads]), ("kills", counts[.kill]), ("power cuts", counts[.powerCut]), ("partitions", counts[.partition]),
            ("lost messages", counts[.loss]), ("repeated messages", counts[.duplication]), ("catch-ups", counts[.catchUps]),
        ] { #expect(count >= 100, "\(name): \(count)") }
        // Some began again, with another member or another start of the same.
        #expect(counts[.bootstraps] >= counts[.joined] + 100, "\(counts[.bootstraps]) bootstraps for \(counts[.joined]) joins")
        print("\(Self.histories) histories: \(counts)")
    }

    private static func run(seed: UInt64) -> Counts? {
        var recipe = Recipe(seed: seed, nodes: 3, operations: 600)
        recipe.joiners = 2
        do { return try World.run(recipe).counts } catch {
            Issue.record("\(error)\nhearsay simulate \(recipe)")
            return nil
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `a node joins while others write, by one bootstrap and then the log, and compares nothing`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3, joiners: 1, bootstrapBytesPerSecond: 4_000)
        for number in 0..<100 { try world.set("key\(number)", to: "before", on: number % 3) }
        try world.run(for: .seconds(2))
        try world.start(3)
        for number in 0..<40 {
            try world.run(for: .milliseconds(200))
            try world.set("key\(number * 5)", to: "meanwhile", on: number % 3)
        }
        _ = try world.converge()
        #expect(world.bootstraps(of: 3) == (1, 0))
        #expect(world.mendings(of: 3).catchUps > 0 && world.mendings(of: 3).sessions == 0)
        try world.check()
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `a joiner that is killed three times goes on behind what it has stored, and the member gives each entry about once`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2, joiners: 1, bootstrapBytesPerSecond: 3_000)
        for number in 0..<300 {
            try world.set("key\(number)", to: "value", on: 0)
            try world.run(for: .milliseconds(20))  // A table may hold a few entries only, and more would have to wait.
        }
        try world.run(for: .seconds(2))
        var given: Int { world.given(by: 0).entries + world.given(by: 1).entries }
        let before = given
        try world.start(2)
        for breaks in 1...3 {
            try world.run(for: .seconds(2))
            #expect(!world.isServing(2) && given - before >= 50 * breaks)
            world.kill(2)
            try world.run(for: .milliseconds(100))
            try world.start(2)
        }
        _ = try world.converge()
        let (begun, resumed) = world.bootstraps(of: 2)
        #expect(begun == 0 && resumed >= 1)
        // What was on its way to the base at each break comes again: half a second's worth.
        #expect((300...300 + 3 * 20).contains(given - before), "\(given - before)")
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `where the member that gives goes, another begins again from the first entry`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3, joiners: 1, bootstrapBytesPerSecond: 4_000)
        for number in 0..<200 { try world.set("key\(number)", to: "value", on: number % 3) }
        try world.run(for: .seconds(2))
        try world.start(3)
        try world.run(for: .seconds(2))
        let giver = try #require((0..<3).first { world.given(by: $0).joiners > 0 })
        world.kill(giver)
        try world.run(for: .seconds(30))
        #expect(world.isServing(3) && world.bootstraps(of: 3) == (2, 0))
        let givers = (0..<3).filter { $0 != giver && world.given(by: $0).entries >= 200 }
        #expect(givers.count == 1)
        try world.start(giver)
        _ = try world.converge()
    }

    @Test func `a member gives to so many joiners at a time and no more, and all get everything`() throws {
        let world = try World.calm(seed: 1, nodes: 2, joiners: 6, bootstrapBytesPerSecond: 4_000)
        for number in 0..<100 { try world.set("key\(number)", to: "value", on: 0) }
        try world.run(for: .seconds(2))
        for joiner in 2..<8 { try world.start(joiner) }
        var most = 0
        for _ in 0..<600 where !(2..<8).allSatisfy({ world.isServing($0) }) {
            try world.run(for: .milliseconds(50))
            most = max(most, world.given(by: 0).joiners, world.given(by: 1).joiners)
        }
        #expect(most == Replica.maximumGivings)
        _ = try world.converge()
    }
}
