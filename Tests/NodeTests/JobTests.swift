import Basics
import RESP
import Storage
import Testing

/// Commands that are answered in slices, with others between them and drains beside them.
@Suite struct JobTests {
    private func fill(_ client: TestClient, _ range: Range<Int>) throws {
        for index in range { try client.send("SET", "key:\(index)", "\(index)") }
    }

    private func keys(_ answer: Answer) throws -> [String] {
        guard case .array(let keys) = try answer.reply else { throw HarnessError(description: "\(answer)") }
        return keys.compactMap(\.text)
    }

    // MARK: KEYS

    @Test func `KEYS goes in slices through all layers, and tells what is there throughout once`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try self.fill(client, 0..<1_500)
        try world.drain()
        try self.fill(client, 1_000..<2_000)
        for index in 0..<100 { try client.send("DEL", "key:\(index)") }
        try world.freeze()
        try self.fill(client, 1_900..<2_300)
        let job = try client.beginJob("KEYS", "key:*")
        #expect(try job.advance() == nil)
        // Between slices others write, overwrite and delete, and the drain ends.
        let other = world.connect()
        for index in 2_290..<2_300 { try other.send("DEL", "key:\(index)") }
        for index in stride(from: 100, to: 2_290, by: 7) { try other.send("SET", "key:\(index)", "again") }
        try other.send("SET", "new", "1")
        try world.finishDrain()
        var answer = try job.advance()
        while answer == nil { answer = try job.advance() }
        let told = try self.keys(answer!)
        #expect(Set(told).isSuperset(of: (100..<2_290).map { "key:\($0)" }))
        #expect(told.count == Set(told).count && told.count <= 2_200 && !told.contains("new"))
    }

    @Test func `an answer to KEYS that gets too long is refused`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        // 16 MiB of keys of 500 bytes, each with 8 bytes of framing, are 33,026.
        let padding = String(repeating: "x", count: 495)
        for index in 10_000..<43_100 { try client.send("SET", padding + "\(index)", "") }
        #expect(try client.send("KEYS", "*").line == "-ERR the keys are too many for one answer: use SCAN")
        #expect(try self.keys(client.send("KEYS", "*1234?")).count == 10)
    }

    // MARK: DBSIZE and DIGEST

    @Test func `DBSIZE waits for a running drain, and counts keys but no tombstones`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try self.fill(client, 0..<1_200)
        try world.drain()
        try self.fill(client, 1_100..<1_300)
        for index in 0..<50 { try client.send("DEL", "key:\(index)") }
        try world.freeze()
        try self.fill(client, 1_290..<1_310)
        let job = try client.beginJob("DBSIZE")
        #expect(try job.advance() == nil && job.isBlocked)
        #expect(try client.send("GET", "key:60").line == "$2 60", "others are served")
        try world.finishDrain()
        #expect(try job.advance()?.line == ":1260")
    }

    @Test func `DIGEST counts entries, tombstones included, and DEL does not lower it`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        #expect(try client.send("HEARSAY", "DIGEST").line == "$34 0:00000000000000000000000000000000")
        try self.fill(client, 0..<3)
        let three = try client.send("HEARSAY", "DIGEST").text
        #expect(three.hasPrefix("3:") && three.count == 34)
        try client.send("DEL", "key:0")
        let withTombstone = try client.send("HEARSAY", "DIGEST").text
        #expect(withTombstone.hasPrefix("3:") && withTombstone != three)
        #expect(try client.send("DBSIZE").line == ":2")
        try client.send("SET", "key:1", "1")
        #expect(try client.send("HEARSAY", "DIGEST").text != withTombstone, "the same value written again is another version")
    }

    @Test func `a digest that waits gets its turn between two drains, and not for ever`() throws {
        var store = StoreConfiguration()
        store.tableEntries = 100
        let world = try ReplicaWorld(store: store)
        let client = world.connect()
        try self.fill(client, 0..<100)
        try world.commit()
        try self.fill(client, 100..<140)
        let job = try client.beginJob("HEARSAY", "DIGEST")
        #expect(try job.advance() == nil && job.isBlocked)
        try world.finishDrain()
        try self.fill(client, 140..<200)
        try world.commit()
        #expect(!world.isDraining, "the full table is held")
        world.now = world.now + .milliseconds(201)
        world.replica.beginTick(at: world.moment)
        try world.commit()
        #expect(world.isDraining, "it is not held for longer")
        try world.finishDrain()
        #expect(try job.advance()?.line.hasPrefix("$36 200:") == true)
        try self.fill(client, 200..<300)
        try world.commit()
        #expect(world.isDraining, "without a job nothing is held")
    }

    @Test func `a job whose client has gone holds nothing up`() throws {
        var store = StoreConfiguration()
        store.tableEntries = 10
        let world = try ReplicaWorld(store: store)
        let client = world.connect()
        try self.fill(client, 0..<10)
        try world.commit()
        let job = try client.beginJob("DBSIZE")
        world.replica.end(job.job)
        client.disconnect()
        try world.finishDrain()
        let other = world.connect()
        try self.fill(other, 10..<20)
        try world.commit()
        #expect(world.isDraining)
    }

    @Test func `VERIFY agrees with the digest, in slices, whatever is written meanwhile`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try self.fill(client, 0..<2_500)
        for index in 0..<100 { try client.send("DEL", "key:\(index)") }
        try world.drain()
        while world.store.wantsGrowth { try world.tick() }
        try self.fill(client, 2_000..<2_600)
        let job = try client.beginJob("HEARSAY", "VERIFY")
        #expect(try job.advance() == nil && !job.isBlocked)
        try self.fill(client, 2_500..<2_700)
        var answer = try job.advance()
        while answer == nil { answer = try job.advance() }
        #expect(try answer!.text == world.digest())
        #expect(try answer!.text.hasPrefix("2700:") == true)
    }

    // MARK: FLUSHALL

    @Test func `FLUSHALL is off unless the operator allows it`() throws {
        let client = try ReplicaWorld().connect()
        try client.send("SET", "a", "1")
        #expect(try client.send("FLUSHALL").line == "-ERR flushall deletes every key and is off: start the node with --allow-flush to have it")
        #expect(try client.send("FLUSHDB").line == "-ERR flushdb deletes every key and is off: start the node with --allow-flush to have it")
        #expect(try client.send("GET", "a").line == "$1 1")
    }

    @Test func `FLUSHALL deletes what was there when it began, and leaves what is written while it runs`() throws {
        let world = try ReplicaWorld(configuration: flushing)
        let client = world.connect()
        try self.fill(client, 0..<600)
        try world.drain()
        try self.fill(client, 300..<900)
        try world.freeze()
        let job = try client.beginJob("FLUSHALL")
        #expect(try job.advance() == nil)
        let other = world.connect()
        for index in stride(from: 0, to: 900, by: 10) { try other.send("SET", "key:\(index)", "later") }
        try other.send("SET", "new", "1")
        var answer = try job.advance()
        while answer == nil { answer = try job.advance() }
        #expect(answer?.line == "+OK")
        #expect(try client.send("DBSIZE").line == ":91")
        #expect(try client.send("MGET", "key:0", "key:1", "key:890", "new").line == "*4 $5 later $-1 $5 later $1 1")
        #expect(try client.send("HEARSAY", "DIGEST").text.hasPrefix("901:"), "deleted keys stay as tombstones")
    }

    @Test func `FLUSHALL writes no tombstone over a tombstone`() throws {
        let world = try ReplicaWorld(configuration: flushing)
        let client = world.connect()
        try self.fill(client, 0..<20)
        try client.send("FLUSHALL")
        let written = world.store.counters.recordsApplied
        #expect(written == 40)
        try client.send("FLUSHALL")
        #expect(world.store.counters.recordsApplied == written)
    }

    // MARK: RANDOMKEY

    @Test func `RANDOMKEY finds the one key among thousands of tombstones`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try self.fill(client, 0..<3_000)
        for index in 1..<3_000 { try client.send("DEL", "key:\(index)") }
        for _ in 0..<10 { #expect(try client.send("RANDOMKEY").line == "$5 key:0") }
        try client.send("DEL", "key:0")
        #expect(try client.send("RANDOMKEY").line == "$-1")
    }

    @Test func `RANDOMKEY names every key sooner or later`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        try self.fill(client, 0..<8)
        let named = try Set((0..<500).map { _ in try client.send("RANDOMKEY").text })
        #expect(named.count == 8)
    }
}
