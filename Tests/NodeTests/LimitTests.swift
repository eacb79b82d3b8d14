import Node
import RESP
import Storage
import Testing

/// Named bounds, at, below and above each.
@Suite struct LimitTests {
    @Test(arguments: [
        "GET K", "SET K v", "SETNX K v", "GETSET K v", "GETDEL K", "GETRANGE K 0 1", "MGET a K", "MSET a v K v", "MSETNX a v K v", "STRLEN K",
        "APPEND K v",
        "SETRANGE K 0 v", "DEL a K", "UNLINK K", "EXISTS a K", "TOUCH K", "RENAME K a", "RENAME a K", "RENAMENX a K", "COPY a K", "COPY K a",
        "TYPE K", "WATCH a K",
    ])
    func `a key may have 500 bytes, and no more`(command: String) throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        for count in [499, 500, 501] {
            let words = command.split(separator: " ").map { $0 == "K" ? String(repeating: "k", count: count) : String($0) }
            let line = try client.send(words).line
            #expect((line == "-ERR key is longer than 500 bytes") == (count > 500), "\(count): \(line)")
        }
    }

    @Test func `a key that is too long changes nothing, and discards a transaction`() throws {
        let client = try ReplicaWorld().connect()
        let long = String(repeating: "k", count: 501)
        try client.send("MSET", "a", "1", long, "1")
        #expect(try client.send("EXISTS", "a").line == ":0")
        try client.send("MULTI")
        try client.send("SET", "a", "1")
        #expect(try client.send("SET", long, "1").line == "-ERR key is longer than 500 bytes")
        #expect(try client.send("EXEC").line == "-EXECABORT Transaction discarded because of previous errors.")
        #expect(try client.send("EXISTS", "a").line == ":0")
    }

    @Test func `keys of 500 bytes, zeros and high bytes among them, survive drains and restarts`() throws {
        let world = try ReplicaWorld()
        let keys: [[UInt8]] = [[UInt8](repeating: 0, count: 500), [UInt8](repeating: 255, count: 500), [], [0], [13, 10]]
        for key in keys { try world.connect().send([Array("SET".utf8), key, [0, 13, 10, 255]]) }
        try world.drain()
        try world.restart()
        for key in keys { #expect(try world.connect().send([Array("GET".utf8), key]).reply == .bulk([0, 13, 10, 255])) }
    }

    @Test func `APPEND and SETRANGE make values up to the limit, and no longer ones`() throws {
        var configuration = ReplicaConfiguration()
        configuration.maximumValueBytes = 1_000
        let client = try ReplicaWorld(configuration: configuration).connect()
        let tooLong = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        #expect(try client.send("SETRANGE", "a", "998", "x").line == ":999")
        #expect(try client.send("SETRANGE", "a", "999", "x").line == ":1000")
        #expect(try client.send("SETRANGE", "a", "1000", "x").line == tooLong)
        #expect(try client.send("SETRANGE", "none", "1000", "x").line == tooLong)
        #expect(try client.send("APPEND", "a", "x").line == tooLong)
        #expect(try client.send("APPEND", "a", "").line == ":1000")
        #expect(try client.send("SETRANGE", "b", "900", "x").line == ":901")
        #expect(try client.send("APPEND", "b", String(repeating: "y", count: 98)).line == ":999")
        #expect(try client.send("APPEND", "b", "z").line == ":1000")
        #expect(try client.send("APPEND", "b", "z").line == tooLong)
        #expect(try client.send("STRLEN", "b").line == ":1000")
    }

    @Test func `a client may watch 65,536 keys, and no more`() throws {
        let client = try ReplicaWorld().connect()
        let keys = (0..<65_535).map { "\($0)" }
        #expect(try client.send(["WATCH"] + keys).line == "+OK")
        #expect(try client.send("WATCH", "a", "b").line == "-ERR too many watched keys")
        #expect(try client.send("WATCH", "a").line == "+OK")
        #expect(try client.send("WATCH", "b").line == "-ERR too many watched keys")
        try client.send("UNWATCH")
        #expect(try client.send("WATCH", "b").line == "+OK")
    }

    @Test func `commands between MULTI and EXEC may hold 64 MiB, and no more`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        let value = String(repeating: "v", count: 16 << 20)
        try client.send("MULTI")
        for _ in 0..<3 { #expect(try client.send("SET", "a", value).line == "+QUEUED") }
        #expect(try client.send("SET", "a", value).line == "-ERR transaction is longer than 64 MiB")
        #expect(try client.send("EXEC").line == "-EXECABORT Transaction discarded because of previous errors.")
        #expect(world.store.counters.recordsApplied == 0)
    }

    @Test func `an EXEC that writes more than 64 MiB leaves nothing, and what came before it in the tick stays`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("MSET", "old", "1", "big", "0")
        try world.commit()
        let committed = try world.digest()
        try client.send("SET", "tick", "1")
        let before = try world.digest()
        let head = world.store.appliedPosition
        try client.send("MULTI")
        try client.send("DEL", "old")
        // Each writes 16 MiB: the fourth is over the limit, its record's header and the delete counted.
        for _ in 0..<4 { try client.send("SETRANGE", "big", "16777215", "x") }
        #expect(try client.send("EXEC").line == "-EXECABORT Transaction discarded: it writes more than 64 MiB.")
        #expect(try client.send("MGET", "old", "big", "tick").line == "*3 $1 1 $1 0 $1 1")
        #expect(world.store.appliedPosition == head)
        #expect(try world.digest() == before && before != committed)
        try world.commit()
        try client.send("SET", "next", "1")
        #expect(try world.version(of: "next")?.dot.sequence == 4)
        try world.commit()
        let after = try world.digest()
        try world.restart()
        #expect(try world.digest() == after)
        #expect(try world.connect().send("MGET", "old", "big", "tick", "next").line == "*4 $1 1 $1 0 $1 1 $1 1")
    }

    @Test func `an EXEC that is alone in its tick and writes too much leaves nothing either`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("MULTI")
        for index in 0..<4 { try client.send("SETRANGE", "big:\(index)", "16777215", "x") }
        #expect(try client.send("EXEC").line == "-EXECABORT Transaction discarded: it writes more than 64 MiB.")
        try world.commit()
        #expect(world.store.head == 0)
        #expect(try world.digest().hasPrefix("0:"))
        #expect(try client.send("SET", "a", "1").line == "+OK", "the table is not full of what was taken back")
    }

    @Test func `an EXEC may write up to 64 MiB`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("MULTI")
        for index in 0..<3 { try client.send("SETRANGE", "big:\(index)", "16777215", "x") }
        // 48 MiB and three records' overhead of 70 bytes each, 8 of frame, 6 of key, 56 of header; the fourth fills the rest.
        try client.send("SETRANGE", "big:3", "16776000", "x")
        #expect(try client.send("EXEC").line == "*4 :16777216 :16777216 :16777216 :16776001")
        #expect(world.store.tickBytes <= 64 << 20)
    }

    @Test func `answers of several values end at 24 MiB`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("SET", "a", String(repeating: "v", count: 8 << 20))
        try client.send("SET", "b", "1")
        #expect(try client.send("MGET", "a", "a", "b").bytes.count > 16 << 20)
        #expect(try client.send("MGET", "a", "a", "a").line == "-ERR the answer is longer than 24 MiB: ask for fewer keys at once")
        try client.send("MULTI")
        try client.send("SET", "b", "2")
        for _ in 0..<3 { try client.send("GET", "a") }
        #expect(try client.send("EXEC").line == "-EXECABORT Transaction discarded: its answer is longer than 24 MiB.")
        #expect(try client.send("GET", "b").line == "$1 1")
    }
}
