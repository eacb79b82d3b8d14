/// Cuts a peer's bytes into messages, as they come.
///
/// - Bound: no more is held than has come of one message, and that is at most `maximumMessageBytes`.
package struct FrameReader: Sendable {
    package var maximumMessageBytes: Int
    /// What has come of a message in parts.
    private var parts: [UInt8] = []

    package init(maximumMessageBytes: Int = PeerWire.maximumMessageBytes) { self.maximumMessageBytes = maximumMessageBytes }

    /// The memory that is held, in bytes.
    package var heldBytes: Int { self.parts.capacity }

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
            defer { self.parts = [] }
            return (try self.parts.span.bytes.withUnsafeBytes { bytes throws(PeerWireError) in try PeerWire.read(bytes) }, end)
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
        self.parts.append(contentsOf: body.dropFirst())
    }
}
