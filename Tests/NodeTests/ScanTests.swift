import Basics
import RESP
import TestSupport
import Testing

/// SCAN's promise: a key that is there throughout is told, once, whatever else happens meanwhile.
@Suite struct ScanTests {
    private struct Page {
        let cursor: String
        let keys: [String]
    }

    private func page(_ client: TestClient, _ cursor: String, _ options: String...) throws -> Page {
        let answer = try client.send(["SCAN", cursor] + options)
        guard case .array(let parts) = try answer.reply, parts.count == 2, let next = parts[0].text, case .array(let keys) = parts[1] else {
            throw HarnessError(description: "\(answer)")
        }
        return Page(cursor: next, keys: keys.compactMap(\.text))
    }

    /// A world whose keys lie in base, frozen table and live table, with tombstones in each.
    private func layered() throws -> (ReplicaWorld, TestClient) {
        let world = try ReplicaWorld()
        let client = world.connect()
        for index in 0..<90 { try client.send("SET", "key:\(index)", "base") }
        for index in 0..<5 { try client.send("DEL", "key:\(index)") }
        try world.drain()
        for index in 30..<60 { try client.send("SET", "key:\(index)", "frozen") }
        for index in 5..<10 { try client.send("DEL", "key:\(index)") }
        try world.freeze()
        for index in 50..<70 { try client.send("SET", "key:\(index)", "live") }
        for index in 10..<15 { try client.send("DEL", "key:\(index)") }
        return (world, client)
    }

    @Test func `keys of all layers are told once, tombstones never, in pages no longer than COUNT`() throws {
        let (_, client) = try self.layered()
        var (cursor, keys, pages) = ("0", [String](), 0)
        repeat {
            let page = try self.page(client, cursor, "COUNT", "7")
            #expect(page.keys.count <= 7)
            keys += page.keys
            (cursor, pages) = (page.cursor, pages + 1)
        } while cursor != "0"
        #expect(keys.sorted() == (15..<90).map { "key:\($0)" }.sorted())
        // 90 entries, tombstones among them: 12 pages of 7 and one of 6.
        #expect(pages == 13)
    }

    @Test func `without COUNT a page is of ten entries`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        for index in 0..<30 { try client.send("SET", "\(index)", "") }
        #expect(try self.page(client, "0").keys.count == 10)
    }

    @Test func `a page is bounded whatever COUNT says`() throws {
        let world = try ReplicaWorld()
        let client = world.connect()
        for index in 0..<1_500 { try client.send("SET", "\(index)", "") }
        let first = try self.page(client, "0", "COUNT", "9223372036854775807")
        #expect(first.keys.count == 1_000)
        #expect(try self.page(client, first.cursor, "COUNT", "1000").keys.count == 500)
    }

    @Test func `MATCH and TYPE choose among what is told, and the cursor ends all the same`() throws {
        let (_, client) = try self.layered()
        var (cursor, keys, lists) = ("0", [String](), [String]())
        repeat {
            let page = try self.page(client, cursor, "MATCH", "key:4?", "COUNT", "10", "TYPE", "string")
            lists += try self.page(client, cursor, "COUNT", "10", "TYPE", "list").keys
            keys += page.keys
            cursor = page.cursor
        } while cursor != "0"
        #expect(keys.sorted() == (40..<50).map { "key:\($0)" })
        #expect(lists == [])
    }

    @Test func `any number is a cursor`() throws {
        let client = try ReplicaWorld().connect()
        try client.send("SET", "a", "1")
        for cursor in ["1", "9223372036854775808", "18446744073709551615"] {
            let page = try self.page(client, cursor)
            #expect(page.cursor == "0" && (page.keys == [] || page.keys == ["a"]))
        }
    }

    @Test func `a pattern may have 1,024 bytes, and no more`() throws {
        let client = try ReplicaWorld().connect()
        #expect(try client.send("SCAN", "0", "MATCH", String(repeating: "a", count: 1_023)).line == "*2 $1 0 *0")
        #expect(try client.send("SCAN", "0", "MATCH", String(repeating: "a", count: 1_024)).line == "*2 $1 0 *0")
        #expect(try client.send("SCAN", "0", "MATCH", String(repeating: "a", count: 1_025)).line == "-ERR pattern is longer than 1024 bytes")
        #expect(try client.send("KEYS", String(repeating: "a", count: 1_025)).line == "-ERR pattern is longer than 1024 bytes")
        #expect(try client.send("CONFIG", "GET", String(repeating: "a", count: 1_025)).line == "-ERR pattern is longer than 1024 bytes")
    }

    @Test(arguments: seeds(12))
    func `a key that is there throughout is told exactly once while others are written, overwritten, deleted and drained`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let world = try ReplicaWorld(seed: seed)
        let client = world.connect()
        let stable = (0..<150).map { "stable:\($0)" }
        for key in stable + (0..<80).map({ "other:\($0)" }) {
            try client.send("SET", key, "0")
            if Int.random(in: 0..<60, using: &random) == 0 { try world.drain() }
        }
        var (cursor, told, calls) = ("0", [String](), 0)
        repeat {
            let page = try self.page(client, cursor, "COUNT", "\(Int.random(in: 1...20, using: &random))")
            told += page.keys
            (cursor, calls) = (page.cursor, calls + 1)
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                switch Int.random(in: 0..<8, using: &random) {
                case 0...2: try client.send("SET", stable.randomElement(using: &random)!, "\(calls)")
                case 3, 4: try client.send("SET", "other:\(Int.random(in: 0..<160, using: &random))", "\(calls)")
                case 5, 6: try client.send("DEL", "other:\(Int.random(in: 0..<160, using: &random))")
                default: try world.stepDrain()
                }
            }
            if Bool.random(using: &random) { try world.commit() }
        } while cursor != "0" && calls < 1_000
        #expect(cursor == "0", "the scan did not end in 1,000 calls")
        #expect(told.filter { $0.hasPrefix("stable") }.sorted() == stable.sorted())
        #expect(told.allSatisfy { $0.hasPrefix("stable:") || $0.hasPrefix("other:") })
    }
}
