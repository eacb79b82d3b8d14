import Basics
import Digests
import Versioning

/// Records as they travel between nodes: log records without flags.
extension RecordLayout {
    /// The record at the front of bytes in which records lie one behind the other; nil where none is whole.
    package static func firstFrame(in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard bytes.count >= Self.frameByteCount else { return nil }
        let count = Int(bytes.baseAddress!.integer(UInt32.self, at: 0))
        guard count >= Self.frameByteCount, count <= bytes.count else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[..<count])
    }

    /// How many records lie one behind the other.
    package static func frameCount(in bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { bytes in
            var (count, offset) = (0, 0)
            while let frame = Self.firstFrame(in: UnsafeRawBufferPointer(rebasing: bytes[offset...])) {
                (count, offset) = (count + 1, offset + frame.count)
            }
            return count
        }
    }

    /// Appends a record as a peer gets it, from a table or from the base, byte for byte as its writer laid it out.
    ///
    /// - Parameter withPayload: false leaves the value out, and all but that is as in the whole record.
    package static func appendFrame(of record: RecordView, withPayload: Bool = true, to bytes: inout [UInt8]) {
        let value = withPayload ? record.value : record.headerBytes
        let byteCount = Self.frameByteCount + record.key.count + value.count
        let start = bytes.count
        bytes.reserveCapacity(start + byteCount)
        bytes.append(contentsOf: repeatElement(0, count: Self.frameByteCount))
        bytes.withUnsafeMutableBytes { target in
            let frame = target.baseAddress! + start
            frame.store(UInt32(byteCount), at: 0)
            frame.store(RecordType.entry.rawValue, at: 4)
            frame.store(FrameFlags.none, at: 5)
            frame.store(UInt16(record.key.count), at: Self.keyLengthOffset)
        }
        bytes.append(contentsOf: record.key)
        bytes.append(contentsOf: value)
    }

    /// No command gives a later deadline: its numbers are signed.
    package static let maximumExpiryMilliseconds = UInt64(Int64.max)
    /// No replica writes so often: a million times a second for nine years.
    package static let maximumSequence: UInt64 = 1 << 48
}

extension RecordView {
    /// A record that a peer has sent, checked in every field but its stamp, which `StampBounds` judges, and the token of its key; nil where it is not
    /// what a node writes.
    package static func received(_ frame: UnsafeRawBufferPointer, under key: DigestKey) -> (record: RecordView, token: Token)? {
        guard let record = RecordView(frame: frame), frame[5] == FrameFlags.none, record.isPlausible else { return nil }
        guard record.isConsistent, record.isCanonical else { return nil }
        let token = key.token(of: record.key)
        return record.isIntact(token: token) ? (record, token) : nil
    }

    /// A record without its value, to be looked at only; nil where its lengths contradict each other.
    package init?(receivedHeader frame: UnsafeRawBufferPointer) {
        guard let record = RecordView(headerFrame: frame), record.isPlausible else { return nil }
        self = record
    }

    private var isPlausible: Bool {
        (1...RecordLayout.maximumSequence).contains(self.dot.sequence) && self.expiryMilliseconds <= RecordLayout.maximumExpiryMilliseconds
    }

    /// True where this is a write of a replica that it has logged as its own, not got back from a peer in a session.
    package func isOwnWrite(of replica: ReplicaID, frame: UnsafeRawBufferPointer) -> Bool {
        frame[5] & FrameFlags.uncounted == 0 && self.dot.replica == replica
    }
}
