import Basics
import Testing

@testable import Bench

@Suite struct ReplyScannerTests {
    /// Every reply of the input, read in pieces that end at the given offsets.
    private func replies(_ text: String, cutAt cuts: [Int] = []) throws(ReplyFault) -> [ReplyScanner.Reply] {
        let bytes = Array(text.utf8)
        var scanner = ReplyScanner()
        var replies: [ReplyScanner.Reply] = []
        var start = 0
        for end in cuts + [bytes.count] {
            let piece = Array(bytes[start..<end])
            var offset = 0
            while let reply = try scanner.next(in: piece.span, from: &offset) { replies.append(reply) }
            #expect(offset == piece.count)
            start = end
        }
        return replies
    }

    private static let stream = "+OK\r\n$3\r\nabc\r\n$-1\r\n:42\r\n$0\r\n\r\n-ERR no\r\n$4\r\n\r\n\r\n\r\n+PONG\r\n"
    private static let expected: [ReplyScanner.Reply] = [
        .status, .value(byteCount: 3), .null, .integer, .value(byteCount: 0), .error, .value(byteCount: 4), .status,
    ]

    @Test func `a stream gives the same replies whole, byte by byte, and cut at any two places`() throws {
        let count = Self.stream.utf8.count
        #expect(try self.replies(Self.stream) == Self.expected)
        #expect(try self.replies(Self.stream, cutAt: Array(1..<count)) == Self.expected)
        for first in 0...count {
            for second in first...count {
                #expect(try self.replies(Self.stream, cutAt: [first, second]) == Self.expected, "cut at \(first) and \(second)")
            }
        }
    }

    @Test(arguments: [
        ("*1\r\n", ReplyFault.unknownType(byte: 42)), ("%1\r\n", .unknownType(byte: 37)), ("+OK\n", .lineWithoutCarriageReturn),
        ("\r\n", .lineWithoutCarriageReturn), ("\n", .lineWithoutCarriageReturn), ("$\r\n", .badLength), ("$-2\r\n", .badLength),
        ("$1x\r\n", .badLength), ("$+1\r\n", .badLength), ("$1\r\nab\r\n", .valueWithoutEnd), ("$1\r\na\rb", .valueWithoutEnd),
        ("$99999999999999999999\r\n", .valueTooLong(limitBytes: ReplyScanner.longestValueBytes)),
    ])
    func `malformed replies are faults, never traps`(_ text: String, _ fault: ReplyFault) {
        #expect(throws: fault) { try self.replies(text) }
        #expect(throws: fault) { try self.replies(text, cutAt: Array(1..<text.utf8.count)) }
    }

    @Test func `a value's length is bounded at the limit`() throws {
        let limit = ReplyScanner.longestValueBytes
        for length in [limit - 1, limit] { #expect(try self.replies("$\(length)\r\n").isEmpty) }
        #expect(throws: ReplyFault.valueTooLong(limitBytes: limit)) { try self.replies("$\(limit + 1)\r\n") }
    }

    @Test func `a line's length is bounded at the limit, arriving whole or in pieces`() throws {
        let limit = ReplyScanner.longestLineBytes
        for length in [limit - 1, limit] {
            // The limit counts type byte and CR.
            let line = "+" + String(repeating: "x", count: length - 2) + "\r\n"
            #expect(try self.replies(line) == [.status])
            #expect(try self.replies(line, cutAt: [100, length]) == [.status])
        }
        let tooLong = "+" + String(repeating: "x", count: limit)
        #expect(throws: ReplyFault.lineTooLong(limitBytes: limit)) { try self.replies(tooLong) }
        #expect(throws: ReplyFault.lineTooLong(limitBytes: limit)) { try self.replies(tooLong, cutAt: [limit - 1]) }
    }

    @Test func `an error's text is cut and made harmless for a terminal`() throws {
        let line = Array("-ERR \u{1b}[2Jgone \(String(repeating: "y", count: 500))\r\n".utf8)
        var (scanner, offset) = (ReplyScanner(), 0)
        #expect(try scanner.next(in: line.span, from: &offset) == .error)
        #expect(scanner.errorText.hasPrefix("ERR ?[2Jgone yyy"))
        #expect(scanner.errorText.utf8.count == ReplyScanner.longestErrorTextBytes)
    }

    @Test func `random bytes never trap`() {
        let seed: UInt64 = 20_250_711
        var generator = SplitMix64(seed: seed)
        let alphabet = Array("+-:$*0123456789\r\n\r\nx".utf8)
        for _ in 0..<20_000 {
            var (scanner, offset) = (ReplyScanner(), 0)
            let bytes = (0..<Int.random(in: 0...24, using: &generator)).map { _ in alphabet.randomElement(using: &generator)! }
            do throws(ReplyFault) {
                while try scanner.next(in: bytes.span, from: &offset) != nil {}
                #expect(offset == bytes.count, "seed \(seed): \(bytes)")
            } catch {
                #expect(offset <= bytes.count, "seed \(seed): \(bytes)")
            }
        }
    }
}
