import Basics
import Storage
import Testing

/// Writes wait when the tables are full, and are refused when those cannot be drained; reads go on (I7b).
@Suite struct PacingTests {
    /// The frozen table is being drained, and the live one is full.
    private func full() throws -> (ReplicaWorld, TestClient) {
        var store = StoreConfiguration()
        store.tableEntries = 20
        let world = try ReplicaWorld(store: store, configuration: flushing)
        let client = world.connect()
        for index in 0..<20 { try client.send("SET", "a:\(index)", "1") }
        try world.commit()
        #expect(world.isDraining)
        var index = 0
        while world.store.live.count < 20 {
            // The drain makes no progress, so time lets in what is left of the room, less and less.
            world.now = world.now + .seconds(60)
            world.replica.beginTick(at: world.moment)
            guard try !client.mustWait("SET", "b", "1") else { continue }
            try client.send("SET", "b:\(index)", "1")
            index += 1
        }
        world.now = world.now + .seconds(60)
        world.replica.beginTick(at: world.moment)
        return (world, client)
    }

    @Test(arguments: [
        "SET a 1", "DEL a:1", "MSET a 1 b 2", "APPEND a x", "SETNX a 1", "RENAME a:1 b", "COPY a:1 b", "GETDEL a:1", "FLUSHALL", "SETRANGE a 0 x",
    ])
    func `a write waits while both tables are full, and is executed when the drain has ended`(command: String) throws {
        let (world, client) = try self.full()
        let words = command.split(separator: " ").map(String.init)
        #expect(try client.mustWait(words))
        try world.finishDrain()
        #expect(try client.mustWait(words), "the live table is still full: it freezes first")
        try world.commit()
        #expect(try !client.mustWait(words))
    }

    @Test(arguments: [
        "GET a:1", "MGET a:1 b:1", "EXISTS a:1", "SCAN 0", "KEYS *", "DBSIZE", "PING", "INFO", "MULTI", "EXEC", "DISCARD", "WATCH a", "NOSUCH",
        "HEARSAY DIGEST",
    ])
    func `nothing else waits`(command: String) throws {
        let (_, client) = try self.full()
        #expect(try !client.mustWait(command.split(separator: " ").map(String.init)))
    }

    @Test func `reads show both tables meanwhile`() throws {
        let (_, client) = try self.full()
        #expect(try client.send("MGET", "a:1", "b:1", "none").line == "*3 $1 1 $1 1 $-1")
        #expect(try client.send("SCAN", "0", "COUNT", "1000").line.hasPrefix("*2 $1 0 *40 "))
    }

    @Test func `a transaction waits whole, at its EXEC, and only if it writes`() throws {
        let (_, client) = try self.full()
        try client.send("MULTI")
        #expect(try !client.mustWait("SET", "a", "1"))
        try client.send("GET", "a")
        #expect(try !client.mustWait("EXEC"))
        try client.send("SET", "a", "1")
        #expect(try client.mustWait("EXEC"))
    }

    // MARK: No room

    @Test func `while the tables cannot be drained writes are refused, and reads go on`() throws {
        let (world, client) = try self.full()
        world.store.drainFailed(.baseFull(operation: "commit"))
        #expect(try !client.mustWait("SET", "a", "1"))
        for command in ["SET a 1", "DEL a:1", "MSET a 1", "FLUSHALL"] {
            #expect(
                try client.type(command).line == "-ERR no space left on the device: writes are refused until there is room, reads go on", "\(command)"
            )
        }
        #expect(try client.send("GET", "a:1").line == "$1 1")
        #expect(try world.info("drain_error") == "LMDB commit: no space left on the device")
        #expect(try client.send("HEARSAY", "STATUS").text.contains("attention   drains fail"))
        try world.finishDrain()
        try world.commit()
        #expect(try client.send("SET", "a", "1").line == "+OK")
        #expect(try world.info("drain_error") == "")
    }

    @Test func `a transaction that writes is refused whole, and one that reads is not`() throws {
        let (world, client) = try self.full()
        world.store.drainFailed(.baseFull(operation: "commit"))
        try client.send("MULTI")
        try client.send("GET", "a:1")
        #expect(try client.send("EXEC").line == "*1 $1 1")
        try client.send("MULTI")
        try client.send("GET", "a:1")
        try client.send("SET", "a:1", "x")
        #expect(try client.send("EXEC").line == "-EXECABORT Transaction discarded because of: no space left on the device")
        #expect(try client.send("GET", "a:1").line == "$1 1")
    }

    @Test func `a drain that fails refuses no write while there is room in the table`() throws {
        var store = StoreConfiguration()
        store.tableEntries = 20
        let world = try ReplicaWorld(store: store)
        let client = world.connect()
        for index in 0..<20 { try client.send("SET", "\(index)", "1") }
        try world.commit()
        world.store.drainFailed(.baseFull(operation: "commit"))
        #expect(try client.send("SET", "a", "1").line == "+OK")
    }

    @Test func `FLUSHALL waits between slices for room, and ends with an error where none comes`() throws {
        var store = StoreConfiguration()
        store.tableEntries = 600
        let world = try ReplicaWorld(store: store, configuration: flushing)
        let client = world.connect()
        for index in 0..<600 { try client.send("SET", "key:\(index)", "1") }
        try world.commit()
        let job = try client.beginJob("FLUSHALL")
        for _ in 0..<3 { _ = try job.advance() }
        #expect(try job.advance() == nil && job.isBlocked)
        world.store.drainFailed(.baseFull(operation: "commit"))
        #expect(try job.advance()?.line == "-ERR no space left on the device: only a part of the keys was deleted")
    }
}
