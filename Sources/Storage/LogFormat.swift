import Basics
import Digests

/// A place in the log: bytes since the store was founded, over all segments. It only grows, but for what a failed append takes back.
package typealias LogPosition = UInt64

/// The first bytes of a segment file.
///
///     0 "HEARSAYL"   8 u32 format version   12 u32 0   16 u64 position of this header   24 u64 salt
///     32 u64 position synced when the segment was begun   40 u64 XXH3-64 of the 40 bytes before
struct SegmentHeader: Equatable, Sendable {
    static let byteCount = 48
    static let magic: UInt64 = 0x4c59_4153_5241_4548  // "HEARSAYL", little endian
    static let formatVersion: UInt32 = 1

    let position: LogPosition
    /// Drawn for each segment, so that a batch left over in a reused block of an older file is never taken for one of this file.
    let salt: UInt64
    let synced: LogPosition

    func encode(into target: UnsafeMutableRawPointer) {
        target.store(Self.magic, at: 0)
        target.store(Self.formatVersion, at: 8)
        target.store(UInt32(0), at: 12)
        target.store(self.position, at: 16)
        target.store(self.salt, at: 24)
        target.store(self.synced, at: 32)
        target.store(checksum(of: UnsafeRawBufferPointer(start: target, count: 40), seed: 0), at: 40)
    }

    init(position: LogPosition, salt: UInt64, synced: LogPosition) {
        (self.position, self.salt, self.synced) = (position, salt, synced)
    }

    enum Reading: Equatable {
        case valid(SegmentHeader)
        /// Written by another version of the program.
        case otherVersion(UInt32)
        /// Too short, torn or rotten.
        case unreadable
    }

    static func read(_ bytes: UnsafeRawBufferPointer) -> Reading {
        guard bytes.count >= Self.byteCount, let start = bytes.baseAddress, start.integer(UInt64.self, at: 0) == Self.magic,
            checksum(of: UnsafeRawBufferPointer(rebasing: bytes[..<40]), seed: 0) == start.integer(UInt64.self, at: 40)
        else { return .unreadable }
        let version = start.integer(UInt32.self, at: 8)
        guard version == Self.formatVersion else { return .otherVersion(version) }
        return .valid(SegmentHeader(position: start.integer(at: 16), salt: start.integer(at: 24), synced: start.integer(at: 32)))
    }

    /// The file name of the segment that begins at `position`: names in order are segments in order.
    static func fileName(at position: LogPosition) -> String { hexadecimal(position) + ".log" }

    /// No log gets there, and tables keep two bits beside a position: 2^61, two million years of writing 32 MB/s.
    static let positionLimit: LogPosition = 1 << 61

    /// The position in a segment's file name; nil for other files.
    static func position(fromFileName name: String) -> LogPosition? {
        guard name.utf8.count == 20, name.hasSuffix(".log"), let position = UInt64(name.prefix(16), radix: 16),
            position < Self.positionLimit, Self.fileName(at: position) == name
        else { return nil }
        return position
    }
}

/// The head of a batch: records that reach the file together and are replayed together or not at all.
///
///     0 u32 magic   4 u32 length of the records   8 u64 position of this header   16 u64 the segment's salt
///     24 u64 position synced when the batch was sealed   32 u64 XXH3-64 of the 32 bytes before and the records
struct BatchHeader: Equatable, Sendable {
    static let byteCount = 40
    static let checksumOffset = 32
    static let magic: UInt32 = 0x4842_7368  // "hsBH", little endian

    let recordBytes: Int
    let position: LogPosition
    let salt: UInt64
    let synced: LogPosition

    /// Writes all but the checksum, which covers the records too.
    func encode(into target: UnsafeMutableRawPointer) {
        target.store(Self.magic, at: 0)
        target.store(UInt32(self.recordBytes), at: 4)
        target.store(self.position, at: 8)
        target.store(self.salt, at: 16)
        target.store(self.synced, at: 24)
    }

    /// Reads a batch at the front of `bytes`, which go on to the end of the file; nil where there is none that belongs to
    /// `position` and `salt`, or where it is not whole.
    static func read(_ bytes: UnsafeRawBufferPointer, position: LogPosition, salt: UInt64) -> BatchHeader? {
        guard bytes.count >= Self.byteCount, let start = bytes.baseAddress, start.integer(UInt32.self, at: 0) == Self.magic,
            start.integer(UInt64.self, at: 8) == position, start.integer(UInt64.self, at: 16) == salt
        else { return nil }
        let recordBytes = Int(start.integer(UInt32.self, at: 4))
        guard recordBytes <= bytes.count - Self.byteCount else { return nil }
        let header = UnsafeRawBufferPointer(rebasing: bytes[..<Self.checksumOffset])
        let records = UnsafeRawBufferPointer(rebasing: bytes[Self.byteCount..<Self.byteCount + recordBytes])
        guard checksum(of: header, records, seed: 0) == start.integer(UInt64.self, at: Self.checksumOffset) else { return nil }
        return BatchHeader(recordBytes: recordBytes, position: position, salt: salt, synced: start.integer(at: 24))
    }
}

/// A sealed batch on its way to the file.
package struct Batch: Sendable {
    /// The position of the batch's header. What depends on a record of this batch depends on a sync beyond this position.
    package let position: LogPosition
    /// Behind the last byte.
    package let end: LogPosition
    /// Set where the batch is the first of a segment.
    let segment: SegmentHeader?
    /// The batch's bytes; most have one slice.
    let slices: [ChunkSlice]
    /// The number of records.
    package let recordCount: Int
    /// The number of cuts before it was sealed.
    let epoch: UInt64

    /// Visits the entries among the records, in the order in which they were put.
    package func forEachEntry(_ body: (_ frame: UnsafeRawBufferPointer, _ record: RecordView) -> Void) {
        for (index, slice) in self.slices.enumerated() {
            var rest = UnsafeRawBufferPointer(rebasing: slice.bytes[(index == 0 ? BatchHeader.byteCount : 0)...])
            while let frame = RecordLayout.firstFrame(in: rest) {
                if frame[4] == RecordType.entry.rawValue { body(frame, RecordView(trustedFrame: frame.baseAddress!)) }
                rest = UnsafeRawBufferPointer(rebasing: rest[frame.count...])
            }
        }
    }

    /// Where a failed append of this batch must cut the log back to: before the segment that the batch would have begun.
    package var origin: LogPosition { self.segment?.position ?? self.position }
}
