import Basics
import RESP
import Testing

/// One input, and what it must give however it is split.
struct ParserExample: CustomTestStringConvertible, Sendable {
    let input: [UInt8]
    let events: [Event]

    init(_ input: String, _ events: Event...) {
        (self.input, self.events) = (Array(input.utf8), events)
    }

    var testDescription: String { String(decoding: self.input.prefix(60), as: UTF8.self) }
}

/// Inputs that leave the parser between commands.
let wholeExamples = [
    ParserExample("*1\r\n$4\r\nPING\r\n", .command("PING")),
    ParserExample("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nv\r\n\0x\r\n", .command("SET", "k", "v\r\n\0x")),
    ParserExample("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", .command("GET", "")),
    ParserExample("*1\r\n$0\r\n\r\n", .command("")),
    ParserExample("*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n", .command("PING")),
    ParserExample("PING\r\n", .command("PING")),
    ParserExample("PING\n", .command("PING")),
    ParserExample("\r\n\n  \r\n\t\nPING\n", .command("PING")),
    ParserExample("  SET  greeting\thello \r\n", .command("SET", "greeting", "hello")),
    ParserExample("PING\r\r\n", .command("PING")),
    ParserExample(#"SET "a b" 'c d'"# + "\n", .command("SET", "a b", "c d")),
    ParserExample(#"SET "\x41\n\r\t\b\a\\\"\q" ''"# + "\n", .command("SET", "A\n\r\t\u{8}\u{7}\\\"q", "")),
    ParserExample(#"ECHO "\x4" "\xzz" "\x4g" "\x""# + "\n", .command("ECHO", "x4", "xzz", "x4g", "x")),
    ParserExample(#"ECHO "\x4\x41""# + "\n", .command("ECHO", "x4A")),
    ParserExample(#"ECHO 'it\'s' 'a\nb' 'c\\d'"# + "\n", .command("ECHO", "it's", #"a\nb"#, #"c\\d"#)),
    ParserExample(#"ECHO foo"bar baz" a'b c'"# + "\n", .command("ECHO", "foobar baz", "ab c")),
    ParserExample(#"ECHO a\b "'" '"'"# + "\n", .command("ECHO", #"a\b"#, "'", "\"")),
    ParserExample("''\n", .command("")),
    ParserExample("SET k v\0w\n", .command("SET", "k", "v\0w")),
    ParserExample("PING\n*1\r\n$4\r\nECHO\r\nGET k\r\n", .command("PING"), .command("ECHO"), .command("GET", "k")),
    ParserExample("GET / HTTP/1.1\r\nX: y\r\n", .command("GET", "/", "HTTP/1.1"), .command("X:", "y")),
]

/// Inputs after which the connection is closed.
let brokenExamples = [
    ParserExample("*1\r\n:3\r\n", .failure(.expectedBulk(got: UInt8(ascii: ":")))),
    ParserExample("*1\r\n\u{1}\r\n", .failure(.expectedBulk(got: 1))),
    ParserExample("*x\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*+1\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*-0\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*-\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*--1\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*-2\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*-01\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*1-\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*01\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*00\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("* 1\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*1\n$4\r\nPING\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*1\rx$4\r\nPING\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*1048577\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*9999999999\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*99999999999\r\n", .failure(.invalidMultibulkLength)),
    ParserExample("*1\r\n$-1\r\n", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$x\r\n", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$\r\n", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$04\r\nPING\r\n", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$536870913\r\n", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$18446744073709551616\r\n", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$4\r\nPINGxy", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$4\r\nPING\rx", .failure(.invalidBulkLength)),
    ParserExample("*1\r\n$3\r\nPING\r\n", .failure(.invalidBulkLength)),
    ParserExample("*" + String(repeating: "1", count: 33), .failure(.tooBigMultibulkCount)),
    ParserExample("*1\r\n$" + String(repeating: "1", count: 33), .failure(.tooBigBulkCount)),
    ParserExample("SET \"a\n", .failure(.unbalancedQuotes)),
    ParserExample("SET 'a\n", .failure(.unbalancedQuotes)),
    ParserExample("SET 'a\\\n", .failure(.unbalancedQuotes)),
    ParserExample(#"SET 'c\\'"# + "\n", .failure(.unbalancedQuotes)),
    ParserExample("SET \"a\\\n", .failure(.unbalancedQuotes)),
    ParserExample("SET \"\\x4\n", .failure(.unbalancedQuotes)),
    ParserExample("SET \"a\"b\n", .failure(.unbalancedQuotes)),
    ParserExample("SET 'a'b\n", .failure(.unbalancedQuotes)),
    ParserExample("POST / HTTP/1.1\r\n", .failure(.crossProtocol)),
    ParserExample("host: localhost\r\n", .failure(.crossProtocol)),
    ParserExample("PING\nPOST\n", .command("PING"), .failure(.crossProtocol)),
]

struct CommandParserTests {
    @Test(arguments: wholeExamples + brokenExamples)
    func `an input gives its commands when it arrives whole and when it arrives byte by byte`(example: ParserExample) {
        #expect(events(whole: example.input) == example.events)
        #expect(events(bytewise: example.input) == example.events)
    }

    @Test(arguments: wholeExamples)
    func `a whole input leaves nothing behind`(example: ParserExample) {
        var connection = Connection()
        connection.receive(example.input)
        let (left, isInside) = (connection.buffer, connection.parser.isInsideCommand)
        #expect(left.isEmpty)
        #expect(!isInside)
    }

    @Test(arguments: brokenExamples)
    func `all inputs one after the other give all commands, before each input that breaks off`(broken: ParserExample) {
        let input = wholeExamples.flatMap(\.input) + broken.input
        let expected = wholeExamples.flatMap(\.events) + broken.events
        #expect(events(whole: input) == expected)
        #expect(events(bytewise: input) == expected)
    }

    @Test(arguments: [UInt64](1...40))
    func `any split of the same bytes gives the same commands`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let large = Event.command([Array("SET".utf8), Array("k".utf8), [UInt8](repeating: 7, count: 5_000)])
        let input = wholeExamples.flatMap(\.input) + array([Array("SET".utf8), Array("k".utf8), [UInt8](repeating: 7, count: 5_000)])
        let longest = [3, 20, 400].randomElement(using: &generator) ?? 1
        let split = events(of: input) { Int.random(in: 1...longest, using: &generator) }
        #expect(split == wholeExamples.flatMap(\.events) + [large], "seed \(seed)")
    }

    @Test(arguments: ["", "*1\r\n$4\r\nPING\r\n"])
    func `a parser that has failed stays failed, with and without more bytes`(more: String) {
        var parser = CommandParser(limits: .authenticated())
        let outcomes = Array("*x\r\n\(more)".utf8).withUnsafeBytes { bytes in (0..<3).map { _ in parser.next(in: bytes) } }
        #expect(outcomes == Array(repeating: .failure(.invalidMultibulkLength), count: 3))
    }

    @Test func `no byte is looked at twice`() {
        // All bytes but the newest are overwritten before each call: a parser that looked at them again would see something else.
        for example in wholeExamples {
            var parser = CommandParser(limits: .authenticated())
            var lengths: [[Int]] = []
            for end in example.input.indices {
                let scrambled = [UInt8](repeating: 0xff, count: end) + [example.input[end]]
                scrambled.withUnsafeBytes { bytes in
                    guard parser.next(in: bytes) == .command else { return }
                    let arguments = parser.arguments
                    lengths.append((0..<arguments.count).map { arguments[$0].count })
                }
            }
            #expect(lengths == example.events.map(\.argumentLengths), "\(example.testDescription)")
        }
    }

    @Test func `arguments are readable after their command only, until the next call`() {
        var parser = CommandParser(limits: .authenticated())
        let input = array("GET", "k") + Array("*2\r\n$3\r\nGET\r\n".utf8)
        input.withUnsafeBytes { bytes in
            #expect(parser.arguments.count == 0)
            #expect(parser.next(in: bytes) == .command)
            #expect(parser.arguments.count == 2)
            #expect(parser.consumedBytes == array("GET", "k").count)
            #expect(parser.next(in: bytes) == .needsMore)
            #expect(parser.arguments.count == 0)
            #expect(parser.consumedBytes == array("GET", "k").count)
        }
    }

    @Test func `finished bytes may be dropped in parts, or later`() {
        var parser = CommandParser(limits: .authenticated())
        let input = array("GET", "key") + array("GET", "other")
        input.withUnsafeBytes { bytes in #expect(parser.next(in: bytes) == .command) }
        parser.discarded(7)
        Array(input[7...]).withUnsafeBytes { bytes in
            #expect(parser.next(in: bytes) == .command)
            #expect(parser.arguments[1].elementsEqual("other"))
            #expect(parser.consumedBytes == input.count - 7)
        }
    }

    @Test func `memory that one large command needed is given back`() {
        var connection = Connection()
        connection.receive(array((0..<5_000).map { _ in [1] }))
        connection.receive(Array("ECHO \(String(repeating: "x", count: 50_000))\n".utf8))
        let bytes = connection.parser.allocatedBytes
        #expect(bytes <= 2_048)
    }

    @Test func `copied arguments outlive their buffer`() throws {
        let copy = try withArguments(["SET", "", "value"]) { $0.copy() }
        let words = copy.withArguments { arguments in (0..<arguments.count).map { arguments[$0].text } }
        #expect(words == ["SET", "", "value"])
        #expect(copy.byteCount == 8 + 3 * 8)
    }

    @Test(arguments: [
        (ProtocolError.expectedBulk(got: UInt8(ascii: "x")), "Protocol error: expected '$', got 'x'"),
        (.expectedBulk(got: 0xff), "Protocol error: expected '$', got '\\xff'"),
        (.unbalancedQuotes, "Protocol error: unbalanced quotes in request"),
        (.unauthenticatedMultibulkLength, "Protocol error: unauthenticated multibulk length"),
    ])
    func `a protocol error is told in Redis's words`(error: ProtocolError, message: String) {
        #expect(error.message == message)
        #expect(error.isAnswered)
        #expect(!ProtocolError.crossProtocol.isAnswered)
    }
}
