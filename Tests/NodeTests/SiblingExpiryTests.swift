import Basics
import RESP
import Testing

/// How long siblings live: each has a deadline of its own, or none, and their key lives as long as the last of them.
@Suite struct SiblingExpiryTests {
    private let node: SiblingClient
    private var world: ReplicaWorld { self.node.world }
    private var client: TestClient { self.node.client }

    init() throws { self.node = try SiblingClient() }

    private func pass(_ milliseconds: UInt64) { self.world.wall = WallTime(milliseconds: self.world.wall.milliseconds + milliseconds) }

    @Test func `VSET gives a deadline in any of four ways, before or behind the context`() throws {
        let now = self.world.wall.milliseconds
        for (options, deadline) in [
            (["EX", "100"], now + 100_000), (["px", "1500"], now + 1_500), (["EXAT", "1800000100"], 1_800_000_100_000),
            (["PXAT", "1800000000999"], 1_800_000_000_999), (["EX", "10", "EX", "20"], now + 20_000),
        ] {
            for isBehind in [false, true] {
                let context = ["CONTEXT", try self.node.read("k").context]
                #expect(try self.client.send(["VSET", "k", "x"] + (isBehind ? context + options : options + context)).line == "+OK")
                try self.world.commit()
                #expect(try self.node.send("PEXPIRETIME", "k") == ":\(deadline)", "\(options)")
            }
        }
        #expect(try self.node.send("VSET", "k", "x", "CONTEXT", try self.node.read("k").context) == "+OK")
        #expect(try self.node.send("TTL", "k") == ":-1", "a plain write takes it away")
        for (options, error) in [
            ("EX 0", "-ERR invalid expire time in 'vset' command"), ("PX -1", "-ERR invalid expire time in 'vset' command"),
            ("EX x", "-ERR value is not an integer or out of range"), ("EX", "-ERR syntax error"), ("EX 1 PX 1", "-ERR syntax error"),
            ("KEEPTTL 1", "-ERR syntax error"), ("CONTEXT", "-ERR syntax error"), ("CONTEXT \"\" CONTEXT \"\"", "-ERR syntax error"),
        ] { #expect(try self.client.type("VSET k y \(options)").line == error, "\(options)") }
        #expect(try self.node.read("k").siblings == ["x"])
    }

    @Test func `each is read up to its own deadline, that millisecond included, and the key until the last`() throws {
        _ = try self.node.send("VSET", "k", "long", "PX", "300")
        _ = try self.node.send("VSET", "k", "short", "PX", "100")
        #expect(try self.node.send("PTTL", "k") == ":300" && self.world.info("most_siblings") == "2")
        self.pass(100)
        #expect(try self.node.read("k").siblings == ["short", "long"] && self.node.send("GET", "k") == "$5 short")
        #expect(try self.node.send("HEARSAY", "SIBLINGS") == "*2 $1 k :2")
        self.pass(1)
        #expect(try self.node.read("k").siblings == ["long"] && self.node.send("GET", "k") == "$4 long" && self.node.send("TYPE", "k") == "+siblings")
        #expect(try self.node.send("HEARSAY", "SIBLINGS") == "*0")
        self.pass(200)
        #expect(try self.node.read("k").siblings == [] && self.node.send("GET", "k") == "$-1" && self.node.send("TYPE", "k") == "+none")
        #expect(
            try self.node.send("EXISTS", "k") == ":0" && self.node.send("KEYS", "*") == "*0"
                && self.node.send("HEARSAY", "SIBLINGS", "KEY", "k") == "*0")
        #expect(try self.node.send("SET", "k", "register") == "+OK")
        #expect(try self.node.send("TYPE", "k") == "+string", "nothing is there")
    }

    @Test func `one that expires leaves those that do not`() throws {
        _ = try self.node.send("VSET", "k", "stays")
        _ = try self.node.send("VSET", "k", "goes", "PX", "100")
        #expect(try self.node.send("TTL", "k") == ":-1")
        let described = try self.node.send("HEARSAY", "SIBLINGS", "KEY", "k")
        #expect(described.contains("$20 expires_milliseconds :\(self.world.wall.milliseconds + 100) "), "\(described)")
        #expect(described.contains("$20 expires_milliseconds :-1 "), "\(described)")
        self.pass(101)
        #expect(try self.node.read("k").siblings == ["stays"] && self.node.send("TTL", "k") == ":-1")
    }

    @Test(arguments: ["EXPIRE k 100", "PEXPIRE k 100000", "EXPIREAT k 1800000100", "GETEX k EX 100", "EXPIRE k 100 NX", "EXPIRE k 100 LT"])
    func `EXPIRE and its like give each sibling the deadline, and what was read before it is still replaced`(command: String) throws {
        for value in ["one", "two"] { _ = try self.node.send("VSET", "k", value) }
        let before = try self.node.read("k")
        let answer = try self.node.type(command)
        #expect(answer == (command.hasPrefix("GETEX") ? "$3 two" : ":1"))
        #expect(try (99...100).contains(#require(Int(self.node.send("TTL", "k").dropFirst()))))
        #expect(try self.node.read("k").siblings == ["two", "one"])
        #expect(try self.node.send("VSET", "k", "late", "CONTEXT", before.context) == "+OK")
        #expect(try self.node.read("k").siblings == ["late", "two", "one"], "what was written again since stands beside it, as any other write does")
        _ = try self.node.send("VSET", "k", "all", "CONTEXT", try self.node.read("k").context)
        #expect(try self.node.read("k").siblings == ["all"] && self.node.send("TTL", "k") == ":-1")
    }

    @Test func `PERSIST keeps each, and answers whether there was one to keep`() throws {
        _ = try self.node.send("VSET", "k", "stays")
        #expect(try self.node.send("PERSIST", "k") == ":0")
        _ = try self.node.send("VSET", "k", "would go", "PX", "100")
        #expect(try self.node.send("PERSIST", "k") == ":1" && self.node.send("PERSIST", "k") == ":0")
        _ = try self.node.send("VSET", "k", "too", "PX", "100")
        #expect(try self.node.send("GETEX", "k", "PERSIST") == "$3 too")
        self.pass(1_000)
        #expect(try self.node.read("k").siblings.sorted() == ["stays", "too", "would go"])
    }

    @Test func `commands for one value give their deadline to the one that takes the place of all`() throws {
        _ = try self.node.send("SET", "source", "copied", "PX", "100000")
        for (command, value) in [
            ("SET k v EX 100", "v"), ("SETEX k 100 v", "v"), ("PSETEX k 100000 v", "v"), ("COPY source k REPLACE", "copied"),
        ] {
            for value in ["one", "two"] { _ = try self.node.send("VSET", "k", value) }
            _ = try self.node.type(command)
            #expect(
                try self.node.read("k").siblings == [value] && self.node.send("TTL", "k") == ":100" && self.node.send("TYPE", "k") == "+siblings",
                "\(command)")
        }
        _ = try self.node.send("APPEND", "k", "!")
        #expect(try self.node.read("k").siblings == ["copied!"] && self.node.send("TTL", "k") == ":100")
        _ = try self.node.send("SET", "k", "new", "KEEPTTL")
        #expect(try self.node.read("k").siblings == ["new"] && self.node.send("TTL", "k") == ":100")
        #expect(try self.node.send("EXPIRE", "k", "-1") == ":1")
        #expect(try self.node.read("k").siblings == [])
    }

    @Test func `a deadline in the past is a delete of what is replaced, and of nothing else`() throws {
        _ = try self.node.send("VSET", "k", "one")
        let one = try self.node.read("k")
        _ = try self.node.send("VSET", "k", "two")
        #expect(try self.node.send("VSET", "k", "x", "PXAT", "1", "CONTEXT", one.context) == "+OK")
        #expect(try self.node.read("k").siblings == ["two"])
        #expect(try self.node.send("VSET", "k", "x", "PXAT", "1") == "+OK")
        #expect(try self.node.read("k").siblings == ["two"])
    }

    @Test func `what has expired makes room for more, once its deadline has passed on every node`() throws {
        for number in 0..<100 { #expect(try self.node.send("VSET", "k", "\(number)", "PX", "100") == "+OK") }
        let refusal = "-ERR the key has as many siblings as it may"
        #expect(try self.node.send("VSET", "k", "more").hasPrefix(refusal))
        self.pass(200)
        #expect(
            try self.node.read("k").siblings == [] && self.node.send("VSET", "k", "more").hasPrefix(refusal),
            "a clock that is behind shows them still")
        self.pass(60_000)
        for number in 0..<100 { #expect(try self.node.send("VSET", "k", "\(number)", "PX", "100") == "+OK") }
        #expect(try self.node.send("VSET", "k", "more").hasPrefix(refusal) && self.node.read("k").siblings.count == 100)
    }

    @Test func `deadlines outlive a restart, from the log and from the base`() throws {
        _ = try self.node.send("VSET", "k", "stays")
        _ = try self.node.send("VSET", "k", "goes", "PX", "100")
        for drains in [false, true] {
            if drains { try self.world.drain() }
            try self.world.restart()
            let client = self.world.connect()
            #expect(try client.send("HEARSAY", "SIBLINGS", "KEY", "k").line.contains(":\(self.world.wall.milliseconds + 100) "))
        }
    }
}
