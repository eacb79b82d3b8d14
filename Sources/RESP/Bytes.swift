/// A key, a value or any other argument: bytes that still lie in the buffer they arrived in.
///
/// Valid only during the call that hands it out: whoever wants to keep it takes a `copy()`.
package struct Bytes {
    package let buffer: UnsafeRawBufferPointer

    @inlinable
    package init(_ buffer: UnsafeRawBufferPointer) {
        self.buffer = buffer
    }

    /// The bytes of a literal, which live as long as the program.
    package init(_ literal: StaticString) {
        self.init(UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    @inlinable package var count: Int { self.buffer.count }

    @inlinable package var isEmpty: Bool { self.buffer.isEmpty }

    @inlinable
    package subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < self.buffer.count, "byte \(index) of \(self.buffer.count)")
        return self.buffer[index]
    }

    /// An owned copy.
    package func copy() -> [UInt8] { [UInt8](self.buffer) }

    /// The bytes as text; what is not UTF-8 becomes U+FFFD.
    package var text: String { String(decoding: self.buffer, as: UTF8.self) }

    /// At most the first `maximum` bytes.
    package func prefix(_ maximum: Int) -> Bytes {
        Bytes(UnsafeRawBufferPointer(rebasing: self.buffer.prefix(maximum)))
    }
}

extension Bytes: Equatable {
    package static func == (left: Self, right: Self) -> Bool {
        left.buffer.count == right.buffer.count && left.buffer.elementsEqual(right.buffer)
    }

    /// Whether these are exactly the given bytes.
    package func elementsEqual(_ other: some Sequence<UInt8>) -> Bool { self.buffer.elementsEqual(other) }

    /// Whether these are exactly the bytes of `literal`.
    package func elementsEqual(_ literal: StaticString) -> Bool { self == Bytes(literal) }

    /// Whether these are the bytes of `literal`, an option's name, when ASCII letters count as equal in either case.
    package func equalsIgnoringCase(_ literal: StaticString) -> Bool {
        guard self.count == literal.utf8CodeUnitCount else { return false }
        let other = Bytes(literal).buffer
        return self.buffer.indices.allSatisfy { asciiLowercased(self.buffer[$0]) == asciiLowercased(other[$0]) }
    }
}

/// `byte`, or its small form if it is an ASCII capital.
func asciiLowercased(_ byte: UInt8) -> UInt8 {
    byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
}

// MARK: Numbers

extension Bytes {
    /// The signed decimal number that these bytes are, under Redis's strict rules (`string2ll`): no plus, no spaces, no leading zeros, no
    /// `-0`; nil for anything else and for what 64 bits do not hold.
    package func integer() -> Int64? {
        guard let first = self.buffer.first else { return nil }
        guard first == UInt8(ascii: "-") else {
            return self.decimalMagnitude(from: 0).flatMap { Int64(exactly: $0) }
        }
        guard let magnitude = self.decimalMagnitude(from: 1), magnitude > 0 else { return nil }
        return magnitude == Int64.min.magnitude ? .min : Int64(exactly: magnitude).map { -$0 }
    }

    /// The unsigned decimal number that these bytes are, as a cursor is: digits only, no leading zeros; nil for anything else.
    package func unsignedInteger() -> UInt64? {
        self.decimalMagnitude(from: 0)
    }

    private func decimalMagnitude(from start: Int) -> UInt64? {
        // 20 digits hold every 64-bit number, and longer ones cannot fit as they may not begin with zero.
        let digits = self.buffer.dropFirst(start)
        guard let first = digits.first, digits.count <= 20 else { return nil }
        if first == UInt8(ascii: "0") { return digits.count == 1 ? 0 : nil }
        var value: UInt64 = 0
        for byte in digits {
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }
}

// MARK: Text for people

extension Bytes: CustomStringConvertible {
    /// The bytes in double quotes, everything unprintable escaped as Redis's `sdscatrepr` does it, so that a log line stays one line.
    package var description: String {
        var text = "\""
        for byte in self.buffer {
            switch byte {
            case UInt8(ascii: "\\"): text += "\\\\"
            case UInt8(ascii: "\""): text += "\\\""
            case UInt8(ascii: "\n"): text += "\\n"
            case UInt8(ascii: "\r"): text += "\\r"
            case UInt8(ascii: "\t"): text += "\\t"
            case 0x07: text += "\\a"
            case 0x08: text += "\\b"
            case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += hexadecimalEscape(byte)
            }
        }
        return text + "\""
    }
}

/// `byte` as `\x` and two small hexadecimal digits.
func hexadecimalEscape(_ byte: UInt8) -> String {
    (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
}
