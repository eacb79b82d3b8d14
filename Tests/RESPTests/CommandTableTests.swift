import Basics
import RESP
import Testing

/// What redis-server 7.0.15 answers to COMMAND INFO: name, arity, flags, first key, last key and step, categories.
private let redis: [(name: String, arity: Int64, flags: String, keys: [Int64], categories: String)] = [
    ("ping", -1, "fast", [0, 0, 0], "fast connection"),
    ("echo", 2, "loading stale fast", [0, 0, 0], "fast connection"),
    ("hello", -1, "noscript loading stale fast no_auth allow_busy", [0, 0, 0], "fast connection"),
    ("auth", -2, "noscript loading stale fast no_auth allow_busy", [0, 0, 0], "fast connection"),
    ("quit", -1, "noscript loading stale fast no_auth allow_busy", [0, 0, 0], "fast connection"),
    ("reset", 1, "noscript loading stale fast no_auth allow_busy", [0, 0, 0], "fast connection"),
    ("time", 1, "loading stale fast", [0, 0, 0], "fast"),
    ("select", 2, "loading stale fast", [0, 0, 0], "fast connection"),
    ("set", -3, "write denyoom", [1, 1, 1], "write string slow"),
    ("setnx", 3, "write denyoom fast", [1, 1, 1], "write string fast"),
    ("setex", 4, "write denyoom", [1, 1, 1], "write string slow"),
    ("psetex", 4, "write denyoom", [1, 1, 1], "write string slow"),
    ("getset", 3, "write denyoom fast", [1, 1, 1], "write string fast"),
    ("get", 2, "readonly fast", [1, 1, 1], "read string fast"),
    ("getdel", 2, "write fast", [1, 1, 1], "write string fast"),
    ("getex", -2, "write fast", [1, 1, 1], "write string fast"),
    ("getrange", 4, "readonly", [1, 1, 1], "read string slow"),
    ("del", -2, "write", [1, -1, 1], "keyspace write slow"),
    ("unlink", -2, "write fast", [1, -1, 1], "keyspace write fast"),
    ("exists", -2, "readonly fast", [1, -1, 1], "keyspace read fast"),
    ("touch", -2, "readonly fast", [1, -1, 1], "keyspace read fast"),
    ("mget", -2, "readonly fast", [1, -1, 1], "read string fast"),
    ("mset", -3, "write denyoom", [1, -1, 2], "write string slow"),
    ("msetnx", -3, "write denyoom", [1, -1, 2], "write string slow"),
    ("strlen", 2, "readonly fast", [1, 1, 1], "read string fast"),
    ("append", 3, "write denyoom fast", [1, 1, 1], "write string fast"),
    ("setrange", 4, "write denyoom", [1, 1, 1], "write string slow"),
    ("rename", 3, "write", [1, 2, 1], "keyspace write slow"),
    ("renamenx", 3, "write fast", [1, 2, 1], "keyspace write fast"),
    ("copy", -3, "write denyoom", [1, 2, 1], "keyspace write slow"),
    ("type", 2, "readonly fast", [1, 1, 1], "keyspace read fast"),
    ("expire", -3, "write fast", [1, 1, 1], "keyspace write fast"),
    ("pexpire", -3, "write fast", [1, 1, 1], "keyspace write fast"),
    ("expireat", -3, "write fast", [1, 1, 1], "keyspace write fast"),
    ("pexpireat", -3, "write fast", [1, 1, 1], "keyspace write fast"),
    ("ttl", 2, "readonly fast", [1, 1, 1], "keyspace read fast"),
    ("pttl", 2, "readonly fast", [1, 1, 1], "keyspace read fast"),
    ("expiretime", 2, "readonly fast", [1, 1, 1], "keyspace read fast"),
    ("pexpiretime", 2, "readonly fast", [1, 1, 1], "keyspace read fast"),
    ("persist", 2, "write fast", [1, 1, 1], "keyspace write fast"),
    ("dbsize", 1, "readonly fast", [0, 0, 0], "keyspace read fast"),
    ("scan", -2, "readonly", [0, 0, 0], "keyspace read slow"),
    ("keys", 2, "readonly", [0, 0, 0], "keyspace read slow dangerous"),
    ("randomkey", 1, "readonly", [0, 0, 0], "keyspace read slow"),
    ("flushall", -1, "write", [0, 0, 0], "keyspace write slow dangerous"),
    ("flushdb", -1, "write", [0, 0, 0], "keyspace write slow dangerous"),
    ("wait", 3, "noscript", [0, 0, 0], "slow connection"),
    ("multi", 1, "noscript loading stale fast allow_busy", [0, 0, 0], "fast transaction"),
    ("exec", 1, "noscript loading stale skip_slowlog", [0, 0, 0], "slow transaction"),
    ("discard", 1, "noscript loading stale fast allow_busy", [0, 0, 0], "fast transaction"),
    ("watch", -2, "noscript loading stale fast allow_busy", [1, -1, 1], "fast transaction"),
    ("unwatch", 1, "noscript loading stale fast allow_busy", [0, 0, 0], "fast transaction"),
    ("info", -1, "loading stale", [0, 0, 0], "slow dangerous"),
    ("command", -1, "loading stale", [0, 0, 0], "slow connection"),
    ("config", -2, "", [0, 0, 0], "slow"),
    ("client", -2, "", [0, 0, 0], "slow"),
    ("command|help", 2, "loading stale", [0, 0, 0], "slow connection"),
    ("command|getkeys", -4, "loading stale", [0, 0, 0], "slow connection"),
    ("command|list", -2, "loading stale", [0, 0, 0], "slow connection"),
    ("command|count", 2, "loading stale", [0, 0, 0], "slow connection"),
    ("command|docs", -2, "loading stale", [0, 0, 0], "slow connection"),
    ("command|info", -2, "loading stale", [0, 0, 0], "slow connection"),
    ("config|help", 2, "loading stale", [0, 0, 0], "slow"),
    ("config|get", -3, "admin noscript loading stale", [0, 0, 0], "admin slow dangerous"),
    ("config|resetstat", 2, "admin noscript loading stale", [0, 0, 0], "admin slow dangerous"),
    ("config|set", -4, "admin noscript loading stale", [0, 0, 0], "admin slow dangerous"),
    ("client|help", 2, "loading stale", [0, 0, 0], "slow connection"),
    ("client|kill", -3, "admin noscript loading stale", [0, 0, 0], "admin slow dangerous connection"),
    ("client|id", 2, "noscript loading stale", [0, 0, 0], "slow connection"),
    ("client|getname", 2, "noscript loading stale", [0, 0, 0], "slow connection"),
    ("client|list", -2, "admin noscript loading stale", [0, 0, 0], "admin slow dangerous connection"),
    ("client|info", 2, "noscript loading stale", [0, 0, 0], "slow connection"),
    ("client|setname", 3, "noscript loading stale", [0, 0, 0], "slow connection"),
]

/// Every name in the table, subcommands as `client|id`.
private let names = Command.allCases.map(\.specification.name.description) + Subcommand.allCases.map(\.specification.name.description)

/// `text` with each letter made a capital or not, at random.
private func randomCase(_ text: String, using generator: inout SplitMix64) -> String {
    String(text.map { Bool.random(using: &generator) ? Character($0.uppercased()) : $0 })
}

/// What COMMAND or one of its subcommands answers.
private func answer(_ words: String..., version: ReplyWriter.Version = .three) throws -> Reply? {
    try withArguments(words) { arguments in
        let subcommand = arguments.count > 1 ? Command.command.subcommand(named: arguments[1]) : nil
        var writer = ReplyWriter(version: version)
        CommandTable.answer(subcommand, arguments, to: &writer)
        var parser = ReplyParser()
        parser.append(writer.withBytes { Array($0) })
        let reply = try parser.next()
        #expect(try parser.next() == nil)
        return reply
    }
}

extension Reply {
    /// The elements of an array or a set; a map's as a flat list.
    fileprivate var elements: [Reply] {
        switch self {
        case .array(let elements), .set(let elements): Array(elements)
        case .map(let pairs): pairs.flatMap { [$0.key, $0.value] }
        default: []
        }
    }

    fileprivate var words: [String] { self.elements.compactMap(\.text) }
}

struct CommandTableTests {
    @Test func `names are unique`() {
        #expect(Set(names).count == names.count)
    }

    @Test(arguments: [UInt64](1...5))
    func `every command is found by its name in any case, and by no other`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        for command in Command.allCases {
            let name = command.specification.name.description
            #expect(withBytes(randomCase(name, using: &generator)) { Command.lookup($0) } == command, "seed \(seed): \(name)")
            #expect(withBytes(name + "x") { Command.lookup($0) } == nil)
            #expect(withBytes(name + "\0") { Command.lookup($0) } == nil)
            #expect(withBytes(" " + name) { Command.lookup($0) } == nil)
            #expect(withBytes(String(name.dropLast())) { Command.lookup($0) } == nil || name == "mset" || names.contains(String(name.dropLast())))
        }
    }

    @Test(arguments: ["", "substr", "g\u{5}t", "\u{7}et", "ge4", "a name of more than sixteen bytes", "randomkeyrandomkey", "client|id"])
    func `what is no command is not found`(name: String) {
        #expect(withBytes(name) { Command.lookup($0) } == nil)
    }

    @Test(arguments: [UInt64](1...5))
    func `every subcommand is found in its container only`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        for command in Command.allCases {
            for subcommand in command.subcommands {
                let parts = subcommand.specification.name.description.split(separator: "|")
                #expect(parts.first.map(String.init) == command.specification.name.description)
                let name = randomCase(String(parts[1]), using: &generator)
                #expect(withBytes(name) { command.subcommand(named: $0) } == subcommand, "seed \(seed): \(name)")
                #expect(withBytes(name) { Command.get.subcommand(named: $0) } == nil)
            }
        }
        #expect(Command.allCases.flatMap(\.subcommands).count == Subcommand.allCases.count)
        #expect(withBytes("foo") { Command.client.subcommand(named: $0) } == nil)
    }

    @Test func `arity, flags, keys and categories are those of Redis`() throws {
        for row in redis {
            let entry = try #require(try answer("COMMAND", "INFO", row.name)?.elements.first?.elements, "\(row.name)")
            #expect(entry.count == 10)
            #expect(entry[0].text == row.name)
            #expect(entry[1] == .integer(row.arity), "\(row.name)")
            #expect(entry[2].words.joined(separator: " ") == row.flags, "\(row.name)")
            #expect(Array(entry[3...5]) == row.keys.map { .integer($0) }, "\(row.name)")
            #expect(entry[6].words.map { String($0.dropFirst()) }.joined(separator: " ") == row.categories, "\(row.name)")
        }
    }

    @Test func `only Hearsay's own commands are not compared with Redis`() {
        let compared = Set(redis.map(\.name))
        #expect(names.filter { !compared.contains($0) && !$0.hasPrefix("hearsay") } == ["vget", "vmget", "vset", "vdel", "client|setinfo"])
        #expect(compared.isSubset(of: names))
    }

    @Test(
        arguments: [(Command.get, [2], [0, 1, 3]), (.set, [3, 4, 100], [0, 2]), (.ping, [1, 2], [0]), (.exec, [1], [0, 2])]
            as [(Command, [Int], [Int])])
    func `the number of arguments is judged by the arity`(command: Command, accepted: [Int], refused: [Int]) {
        #expect(accepted.allSatisfy { command.traits.accepts(argumentCount: $0) })
        #expect(!refused.contains { command.traits.accepts(argumentCount: $0) })
    }

    @Test(
        arguments: [
            (Command.get, 2, [1]), (.set, 5, [1]), (.mget, 4, [1, 2, 3]), (.mset, 5, [1, 3]), (.rename, 3, [1, 2]), (.copy, 4, [1, 2]),
            (.ping, 1, []),
            (.scan, 2, []), (.watch, 3, [1, 2]), (.del, 2, [1]),
        ] as [(Command, Int, [Int])])
    func `keys are where the table says`(command: Command, count: Int, positions: [Int]) {
        #expect(Array(command.traits.keyPositions(argumentCount: count)) == positions)
    }

    @Test func `the table renders as Markdown, one row per name`() {
        let rows = CommandTable.markdown().split(separator: "\n").filter { $0.hasPrefix("| `") }
        #expect(rows.count == names.count)
        #expect(
            rows.contains(
                "| `COPY source destination [DB destination-db] [REPLACE]` | Copies a value to another key | O(n), n = bytes of the value |"))
        #expect(rows.contains { $0.hasPrefix("| `SET key value [NX \\| XX] [GET] [EX seconds \\| PX") })
        #expect(rows.contains { $0.hasPrefix("| `CLIENT ID` |") })
    }
}

struct CommandReplyTests {
    @Test func `COMMAND INFO answers every name, null for those that are none`() throws {
        let reply = try #require(try answer("COMMAND", "INFO", "get", "nosuch", "CLIENT|ID", "client|nosuch"))
        #expect(reply.elements.map { $0.elements.first?.text } == ["get", nil, "client|id", nil])
        #expect(reply.elements[1] == .null)
    }

    @Test(arguments: [ReplyWriter.Version.two, .three])
    func `COMMAND and COMMAND INFO without names describe all, subcommands within their container`(version: ReplyWriter.Version) throws {
        let reply = try #require(try answer("COMMAND", version: version))
        #expect(reply == (try answer("COMMAND", "INFO", version: version)))
        #expect(reply.elements.count == Command.allCases.count)
        let client = try #require(reply.elements.first { $0.elements.first?.text == "client" })
        #expect(
            client.elements[9].elements.compactMap { $0.elements.first?.text } == Command.client.subcommands.map(\.specification.name.description))
    }

    @Test func `key specifications have the shape of Redis 7`() throws {
        let reply = try #require(try answer("COMMAND", "INFO", "mset")?.elements.first)
        let index = Reply.map([.init(bulk("type"), bulk("index")), .init(bulk("spec"), .map([.init(bulk("index"), .integer(1))]))])
        let range = Reply.map([.init(bulk("lastkey"), .integer(-1)), .init(bulk("keystep"), .integer(2)), .init(bulk("limit"), .integer(0))])
        #expect(
            reply.elements[8]
                == .set([
                    .map([
                        .init(bulk("flags"), .set([.simple("OW"), .simple("update")])), .init(bulk("begin_search"), index),
                        .init(bulk("find_keys"), .map([.init(bulk("type"), bulk("range")), .init(bulk("spec"), range)])),
                    ])
                ]))
    }

    @Test func `COMMAND DOCS is a map from names to maps, flat in RESP2`() throws {
        let docs = try #require(try answer("COMMAND", "DOCS", "get", "nosuch", "client|id"))
        guard case .map(let pairs) = docs else { return #expect(Bool(false), "\(docs)") }
        #expect(pairs.map(\.key.text) == ["get", "client|id"])
        #expect(pairs[0].value.words == ["summary", "Answers the value of a key", "since", "1.0.0", "group", "string", "complexity", "O(1)"])
        let flat = try #require(try answer("COMMAND", "DOCS", "get", version: .two))
        #expect(flat.elements.first?.text == "get")
        #expect(flat.elements.last?.words == pairs[0].value.words)
        #expect(try answer("COMMAND", "DOCS")?.elements.count == Command.allCases.count * 2)
    }

    @Test func `COMMAND DOCS of a container has its subcommands`() throws {
        let docs = try #require(try answer("COMMAND", "DOCS", "hearsay")?.elements.last?.elements)
        #expect(docs[8].text == "subcommands")
        #expect(docs[9].elements.compactMap(\.text) == Command.hearsay.subcommands.map(\.specification.name.description))
    }

    @Test func `COMMAND LIST and COUNT agree with the table`() throws {
        #expect(try answer("COMMAND", "COUNT") == .integer(Int64(Command.allCases.count)))
        #expect(try answer("COMMAND", "LIST")?.words.sorted() == names.sorted())
        #expect(try answer("COMMAND", "LIST", "FILTERBY", "PATTERN", "hearsay*")?.words.count == 17)
        #expect(try answer("COMMAND", "LIST", "filterby", "aclcat", "transaction")?.words == ["multi", "exec", "discard", "watch", "unwatch"])
        #expect(try answer("COMMAND", "LIST", "FILTERBY", "MODULE", "json")?.words == [])
        #expect(try answer("COMMAND", "LIST", "FILTERBY", "x", "y") == .error("ERR syntax error"))
        #expect(try answer("COMMAND", "LIST", "FILTERBY") == .error("ERR syntax error"))
    }

    @Test func `COMMAND GETKEYS finds the keys`() throws {
        #expect(try answer("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2")?.words == ["a", "b"])
        #expect(try answer("COMMAND", "GETKEYS", "PING", "x") == .error("ERR The command has no key arguments"))
        #expect(try answer("COMMAND", "GETKEYS", "nosuch", "x") == .error("ERR Invalid command specified"))
        #expect(try answer("COMMAND", "GETKEYS", "GET", "x", "y") == .error("ERR Invalid number of arguments specified for command"))
    }

    @Test func `HELP names each subcommand and says what it does`() throws {
        let lines = try #require(try answer("COMMAND", "HELP")?.words)
        #expect(lines.first == "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        #expect(lines.count == 1 + Command.command.subcommands.count * 2)
        #expect(Array(lines.suffix(2)) == ["HELP", "    Prints this help."])
    }
}

private func bulk(_ text: String) -> Reply { .bulk(Array(text.utf8)) }
