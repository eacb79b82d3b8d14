import Basics
import Digests

/// The growing end of the log, on the core loop: records are laid out here once, gathered into one batch a tick, and handed over sealed.
///
/// - Invariant: `head` is behind the last sealed batch; the open batch begins at `openPosition` and has been handed to nobody.
package struct LogTail {
    /// The length from which on the next batch begins a new segment.
    private let segmentBytes: Int
    private var salts: SplitMix64
    /// Behind the last sealed batch.
    package private(set) var head: LogPosition
    /// The segment that the next batch belongs to; nil where it must begin one.
    private var segment: SegmentHeader?
    private var chunk: Chunk?
    private var chunkFill = 0
    private var open: OpenBatch?
    /// Counts the cuts, so that the writer can tell batches sealed before one from those sealed after it.
    private var epoch: UInt64 = 0

    private struct OpenBatch {
        let position: LogPosition
        let segment: SegmentHeader
        let beginsSegment: Bool
        var slices: [ChunkSlice]
        var recordBytes = 0
        var recordCount = 0
    }

    /// - Parameter head: where the log found at open ends; the first batch begins a segment there, as files of an earlier run are never appended to.
    init(head: LogPosition, segmentBytes: Int, saltSeed: UInt64) {
        (self.head, self.segmentBytes, self.salts) = (head, segmentBytes, SplitMix64(seed: saltSeed))
    }

    /// The position of the batch that the next record joins: what the record's readers depend on.
    package var openPosition: LogPosition {
        if let open { return open.position }
        return self.beginsSegment ? self.head + UInt64(SegmentHeader.byteCount) : self.head
    }

    /// The bytes of records that wait to be sealed.
    package var openBytes: Int { self.open?.recordBytes ?? 0 }

    private var beginsSegment: Bool {
        guard let segment else { return true }
        return self.head - segment.position >= UInt64(self.segmentBytes)
    }

    /// Reserves the place of a record; the caller fills all of it before it does anything else.
    ///
    /// - Returns: the bytes, and the chunk to keep alive while they are referred to.
    mutating func reserve(byteCount: Int, synced: LogPosition) -> (bytes: UnsafeMutableRawBufferPointer, chunk: Chunk) {
        if self.open == nil { self.begin(synced: synced) }
        let (chunk, offset) = self.place(byteCount: byteCount)
        self.open!.recordBytes += byteCount
        self.open!.recordCount += 1
        let last = self.open!.slices.count - 1
        if self.open!.slices[last].chunk === chunk {
            self.open!.slices[last].byteCount += byteCount
        } else {
            self.open!.slices.append(ChunkSlice(chunk: chunk, offset: offset, byteCount: byteCount))
        }
        return (UnsafeMutableRawBufferPointer(start: chunk.start + offset, count: byteCount), chunk)
    }

    private mutating func begin(synced: LogPosition) {
        let begins = self.beginsSegment
        let position = self.openPosition
        let segment = begins ? SegmentHeader(position: self.head, salt: self.salts.next(), synced: synced) : self.segment!
        let (chunk, offset) = self.place(byteCount: BatchHeader.byteCount)
        let slice = ChunkSlice(chunk: chunk, offset: offset, byteCount: BatchHeader.byteCount)
        self.open = OpenBatch(position: position, segment: segment, beginsSegment: begins, slices: [slice])
    }

    /// Finds room in the current chunk or in a new one. Slices of one chunk follow each other without a gap.
    private mutating func place(byteCount: Int) -> (Chunk, Int) {
        if let chunk, chunk.capacity - self.chunkFill >= byteCount {
            let offset = self.chunkFill
            self.chunkFill += byteCount
            return (chunk, offset)
        }
        let chunk = Chunk(capacity: max(byteCount, Chunk.standardByteCount))
        (self.chunk, self.chunkFill) = (chunk, byteCount)
        return (chunk, 0)
    }

    /// A point to roll back to, within the open batch.
    struct Mark {
        fileprivate let slices: [ChunkSlice]
        fileprivate let recordBytes: Int
        fileprivate let recordCount: Int
    }

    /// Nil where no batch is open.
    func mark() -> Mark? {
        self.open.map { Mark(slices: $0.slices, recordBytes: $0.recordBytes, recordCount: $0.recordCount) }
    }

    /// Forgets the records reserved since `mark`. Their bytes stay unused in the chunk, as a table may still point to them for a moment.
    mutating func rollBack(to mark: Mark?) {
        guard let mark else {
            self.open = nil
            return
        }
        self.open!.slices = mark.slices
        (self.open!.recordBytes, self.open!.recordCount) = (mark.recordBytes, mark.recordCount)
        self.chunk = nil  // The next record must not follow the forgotten bytes in the same slice.
    }

    /// Closes the open batch; nil where nothing was reserved.
    mutating func seal(synced: LogPosition) -> Batch? {
        guard self.open != nil else { return nil }  // As in most ticks: without a copy.
        guard let open, open.recordCount > 0 else {
            self.open = nil
            return nil
        }
        self.open = nil
        let header = BatchHeader(recordBytes: open.recordBytes, position: open.position, salt: open.segment.salt, synced: synced)
        let start = open.slices[0].chunk.start + open.slices[0].offset
        header.encode(into: start)
        var sum = StreamingChecksum(seed: 0)
        sum.update(UnsafeRawBufferPointer(start: start, count: BatchHeader.checksumOffset))
        for (index, slice) in open.slices.enumerated() {
            sum.update(UnsafeRawBufferPointer(rebasing: slice.bytes[(index == 0 ? BatchHeader.byteCount : 0)...]))
        }
        start.store(sum.finish(), at: BatchHeader.checksumOffset)
        let end = open.position + UInt64(BatchHeader.byteCount + open.recordBytes)
        (self.head, self.segment) = (end, open.segment)
        return Batch(
            position: open.position, end: end, segment: open.beginsSegment ? open.segment : nil, slices: open.slices, recordCount: open.recordCount,
            epoch: self.epoch)
    }

    /// Takes back everything from `origin` on: a batch there could not be appended. The next batch begins a new segment, so that
    /// nothing of the failed file is relied on.
    mutating func cut(back origin: LogPosition) {
        precondition(origin <= self.head, "cut to \(origin), head \(self.head)")
        self.open = nil
        self.chunk = nil
        self.head = origin
        self.segment = nil
        self.epoch += 1
    }
}
