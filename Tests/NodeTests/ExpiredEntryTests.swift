import Basics
import Node
import RESP
import Storage
import Testing

/// An entry whose deadline has passed is absent to every command, and else what it was (I27).
@Suite struct ExpiredEntryTests {
    /// Where the entries of a world lie.
    enum Place: CaseIterable { case live, frozen, base }

    /// `gone` has expired, `stays` has a deadline to come, `kept` has none.
    private func world(_ place: Place = .live, configuration: ReplicaConfiguration = ReplicaConfiguration()) throws -> (ReplicaWorld, TestClient) {
        let world = try ReplicaWorld(configuration: configuration)
        let client = world.connect()
        for line in ["SET gone old PX 5", "SET stays old PX 100000", "SET kept old"] { try client.type(line) }
        switch place {
        case .live: break
        case .frozen: try world.freeze()
        case .base: try world.drain()
        }
        world.wall = WallTime(milliseconds: world.wall.milliseconds + 6)
        return (world, client)
    }

    @Test(
        arguments: Place.allCases,
        [
            ("GET gone", "$-1"), ("MGET gone kept", "*2 $-1 $3 old"), ("EXISTS gone gone stays", ":1"), ("TOUCH gone kept", ":1"),
            ("TYPE gone", "+none"),
            ("STRLEN gone", ":0"), ("GETRANGE gone 0 -1", "$0 "), ("TTL gone", ":-2"), ("PTTL gone", ":-2"), ("EXPIRETIME gone", ":-2"),
            ("PEXPIRETIME gone", ":-2"), ("GETEX gone", "$-1"), ("GETEX gone EX 10", "$-1"), ("GETEX gone PERSIST", "$-1"), ("GETDEL gone", "$-1"),
            ("DEL gone", ":0"), ("UNLINK gone", ":0"), ("EXPIRE gone 10", ":0"), ("PEXPIRE gone -1", ":0"), ("EXPIREAT gone 1 LT", ":0"),
            ("PEXPIREAT gone 99999999999999 NX", ":0"), ("PERSIST gone", ":0"), ("RENAME gone x", "-ERR no such key"),
            ("RENAME gone gone", "-ERR no such key"),
            ("RENAMENX gone x", "-ERR no such key"), ("COPY gone x", ":0"), ("COPY gone x REPLACE", ":0"), ("SET gone x XX", "$-1"),
            ("SET gone x XX GET", "$-1"), ("SETRANGE gone 0 \"\"", ":0"), ("KEYS g*", "*0"), ("SCAN 0 MATCH g*", "*2 $1 0 *0"),
        ])
    func `reads do not see it, and what acts on what is there writes nothing`(place: Place, command: (String, String)) throws {
        let (world, client) = try self.world(place)
        let digest = try world.digest()
        #expect(try client.type(command.0).line == command.1)
        #expect(world.store.counters.recordsApplied == 3)
        #expect(try world.digest() == digest)
    }

    @Test(
        arguments: Place.allCases,
        [
            ("SETNX gone x", ":1", "x"), ("SET gone x NX", "+OK", "x"), ("SET gone x GET", "$-1", "x"), ("SET gone x NX GET", "$-1", "x"),
            ("SET gone x KEEPTTL", "+OK", "x"), ("SET gone x KEEPTTL GET", "$-1", "x"), ("GETSET gone x", "$-1", "x"),
            ("MSETNX gone x y z", ":1", "x"),
            ("APPEND gone x", ":1", "x"), ("SETRANGE gone 2 x", ":3", "\\x00\\x00x"), ("RENAMENX kept gone", ":1", "old"),
            ("COPY kept gone", ":1", "old"),
        ])
    func `what acts on what is absent writes, and the old deadline is gone`(place: Place, command: (String, String, String)) throws {
        let (_, client) = try self.world(place)
        #expect(try client.type(command.0).line == command.1)
        #expect(try client.type("GET gone").line == "$\(command.2.hasPrefix("\\") ? 3 : command.2.utf8.count) \(command.2)")
        #expect(try client.type("TTL gone").line == ":-1")
    }

    @Test(arguments: Place.allCases)
    func `scans in slices go by the clock of each slice`(place: Place) throws {
        let (world, client) = try self.world(place)
        #expect(try client.type("SCAN 0 COUNT 100").line.split(separator: " ").contains("gone") == false)
        let job = try client.beginJob("RANDOMKEY")
        world.wall = WallTime(milliseconds: world.wall.milliseconds + 200_000)
        // Up to the end, and once more from the beginning.
        #expect(try (job.advance() ?? job.advance())?.line == "$4 kept")
        let keys = try client.beginJob("KEYS", "*")
        #expect(try keys.advance()?.line == "*1 $4 kept")
    }

    @Test func `RANDOMKEY answers null where all have expired`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        for index in 0..<20 { try client.type("SET key:\(index) 1 PX 5") }
        world.wall = WallTime(milliseconds: world.wall.milliseconds + 6)
        #expect(try client.type("RANDOMKEY").line == "$-1")
    }

    @Test func `DBSIZE and INFO count what has expired and is not overwritten, as Redis does until it deletes`() throws {
        let (world, client) = try self.world()
        #expect(try client.type("DBSIZE").line == ":3")
        #expect(try world.info("db0") == "keys=3,expires=2,avg_ttl=0")
        try client.type("SET gone again")
        try client.type("PERSIST stays")
        #expect(try world.info("db0") == "keys=3,expires=0,avg_ttl=0")
        try client.type("EXPIRE kept 100")
        try world.drain()
        #expect(try world.info("db0") == "keys=3,expires=1,avg_ttl=0")
        try client.type("DEL kept")
        #expect(try world.info("db0") == "keys=2,expires=0,avg_ttl=0")
        try world.commit()
        try world.restart()
        #expect(try world.info("db0") == "keys=2,expires=0,avg_ttl=0")
    }

    @Test func `FLUSHALL deletes what is there, and leaves what has expired as it is`() throws {
        let (world, client) = try self.world(configuration: flushing)
        #expect(try client.type("FLUSHALL").line == "+OK")
        #expect(try world.version(of: "gone")?.isTombstone == false)
        #expect(try world.version(of: "stays")?.isTombstone == true && world.version(of: "kept")?.isTombstone == true)
    }

    @Test(arguments: Place.allCases)
    func `an expired version is in the digest what it was, over a restart as well (I27)`(place: Place) throws {
        let world = try ReplicaWorld()
        try world.connect().type("SET a 1 PX 5")
        let (digest, version) = (try world.digest(), try world.version(of: "a"))
        if place != .live { try world.freeze() }
        if place == .base { try world.finishDrain() }
        world.wall = WallTime(milliseconds: world.wall.milliseconds + 6)
        #expect(try world.connect().type("GET a").line == "$-1")
        #expect(try world.digest() == digest && world.version(of: "a") == version)
        if world.isDraining { try world.finishDrain() }
        try world.commit()
        try world.restart()
        #expect(try world.digest() == digest && world.version(of: "a") == version)
        #expect(try world.connect().type("GET a").line == "$-1")
    }

    @Test(arguments: ["EXPIRE kept 10", "PERSIST stays", "GETEX kept EX 10", "GETEX stays PERSIST", "PEXPIREAT stays 1800000009999"])
    func `another deadline is another version of the same value, with a dot and a stamp of its own`(command: String) throws {
        let (world, client) = try self.world()
        let key = String(command.split(separator: " ")[1])
        let before = try #require(try world.version(of: key))
        try client.type(command)
        let after = try #require(try world.version(of: key))
        #expect(after.dot.sequence == 4 && after.stamp > before.stamp && after.expiryMilliseconds != before.expiryMilliseconds)
        #expect(try client.type("GET \(key)").line == "$3 old")
    }

    @Test func `a deadline of SET alone reads nothing, as a plain SET`() throws {
        let (world, client) = try self.world(.base)
        world.rot("kept") { $0[$0.count - 1] ^= 1 }
        try world.restart()
        #expect(try world.connect().type("SET kept new EX 10").line == "+OK")
        #expect(try world.info("damaged_reads") == "0")
        client.disconnect()
    }

    @Test(
        arguments: [
            "TTL bad", "PTTL bad", "EXPIRETIME bad", "PEXPIRETIME bad", "EXPIRE bad 10", "PEXPIREAT bad 1", "EXPIRE bad 10 NX", "PERSIST bad",
            "GETEX bad",
            "GETEX bad EX 10", "GETEX bad EX x", "SET bad x KEEPTTL", "SET bad x XX KEEPTTL",
        ])
    func `what needs a damaged version says so and changes nothing`(command: String) throws {
        let world = try ReplicaWorld()
        try world.connect().type("SET bad old EX 100")
        try world.drain()
        world.rot("bad") { $0[$0.count - 1] ^= 1 }
        try world.restart()
        #expect(try world.connect().type(command).line == "-ERR damaged")
        #expect(world.store.counters.recordsApplied == 0)
    }

    @Test(arguments: ["SETEX bad 10 new", "PSETEX bad 10 new", "SET bad new EX 10"])
    func `a damaged version is overwritten with a deadline too`(command: String) throws {
        let world = try ReplicaWorld()
        try world.connect().type("SET bad old EX 100")
        try world.drain()
        world.rot("bad") { $0[$0.count - 1] ^= 1 }
        try world.restart()
        let client = world.connect()
        #expect(try client.type(command).line == "+OK")
        #expect(try client.type("GET bad").line == "$3 new")
        #expect(try client.type("HEARSAY VERIFY").text == world.digest())
    }

    @Test func `a command on a deleted key is one on an absent one`() throws {
        try expectTranscript(
            #"""
            > SET a 1 EX 10
            +OK
            > DEL a
            :1
            > EXPIRE a 10
            :0
            > PERSIST a
            :0
            > TTL a
            :-2
            > GETEX a EX 10
            $-1
            > SET a 1 KEEPTTL
            +OK
            > TTL a
            :-1
            """#)
    }

    @Test func `an answer that shows no key depends on the version that has expired`() throws {
        let (world, client) = try self.world()
        let position = try client.type("GET gone").dependsOn
        #expect(position > 0 && position == world.store.appliedPosition)
    }

    @Test func `a transaction has one clock, and its commands act on what has expired as others do`() throws {
        try expectTranscript(
            #"""
            > SET a 1 PX 50
            +OK
            > MULTI
            +OK
            > GET a
            +QUEUED
            > PERSIST a
            +QUEUED
            > SET b 1 PX 20
            +QUEUED
            > GET b
            +QUEUED
            > EXPIRE a x
            +QUEUED
            @ 51
            > EXEC
            *5 $-1 :0 +OK $1 1 -ERR value is not an integer or out of range
            """#)
    }

    @Test func `a watched key that expires before EXEC has changed, as in Redis 7`() throws {
        try expectTranscript(
            #"""
            > SET a 1 PX 50
            +OK
            > WATCH a
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            @ 51
            > EXEC
            *-1
            > SET a 1 PX 50
            +OK
            @ 51
            > WATCH a
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            > SET a 1 PX 50
            +OK
            > WATCH a
            +OK
            B> PEXPIRE a 100000
            :1
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *-1
            """#)
    }

    @Test func `a watched key that expired before WATCH and is deleted or set after it`() throws {
        try expectTranscript(
            #"""
            > SET a 1 PX 5
            +OK
            @ 6
            > WATCH a
            +OK
            B> DEL a
            :0
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *1 +PONG
            > SET a 1 PX 5
            +OK
            @ 6
            > WATCH a
            +OK
            B> SET a 2
            +OK
            > MULTI
            +OK
            > PING
            +QUEUED
            > EXEC
            *-1
            """#)
    }
}
