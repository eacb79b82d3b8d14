import Testing

/// A stored version without its checksum is never served; it is counted, and there are ways out (I17).
@Suite struct DamageTests {
    /// How an entry has rotted.
    enum Rot: CaseIterable {
        /// A bit of the value.
        case value
        /// So much that the bytes form no record.
        case whole
    }

    /// `bad` is damaged, `good` is not.
    private func world(_ rot: Rot) throws -> (ReplicaWorld, TestClient) {
        let world = try ReplicaWorld(configuration: flushing)
        try world.connect().send("MSET", "bad", "12345", "good", "1")
        try world.drain()
        world.rot("bad") { bytes in
            switch rot {
            case .value: bytes[bytes.count - 1] ^= 0x40
            case .whole: bytes.removeLast(20)
            }
        }
        try world.restart()
        return (world, world.connect())
    }

    @Test(
        arguments: Rot.allCases,
        [
            "GET bad", "MGET good bad good", "STRLEN bad", "GETRANGE bad 0 -1", "GETSET bad x", "GETDEL bad", "SET bad x GET", "SET bad x NX GET",
            "APPEND bad x", "SETRANGE bad 0 x", "SETRANGE bad 0 \"\"", "RENAME bad other", "RENAMENX bad other", "COPY bad other",
            "COPY bad good REPLACE",
        ])
    func `a command that needs the damaged value answers so and changes nothing`(rot: Rot, command: String) throws {
        let (world, client) = try self.world(rot)
        #expect(try client.type(command).line == "-ERR damaged")
        #expect(world.store.counters.recordsApplied == 0)
        #expect(try client.send("MGET", "good", "other").line == "*2 $1 1 $-1")
    }

    @Test(
        arguments: Rot.allCases,
        [
            ("EXISTS bad", ":1"), ("TOUCH bad good", ":2"), ("TYPE bad", "+string"), ("SETNX bad x", ":0"), ("SET bad x NX", "$-1"),
            ("MSETNX other 1 bad 2", ":0"), ("RENAMENX good bad", ":0"), ("COPY good bad", ":0"), ("KEYS b*", "*0"),
            ("SCAN 0 MATCH b* COUNT 10", "*2 $1 0 *0"),
        ])
    func `a damaged entry is still a key to whoever names it`(rot: Rot, command: (String, String)) throws {
        let (_, client) = try self.world(rot)
        #expect(try client.type(command.0).line == command.1)
    }

    @Test(
        arguments: Rot.allCases,
        [("SET bad new", "+OK"), ("SET bad new XX", "+OK"), ("MSET bad new", "+OK"), ("RENAME fresh bad", "+OK"), ("COPY fresh bad REPLACE", ":1")])
    func `overwriting heals it, for the digest as well`(rot: Rot, command: (String, String)) throws {
        let (world, client) = try self.world(rot)
        try client.send("SET", "fresh", "new")
        #expect(try client.type(command.0).line == command.1)
        #expect(try client.send("GET", "bad").line == "$3 new")
        for _ in 0..<2 {
            #expect(try client.send("HEARSAY", "VERIFY").text == world.digest())
            try world.drain()
            try client.send("SET", "another", "1")
        }
        try world.commit()
        try world.restart()
        #expect(try world.info("damaged_entries") == "0")
        #expect(try world.connect().send("GET", "bad").line == "$3 new")
    }

    @Test(arguments: Rot.allCases, [("DEL bad", ":1"), ("UNLINK bad good", ":2"), ("FLUSHALL", "+OK")])
    func `deleting heals it, for the digest as well`(rot: Rot, command: (String, String)) throws {
        let (world, client) = try self.world(rot)
        #expect(try client.type(command.0).line == command.1)
        #expect(try client.send("GET", "bad").line == "$-1")
        #expect(try client.send("HEARSAY", "VERIFY").text == world.digest())
        try client.send("SET", "good", "again")
        #expect(try client.send("DBSIZE").line == ":1")
    }

    @Test(arguments: Rot.allCases)
    func `damage is counted at start and at each read, and VERIFY finds it`(rot: Rot) throws {
        let (world, client) = try self.world(rot)
        #expect(try world.info("damaged_entries") == "1")
        #expect(try world.info("damaged_reads") == "0")
        try client.send("GET", "bad")
        try client.send("MGET", "good", "bad")
        #expect(try world.info("damaged_reads") == "2")
        #expect(try client.send("HEARSAY", "VERIFY").line.hasPrefix("-ERR verify: 1 places where something was lost"))
        #expect(try client.send("HEARSAY", "STATUS").text.contains("damage      1 places where something was lost"))
    }

    @Test func `a watched key that is damaged is touched by the write that heals it`() throws {
        let (world, client) = try self.world(.value)
        try client.send("WATCH", "bad")
        try world.connect().send("SET", "bad", "new")
        try client.send("MULTI")
        #expect(try client.send("EXEC").line == "*-1")
    }

    @Test(arguments: Rot.allCases)
    func `DAMAGE lists what is open, a write of the key closes it, ACCEPT closes the rest`(rot: Rot) throws {
        let (world, client) = try self.world(rot)
        let open = try client.send("HEARSAY", "DAMAGE").line
        #expect(open.hasPrefix("*1 $20 key "))
        try client.send("SET", "bad", "new")
        #expect(try client.send("HEARSAY", "DAMAGE").line == "*0")
        let (other, second) = try self.world(rot)
        #expect(try second.type("HEARSAY DAMAGE ACCEPT").line == "+OK")
        #expect(try second.send("HEARSAY", "DAMAGE").line == "*0" && second.send("GET", "bad").line == "$-1")
        #expect(try second.type("HEARSAY DAMAGE AGAIN").line.hasPrefix("-ERR syntax"))
        #expect(try world.info("damage_open") == "0" && other.info("damage_open") == "0")
    }

    @Test(arguments: Rot.allCases)
    func `what is lost stays lost over restarts, once it has left the base too`(rot: Rot) throws {
        let (world, _) = try self.world(rot)
        for _ in 0..<2 {
            try world.commit()
            try world.replica.tendDigest(at: world.now)
            #expect(!world.store.hasRotten && world.store.hasDamage)
            #expect(try world.connect().send("GET", "bad").line == "-ERR damaged")
            try world.restart()
        }
        #expect(try world.info("damaged_entries") == "0")
    }
}
