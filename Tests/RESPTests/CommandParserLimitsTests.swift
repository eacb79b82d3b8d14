import Basics
import RESP
import Testing

/// Small limits, so that tests reach them with few bytes.
private let small = CommandParser.Limits(
    maximumArguments: 4, maximumBulkBytes: 10, maximumCommandBytes: 25, maximumInlineBytes: 30, skipsOversized: true)

private func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: UInt8(ascii: "v"), count: count) }

private let ping = array("PING")

struct CommandParserLimitsTests {
    @Test(
        arguments: [
            ([3], nil), ([3, 9], nil), ([3, 10], nil), ([3, 11], .bulkBytes(limit: 10)), ([11], .bulkBytes(limit: 10)),
            ([1, 1, 1, 1], nil), ([1, 1, 1, 1, 1], .arguments(limit: 4)), ([11, 1, 1, 1, 1], .arguments(limit: 4)),
            ([5, 10, 9], nil), ([5, 10, 10], nil), ([6, 10, 10], .commandBytes(limit: 25)), ([11, 10, 10], .bulkBytes(limit: 10)),
        ] as [([Int], CommandParser.Excess?)])
    func `a command over a limit is skipped, and the next one is read`(sizes: [Int], excess: CommandParser.Excess?) {
        let arguments = sizes.map(bytes)
        let expected = [excess.map { Event.oversized($0) } ?? .command(arguments), .command("PING")]
        #expect(events(whole: array(arguments) + ping, limits: small) == expected)
        #expect(events(bytewise: array(arguments) + ping, limits: small) == expected)
    }

    @Test(
        arguments: [
            ("a b c d", nil), ("a b c d e", .arguments(limit: 4)), ("a 1234567890", nil), ("a 12345678901", .bulkBytes(limit: 10)),
            ("a '1234567890' 0123456789 12345", .commandBytes(limit: 25)),
        ] as [(String, CommandParser.Excess?)])
    func `a line over a limit is skipped, too`(line: String, excess: CommandParser.Excess?) {
        var limits = small
        limits.maximumInlineBytes = 40
        let expected = [excess.map { Event.oversized($0) } ?? .command(line.split(separator: " ").map { Array($0.utf8) }), .command("PING")]
        #expect(events(whole: Array("\(line)\nPING\n".utf8), limits: limits) == expected)
        #expect(events(bytewise: Array("\(line)\nPING\n".utf8), limits: limits) == expected)
    }

    @Test(arguments: [29, 30, 31])
    func `a line may be as long as its limit`(count: Int) {
        let line = [UInt8](repeating: UInt8(ascii: " "), count: count - 4) + Array("PING\n".utf8)
        let expected: [Event] = count <= 30 ? [.command("PING")] : [.failure(.tooBigInlineRequest)]
        #expect(events(whole: line, limits: small) == expected)
        #expect(events(bytewise: line, limits: small) == expected)
    }

    @Test func `a line without an end is cut off at its limit`() {
        var connection = Connection()
        for _ in 0..<64 { connection.receive([UInt8](repeating: UInt8(ascii: "a"), count: 1_024)) }
        #expect(connection.events == [])
        connection.receive([UInt8(ascii: "a")])
        #expect(connection.events == [.failure(.tooBigInlineRequest)])
    }

    @Test func `what is skipped is never stored`() {
        var connection = Connection()
        connection.receive(Array("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$\((16 << 20) + 1)\r\n".utf8))
        let piece = [UInt8](repeating: UInt8(ascii: "\r"), count: 65_536)
        for _ in 0..<256 { connection.receive(piece) }
        #expect(connection.events == [])
        connection.receive(Array("x\r\n".utf8) + ping)
        #expect(connection.events == [.oversized(.bulkBytes(limit: 16 << 20)), .command("PING")])
        let largest = connection.largestBufferBytes
        #expect(largest <= 65_536)
    }

    @Test func `the largest value is taken in pieces, at the cost of a few calls that look at nothing`() {
        var connection = Connection()
        let value = [UInt8](repeating: 1, count: 16 << 20)
        let input = array([Array("SET".utf8), Array("k".utf8), value])
        for start in stride(from: 0, to: input.count, by: 1 << 20) { connection.receive(input[start..<min(start + 1 << 20, input.count)]) }
        #expect(connection.events == [.command([Array("SET".utf8), Array("k".utf8), value])])
    }

    @Test func `broken framing within what is skipped still fails`() {
        let input = Array("*5\r\n$1\r\na\r\n$1\r\nbX\r\n".utf8)
        #expect(events(whole: input, limits: small) == [.failure(.invalidBulkLength)])
        #expect(events(bytewise: input, limits: small) == [.failure(.invalidBulkLength)])
        #expect(events(whole: Array("*5\r\nx".utf8), limits: small) == [.failure(.expectedBulk(got: UInt8(ascii: "x")))])
    }

    @Test(arguments: [65_535, 65_536, 65_537])
    func `a client may send 65,536 arguments`(count: Int) {
        let input = array([[UInt8]](repeating: [1], count: count)) + ping
        let first: Event = count <= 65_536 ? .command([[UInt8]](repeating: [1], count: count)) : .oversized(.arguments(limit: 65_536))
        #expect(events(whole: input) == [first, .command("PING")])
    }

    @Test(arguments: [1_048_576, 1_048_577])
    func `the framing of 1,048,576 arguments is followed, of more it is not`(count: Int) {
        let found = events(whole: Array("*\(count)\r\n".utf8))
        #expect(found == (count <= 1_048_576 ? [] : [.failure(.invalidMultibulkLength)]))
    }

    @Test(arguments: [536_870_912, 536_870_913])
    func `the framing of 512 MiB is followed, of more it is not`(count: Int) {
        let found = events(whole: Array("*1\r\n$\(count)\r\n".utf8))
        #expect(found == (count <= 536_870_912 ? [] : [.failure(.invalidBulkLength)]))
    }

    @Test(
        arguments: [
            ("*10\r\n", nil), ("*11\r\n", .unauthenticatedMultibulkLength), ("*1\r\n$16384\r\n", nil),
            ("*1\r\n$16385\r\n", .unauthenticatedBulkLength),
            ("a b c d e f g h i j k\n", .tooBigInlineRequest),
        ] as [(String, ProtocolError?)])
    func `before authentication a command over a limit closes the connection`(input: String, error: ProtocolError?) {
        #expect(events(whole: Array(input.utf8), limits: .unauthenticated) == (error.map { [.failure($0)] } ?? []))
    }

    @Test func `limits raised after a command hold from the next one on`() {
        var parser = CommandParser(limits: .unauthenticated)
        let many = (0..<11).map { Array("\($0)".utf8) }
        (array("AUTH", "secret") + array(many)).withUnsafeBytes { bytes in
            #expect(parser.next(in: bytes) == .command)
            parser.limits = .authenticated()
            #expect(parser.next(in: bytes) == .command)
            #expect(parser.arguments.count == 11)
        }
    }

    @Test(arguments: [9, 10, 11])
    func `a length has at most ten digits`(digits: Int) {
        let input = Array("*1\r\n$".utf8) + [UInt8](repeating: UInt8(ascii: "9"), count: digits) + Array("\r\n".utf8)
        #expect(events(whole: input) == [.failure(.invalidBulkLength)])
        #expect(events(bytewise: input) == [.failure(.invalidBulkLength)])
    }

    @Test(arguments: [31, 32, 33])
    func `a length line is cut off after 32 bytes`(count: Int) {
        let input = [UInt8(ascii: "*")] + [UInt8](repeating: UInt8(ascii: "x"), count: count) + [13, 10]
        let expected: [Event] = [.failure(count <= 32 ? .invalidMultibulkLength : .tooBigMultibulkCount)]
        #expect(events(whole: input) == expected)
        #expect(events(bytewise: input) == expected)
    }
}
