import Basics
import NIOCore

/// What a request asks. The reply to it is judged by this.
package enum RequestKind: Equatable, Sendable {
    case set, get
}

/// The bytes of the requests that one connection sends in one write, built from templates into one buffer that is used again and again.
///
/// A template holds a whole request with zeros where the key's number and the value go; a request is a copy of it, patched in place:
///
///     *3␍␊ $3␍␊SET␍␊ $16␍␊key:000000000000␍␊ $100␍␊................␍␊
///                             ^ keyOffset             ^ valueOffset
///
/// - Invariant: a request has the same length whatever its key and value.
package struct RequestBatch {
    /// Keys end in a number of this width, as those of redis-benchmark do, so both tools meet the same keys.
    package static let keyDigits = 12

    private struct Template {
        let bytes: [UInt8]
        let keyOffset: Int
        let valueOffset: Int
    }

    private let setTemplate: Template
    private let getTemplate: Template
    private let valueBytes: Int
    /// The requests appended since the last `removeAll`.
    package private(set) var buffer: ByteBuffer
    /// Their kinds, in order.
    package private(set) var kinds: [RequestKind] = []

    /// - Parameter timeToLive: seconds after which what a SET writes expires; nil for never.
    package init(keyPrefix: String, valueBytes: Int, timeToLive: Int? = nil) {
        precondition(valueBytes >= 0)
        self.valueBytes = valueBytes
        let key = "$\(keyPrefix.utf8.count + Self.keyDigits)\r\n\(keyPrefix)"
        let zeros = String(repeating: "0", count: Self.keyDigits)
        let (getHead, setHead) = ("*2\r\n$3\r\nGET\r\n\(key)", "*\(timeToLive == nil ? 3 : 5)\r\n$3\r\nSET\r\n\(key)")
        let expiry = timeToLive.map { "$2\r\nEX\r\n$\("\($0)".utf8.count)\r\n\($0)\r\n" } ?? ""
        let setMiddle = "\(setHead)\(zeros)\r\n$\(valueBytes)\r\n"
        self.getTemplate = Template(bytes: Array("\(getHead)\(zeros)\r\n".utf8), keyOffset: getHead.utf8.count, valueOffset: 0)
        self.setTemplate = Template(
            bytes: Array(setMiddle.utf8) + [UInt8](repeating: 0, count: valueBytes) + Array("\r\n\(expiry)".utf8),
            keyOffset: setHead.utf8.count, valueOffset: setMiddle.utf8.count)
        self.buffer = ByteBuffer()
    }

    /// The length of one SET, the longer of both kinds.
    package var longestRequestBytes: Int { self.setTemplate.bytes.count }

    /// Forgets the requests and keeps the memory. The caller does so once they are written and answered, when no one else holds the buffer.
    package mutating func removeAll() {
        self.buffer.clear()
        self.kinds.removeAll(keepingCapacity: true)
    }

    /// Adds one request for the key of this number. A SET draws its value from `generator`.
    package mutating func append(_ kind: RequestKind, key: UInt64, values generator: inout SplitMix64) {
        let start = self.buffer.readableBytes
        self.kinds.append(kind)
        switch kind {
        case .get:
            self.buffer.writeBytes(self.getTemplate.bytes)
            self.patchKey(key, at: start + self.getTemplate.keyOffset)
        case .set:
            self.buffer.writeBytes(self.setTemplate.bytes)
            self.patchKey(key, at: start + self.setTemplate.keyOffset)
            self.patchValue(at: start + self.setTemplate.valueOffset, from: &generator)
        }
    }

    private mutating func patchKey(_ key: UInt64, at offset: Int) {
        var bytes = self.buffer.mutableReadableBytesSpan
        var rest = key
        for index in stride(from: offset + Self.keyDigits - 1, through: offset, by: -1) {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            bytes.storeBytes(of: UInt8(ascii: "0") + UInt8(digit), toByteOffset: index, as: UInt8.self)
            rest = quotient
        }
        precondition(rest == 0, "key \(key) has more than \(Self.keyDigits) digits")
    }

    private mutating func patchValue(at offset: Int, from generator: inout SplitMix64) {
        let (wordCount, tailCount) = self.valueBytes.quotientAndRemainder(dividingBy: 8)
        var bytes = self.buffer.mutableReadableBytesSpan
        for word in 0..<wordCount {
            bytes.storeBytes(of: generator.next(), toByteOffset: offset + word * 8, as: UInt64.self)
        }
        guard tailCount > 0 else { return }
        var tail = generator.next()
        for index in 0..<tailCount {
            bytes.storeBytes(of: UInt8(truncatingIfNeeded: tail), toByteOffset: offset + wordCount * 8 + index, as: UInt8.self)
            tail >>= 8
        }
    }
}
