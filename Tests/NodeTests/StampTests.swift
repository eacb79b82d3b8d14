import Basics
import Storage
import TestSupport
import Testing
import Versioning

/// Stamps strictly increase under one replica id, whatever the wall clock does (I9).
@Suite struct StampTests {
    @Test(arguments: seeds(20))
    func `stamps increase and dots have no gaps while the wall clock steps and the process restarts`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let world = try ReplicaWorld(seed: seed)
        var client = world.connect()
        var last: VersionHeader?
        for _ in 0..<200 {
            switch Int.random(in: 0..<12, using: &random) {
            // Once something is written, that gives a stamp to go on from, whatever the clock says then.
            case 0 where last != nil: world.wall = WallTime(milliseconds: UInt64.random(in: 0...2_000_000_000_000, using: &random))
            case 1: world.wall = WallTime(milliseconds: world.wall.milliseconds > 5_000 ? world.wall.milliseconds - 5_000 : 0)
            case 2: world.wall = WallTime(milliseconds: world.wall.milliseconds + 1)
            case 3: try world.stepDrain()
            case 4:
                try world.commit()
                try world.restart()
                client = world.connect()
            default: break
            }
            try client.send(Bool.random(using: &random) ? ["SET", "k", "v"] : ["APPEND", "k", "v"])
            let header = try #require(try world.version(of: "k"))
            if let last {
                #expect(header.stamp > last.stamp)
                #expect(header.dot.replica == last.dot.replica && header.dot.sequence == last.dot.sequence + 1)
            }
            last = header
        }
    }

    @Test func `a stamp is as close to the wall clock as the clock allows`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        let start: UInt64 = 1_800_000_000_000
        world.wall = WallTime(milliseconds: start + 1_000)
        try client.send("SET", "a", "1")
        #expect(try world.version(of: "a")?.stamp.milliseconds == start + 1_000)
        world.wall = WallTime(milliseconds: start + 2_000)
        try client.send("SET", "a", "1")
        #expect(try world.version(of: "a")?.stamp.milliseconds == start + 2_000)
        world.wall = WallTime(milliseconds: start + 1_500)
        try client.send("SET", "a", "1")
        #expect(try world.version(of: "a")?.stamp.milliseconds == start + 2_000)
        #expect(try world.version(of: "a")?.stamp.counter == 1)
    }
}
