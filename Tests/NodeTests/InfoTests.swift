import Basics
import Node
import RESP
import Storage
import Testing

/// INFO, HEARSAY STATUS, COMMAND and the HELP of each container.
@Suite struct InfoTests {
    private func sections(_ text: String) -> [String] { text.split(separator: "\r\n").filter { $0.hasPrefix("# ") }.map { String($0.dropFirst(2)) } }

    private static let all = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "Keyspace", "Hearsay"]

    @Test(arguments: [
        ("INFO", all), ("INFO all", all), ("INFO everything", all), ("INFO default", all), ("INFO stats", ["Stats"]),
        ("INFO HEARSAY server", ["Hearsay", "Server"]), ("INFO stats stats", ["Stats"]), ("INFO nosuch", []), ("INFO nosuch memory", ["Memory"]),
    ])
    func `INFO answers the sections that are named`(command: String, expected: [String]) throws {
        let client = try ReplicaWorld().connect()
        #expect(self.sections(try client.type(command).text) == expected)
    }

    @Test func `INFO is verbatim text in RESP3`() throws {
        let client = try ReplicaWorld().connect()
        try client.send("HELLO", "3")
        guard case .verbatim("txt", let text) = try client.send("INFO", "replication").reply else {
            Issue.record("no verbatim text")
            return
        }
        #expect(String(decoding: text, as: UTF8.self) == "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n")
    }

    @Test func `INFO shows what lies around the node`() throws {
        let world = try ReplicaWorld()
        for (field, value) in [
            ("redis_version", "7.0.15"), ("hearsay_version", "0.1.0"), ("redis_mode", "standalone"), ("process_id", "42"), ("tcp_port", "7379"),
            ("uptime_in_seconds", "90000"), ("uptime_in_days", "1"), ("data_folder", "/data"), ("used_memory", "1572864"),
            ("used_memory_human", "1.50M"), ("used_memory_rss_human", "2.00M"), ("role", "master"), ("loading", "0"), ("aof_enabled", "1"),
            ("durability", "always"), ("connected_clients", "1"), ("maxclients", "10000"),
        ] {
            #expect(try world.info(field) == value, "\(field)")
        }
    }

    @Test func `hits are counted by where they were, in table, frozen table or LMDB, and misses`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("MSET", "a", "1", "b", "1", "c", "1", "gone", "1")
        try world.drain()
        try client.send("SET", "b", "2")
        try client.send("DEL", "gone")
        try world.freeze()
        try client.send("SET", "c", "2")
        for command in [
            "GET c", "MGET b b", "STRLEN a", "EXISTS a", "TOUCH a", "GETRANGE a 0 1", "GET none", "GET gone", "SETNX a 1", "TYPE a", "DEL none",
        ] {
            try client.type(command)
        }
        #expect(try world.info("keyspace_hits_table") == "1")
        #expect(try world.info("keyspace_hits_frozen") == "2")
        #expect(try world.info("keyspace_hits_lmdb") == "4")
        #expect(try world.info("keyspace_hits") == "7")
        #expect(try world.info("keyspace_misses") == "2")
        try client.send("CONFIG", "RESETSTAT")
        #expect(try world.info("keyspace_hits") == "0")
        #expect(try world.info("keyspace_misses") == "0")
    }

    @Test func `INFO follows the log, the tables and the base`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        #expect(try !client.send("INFO", "keyspace").text.contains("db0"))
        try client.send("MSET", "a", "1", "b", "1")
        try client.send("DEL", "b")
        #expect(try world.info("db0") == "keys=1,expires=0,avg_ttl=0")
        #expect(try world.info("table_entries") == "2")
        #expect(try world.info("last_sequence") == "3")
        #expect(try world.info("log_head") == "0")
        try world.commit()
        #expect(try world.info("log_head") == "\(world.store.head)" && world.store.head > 0)
        #expect(try world.info("log_synced") == "\(world.store.head)")
        try world.freeze()
        #expect(try world.info("frozen_table_entries") == "2")
        #expect(try world.info("table_entries") == "0")
        try world.finishDrain()
        #expect(try world.info("base_entries") == "2")
        #expect(try world.info("base_tombstones") == "1")
        #expect(try world.info("drains") == "1")
        #expect(try world.info("replica_id") == "\(world.store.identity.replica)")
        #expect(try world.info("cluster_id") == "\(world.store.identity.cluster)")
    }

    @Test func `commands, errors and connections are counted`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("CONFIG", "RESETSTAT")
        for command in ["GET a", "NOSUCH", "GET", "SET a 1 FOO", "CLIENT FOO", "SETRANGE a x y", "PING"] { try client.type(command) }
        #expect(try world.info("total_commands_processed") == "8", "INFO counts itself")
        #expect(try world.info("total_error_replies") == "5")
        #expect(try world.info("total_connections_received") == "3")
    }

    @Test func `HEARSAY STATUS says what a person wants to know`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try client.send("SET", "a", "1")
        let text = try client.send("HEARSAY", "STATUS").text
        let words = text.split(separator: "\n").map { String($0.prefix { $0 != " " }) }
        #expect(words == ["node", "cluster", "data", "durability", "keys", "table", "clients", "memory", "damage", "tombstones", "expiries"])
        #expect(
            text.contains("\(world.store.identity.replica)") && text.contains("1 of 10000") && text.contains("damage      none known")
                && text.contains("tombstones  0, 0 dropped since the start")
                && text.contains("expiries    0 expired entries wait to be dropped, 0 dropped since the start"))
    }

    @Test(arguments: [("COMMAND", 6), ("CONFIG", 4), ("CLIENT", 8), ("HEARSAY", 16)])
    func `HELP names each subcommand and what it does`(container: String, count: Int) throws {
        let client = try ReplicaWorld().connect()
        guard case .array(let lines) = try client.send(container, "HELP").reply else {
            Issue.record("no array")
            return
        }
        #expect(lines.count == 1 + 2 * count)
        #expect(lines.first?.text == "\(container) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        #expect(lines.contains(.simple("HELP")))
    }

    @Test func `COMMAND lists every command of the table, and COUNT counts them`() throws {
        let client = try ReplicaWorld().connect()
        guard case .array(let commands) = try client.send("COMMAND").reply, case .array(let infos) = try client.send("COMMAND", "INFO").reply,
            case .array(let names) = try client.send("COMMAND", "LIST").reply
        else {
            Issue.record("no arrays")
            return
        }
        #expect(commands == infos)
        #expect(try client.send("COMMAND", "COUNT").line == ":\(commands.count)")
        #expect(commands.count == Command.allCases.count && names.count == commands.count + Subcommand.allCases.count)
    }

    @Test func `TIME tells the wall clock in seconds and microseconds`() throws {
        let world = try ReplicaWorld()
        world.wall = WallTime(milliseconds: 1_700_000_000_123)
        #expect(try world.connect().send("TIME").line == "*2 $10 1700000000 $6 123000")
        world.wall = WallTime(milliseconds: 7)
        #expect(try world.connect().send("TIME").line == "*2 $1 0 $4 7000")
    }
}
