/// Cuts a peer's bytes into messages, as they come.
///
/// - Bound: no more is held than has come of one message, and that is at most `maximumMessageBytes`.
package struct FrameReader: Sendable {
    package var maximumMessageBytes: Int
    private var parts = MessageParts()

    package init(maximumMessageBytes: Int = PeerWire.maximumMessageBytes) { self.maximumMessageBytes = maximumMessageBytes }

    /// The memory that is held, in bytes.
    package var heldBytes: Int { self.parts.heldBytes }

    /// Takes the message at the front of `bytes`.
    ///
    /// - Returns: the message, nil where it is not whole yet or was a part only; and the bytes that are done with, 0 where more must come first.
    package mutating func next(in bytes: UnsafeRawBufferPointer) throws(PeerWireError) -> (message: PeerMessage?, consumed: Int) {
        guard bytes.count >= PeerWire.lengthByteCount else { return (nil, 0) }
        let length = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
        // Before anything is waited for: a length that no frame has is a stranger's.
        guard length > 0, length <= PeerWire.maximumFrameBytes else { throw .frameLength(length) }
        let end = PeerWire.lengthByteCount + Int(length)
        guard bytes.count >= end else { return (nil, 0) }
        let body = UnsafeRawBufferPointer(rebasing: bytes[PeerWire.lengthByteCount..<end])
        switch FrameType(rawValue: body[0]) {
        case .part:
            try self.take(body)
            return (nil, end)
        case .lastPart:
            try self.take(body)
            let message = self.parts.takeAll()
            return (try message.span.bytes.withUnsafeBytes { bytes throws(PeerWireError) in try PeerWire.read(bytes) }, end)
        default:
            guard self.parts.isEmpty else { throw .misplacedPart }
            return (try PeerWire.read(body), end)
        }
    }

    private mutating func take(_ body: UnsafeRawBufferPointer) throws(PeerWireError) {
        guard body.count > 1 else { throw .misplacedPart }
        guard self.parts.count + body.count - 1 <= self.maximumMessageBytes else {
            throw .messageTooLong(limitBytes: self.maximumMessageBytes)
        }
        self.parts.append(UnsafeRawBufferPointer(rebasing: body.dropFirst()))
    }
}

/// What has come of a message in parts, in pieces of `pieceBytes`: one array that grew by doubling would take three times the message whenever
/// it moves.
private struct MessageParts: Sendable {
    private static let pieceBytes = PeerWire.maximumFrameBytes

    /// All but the last are full.
    private var pieces: [[UInt8]] = []
    private(set) var count = 0

    var isEmpty: Bool { self.count == 0 }

    var heldBytes: Int { self.pieces.reduce(0) { $0 + $1.capacity } }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if self.pieces.last?.count ?? Self.pieceBytes == Self.pieceBytes { self.pieces.append([]) }
            let last = self.pieces.count - 1
            let part = rest.prefix(Self.pieceBytes - self.pieces[last].count)
            let needed = self.pieces[last].count + part.count
            if needed > self.pieces[last].capacity {
                self.pieces[last].reserveCapacity(max(needed, min(2 * self.pieces[last].capacity, Self.pieceBytes)))
            }
            self.pieces[last].append(contentsOf: part)
            rest = rest.dropFirst(part.count)
        }
        self.count += bytes.count
    }

    /// The whole message, of which nothing is held any more.
    mutating func takeAll() -> [UInt8] {
        defer { self = MessageParts() }
        var message: [UInt8] = []
        message.reserveCapacity(self.count)
        for piece in self.pieces { message += piece }
        return message
    }
}
