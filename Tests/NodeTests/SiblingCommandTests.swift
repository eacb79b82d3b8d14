import Basics
import RESP
import Storage
import Testing

/// VGET, VMGET, VSET and VDEL on one node, and what the commands for one value do to a key that has siblings.
@Suite struct SiblingCommandTests {
    private let node: SiblingClient
    private var world: ReplicaWorld { self.node.world }
    private var client: TestClient { self.node.client }

    init() throws { self.node = try SiblingClient() }

    @Test func `writes without a context stand beside each other, and one with a context takes the place of what was read`() throws {
        #expect(try self.node.read("cart") == SiblingRead(try self.client.send("VGET", "nothing").reply))
        #expect(try self.node.send("VSET", "cart", "milk") == "+OK")
        let first = try self.node.read("cart")
        #expect(try self.node.send("VSET", "cart", "tea") == "+OK")
        #expect(try self.node.read("cart").siblings == ["tea", "milk"])
        #expect(try self.node.send("VSET", "cart", "milk, bread", "CONTEXT", first.context) == "+OK")
        #expect(try self.node.read("cart").siblings == ["milk, bread", "tea"], "tea was not read")
        let both = try self.node.read("cart")
        #expect(try self.node.send("VSET", "cart", "milk, bread, tea", "context", both.context) == "+OK")
        #expect(try self.node.read("cart").siblings == ["milk, bread, tea"])
        #expect(try self.node.send("VSET", "cart", "late", "CONTEXT", first.context) == "+OK")
        #expect(try self.node.read("cart").siblings == ["late", "milk, bread, tea"], "what an old context names is gone already")
    }

    @Test func `a delete takes what its context names, and leaves what was written since`() throws {
        _ = try self.node.send("VSET", "k", "one")
        let one = try self.node.read("k")
        _ = try self.node.send("VSET", "k", "two")
        #expect(try self.node.send("VDEL", "k", "CONTEXT", one.context) == ":1")
        #expect(try self.node.read("k").siblings == ["two"])
        #expect(try self.node.send("VDEL", "k", "CONTEXT", one.context) == ":0")
        #expect(try self.node.send("VDEL", "k", "CONTEXT", "") == ":0")
        #expect(try self.node.send("VDEL", "k", "CONTEXT", try self.node.read("k").context) == ":1")
        #expect(try self.node.read("k").siblings.isEmpty)
        #expect(try self.node.send("EXISTS", "k") == ":0")
        #expect(try self.node.send("TYPE", "k") == "+none")
        #expect(try self.node.send("VSET", "k", "again") == "+OK")
        #expect(try self.node.read("k").siblings == ["again"])
    }

    @Test func `commands for one value read the newest sibling, and write in the place of all`() throws {
        _ = try self.node.send("VSET", "k", "one")
        _ = try self.node.send("VSET", "k", "two")
        #expect(try self.node.send("GET", "k") == "$3 two")
        #expect(try self.node.send("STRLEN", "k") == ":3")
        #expect(try self.node.send("TYPE", "k") == "+siblings")
        #expect(try self.node.send("APPEND", "k", "+") == ":4")
        #expect(try self.node.read("k").siblings == ["two+"])
        _ = try self.node.send("VSET", "k", "three")
        #expect(try self.node.send("SET", "k", "four") == "+OK")
        #expect(try self.node.read("k").siblings == ["four"])
        #expect(try self.node.send("TYPE", "k") == "+siblings", "it has siblings until it is deleted")
        _ = try self.node.send("VSET", "k", "five")
        #expect(try self.node.send("DEL", "k") == ":1")
        #expect(try self.node.read("k").siblings.isEmpty)
        #expect(try self.node.send("SET", "k", "register") == "+OK")
        #expect(try self.node.send("TYPE", "k") == "+string")
        let info = try self.client.send("INFO", "hearsay").text
        #expect(info.contains("sibling_reads:2\r\n") && info.contains("most_siblings:2\r\n"), "\(info)")
    }

    @Test func `a register is no sibling`() throws {
        _ = try self.node.send("SET", "r", "value")
        for command in ["VGET r", "VSET r x", "VDEL r CONTEXT \(try self.node.read("k").context)x"] where !command.hasPrefix("VDEL") {
            #expect(try self.client.type(command).line.hasPrefix("-WRONGTYPE the key holds a string"), "\(command)")
        }
        #expect(try self.node.send("VDEL", "r", "CONTEXT", "").hasPrefix("-WRONGTYPE"))
        #expect(try self.node.send("GET", "r") == "$5 value")
        _ = try self.node.send("VSET", "k", "one")
        #expect(try self.node.send("SET", "k", "two", "KEEPTTL") == "+OK")
        #expect(try self.node.send("VMGET", "k", "r", "none").contains("$8 siblings *1 $3 two $-1 *4 $7 context $0  $8 siblings *0"))
    }

    @Test func `a deleted or expired register makes way for siblings`() throws {
        _ = try self.node.send("SET", "a", "value")
        _ = try self.node.send("DEL", "a")
        _ = try self.node.send("SET", "b", "value", "PX", "50")
        self.world.wall = WallTime(milliseconds: self.world.wall.milliseconds + 100)
        for key in ["a", "b"] {
            #expect(try self.node.read(key).siblings.isEmpty)
            #expect(try self.node.send("VSET", key, "one") == "+OK")
            #expect(try self.node.read(key).siblings == ["one"])
        }
    }

    @Test func `a context is good for its key and its cluster alone, and only as it was given`() throws {
        _ = try self.node.send("VSET", "k", "one")
        let context = try self.node.read("k").context
        let foreign = "-ERR the context is damaged, or was given for another key or by another cluster"
        for index in context.indices {
            var changed = context
            changed.replaceSubrange(index...index, with: context[index] == "A" ? "B" : "A")
            #expect(try self.node.send("VSET", "k", "x", "CONTEXT", changed) == foreign)
        }
        for wrong in [String(context.dropLast()), context + "A", "no context", "AQ"] {
            #expect(try self.node.send("VDEL", "k", "CONTEXT", wrong) == foreign)
        }
        #expect(try self.node.send("VSET", "other", "x", "CONTEXT", context) == foreign)
        #expect(
            try self.node.send("VSET", "k", "x", "CONTEXT", String(repeating: "A", count: (192 << 10) + 1))
                == "-ERR the context is longer than any that this cluster gives")
        #expect(try self.node.send("VSET", "k", "x", "CONTEXT", String(repeating: "A", count: 192 << 10)) == foreign)
        #expect(try self.node.send("VSET", "k", "x", "CONTEXTS", context) == "-ERR syntax error")
        #expect(try self.node.send("VSET", "k", "x", "CONTEXT") == "-ERR syntax error")
        #expect(try self.node.read("k").siblings == ["one"])
        let other = try ReplicaWorld(seed: 2)
        let stranger = other.connect()
        #expect(try stranger.send("VSET", "k", "x", "CONTEXT", context).line == foreign)
    }

    @Test func `beside a hundred siblings, or a mebibyte of them, nothing is written blindly, and nothing is lost`() throws {
        for number in 0..<99 { #expect(try self.node.send("VSET", "k", "\(number)") == "+OK") }
        #expect(try self.node.send("VSET", "k", "hundredth") == "+OK")
        let full = try self.node.read("k")
        #expect(full.siblings.count == 100)
        let refusal = "-ERR the key has as many siblings as it may: read it with VGET, and write with the context that this answers"
        #expect(try self.node.send("VSET", "k", "one more") == refusal)
        #expect(try self.node.read("k") == full)
        #expect(try self.node.send("VSET", "k", "merged", "CONTEXT", full.context) == "+OK")
        #expect(try self.node.read("k").siblings == ["merged"])
        let half = String(repeating: "x", count: 512 << 10)
        #expect(try self.node.send("VSET", "large", half) == "+OK")
        #expect(try self.node.send("VSET", "large", half + "x") == refusal)
        #expect(try self.node.send("VSET", "large", half) == "+OK")
        #expect(try self.node.send("VSET", "large", "") == "+OK", "a mebibyte in all")
        #expect(try self.node.send("VSET", "large", "x") == refusal)
        #expect(try self.client.send("INFO", "hearsay").text.contains("refused_siblings:3\r\n"))
    }

    @Test func `siblings are there after drains and restarts, as they were`() throws {
        for key in ["a", "b", "c"] { for value in ["one", "two"] { _ = try self.node.send("VSET", key, value) } }
        _ = try self.node.send("VDEL", "c", "CONTEXT", try self.node.read("c").context)
        let before = try ["a", "b", "c"].map(self.node.read)
        let digest = try self.client.send("HEARSAY", "DIGEST").line
        try self.world.restart()
        let client = self.world.connect()
        #expect(try ["a", "b", "c"].map { try SiblingRead(try client.send("VGET", $0).reply) } == before)
        #expect(try client.send("HEARSAY", "DIGEST").line == digest)
        #expect(try client.send("HEARSAY", "VERIFY").line == digest)
        #expect(try client.send("SET", "a", "three").line == "+OK", "a plain write after a restart still replaces what it sees")
        #expect(try SiblingRead(try client.send("VGET", "a").reply).siblings == ["three"])
    }

    @Test func `SCAN tells keys by what they hold`() throws {
        _ = try self.node.send("VSET", "s", "one")
        _ = try self.node.send("SET", "r", "one")
        #expect(try self.client.type("SCAN 0 TYPE siblings").line == "*2 $1 0 *1 $1 s")
        #expect(try self.client.type("SCAN 0 TYPE string").line == "*2 $1 0 *1 $1 r")
        #expect(try self.client.type("SCAN 0 TYPE list").line == "*2 $1 0 *0")
    }

    @Test func `siblings are listed by key, with who wrote each, and when`() throws {
        for key in ["a:1", "a:2", "b:1"] { for value in ["one", "two"] { _ = try self.node.send("VSET", key, value) } }
        _ = try self.node.send("VSET", "a:3", "alone")
        _ = try self.node.send("SET", "a:4", "register")
        let pairs = { (line: String) in Set(line.split(separator: " ").map(String.init).filter { $0.contains(":") && $0.count == 3 }) }
        #expect(pairs(try self.node.send("HEARSAY", "SIBLINGS")) == ["a:1", "a:2", "b:1"])
        #expect(try self.node.send("HEARSAY", "SIBLINGS").hasPrefix("*6 "))
        #expect(pairs(try self.node.send("HEARSAY", "SIBLINGS", "PREFIX", "a:")) == ["a:1", "a:2"])
        #expect(try self.node.send("HEARSAY", "SIBLINGS", "PREFIX", "a:", "LIMIT", "1").hasPrefix("*2 "))
        #expect(try self.node.send("HEARSAY", "SIBLINGS", "LIMIT", "0") == "-ERR syntax error")
        #expect(try self.node.send("HEARSAY", "SIBLINGS", "KEY", "nothing") == "*0")
        let described = try self.node.send("HEARSAY", "SIBLINGS", "KEY", "a:1")
        #expect(described.hasPrefix("*2 *10 $10 written_by "), "\(described)")
        #expect(described.contains("$5 bytes :3 $5 value $3 two *10 ") && described.hasSuffix("$5 value $3 one"), "\(described)")
    }

    @Test func `at interval a context waits for the sync, and a value does not`() throws {
        var configuration = StoreConfiguration()
        configuration.durability = .interval
        let world = try ReplicaWorld(store: configuration)
        let client = world.connect()
        try client.send("VSET", "k", "one")
        try world.tick()
        try world.append()
        #expect(try client.send("GET", "k").dependsOn < world.store.durable, "it is written")
        let job = try client.beginJob("VGET", "k")
        #expect(try job.advance() == nil && job.isBlocked, "it is not synced")
        try world.sync()
        #expect(try SiblingRead(try #require(try job.advance()).reply).siblings == ["one"])
    }

    @Test func `a context that a node gave before its store was put back is an error, and names none of its new writes`() throws {
        for value in ["one", "two", "three"] { _ = try self.node.send("VSET", "k", value) }
        let later = try self.node.read("k").context
        // The same node, as it was before all that.
        let world = try ReplicaWorld()
        let client = world.connect()
        for command in ["VSET k again CONTEXT \(later)", "VDEL k CONTEXT \(later)"] {
            #expect(try client.type(command).line.hasPrefix("-ERR the context is from a later state of this node"), "\(command)")
        }
        #expect(try client.type("VSET k again").line == "+OK")
        #expect(try SiblingRead(try client.send("VGET", "k").reply).siblings == ["again"])
    }
}
