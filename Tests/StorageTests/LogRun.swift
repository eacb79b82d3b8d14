import Basics
import Digests
import Simulation
import TestSupport
import Testing

@testable import Storage

/// A record's bytes; a failed expectation names only their number.
struct Frame: Equatable, CustomTestStringConvertible {
    let bytes: [UInt8]

    var testDescription: String { "record \(self.bytes.withRecord { $0?.dot.sequence ?? 0 })" }
}

/// A log that is written batch by batch on a simulated disk, and what should be read back.
struct LogRun {
    /// A batch that was handed to the writer.
    struct Written: Equatable {
        let origin: LogPosition
        let position: LogPosition
        let end: LogPosition
        let frames: [Frame]
        let segment: String
    }

    /// What reading gave.
    struct Read {
        var frames: [Frame] = []
        var positions: [LogPosition] = []
        var end: LogReader.End
    }

    let disk: SimulatedDisk
    private(set) var batches: [Written] = []
    private(set) var synced: LogPosition
    private(set) var segment = ""
    var tail: LogTail
    var writer: LogWriter
    private var sequence: UInt64 = 0

    init(disk: SimulatedDisk = SimulatedDisk(), head: LogPosition = 0, segmentBytes: Int = 1_000) {
        self.disk = disk
        self.synced = head
        self.tail = LogTail(head: head, segmentBytes: segmentBytes, saltSeed: head + 1)
        self.writer = LogWriter(disk: disk, head: head)
    }

    /// Lays out one record in the open batch.
    @discardableResult
    mutating func reserve(payloadByteCount: Int) -> Frame {
        self.sequence += 1
        let payload = [UInt8](repeating: UInt8(truncatingIfNeeded: self.sequence), count: payloadByteCount)
        let frame = TestRecord.frame(TestRecord.header(sequence: self.sequence, time: self.sequence), key: [UInt8]("key"), payload: payload)
        self.tail.reserve(byteCount: frame.count, synced: self.synced).bytes.copyBytes(from: frame)
        return Frame(bytes: frame)
    }

    /// Seals a batch of records with payloads of the given sizes.
    mutating func seal(_ payloadByteCounts: [Int]) -> (batch: Batch, written: Written) {
        let frames = payloadByteCounts.map { self.reserve(payloadByteCount: $0) }
        let batch = self.tail.seal(synced: self.synced)!
        if let segment = batch.segment { self.segment = SegmentHeader.fileName(at: segment.position) }
        let written = Written(origin: batch.origin, position: batch.position, end: batch.end, frames: frames, segment: self.segment)
        return (batch, written)
    }

    /// Seals and appends a batch.
    mutating func append(_ payloadByteCounts: [Int]) throws {
        let (batch, written) = self.seal(payloadByteCounts)
        let failed = try self.writer.append([batch])
        precondition(failed == nil, "no room for \(written)")
        self.keep(written)
    }

    /// Notes a batch that the writer took.
    mutating func keep(_ written: Written) {
        self.batches.append(written)
    }

    mutating func sync() throws {
        self.synced = try self.writer.sync()
    }

    /// Appends and syncs a batch.
    mutating func commit(_ payloadByteCounts: [Int]) throws {
        try self.append(payloadByteCounts)
        try self.sync()
    }

    /// Takes back what could not be appended.
    mutating func cut(back origin: LogPosition) {
        self.tail.cut(back: origin)
        self.batches.removeAll { $0.origin >= origin }
    }

    /// Reads a disk's log.
    static func read(_ disk: SimulatedDisk, from start: LogPosition = 0) throws -> Read {
        var read = Read(end: LogReader.End(head: 0, tornBytes: 0, damage: nil))
        read.end = try LogReader(disk: disk).read(from: start) { frame, place in
            read.frames.append(Frame(bytes: Array(frame)))
            read.positions.append(place.batch)
        }
        return read
    }

    /// What the batches whose end is at or before a position hold.
    func frames(until end: LogPosition, from start: LogPosition = 0) -> [Frame] {
        self.batches.filter { $0.end <= end && $0.position >= start }.flatMap(\.frames)
    }
}
