/// Gathers replies as bytes, in the version of the protocol that the client asked for, for one flush per burst of commands.
///
/// Callers say what a reply means; where RESP2 has no such type the writer falls back as Redis does: a map becomes a flat array, a set or
/// push an array, a boolean an integer, a double or verbatim text a bulk string.
///
/// - Complexity: O(1) amortised per header, plus a copy of the bytes given. No allocation once the memory has grown to a burst's size.
/// - Source: the RESP3 specification and the replies of Redis 7 (networking.c).
package struct ReplyWriter: ~Copyable {
    package enum Version: UInt8, Sendable {
        case two = 2
        case three = 3
    }

    /// What replies are written as from now on. Starts as RESP2, until a client says HELLO 3.
    package var version: Version
    private var memory = GrowableMemory<UInt8>()

    package init(version: Version = .two) {
        self.version = version
    }

    /// The bytes gathered so far.
    package var count: Int { self.memory.count }

    package var isEmpty: Bool { self.memory.count == 0 }

    /// The memory that the writer holds, in bytes, for a limit on what all clients hold together.
    package var allocatedBytes: Int { self.memory.allocatedBytes }

    /// Lends the gathered bytes to `body` for the length of the call.
    package borrowing func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(self.memory.elements))
    }

    /// Forgets all bytes. Memory above `retained` bytes is given back, so that one great reply does not stay allocated.
    package mutating func removeAll(retaining retained: Int = 64 << 10) {
        self.memory.removeAll(retaining: retained)
    }

    /// Forgets the bytes from `count` on: a reply that was begun and turned into an error.
    package mutating func truncate(to count: Int) {
        self.memory.truncate(to: count)
    }

    /// Adds what another writer gathered: elements whose number, which comes first, was not known before.
    package mutating func append(contentsOf other: borrowing ReplyWriter) {
        self.raw(UnsafeRawBufferPointer(other.memory.elements))
    }

    /// Adds bytes that are replies already, or the next part of a bulk string whose header was written.
    package mutating func raw(_ bytes: UnsafeRawBufferPointer) {
        self.memory.append(contentsOf: bytes)
    }

    package mutating func raw(_ literal: StaticString) {
        self.memory.append(contentsOf: Bytes(literal).buffer)
    }
}

// MARK: Scalars

extension ReplyWriter {
    /// `+OK`
    package mutating func ok() {
        self.raw("+OK\r\n")
    }

    /// A status: one short line without CR or LF in it.
    package mutating func simple(_ status: StaticString) {
        self.raw("+")
        self.raw(status)
        self.raw("\r\n")
    }

    package mutating func integer(_ value: Int) {
        self.header(UInt8(ascii: ":"), value)
    }

    package mutating func integer(_ value: Int64) {
        self.header(UInt8(ascii: ":"), Int(value))
    }

    package mutating func boolean(_ value: Bool) {
        switch self.version {
        case .two: self.raw(value ? ":1\r\n" : ":0\r\n")
        case .three: self.raw(value ? "#t\r\n" : "#f\r\n")
        }
    }

    package mutating func double(_ value: Double) {
        let text = Self.text(value)
        switch self.version {
        case .two:
            self.bulk(text)
        case .three:
            self.raw(",")
            self.text(text)
            self.raw("\r\n")
        }
    }

    /// The absent value.
    package mutating func null() {
        switch self.version {
        case .two: self.raw("$-1\r\n")
        case .three: self.raw("_\r\n")
        }
    }

    /// The absent array, as EXEC answers when a watched key has changed.
    package mutating func nullArray() {
        switch self.version {
        case .two: self.raw("*-1\r\n")
        case .three: self.raw("_\r\n")
        }
    }

    /// The shortest decimal number that reads back as `value`; a whole number has no fraction.
    private static func text(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let text = value.description
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}

// MARK: Strings

extension ReplyWriter {
    package mutating func bulk(_ bytes: UnsafeRawBufferPointer) {
        // `$`, at most 20 digits, CR LF, the bytes, CR LF: one check for room instead of five.
        let count = bytes.count
        let digits = Self.digitCount(UInt64(count))
        let start = UnsafeMutableRawPointer(self.memory.appendUninitialized(1 + digits + 2 + count + 2))
        start.storeBytes(of: UInt8(ascii: "$"), as: UInt8.self)
        Self.store(UInt64(count), digits: digits, at: start + 1)
        let payload = start + 1 + digits + 2
        Self.storeLineEnd(at: payload - 2)
        if let source = bytes.baseAddress { payload.copyMemory(from: source, byteCount: count) }
        Self.storeLineEnd(at: payload + count)
    }

    package mutating func bulk(_ bytes: Bytes) {
        self.bulk(bytes.buffer)
    }

    package mutating func bulk(_ literal: StaticString) {
        self.bulk(Bytes(literal).buffer)
    }

    package mutating func bulk(_ text: String) {
        var text = text
        text.withUTF8 { self.bulk(UnsafeRawBufferPointer($0)) }
    }

    package mutating func bulk(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { self.bulk($0) }
    }

    /// A number as a bulk string, as cursors and configuration values are.
    package mutating func bulk(decimal value: UInt64) {
        let digits = Self.digitCount(value)
        self.header(UInt8(ascii: "$"), digits)
        Self.store(value, digits: digits, at: UnsafeMutableRawPointer(self.memory.appendUninitialized(digits)))
        self.raw("\r\n")
    }

    /// Text that a client shows as it is, as INFO's is.
    package mutating func verbatim(_ text: String) {
        guard self.version == .three else { return self.bulk(text) }
        self.header(UInt8(ascii: "="), text.utf8.count + 4)
        self.raw("txt:")
        self.text(text)
        self.raw("\r\n")
    }

    /// Turns every CR and LF from byte `start` on into a space.
    mutating func replaceLineEnds(from start: Int) {
        self.memory.replace(from: start) { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") ? UInt8(ascii: " ") : $0 }
    }

    /// Bare text, within a reply.
    mutating func text(_ text: String) {
        var text = text
        text.withUTF8 { self.memory.append(contentsOf: UnsafeRawBufferPointer($0)) }
    }
}

// MARK: Aggregates

extension ReplyWriter {
    /// The header of an array; `count` replies follow.
    package mutating func array(count: Int) {
        self.header(UInt8(ascii: "*"), count)
    }

    /// The header of a map; `count` pairs of replies follow, key before value.
    package mutating func map(count: Int) {
        switch self.version {
        case .two: self.header(UInt8(ascii: "*"), count * 2)
        case .three: self.header(UInt8(ascii: "%"), count)
        }
    }

    /// The header of a set; `count` replies follow.
    package mutating func set(count: Int) {
        self.header(self.version == .two ? UInt8(ascii: "*") : UInt8(ascii: "~"), count)
    }

    /// The header of a message that answers no command; `count` replies follow.
    package mutating func push(count: Int) {
        self.header(self.version == .two ? UInt8(ascii: "*") : UInt8(ascii: ">"), count)
    }

    /// A marker, a decimal number, CR LF.
    private mutating func header(_ marker: UInt8, _ value: Int) {
        let sign = value < 0 ? 1 : 0
        let digits = Self.digitCount(UInt64(value.magnitude))
        let start = UnsafeMutableRawPointer(self.memory.appendUninitialized(1 + sign + digits + 2))
        start.storeBytes(of: marker, as: UInt8.self)
        if sign == 1 { start.storeBytes(of: UInt8(ascii: "-"), toByteOffset: 1, as: UInt8.self) }
        Self.store(UInt64(value.magnitude), digits: digits, at: start + 1 + sign)
        Self.storeLineEnd(at: start + 1 + sign + digits)
    }

    private static func storeLineEnd(at pointer: UnsafeMutableRawPointer) {
        pointer.storeBytes(of: UInt8(ascii: "\r"), as: UInt8.self)
        pointer.storeBytes(of: UInt8(ascii: "\n"), toByteOffset: 1, as: UInt8.self)
    }

    private static func store(_ value: UInt64, digits: Int, at pointer: UnsafeMutableRawPointer) {
        var rest = value
        for index in stride(from: digits - 1, through: 0, by: -1) {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            pointer.storeBytes(of: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit), toByteOffset: index, as: UInt8.self)
            rest = quotient
        }
    }

    private static func digitCount(_ value: UInt64) -> Int {
        var count = 1
        var rest = value
        while rest >= 10_000 {
            rest /= 10_000
            count += 4
        }
        return count + (rest >= 10 ? 1 : 0) + (rest >= 100 ? 1 : 0) + (rest >= 1_000 ? 1 : 0)
    }
}
