/// How a stream of replies broke the protocol. The connection cannot be read further.
package enum ReplyFault: Error, Equatable, Sendable {
    case unknownType(byte: UInt8)
    case lineTooLong(limitBytes: Int)
    case lineWithoutCarriageReturn
    case badLength
    case valueTooLong(limitBytes: Int)
    case valueWithoutEnd
    case surplusReply
}

/// Finds the replies in a stream of RESP2 bytes, of the kinds that SET, GET, PING, AUTH and HEARSAY DIGEST have: `+ - : $`.
///
/// - Invariant: no byte is looked at twice except those of a line that a read cut in two, which are copied once.
/// - Bound: `longestLineBytes` of memory; values are counted, never kept.
/// - Complexity: linear in the bytes of lines; a value costs a constant number of steps for each read it spans.
package struct ReplyScanner {
    /// A complete reply. Trivial, so that handing over one costs nothing; the text of an error is in `errorText`.
    package enum Reply: Equatable, Sendable {
        case status, integer, null, error
        case value(byteCount: Int)
    }

    private enum State {
        case line
        /// Inside a value: this many bytes are missing, its CR LF included.
        case value(missingCount: Int, byteCount: Int)
    }

    package static let longestLineBytes = 64 * 1024
    /// Redis's own limit of a string.
    package static let longestValueBytes = 512 * 1024 * 1024
    /// What is kept of an error's text.
    package static let longestErrorTextBytes = 160

    private static let (lineFeed, carriageReturn) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))

    private var state = State.line
    /// The beginning of a line whose end has not arrived.
    private var partialLine: [UInt8] = []
    /// The text of the last error reply, without its `-`: printable ASCII, every other byte replaced, for it ends on a terminal.
    package private(set) var errorText = ""

    package init() {}

    /// Returns the next complete reply at or after `offset` and moves `offset` behind it; nil when the bytes end first, all consumed.
    package mutating func next(in bytes: Span<UInt8>, from offset: inout Int) throws(ReplyFault) -> Reply? {
        while offset < bytes.count {
            switch self.state {
            case .line:
                if let reply = try self.scanLine(bytes, from: &offset) { return reply }
            case .value(let missingCount, let byteCount):
                let missing = try Self.skip(missingCount, in: bytes, from: &offset)
                if missing == 0 {
                    self.state = .line
                    return .value(byteCount: byteCount)
                }
                self.state = .value(missingCount: missing, byteCount: byteCount)
            }
        }
        return nil
    }

    private mutating func scanLine(_ bytes: Span<UInt8>, from offset: inout Int) throws(ReplyFault) -> Reply? {
        var end = offset
        while end < bytes.count, bytes[end] != Self.lineFeed { end += 1 }
        guard self.partialLine.count + (end - offset) <= Self.longestLineBytes else {
            throw .lineTooLong(limitBytes: Self.longestLineBytes)
        }
        if end == bytes.count {
            self.keepPart(of: bytes, from: offset, to: end)
            offset = end
            return nil
        }
        if self.partialLine.isEmpty {
            let reply = try self.readLine(bytes, from: offset, to: end)
            offset = end + 1
            return reply
        }
        self.keepPart(of: bytes, from: offset, to: end)
        offset = end + 1
        let line = self.partialLine
        self.partialLine.removeAll()
        return try self.readLine(line.span, from: 0, to: line.count)
    }

    private mutating func keepPart(of bytes: Span<UInt8>, from start: Int, to end: Int) {
        for index in start..<end { self.partialLine.append(bytes[index]) }
    }

    /// Reads one line, the LF at `end` excluded and the CR before it included. A value's header answers nil and changes the state.
    private mutating func readLine(_ bytes: Span<UInt8>, from start: Int, to end: Int) throws(ReplyFault) -> Reply? {
        guard end - start >= 2, bytes[end - 1] == Self.carriageReturn else { throw .lineWithoutCarriageReturn }
        switch bytes[start] {
        case UInt8(ascii: "+"):
            return .status
        case UInt8(ascii: ":"):
            return .integer
        case UInt8(ascii: "-"):
            self.errorText = Self.printable(bytes, from: start + 1, to: end - 1)
            return .error
        case UInt8(ascii: "$"):
            guard let count = try Self.length(bytes, from: start + 1, to: end - 1) else { return .null }
            self.state = .value(missingCount: count + 2, byteCount: count)
            return nil
        case let other:
            throw .unknownType(byte: other)
        }
    }

    /// Skips up to `missingCount` bytes, of which the last two must be CR LF, and returns how many are still missing.
    private static func skip(_ missingCount: Int, in bytes: Span<UInt8>, from offset: inout Int) throws(ReplyFault) -> Int {
        var missing = missingCount
        if missing > 2 {
            let step = min(missing - 2, bytes.count - offset)
            missing -= step
            offset += step
        }
        while missing <= 2, missing > 0, offset < bytes.count {
            guard bytes[offset] == (missing == 2 ? Self.carriageReturn : Self.lineFeed) else { throw .valueWithoutEnd }
            missing -= 1
            offset += 1
        }
        return missing
    }

    /// A value's length in decimal digits; nil for `-1`, the absent value.
    private static func length(_ bytes: Span<UInt8>, from start: Int, to end: Int) throws(ReplyFault) -> Int? {
        if end - start == 2, bytes[start] == UInt8(ascii: "-"), bytes[start + 1] == UInt8(ascii: "1") { return nil }
        guard start < end else { throw .badLength }
        var length = 0
        for index in start..<end {
            let digit = bytes[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { throw .badLength }
            length = length * 10 + Int(digit)
            // Checked at every digit, so the product above cannot overflow.
            guard length <= Self.longestValueBytes else { throw .valueTooLong(limitBytes: Self.longestValueBytes) }
        }
        return length
    }

    private static func printable(_ bytes: Span<UInt8>, from start: Int, to end: Int) -> String {
        let kept = (start..<min(end, start + Self.longestErrorTextBytes)).map { (0x20...0x7e).contains(bytes[$0]) ? bytes[$0] : UInt8(ascii: "?") }
        return String(decoding: kept, as: UTF8.self)
    }
}
