import Basics
import RESP
import Testing

/// The replies in `text`, which arrives in pieces of `size` bytes.
private func replies(_ text: String, size: Int = .max) throws(ReplyParser.Failure) -> [Reply] {
    var parser = ReplyParser()
    var found: [Reply] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        parser.append(rest.prefix(size))
        rest = rest.dropFirst(size)
        while let reply = try parser.next() { found.append(reply) }
    }
    return found
}

private func bulk(_ text: String) -> Reply { .bulk(Array(text.utf8)) }

struct ReplyParserTests {
    private static let examples: [(String, [Reply])] = [
        ("+OK\r\n", [.simple("OK")]), ("-ERR x\r\n", [.error("ERR x")]), (":-5\r\n", [.integer(-5)]), ("$-1\r\n*-1\r\n_\r\n", [.null, .null, .null]),
        ("$0\r\n\r\n", [bulk("")]), ("$4\r\na\r\nb\r\n+x\r\n", [bulk("a\r\nb"), .simple("x")]), ("#t\r\n#f\r\n", [.boolean(true), .boolean(false)]),
        (",1.5\r\n,inf\r\n,-inf\r\n", [.double(1.5), .double(.infinity), .double(-.infinity)]),
        ("(123456789012345678901\r\n", [.bigNumber("123456789012345678901")]),
        ("=8\r\ntxt:text\r\n", [.verbatim(format: "txt", Array("text".utf8))]), ("!5\r\nERR x\r\n", [.error("ERR x")]),
        ("*0\r\n", [.array([])]),
        ("*2\r\n*1\r\n:1\r\n%1\r\n+k\r\n~1\r\n:2\r\n", [.array([.array([.integer(1)]), .map([.init(.simple("k"), .set([.integer(2)]))])])]),
        (">2\r\n+a\r\n+b\r\n", [.push([.simple("a"), .simple("b")])]), ("*2\r\n*0\r\n%0\r\n", [.array([.array([]), .map([])])]),
        ("|1\r\n+ttl\r\n:1\r\n:7\r\n", [.integer(7)]), ("*2\r\n:1\r\n|1\r\n+a\r\n*1\r\n:9\r\n:2\r\n", [.array([.integer(1), .integer(2)])]),
        ("|0\r\n:7\r\n", [.integer(7)]),
    ]

    @Test(arguments: Self.examples.indices)
    func `a reply is read whole and byte by byte`(index: Int) throws {
        let (text, expected) = Self.examples[index]
        #expect(try replies(text) == expected)
        #expect(try replies(text, size: 1) == expected)
    }

    @Test func `replies one after the other are read in order, in pieces of any size`() throws {
        let text = Self.examples.map(\.0).joined()
        for size in 1...40 { #expect(try replies(text, size: size) == Self.examples.flatMap(\.1)) }
    }

    @Test func `elements are read one by one, by index, and from both ends`() throws {
        let text = "*5\r\n+a\r\n*2\r\n$3\r\nb\r\n\r\n|1\r\n+x\r\n+y\r\n:1\r\n%1\r\n+k\r\n~0\r\n_\r\n#t\r\n"
        guard case .array(let elements)? = try replies(text).first else { return #expect(Bool(false)) }
        let expected: [Reply] = [.simple("a"), .array([bulk("b\r\n"), .integer(1)]), .map([.init(.simple("k"), .set([]))]), .null, .boolean(true)]
        #expect(Array(elements) == expected)
        #expect(expected.indices.map { elements[$0] } == expected)
        #expect(elements.first == expected.first && elements.last == expected.last && elements.count == 5 && !elements.isEmpty)
        #expect(elements != [.simple("a")])
    }

    @Test func `a map has its pairs in order`() throws {
        guard case .map(let pairs)? = try replies("%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n").first else { return #expect(Bool(false)) }
        #expect(pairs.count == 2 && pairs[1] == Reply.Pair(.simple("b"), .array([.integer(2)])))
        #expect(pairs.map(\.key) == [.simple("a"), .simple("b")])
    }

    @Test func `a reply outlives its parser and what came behind it`() throws {
        var parser = ReplyParser()
        parser.append(Array("*1\r\n+a\r\n*1\r\n+b".utf8))
        let first = try parser.next()
        parser.append(Array("\r\n".utf8))
        let second = try parser.next()
        parser = ReplyParser()
        #expect(first == .array([.simple("a")]) && second == .array([.simple("b")]))
    }

    @Test func `text that is not UTF-8 has a question mark for each byte that is not ASCII`() throws {
        let bytes: [UInt8] = Array("+".utf8) + [0xff, 0x61, 0xc3] + Array("\r\n!3\r\n".utf8) + [0x62, 0x80, 0x63] + Array("\r\n+\u{e9}\r\n".utf8)
        var parser = ReplyParser()
        parser.append(bytes)
        let texts = try (0..<3).map { _ in try parser.next() }
        #expect(texts == [.simple("?a?"), .error("b?c"), .simple("\u{e9}")])
    }

    @Test(
        arguments: [
            ("?\r\n", .unknownType(UInt8(ascii: "?"))), (":x\r\n", .invalidNumber), ("$x\r\n", .invalidNumber), ("$-2\r\n", .invalidLength),
            ("%-1\r\n", .invalidLength), ("#x\r\n", .invalidNumber), (",x\r\n", .invalidNumber), ("=2\r\nab\r\n", .invalidLength),
            ("+a\n", .missingLineEnd),
            ("\r\n", .missingLineEnd), ("\n", .missingLineEnd), ("$1\r\nabc", .missingLineEnd), ("$?\r\n", .invalidNumber),
        ] as [(String, ReplyParser.Failure)])
    func `a broken reply is a typed error`(text: String, failure: ReplyParser.Failure) {
        #expect(throws: failure) { try replies(text) }
        #expect(throws: failure) { try replies(text, size: 1) }
    }

    @Test(arguments: [7, 8, 9])
    func `replies are nested at most eight deep`(depth: Int) throws {
        let text = String(repeating: "*1\r\n", count: depth) + ":1\r\n"
        if depth <= 8 {
            #expect(try replies(text) == [(0..<depth).reduce(Reply.integer(1)) { reply, _ in .array([reply]) }])
        } else {
            #expect(throws: ReplyParser.Failure.tooDeep(limit: 8)) { try replies(text) }
        }
    }

    @Test(arguments: [1_048_575, 1_048_576, 1_048_577])
    func `an aggregate has at most 1,048,576 elements`(count: Int) throws {
        if count <= 1_048_576 {
            #expect(try replies("*\(count)\r\n") == [])
        } else {
            #expect(throws: ReplyParser.Failure.tooManyElements(limit: 1_048_576)) { try replies("%\(count)\r\n") }
        }
    }

    @Test(arguments: [512 << 20, 512 << 20 + 1])
    func `a string has at most 512 MiB`(count: Int) throws {
        if count <= 512 << 20 {
            #expect(try replies("$\(count)\r\n") == [])
        } else {
            #expect(throws: ReplyParser.Failure.tooLong(limitBytes: 512 << 20)) { try replies("$\(count)\r\n") }
        }
    }

    @Test(arguments: [65_534, 65_535, 65_536])
    func `a line has at most 65,536 bytes`(count: Int) throws {
        let text = "+" + String(repeating: "x", count: count - 1)
        if count < 65_536 {
            #expect(try replies(text + "\r\n", size: 1_000).count == 1)
        } else {
            #expect(throws: ReplyParser.Failure.tooLong(limitBytes: 65_536)) { try replies(text + "\r\n", size: 1_000) }
        }
    }

    @Test func `a failure repeats itself`() {
        var parser = ReplyParser()
        parser.append(Array("?\r\n+OK\r\n".utf8))
        #expect(throws: ReplyParser.Failure.unknownType(UInt8(ascii: "?"))) { try parser.next() }
        #expect(throws: ReplyParser.Failure.unknownType(UInt8(ascii: "?"))) { try parser.next() }
    }
}
