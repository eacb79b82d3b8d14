/// Reads the digits behind `*` or `$` up to CR LF, across as many reads as they take, each byte once.
///
/// Accepted: `0`, and one to ten digits without a leading zero, and `-1` (an absent array).
///
/// - Bound: `maximumBytes` before the CR, so that a sender of endless digits is cut off.
/// - Note: Redis allows signs, any number of digits that fits in 64 bits, and any byte in place of the LF. We do not: the framing is all
///   that keeps a value from being read as a command, so what is odd about it is refused.
struct LengthLine {
    enum Result: Equatable {
        case needsMore
        case length(Int)
        case invalid
        case tooLong
    }

    /// The most bytes between the marker and CR.
    static let maximumBytes = 32
    private static let maximumDigits = 10

    private var value = 0
    private var digitCount = 0
    private var otherCount = 0
    private var isNegative = false
    private var isInvalid = false
    private var sawCarriageReturn = false

    /// The length that a line at `start` states, and the position behind it, if the line is whole and plain: the usual case, without state.
    ///
    /// Nil for anything else; then `read` says what it is.
    @inline(__always)
    static func plain(_ bytes: UnsafeRawBufferPointer, at start: Int) -> (length: Int, end: Int)? {
        var position = start
        var value = 0
        let limit = min(bytes.count, start + Self.maximumDigits)
        while position < limit, bytes[position] &- UInt8(ascii: "0") < 10 {
            value = value &* 10 &+ Int(bytes[position] &- UInt8(ascii: "0"))
            position += 1
        }
        guard position > start, position + 2 <= bytes.count else { return nil }
        guard bytes[start] != UInt8(ascii: "0") || position == start + 1 else { return nil }
        guard bytes[position] == UInt8(ascii: "\r"), bytes[position + 1] == UInt8(ascii: "\n") else { return nil }
        return (value, position + 2)
    }

    /// Takes bytes from `position` on, up to the end of the line or of `bytes`.
    mutating func read(_ bytes: UnsafeRawBufferPointer, at position: inout Int) -> Result {
        if self.isUntouched, let line = Self.plain(bytes, at: position) {
            position = line.end
            return .length(line.length)
        }
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if self.sawCarriageReturn { return byte == UInt8(ascii: "\n") ? self.result : .invalid }
            let digit = byte &- UInt8(ascii: "0")
            if digit < 10, self.digitCount < Self.maximumDigits {
                if self.digitCount > 0, self.value == 0 { self.isInvalid = true }
                self.value = self.value &* 10 &+ Int(digit)  // Ten digits at most, so 64 bits hold it.
                self.digitCount += 1
            } else if byte == UInt8(ascii: "\r") {
                self.sawCarriageReturn = true
            } else if let failure = self.takeOther(byte) {
                return failure
            }
        }
        return .needsMore
    }

    private var isUntouched: Bool { self.digitCount == 0 && self.otherCount == 0 && !self.sawCarriageReturn }

    private var result: Result {
        if self.isInvalid || self.digitCount == 0 { return .invalid }
        guard self.isNegative else { return .length(self.value) }
        return self.value == 1 && self.digitCount == 1 ? .length(-1) : .invalid
    }

    /// Takes a byte that is no digit, or one digit too many. Like Redis, we tell the sender at the end of the line; a line feed is one too.
    private mutating func takeOther(_ byte: UInt8) -> Result? {
        if byte == UInt8(ascii: "\n") { return .invalid }
        if byte == UInt8(ascii: "-"), self.digitCount + self.otherCount == 0 {
            self.isNegative = true
        } else {
            self.isInvalid = true
        }
        self.otherCount += 1
        return self.digitCount + self.otherCount > Self.maximumBytes ? .tooLong : nil
    }
}
