/// Tells the bytes of records from all others in one direction of a connection between nodes, for tools that look on.
///
/// It reads lengths and types and no content. What is no frame of this protocol counts as no record, and so does all that follows it.
///
/// - Bound: the first `longestHeadBytes` bytes of a frame are held, nothing else.
/// - Complexity: constant for each frame and each piece.
package struct FrameMeter: Sendable {
    /// Length, the type of a part, and what `PeerWire.envelopeByteCount` needs.
    private static let longestHeadBytes = PeerWire.lengthByteCount + 1 + PeerWire.envelopeHeadBytes

    /// The beginning of the frame under way.
    private var head: [UInt8] = []
    /// Its bytes behind the head that are still to come; nil while the head is not whole.
    private var rest: Int?
    /// How many of these are records; they end the frame.
    private var recordsInRest = 0
    /// The message in parts under way holds records; nil where none is.
    private var partsAreRecords: Bool?
    private var isLost = false

    package init() {}

    /// How many of the next bytes of the stream are bytes of records, as their senders encode them, without frames and what precedes them.
    package mutating func recordBytes(in piece: UnsafeRawBufferPointer) -> Int {
        var (offset, records) = (0, 0)
        while offset < piece.count, !self.isLost {
            if let rest {
                let step = min(rest, piece.count - offset)
                let recordsAfter = min(self.recordsInRest, rest - step)
                records += self.recordsInRest - recordsAfter
                (self.rest, self.recordsInRest) = (rest - step, recordsAfter)
                offset += step
            } else {
                self.head.append(piece[offset])
                offset += 1
                records += self.takeHead()
            }
            if self.rest == 0 { (self.rest, self.head) = (nil, []) }
        }
        return records
    }

    /// Looks at the head once it is whole.
    ///
    /// - Returns: the bytes of records in the head itself.
    private mutating func takeHead() -> Int {
        guard self.head.count >= PeerWire.lengthByteCount else { return 0 }
        let length = self.head.withUnsafeBytes { Int(UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))) }
        guard (1...PeerWire.maximumFrameBytes).contains(length) else {
            self.isLost = true
            return 0
        }
        let end = PeerWire.lengthByteCount + length
        guard self.head.count == min(end, Self.longestHeadBytes) else { return 0 }
        let records = self.recordBytes(ofFrame: length)
        self.rest = end - self.head.count
        self.recordsInRest = min(records, end - self.head.count)
        return records - self.recordsInRest
    }

    private mutating func recordBytes(ofFrame length: Int) -> Int {
        let body = self.head[PeerWire.lengthByteCount...]
        guard let type = FrameType(rawValue: body.first!), type == .part || type == .lastPart else {
            return PeerWire.envelopeByteCount(ofMessage: body).map { max(0, length - $0) } ?? 0
        }
        defer { if type == .lastPart { self.partsAreRecords = nil } }
        if let partsAreRecords { return partsAreRecords ? length - 1 : 0 }
        let envelope = PeerWire.envelopeByteCount(ofMessage: body.dropFirst())
        self.partsAreRecords = envelope != nil
        return envelope.map { max(0, length - 1 - $0) } ?? 0
    }
}

extension PeerWire {
    /// So much of a message is needed to tell how long its envelope is: type, hops and count of a push.
    static let envelopeHeadBytes = 3

    /// How many bytes of a message, its type included, precede the records in it; nil where it holds none.
    static func envelopeByteCount(ofMessage head: ArraySlice<UInt8>) -> Int? {
        switch head.first.flatMap(FrameType.init) {
        case .push: head.count < Self.envelopeHeadBytes ? nil : Self.envelopeHeadBytes + 16 * Int(head[head.startIndex + 2])
        case .sessionRecords, .bootstrapRecords: 1 + 2 + 2  // Type, number of the session, sequence.
        case .tell: 1 + 2  // Type, number of the question.
        default: nil
        }
    }
}
