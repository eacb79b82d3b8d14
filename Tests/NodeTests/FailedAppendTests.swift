import Basics
import Simulation
import Storage
import TestSupport
import Testing
import Versioning

/// A log that could not be extended: what it should have held is as if it had never been (I5), and dots are issued again, stamps not (I9).
@Suite struct FailedAppendTests {
    private func fillDisk(_ world: ReplicaWorld) { world.disk.plan(DiskFaults(freeBytes: 0)) }
    private func freeDisk(_ world: ReplicaWorld) { world.disk.plan(DiskFaults()) }

    /// Appends with a full disk, as the server does it.
    ///
    /// - Returns: where the log was cut back to.
    private func failAppend(_ world: ReplicaWorld) throws -> LogPosition {
        self.fillDisk(world)
        try world.tick()
        let origin = try world.append()
        self.freeDisk(world)
        return try #require(origin)
    }

    @Test func `everything since is undone, overwrites, deletes and digest included`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("MSET", "base", "1", "frozen", "1", "live", "1", "folded", "1")
        try world.drain()
        try client.send("MSET", "frozen", "2", "folded", "2")
        try world.freeze()
        try world.finishDrain()
        try client.send("MSET", "live", "3", "live2", "3")
        try world.commit()
        let before = try world.digest()
        try client.send("MSET", "base", "x", "frozen", "x", "live", "x", "new", "x")
        try client.send("DEL", "live2", "folded")
        _ = try world.digest()  // Folded, so that the undoing has to take it out again.
        try client.send("SET", "live", "y")
        _ = try self.failAppend(world)
        #expect(try client.send("MGET", "base", "frozen", "live", "live2", "folded", "new").line == "*6 $1 1 $1 2 $1 3 $1 3 $1 2 $-1")
        #expect(try world.digest() == before)
        #expect(try client.send("HEARSAY", "VERIFY").text == before)
        #expect(try client.send("DBSIZE").line == ":5")
        #expect(try world.info("failed_appends") == "1")
    }

    @Test func `sequence numbers are issued again, stamps are not`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("SET", "a", "1")
        try world.commit()
        try client.send("SET", "a", "2")
        let lost = try #require(try world.version(of: "a"))
        _ = try self.failAppend(world)
        world.wall = WallTime(milliseconds: 5)
        try client.send("SET", "a", "3")
        let next = try #require(try world.version(of: "a"))
        #expect(next.dot == lost.dot && next.dot.sequence == 2)
        #expect(next.stamp > lost.stamp)
    }

    @Test func `a restart shows what was answered and nothing of what was not`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("SET", "a", "1")
        try world.commit()
        let digest = try world.digest()
        try client.send("SET", "a", "2")
        _ = try self.failAppend(world)
        try world.restart()
        #expect(try world.connect().send("GET", "a").line == "$1 1")
        #expect(try world.digest() == digest)
    }

    @Test func `the very first append may fail, and the next one works`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        let answer = try client.send("SET", "a", "1")
        #expect(try self.failAppend(world) == 0)
        #expect(answer.dependsOn > 0, "position 0 would stand for nothing to depend on")
        #expect(try client.send("GET", "a").line == "$-1")
        try client.send("SET", "a", "2")
        try world.commit()
        try world.restart()
        #expect(try world.connect().send("GET", "a").line == "$1 2")
    }

    @Test func `writes that were taken back take no room in the table`() throws {
        var store = StoreConfiguration()
        store.tableBytes = 10_000
        let world = try ReplicaWorld(store: store)
        let client = world.connect()
        for _ in 0..<5 {
            for index in 0..<4 { try client.send("SET", "\(index)", String(repeating: "v", count: 1_000)) }
            _ = try self.failAppend(world)
            try world.tick()
        }
        #expect(try client.send("SET", "a", "1").line == "+OK")
    }

    @Test func `a write that was taken back and its successor under the same dot are two writes to WATCH`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("SET", "a", "1")
        try world.commit()
        try client.send("SET", "a", "lost")
        try client.send("WATCH", "a")
        _ = try self.failAppend(world)
        try world.connect().send("SET", "a", "other")
        try client.send("MULTI")
        try client.send("GET", "a")
        #expect(try client.send("EXEC").line == "*-1")
    }

    @Test(arguments: ["KEYS *", "FLUSHALL"])
    func `a job that has seen or written what was taken back answers an error`(command: String) throws {
        let world = try ReplicaWorld(configuration: flushing)
        let client = world.connect()
        for index in 0..<1_500 { try client.send("SET", "key:\(index)", "1") }
        try world.commit()
        for index in 0..<1_500 { try client.send("SET", "key:\(index)", "2") }
        let job = try client.beginJob(command.split(separator: " ").map(String.init))
        #expect(try job.advance() == nil)
        job.job.logWasCut(back: try self.failAppend(world))
        let answer = try #require(try job.advance())
        #expect(answer.line.hasPrefix("-ERR no space left on the device") && answer.dependsOn == 0)
        #expect(try client.send("DBSIZE").line == ":1500")
        #expect(try client.send("GET", "key:7").line == "$1 1")
    }

    @Test func `a job that has seen nothing of it goes on`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        for index in 0..<1_500 { try client.send("SET", "key:\(index)", "1") }
        try world.commit()
        let job = try client.beginJob("KEYS", "*")
        #expect(try job.advance() == nil)
        try client.send("SET", "another", "1")
        job.job.logWasCut(back: try self.failAppend(world))
        #expect(try job.advance()?.line.hasPrefix("*1500 ") == true)
    }
}
