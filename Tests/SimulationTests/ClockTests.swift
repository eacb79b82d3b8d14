import Simulation
import Testing

/// Small stories of clocks that are wrong (I11, I12).
@Suite struct ClockTests {
    private static let seeds: [UInt64] = [1, 2, 3]

    @Test(arguments: Self.seeds)
    func `what a clock five seconds ahead stamps is held by the others, taken at its time from the log, and drives no clock`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        try world.run(for: .seconds(2))
        world.setClock(of: 0, aheadBy: 5_000)
        let before = (1...2).map { world.mendings(of: $0) }
        for number in 0..<20 { try world.set("key\(number)", to: "ahead", on: 0) }
        let due = world.newestStamp(of: 0)
        for _ in 0..<39 {
            try world.run(for: .milliseconds(100))
            for node in 1...2 {
                #expect(try world.value(of: "key0", on: node) == nil)
                #expect(world.newestStamp(of: node) <= world.rightTime)
            }
        }
        // Rounds find them meanwhile, and do not ask.
        for node in 1...2 { #expect(world.stampCounts(of: node).held == 20 && world.mendings(of: node) == before[node - 1]) }
        // A span until they are due together, a round, and what it is late.
        try world.run(for: .milliseconds(900))
        for node in 1...2 {
            #expect(try world.value(of: "key19", on: node) == "ahead")
            #expect(world.newestStamp(of: node) == due && due <= world.rightTime + 1_000)
            let after = world.mendings(of: node)
            #expect(after.catchUps == before[node - 1].catchUps + 1 && after.sessions == before[node - 1].sessions)
        }
    }

    @Test(arguments: [(1_000, true, 0), (1_100, false, 0), (600_000, false, 0), (601_000, false, 1)])
    func `a version is taken up to the bound, held up to ten minutes, and refused beyond`(ahead: Int, isTaken: Bool, refused: Int) throws {
        let world = try World.calm(seed: 1, nodes: 2)
        try world.run(for: .seconds(2))
        world.setClock(of: 0, aheadBy: ahead)
        try world.set("key", to: "ahead", on: 0)
        try world.run(for: .milliseconds(30))
        #expect(try (world.value(of: "key", on: 1) == "ahead") == isTaken)
        #expect(world.stampCounts(of: 1) == (isTaken || refused > 0 ? 0 : 1, refused))
        #expect(world.links(of: 1) == (refused > 0 ? 0 : 1))
    }

    @Test func `the drift bound is a setting that all share`() throws {
        let world = try World.calm(seed: 1, nodes: 2)
        #expect(try world.ask("HEARSAY", "SETTING", "clock.drift", of: 0) == "$4\r\n1000\r\n")
        #expect(try world.ask("HEARSAY", "SETTING", "clock.drift", "6000", of: 1) == "+OK\r\n")
        try world.run(for: .seconds(2))
        world.setClock(of: 0, aheadBy: 5_000)
        try world.set("key", to: "ahead", on: 0)
        try world.run(for: .milliseconds(30))
        #expect(try world.value(of: "key", on: 1) == "ahead")
    }

    @Test(arguments: Self.seeds)
    func `a clock that is an hour ahead of most takes no writes, and does again once it is right`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3)
        try world.run(for: .seconds(2))
        world.setClock(of: 0, aheadBy: 3_600_000)
        let refusal = try world.ask("SET", "key", "value", of: 0)
        #expect(
            refusal
                == "ERR this machine's clock is 60 min ahead of most members', who would not take what it stamps: set it right: writes are refused until then, reads go on"
        )
        #expect(try world.ask("GET", "key", of: 0) == "$-1\r\n")
        #expect(try world.ask("SET", "key", "value", of: 1) == "+OK\r\n")
        world.setClock(of: 0, aheadBy: 0)
        #expect(try world.ask("SET", "key", "value", of: 0) == "+OK\r\n")
    }

    /// Cut off from the others since its start, a node cannot know that its clock is wrong.
    private func farAhead(seed: UInt64) throws -> World {
        let world = try World.calm(seed: seed, nodes: 3)
        try world.run(for: .seconds(2))
        world.kill(0)
        world.cutApart(0, 1)
        world.cutApart(0, 2)
        world.setClock(of: 0, aheadBy: 3_600_000)
        try world.start(0)
        try world.run(for: .seconds(5))
        #expect(try world.ask("SET", "far", "ahead", of: 0) == "+OK\r\n")
        try world.run(for: .seconds(1))
        return world
    }

    @Test(arguments: Self.seeds)
    func `who has what is stamped an hour ahead is refused by name, seldom, and the others go on`(seed: UInt64) throws {
        let world = try self.farAhead(seed: seed)
        world.endCuts()
        for second in 0..<180 {
            try world.run(for: .seconds(1))
            if second % 20 == 0 { try world.set("key", to: "\(second)", on: 1 + second % 40 / 20) }
        }
        #expect(try world.value(of: "key", on: 1) == "160" && world.value(of: "key", on: 2) == "160")
        for node in 1...2 {
            #expect(try world.value(of: "far", on: node) == nil && world.newestStamp(of: node) <= world.rightTime)
            // After 1, 2, 4, 8, 16, 32, 60 and 60 seconds, and what a dial waits.
            #expect((2...8).contains(world.stampCounts(of: node).refused), "\(world.stampCounts(of: node).refused)")
            let status = try #require(try world.ask("HEARSAY", "STATUS", of: node))
            #expect(
                status.contains(
                    "not linked to node0: node0 sent a version that node0 stamped 59 min ahead of this node's clock: set the clock of node0 right"),
                "\(status)")
        }
    }

    @Test(arguments: Self.seeds)
    func `once its clock is right it is its stamps that are wrong: it takes no writes until time or an empty folder helps`(seed: UInt64) throws {
        let world = try self.farAhead(seed: seed)
        world.setClock(of: 0, aheadBy: 0)
        #expect(try world.ask("SET", "more", "ahead", of: 0) == "+OK\r\n", "nobody has told it the time")
        world.endCuts()
        try world.run(for: .seconds(60))
        let refusal = try #require(try world.ask("SET", "more", "ahead", of: 0))
        #expect(
            refusal.hasPrefix("ERR the newest stamp here is 58 min ahead of this node's clock and of the members', who would not take what it writes")
        )
        // The operator takes the advice.
        try world.heal()
        try world.converge()
        try world.check()
        #expect(world.counts[.farStamps] == 1)
        #expect(try world.value(of: "far", on: 0) == nil && world.ask("SET", "more", "now", of: 0) == "+OK\r\n")
    }

    @Test(arguments: Self.seeds)
    func `where no log helps, a session brings all but what is held, and another one comes only once something is due`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2, logCapBytes: 0)
        world.cutApart(0, 1)
        try world.run(for: .seconds(60))
        for number in 0..<100 { try world.set("key\(number % 40)", to: "\(number)", on: 0) }
        world.setClock(of: 0, aheadBy: 30_000)
        for number in 0..<10 { try world.set("key\(number)", to: "ahead", on: 0) }
        // What was written has gone from the log to the base by then.
        try world.run(for: .seconds(10))
        world.endCuts()
        try world.run(for: .seconds(10))
        #expect(try world.value(of: "key39", on: 1) == "79" && world.value(of: "key9", on: 1) == nil)
        let sessions = world.mendings(of: 1).sessions
        #expect(sessions >= 1)
        try world.run(for: .seconds(8))
        #expect(world.mendings(of: 1).sessions <= sessions + 1)
        try world.run(for: .seconds(6))
        #expect(try world.value(of: "key9", on: 1) == "ahead")
        try world.heal()
        try world.converge()
        try world.check()
    }

    @Test(arguments: Self.seeds)
    func `who has what another holds, and has not seen all, begins no session after another either`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3, logCapBytes: 0)
        for (one, other) in [(0, 1), (0, 2), (1, 2)] { world.cutApart(one, other) }
        try world.run(for: .seconds(60))
        world.setClock(of: 0, aheadBy: 60_000)
        for number in 0..<40 { try world.set("key\(number)", to: "near", on: 0) }
        world.setClock(of: 0, aheadBy: 120_000)
        for number in 0..<10 { try world.set("key\(number)", to: "far", on: 0) }
        world.setClock(of: 1, aheadBy: 70_000)
        try world.run(for: .seconds(10))
        // The second takes what is near and holds what is far; the third holds what the second takes.
        world.endCuts()
        world.cutApart(0, 2)
        try world.run(for: .seconds(10))
        #expect(try world.value(of: "key39", on: 1) == "near" && world.value(of: "key39", on: 2) == nil && world.value(of: "key9", on: 1) == nil)
        #expect(world.stampCounts(of: 2).held > 0)
        let sessions = world.mendings(of: 1).sessions
        try world.run(for: .seconds(20))
        // One with each in five seconds, the shortest pause.
        #expect((0...8).contains(world.mendings(of: 1).sessions - sessions), "\(world.mendings(of: 1).sessions - sessions)")
        try world.heal()
        try world.converge()
        try world.check()
    }

    @Test(arguments: Self.seeds)
    func `who comes back with an older copy hears of what the others hold of it, and takes a new id (I20)`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2)
        try world.set("before", to: "copied", on: 0)
        try world.run(for: .seconds(2))
        world.copyDisk(of: 0)
        func id() throws -> Substring? {
            try world.ask("INFO", "hearsay", of: 0)?.split(separator: "\r\n").first { $0.hasPrefix("replica_id:") }
        }
        let before = try id()
        world.setClock(of: 0, aheadBy: 30_000)
        try world.set("key", to: "ahead", on: 0)
        // Too short for a round, which would tell too.
        try world.run(for: .milliseconds(30))
        #expect(world.stampCounts(of: 1).held == 1)
        try world.putBackDisk(of: 0)
        try world.run(for: .seconds(1))
        #expect(try before != nil && id() != before)
    }

    @Test(arguments: Self.seeds)
    func `a joiner that is given what is stamped ahead of its clock serves once that is due`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 2, joiners: 1)
        for node in 0...1 { world.setClock(of: node, aheadBy: 20_000) }
        for number in 0..<20 { try world.set("key\(number)", to: "ahead", on: number % 2) }
        try world.run(for: .seconds(2))
        try world.start(2)
        try world.run(for: .seconds(10))
        #expect(!world.isServing(2) && world.bootstraps(of: 2).begun == 1)
        try world.run(for: .seconds(9))
        #expect(world.isServing(2) && world.bootstraps(of: 2).begun == 1)
        #expect(try world.value(of: "key19", on: 2) == "ahead")
    }

    @Test(arguments: Self.seeds)
    func `a joiner does not take what is stamped an hour ahead, and joins from a member that has nothing of that`(seed: UInt64) throws {
        let world = try self.farAhead(seed: seed)
        world.endCuts()
        let joiner = 3
        try world.addStranger()
        try world.start(joiner)
        try world.run(for: .seconds(30))
        #expect(world.isServing(joiner) && world.newestStamp(of: joiner) <= world.rightTime)
        #expect(try world.value(of: "far", on: joiner) == nil)
    }

    @Test(arguments: Self.seeds)
    func `a machine without a clock takes its first write once a member has told the time, and stamps by that`(seed: UInt64) throws {
        let world = try World.calm(seed: seed, nodes: 3, clocklessNodes: 1)
        let box = try #require((0..<3).first { !world.hasClock($0) })
        #expect(try world.ask("SET", "key", "from a box", of: box) == "+OK\r\n")
        let stamp = Int64(world.newestStamp(of: box))
        #expect(abs(stamp - Int64(world.rightTime)) < 50, "\(stamp) at \(world.rightTime)")
        try world.run(for: .milliseconds(100))
        for node in 0..<3 { #expect(try world.value(of: "key", on: node) == "from a box") }
        try world.set("key", to: "from another", on: (box + 1) % 3)
        try world.run(for: .milliseconds(100))
        #expect(try world.value(of: "key", on: box) == "from another")
        // After a restart it has stamps to go on from.
        for other in 0..<3 where other != box { world.cutApart(box, other) }
        world.kill(box)
        try world.start(box)
        try world.run(for: .seconds(4))
        #expect(try world.ask("SET", "key", "alone", of: box) == "+OK\r\n")
        #expect(world.newestStamp(of: box) < world.rightTime && world.newestStamp(of: box) >= UInt64(stamp))
        let status = try #require(try world.ask("HEARSAY", "STATUS", of: box))
        #expect(status.contains("clock behind by 57 years: the clock is not set"))
    }
}
