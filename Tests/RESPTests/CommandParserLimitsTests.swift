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

    @Test(arguments: [65_534, 65_535, 65_536, 65_537])
    func `the longest line may be all words, each of which begins where it did`(count: Int) {
        let words = (0..<count / 2).map { [UInt8(ascii: "a") + UInt8($0 % 26)] }
        let line = words.flatMap { $0 + [UInt8(ascii: " ")] } + [UInt8](repeating: UInt8(ascii: " "), count: count % 2) + Array("\n".utf8)
        let expected: [Event] = count <= CommandParser.Limits.longestInlineBytes ? [.command(words)] : [.failure(.tooBigInlineRequest)]
        #expect(events(whole: line) == expected)
        // The last word begins as late as one can.
        let long = [UInt8](repeating: UInt8(ascii: "b"), count: count - 2)
        let late: [Event] = count <= CommandParser.Limits.longestInlineBytes ? [.command([long, [UInt8(ascii: "c")]])] : expected
        #expect(events(whole: long + Array(" c\n".utf8)) == late)
    }

    @Test func `no line may be longer than 64 KiB`() async {
        for count in [CommandParser.Limits.longestInlineBytes - 1, CommandParser.Limits.longestInlineBytes] {
            let limits = CommandParser.Limits(
                maximumArguments: 1, maximumBulkBytes: 1, maximumCommandBytes: 1, maximumInlineBytes: count, skipsOversized: true)
            #expect(limits.maximumInlineBytes == count)
        }
        await #expect(processExitsWith: .failure) {
            _ = CommandParser.Limits(
                maximumArguments: 1, maximumBulkBytes: 1, maximumCommandBytes: 1, maximumInlineBytes: 64 << 10 + 1, skipsOversized: true)
        }
    }

    @Test(
        arguments: [
            ("a ", 32_767), ("'' ", 21_845), ("\"\\x41\" ", 9_000), (String(repeating: "b", count: 30_000) + " ", 2),
            ("*12000\r\n" + String(repeating: "$0\r\n\r\n", count: 12_000), 1),
        ])
    func `while a command arrives its parser holds no more than twice what came and 64 KiB`(part: String, count: Int) {
        var parser = CommandParser(limits: .authenticated())
        var input: [UInt8] = []
        for byte in String(repeating: part, count: count).utf8 {
            input.append(byte)
            guard input.count % 97 == 0 else { continue }
            // No byte is looked at twice, so what was dropped may stay.
            let outcome = input.withUnsafeBytes { parser.next(in: $0) }
            guard parser.allocatedBytes <= 2 * input.count + 65_536 else {
                let bytes = parser.allocatedBytes
                Issue.record("\(bytes) bytes for \(input.count)")
                return
            }
            #expect(outcome == .needsMore)
        }
        let isUsed = parser.allocatedBytes > 0
        #expect(isUsed)
    }

    @Test(arguments: [1_023, 1_024, 1_025, 2_047, 2_048, 2_049, 5_000])
    func `arguments beyond the first block of their table are those that were sent`(count: Int) {
        let arguments = (0..<count).map { [UInt8]("\($0)".utf8) }
        let expected = [Event.command(arguments), .command("PING"), .command(arguments)]
        #expect(events(whole: array(arguments) + ping + array(arguments)) == expected)
        var size = 0
        #expect(
            events(of: array(arguments) + ping + array(arguments)) {
                size = size % 700 + 1
                return size
            } == expected)
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
