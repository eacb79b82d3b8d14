import Storage
import Testing

/// One rule for outputs (I6): an answer leaves when the record that it shows is durable, and waits for nothing else.
@Suite struct OutputRuleTests {
    /// `old` is durable, `new` is written and not synced, `gone` is deleted and the delete not synced.
    private func world(_ durability: StoreConfiguration.Durability = .always) throws -> (ReplicaWorld, TestClient) {
        var store = StoreConfiguration()
        store.durability = durability
        let world = try ReplicaWorld(store: store, configuration: flushing)
        let client = world.connect()
        try client.send("MSET", "old", "1", "gone", "1")
        try world.commit()
        try client.send("SET", "new", "2")
        try client.send("DEL", "gone")
        return (world, client)
    }

    @Test(arguments: [
        "GET new", "GET gone", "MGET old new", "STRLEN new", "GETRANGE new 0 -1", "EXISTS new", "EXISTS old gone", "TOUCH new", "TYPE new",
        "TYPE gone", "DEL gone", "GETDEL gone", "SETNX new 3", "SET new 3 NX", "SET gone 3 XX", "SET gone 3 XX GET", "MSETNX old2 1 new 3",
        "SETRANGE new 0 \"\"",
        "RENAME gone other", "RENAMENX old new", "COPY old new", "COPY gone other", "SCAN 0 COUNT 100", "KEYS *", "DBSIZE", "HEARSAY DIGEST",
        "HEARSAY VERIFY",
    ])
    func `an answer that shows an unsynced write waits for it`(command: String) throws {
        let (world, client) = try self.world()
        let answer = try client.type(command)
        #expect(!answer.mayLeave(world), "\(answer)")
        #expect(answer.dependsOn == world.store.appliedPosition)
        try world.commit()
        #expect(answer.mayLeave(world), "\(answer)")
    }

    @Test(arguments: [
        "GET old", "GET none", "MGET old none", "STRLEN old", "GETRANGE old 0 -1", "EXISTS old none", "TYPE old", "TYPE none", "DEL none",
        "GETDEL none", "SETNX old 3", "SET old 3 NX", "SET none 3 XX", "SET none 3 XX GET", "MSETNX old 1 new 3", "SETRANGE old 0 \"\"",
        "RENAME none other", "COPY none other", "PING", "ECHO hi", "TIME", "INFO", "CONFIG GET *", "CLIENT LIST", "COMMAND COUNT", "SET new",
        "NOSUCH",
        "HEARSAY STATUS", "WATCH old",
    ])
    func `an answer that shows older writes only does not wait for newer ones`(command: String) throws {
        let (world, client) = try self.world()
        let answer = try client.type(command)
        #expect(answer.mayLeave(world), "\(answer)")
    }

    @Test(arguments: [
        "SET old 3", "SET old 3 GET", "SET none 3 NX", "SETNX none 1", "GETSET old 2", "GETDEL old", "MSET old 2 none 3", "MSETNX none 1 none2 2",
        "APPEND old x", "SETRANGE old 0 x", "DEL old", "UNLINK old", "RENAME old other", "RENAMENX old other", "COPY old other",
        "COPY old new REPLACE",
        "FLUSHALL",
    ])
    func `an answer to a write waits for it`(command: String) throws {
        let (world, client) = try self.world()
        try world.commit()
        let answer = try client.type(command)
        #expect(answer.dependsOn == world.store.appliedPosition && !answer.mayLeave(world), "\(answer)")
    }

    @Test func `EXEC depends on what its commands and its watches have seen`() throws {
        let (world, client) = try self.world()
        for (command, mayLeave) in [("GET old", true), ("GET new", false), ("PING", true), ("SET x 1", false)] {
            try client.send("MULTI")
            try client.type(command)
            #expect(try client.send("EXEC").mayLeave(world) == mayLeave, "\(command)")
        }
        for (key, mayLeave) in [("old", true), ("none", true), ("new", false), ("gone", false)] {
            try client.send("WATCH", key)
            try client.send("MULTI")
            #expect(try client.send("EXEC").mayLeave(world) == mayLeave, "WATCH \(key)")
        }
    }

    @Test func `an EXEC that finds a watched key written depends on that write alone`() throws {
        let (world, client) = try self.world()
        try client.send("WATCH", "old")
        try world.connect().send("SET", "old", "2")
        try world.commit()
        try world.connect().send("SET", "unrelated", "2")
        try client.send("MULTI")
        let answer = try client.send("EXEC")
        #expect(answer.line == "*-1" && answer.mayLeave(world))
    }

    @Test func `at interval an answer leaves when it is written, synced or not`() throws {
        let (world, client) = try self.world(.interval)
        let answer = try client.send("GET", "new")
        #expect(!answer.mayLeave(world))
        try world.tick()
        #expect(!answer.mayLeave(world))
        try world.append()
        #expect(answer.mayLeave(world))
        #expect(world.store.synced < world.store.written)
    }

    @Test func `what was drained depends on nothing`() throws {
        let (world, client) = try self.world()
        try world.drain()
        for key in ["old", "new", "gone"] { #expect(try client.send("GET", key).dependsOn == 0) }
    }

    @Test func `on an empty store answers depend on nothing`() throws {
        let world = try ReplicaWorld()
        for command in ["PING", "GET a", "DBSIZE", "KEYS *", "RANDOMKEY", "HEARSAY DIGEST", "SCAN 0", "DEL a"] {
            #expect(try world.connect().type(command).mayLeave(world), "\(command)")
        }
    }
}
