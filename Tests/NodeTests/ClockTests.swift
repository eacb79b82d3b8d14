import Basics
import Node
import Storage
import Testing
import Versioning

/// The clock of a node that is alone (I12).
@Suite struct ClockTests {
    private static let right: UInt64 = 1_800_000_000_000

    /// What the node has told its operator.
    private func told(_ world: ReplicaWorld) -> [String] {
        world.replica.takePeerRequests().compactMap { if case .tell(let text) = $0 { text } else { nil } }
    }

    @Test func `a clock that was never set takes no first write, and serves reads; once it is set, writes go on`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        world.wall = WallTime(milliseconds: WallClock.builtAt - 1)
        try world.tick()
        #expect(
            try client.send("SET", "a", "1").reply
                == .error(
                    "ERR this machine's clock is not set (it reads the year 2026), and no member has told the time yet: writes are refused until then, reads go on"
                ))
        #expect(try client.send("GET", "a").line == "$-1")
        #expect(try client.send("HEARSAY", "STATUS").text.contains("attention   this machine's clock is not set (it reads the year 2026)"))
        #expect(self.told(world).count == 1 && self.told(world).isEmpty)
        world.wall = WallTime(milliseconds: WallClock.builtAt)
        try world.tick()
        #expect(try client.send("SET", "a", "1").line == "+OK")
        #expect(try world.version(of: "a")?.stamp.milliseconds == WallClock.builtAt)
    }

    @Test func `with something written a node whose clock has gone to 1970 takes writes, stamped from the newest stamp on, and says so`() throws {
        let world = try ReplicaWorld()
        try world.connect().send("SET", "a", "1")
        try world.commit()
        let newest = try #require(try world.version(of: "a")).stamp
        world.wall = WallTime(milliseconds: 5_000)
        try world.restart()
        let client = world.connect()
        #expect(try client.send("SET", "a", "2").line == "+OK")
        let next = try #require(try world.version(of: "a")).stamp
        #expect(next.milliseconds == newest.milliseconds && next.counter == newest.counter + 1)
        let texts = self.told(world)
        #expect(
            texts == [
                "clock behind by 57 years: the clock is not set, and writes are stamped from the newest stamp on; set this machine's clock right"
            ])
        #expect(try client.send("HEARSAY", "STATUS").text.contains("attention   clock behind by 57 years"))
    }

    @Test(arguments: [(1_000, false), (1_001, true), (3_600_000, true)])
    func `a start with stamps more than the drift bound ahead of the clock is told, shown, and takes writes`(behind: UInt64, isTold: Bool) throws {
        let world = try ReplicaWorld()
        world.wall = WallTime(milliseconds: Self.right + behind)
        try world.tick()
        try world.connect().send("SET", "a", "1")
        try world.commit()
        world.wall = WallTime(milliseconds: Self.right)
        try world.restart()
        let client = world.connect()
        #expect(self.told(world).contains { $0.hasPrefix("clock behind by ") } == isTold)
        #expect(try client.send("HEARSAY", "STATUS").text.contains("attention   clock behind by") == isTold)
        #expect(try world.info("clock_behind_ms") == (isTold ? "\(behind)" : "0"))
        #expect(try world.info("newest_stamp_ahead_ms") == "\(behind)")
        #expect(try client.send("SET", "a", "2").line == "+OK")
        // Once the clock is there it is well.
        world.wall = WallTime(milliseconds: Self.right + behind)
        try world.tick()
        #expect(try world.info("clock_behind_ms") == "0" && world.info("clock_trouble") == "")
    }

    @Test func `what lasts is told once in ten minutes`() throws {
        let world = try ReplicaWorld()
        world.wall = WallTime(milliseconds: 5_000)
        for _ in 0..<10 {
            world.now = world.now + .seconds(59)
            try world.tick()
        }
        #expect(self.told(world).count == 1)
        world.now = world.now + .seconds(70)
        try world.tick()
        #expect(self.told(world).count == 1)
    }
}
