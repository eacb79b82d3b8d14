/// Takes one inline command apart while it arrives, each byte once: words, quotes and escapes as in Redis's `sdssplitargs`.
///
/// Words end at a space, tab or CR. `"..."` knows `\xHH \n \r \t \b \a`, and `\` before any other byte stands for that byte; `'...'` knows
/// only `\'`. A closing quote must be followed by white space or the end of the line.
///
/// The words are unescaped into memory of this type's own, one behind the other, so what was read of a line need not be kept.
///
/// - Bound: a byte for each byte of a word and two for each word, of which the client has sent two bytes at least, and what growing by doubling
///   takes besides: never more than twice the line and 64 KiB. A range of 8 bytes for each word would take three times that.
/// - Note: Redis takes a line as a C string and ends it at a zero byte; here that byte is one like any other.
struct InlineLine: ~Copyable {
    enum Result: Equatable {
        case needsMore
        case complete
        case tooLong
        case unbalancedQuotes
    }

    private enum State {
        case between, word, afterQuote
        case doubleQuoted, escaped, hexadecimalHigh, hexadecimalLow(high: UInt8)
        case singleQuoted, singleEscaped
    }

    /// Where a word begins in the text; `CommandParser.Limits.longestInlineBytes` is what it reaches.
    typealias WordStart = UInt16

    private static let retainedBytes = 1_024

    private var memory = GrowableMemory<UInt8>()
    private var starts = GrowableMemory<WordStart>()
    private var state = State.between
    private var lineBytes = 0

    /// All words without anything between them. Valid as `words`.
    var text: UnsafeRawBufferPointer { UnsafeRawBufferPointer(self.memory.elements) }

    /// The words, unescaped. Valid until the next mutation of this value, and no longer than this value.
    var words: Arguments { Arguments(words: self.text, starts: self.starts.elements) }

    var allocatedBytes: Int { self.memory.allocatedBytes + self.starts.allocatedBytes }

    mutating func begin() {
        self.memory.truncate(to: 0)
        self.starts.truncate(to: 0)
        (self.state, self.lineBytes) = (.between, 0)
    }

    /// Between lines: gives back memory that only a long line needed.
    mutating func releaseMemory() {
        self.memory.removeAll(retaining: Self.retainedBytes)
        self.starts.removeAll(retaining: Self.retainedBytes / MemoryLayout<WordStart>.stride)
    }

    /// Takes bytes from `position` on, up to the line feed or the end of `bytes`.
    mutating func read(_ bytes: UnsafeRawBufferPointer, at position: inout Int, maximumBytes: Int) -> Result {
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\n") { return self.endLine() }
            self.lineBytes += 1
            if self.lineBytes > maximumBytes { return .tooLong }
            guard self.take(byte) else { return .unbalancedQuotes }
        }
        return .needsMore
    }

    /// Takes one byte of the line; false if a closing quote is followed by more of the word.
    @inline(__always)
    private mutating func take(_ byte: UInt8) -> Bool {
        switch self.state {
        case .between:
            guard !Self.isSpace(byte) else { return true }
            // A word begins behind less than a line of words.
            self.starts.append(WordStart(self.memory.count))
            self.takeUnquoted(byte)
        case .word:
            self.takeUnquoted(byte)
        case .afterQuote:
            guard Self.isSpace(byte) else { return false }
            self.state = .between
        case .singleQuoted, .singleEscaped:
            self.takeSingleQuoted(byte)
        case .doubleQuoted, .escaped, .hexadecimalHigh, .hexadecimalLow:
            self.takeDoubleQuoted(byte)
        }
        return true
    }

    private mutating func takeUnquoted(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
            self.state = .between
        case UInt8(ascii: "\""):
            self.state = .doubleQuoted
        case UInt8(ascii: "'"):
            self.state = .singleQuoted
        default:
            self.memory.append(byte)
            self.state = .word
        }
    }

    private mutating func takeSingleQuoted(_ byte: UInt8) {
        switch (self.state, byte) {
        case (.singleEscaped, UInt8(ascii: "'")):
            self.memory.append(byte)
            self.state = .singleQuoted
        case (.singleEscaped, _):
            self.memory.append(UInt8(ascii: "\\"))  // It escaped nothing, so it stands for itself.
            self.state = .singleQuoted
            self.takeSingleQuoted(byte)
        case (_, UInt8(ascii: "\\")):
            self.state = .singleEscaped
        case (_, UInt8(ascii: "'")):
            self.state = .afterQuote
        default:
            self.memory.append(byte)
        }
    }

    private mutating func takeDoubleQuoted(_ byte: UInt8) {
        switch (self.state, byte) {
        case (.escaped, UInt8(ascii: "x")):
            self.state = .hexadecimalHigh
        case (.escaped, _):
            self.memory.append(Self.unescaped(byte))
            self.state = .doubleQuoted
        case (.hexadecimalHigh, _) where Self.hexadecimalValue(byte) != nil:
            self.state = .hexadecimalLow(high: byte)
        case (.hexadecimalLow(let high), _) where Self.hexadecimalValue(byte) != nil:
            self.memory.append((Self.hexadecimalValue(high) ?? 0) << 4 | (Self.hexadecimalValue(byte) ?? 0))
            self.state = .doubleQuoted
        case (.hexadecimalHigh, _):
            self.abandonHexadecimal(high: nil, next: byte)
        case (.hexadecimalLow(let high), _):
            self.abandonHexadecimal(high: high, next: byte)
        case (_, UInt8(ascii: "\\")):
            self.state = .escaped
        case (_, UInt8(ascii: "\"")):
            self.state = .afterQuote
        default:
            self.memory.append(byte)
        }
    }

    /// `\x` without two hexadecimal digits stands for an `x` and what follows it.
    private mutating func abandonHexadecimal(high: UInt8?, next: UInt8) {
        self.memory.append(UInt8(ascii: "x"))
        if let high { self.memory.append(high) }
        self.state = .doubleQuoted
        self.takeDoubleQuoted(next)
    }

    private func endLine() -> Result {
        switch self.state {
        case .between, .word, .afterQuote:
            return .complete
        case .doubleQuoted, .escaped, .hexadecimalHigh, .hexadecimalLow, .singleQuoted, .singleEscaped:
            return .unbalancedQuotes
        }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (0x09...0x0d).contains(byte)
    }

    private static func unescaped(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "n"): UInt8(ascii: "\n")
        case UInt8(ascii: "r"): UInt8(ascii: "\r")
        case UInt8(ascii: "t"): UInt8(ascii: "\t")
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: byte
        }
    }

    private static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
