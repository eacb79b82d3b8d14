import Basics
import Digests
import Simulation
import TestSupport
import Testing

@testable import Storage

/// Writing and reading without crashes, and what the writer does when the disk refuses.
@Suite struct LogTests {
    @Test func `a log over several segments reads back, from every batch on`() throws {
        var run = LogRun(segmentBytes: 400)
        for count in 1...12 {
            try run.append((0..<count).map { $0 * 10 })
            if count.isMultiple(of: 3) { try run.sync() }
        }
        #expect(try run.disk.fileNames().count > 3)
        for batch in run.batches {
            let read = try LogRun.read(run.disk, from: batch.position)
            #expect(read.frames == run.frames(until: .max, from: batch.position))
            #expect(read.end == LogReader.End(head: run.tail.head, tornBytes: 0, damage: nil))
        }
        #expect(try LogRun.read(run.disk, from: run.tail.head).frames.isEmpty)
    }

    @Test func `a record carries the position of its batch`() throws {
        var run = LogRun()
        try run.append([1, 2])
        try run.append([3])
        #expect(try LogRun.read(run.disk).positions == [run.batches[0].position, run.batches[0].position, run.batches[1].position])
    }

    @Test func `a batch of more than one chunk reads back`() throws {
        var run = LogRun(segmentBytes: 1 << 20)
        let large = Chunk.standardByteCount
        try run.commit([10, large / 2, large / 2, large + 1, 10, 3 * large, 10])
        try run.commit([10])
        let read = try LogRun.read(run.disk)
        #expect(read.frames == run.frames(until: .max) && read.end.head == run.tail.head)
    }

    @Test func `records behind a mark leave the open batch, and those before stay`() throws {
        var run = LogRun()
        let first = run.reserve(payloadByteCount: 10)
        let mark = run.tail.mark()
        run.reserve(payloadByteCount: 20)
        run.tail.rollBack(to: mark)
        let third = run.reserve(payloadByteCount: 30)
        let batch = run.tail.seal(synced: 0)!
        #expect(try run.writer.append([batch]) == nil)
        #expect(batch.recordCount == 2)
        #expect(try LogRun.read(run.disk).frames == [first, third])
        run.tail.rollBack(to: run.tail.mark())
        #expect(run.tail.seal(synced: 0) == nil && run.tail.openBytes == 0)
    }

    @Test func `only a segment's own name is one`() {
        #expect(SegmentHeader.position(fromFileName: SegmentHeader.fileName(at: 0)) == 0)
        #expect(SegmentHeader.position(fromFileName: SegmentHeader.fileName(at: 0xabc)) == 0xabc)
        #expect(SegmentHeader.position(fromFileName: SegmentHeader.fileName(at: SegmentHeader.positionLimit - 1)) != nil)
        #expect(SegmentHeader.position(fromFileName: SegmentHeader.fileName(at: SegmentHeader.positionLimit)) == nil)
        for name in ["", ".log", "0.log", "0000000000000ABC.log", "000000000000000g.log", "0000000000000abc.log.damaged", "+000000000000abc.log"] {
            #expect(SegmentHeader.position(fromFileName: name) == nil, "\(name)")
        }
    }

    @Test func `a segment of another format is refused by its number`() throws {
        var run = LogRun()
        try run.commit([1])
        run.disk.rot(run.segment) { bytes in
            bytes[8] = 9
            bytes.withUnsafeMutableBytes { bytes in
                let sum = checksum(of: UnsafeRawBufferPointer(rebasing: bytes[..<40]), seed: 0)
                bytes.storeBytes(of: sum.littleEndian, toByteOffset: 40, as: UInt64.self)
            }
        }
        let refusal = StoreError.foreign(reason: "log segment \(run.segment) has format 9; this program reads format 1")
        #expect(throws: refusal) { try LogRun.read(run.disk) }
    }

    @Test(arguments: [0, 7, 100])
    func `a batch with a right checksum and records that do not read was written by another program`(length: UInt32) throws {
        var run = LogRun()
        let frame = TestRecord.frame(TestRecord.header(), key: [], payload: [1])
        let (bytes, _) = run.tail.reserve(byteCount: frame.count, synced: 0)
        bytes.copyBytes(from: withUnsafeBytes(of: length.littleEndian) { Array($0) } + frame[4...])
        let batch = run.tail.seal(synced: 0)!
        #expect(try run.writer.append([batch]) == nil)
        #expect(throws: StoreError.self) { try LogRun.read(run.disk) }
    }
}

/// Full and failing disks.
@Suite struct LogFailureTests {
    @Test(arguments: [false, true])
    func `a full disk cuts the log back to its last whole batch, wherever the write stops (I7a)`(beginsSegment: Bool) throws {
        for room in 0..<400 {
            var run = LogRun(segmentBytes: beginsSegment ? 1 : 10_000)
            try run.commit([100])
            run.disk.plan(DiskFaults(freeBytes: room))
            let (batch, written) = run.seal([50, 50, 50])
            let failure = try run.writer.append([batch])
            guard let failure else {
                #expect(UInt64(room) >= written.end - written.origin)
                continue
            }
            #expect(UInt64(room) < written.end - written.origin)
            #expect(failure.failed.position == batch.position && failure.cause.isFull)
            #expect(run.writer.written == batch.origin)
            #expect(run.disk.faults.freeBytes == room)
            #expect(try LogRun.read(run.disk).end == LogReader.End(head: batch.origin, tornBytes: 0, damage: nil))

            // The log goes on, and neither a kill nor a power cut brings the refused batch back.
            run.cut(back: batch.origin)
            run.disk.plan(DiskFaults())
            try run.append([20])
            #expect(try LogRun.read(run.disk).frames == run.frames(until: .max))
            try run.sync()
            let read = try LogRun.read(run.disk.crash(keepingUnsyncedBytes: 0))
            #expect(read.frames == run.frames(until: .max) && read.end.damage == nil)
        }
    }

    @Test(arguments: seeds(200))
    func `a power cut after a full disk never shows a refused batch (I5)`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var run = LogRun(segmentBytes: Int.random(in: 1...600, using: &generator))
        for _ in 0..<8 {
            run.disk.plan(DiskFaults(freeBytes: Int.random(in: 0...500, using: &generator)))
            let (batch, written) = run.seal([Int.random(in: 0...300, using: &generator)])
            if try run.writer.append([batch]) == nil { run.keep(written) } else { run.cut(back: batch.origin) }
            run.disk.plan(DiskFaults())
            let read = try LogRun.read(run.disk.crash(using: &generator))
            #expect(read.frames == run.frames(until: read.end.head) && read.end.head >= run.synced && read.end.damage == nil)
            if Int.random(in: 0..<3, using: &generator) == 0 { try run.sync() }
        }
    }

    @Test func `batches sealed before a cut are not written after it, even when the loop heard of the failure late (I5)`() throws {
        var run = LogRun(segmentBytes: 10_000)
        try run.commit([10])
        let (first, _) = run.seal([10])
        let (second, _) = run.seal([10])
        run.disk.plan(DiskFaults(freeBytes: 5))
        #expect(try run.writer.append([first, second])?.failed.position == first.position)
        run.disk.plan(DiskFaults())
        // The loop has not heard yet: what it sealed meanwhile follows a batch that is not there.
        let (third, _) = run.seal([10])
        #expect(try run.writer.append([third]) == nil)
        #expect(run.writer.written == first.position)
        run.cut(back: first.origin)
        try run.commit([10])
        #expect(try LogRun.read(run.disk).frames == run.frames(until: .max))
    }

    @Test(arguments: [DiskError.Operation.write, .sync, .create, .syncFolder])
    func `an I/O error is thrown, not cut away (I7)`(operation: DiskError.Operation) throws {
        var run = LogRun(segmentBytes: 1)
        try run.commit([10])
        run.disk.plan(DiskFaults(planned: [.init(operation, call: 1)]))
        #expect(throws: DiskError(operation: operation, name: operation == .syncFolder ? "" : self.name(operation, run), code: 5, isFull: false)) {
            try run.commit([10])
        }
    }

    /// The old segment is synced before the new one is created and written.
    private func name(_ operation: DiskError.Operation, _ run: LogRun) -> String {
        operation == .sync ? run.segment : SegmentHeader.fileName(at: run.tail.head)
    }

    @Test func `a sync that fails for want of room is not a full disk that can be cut away: what was written before is in doubt (I7)`() throws {
        var run = LogRun(segmentBytes: 1)
        try run.append([10])
        run.disk.plan(DiskFaults(planned: [.init(.sync, call: 1, code: SystemCode.noSpace, isFull: true)]))
        #expect(throws: DiskError.self) { try run.append([10]) }
    }

    @Test func `a cut that fails is thrown`() throws {
        var run = LogRun(segmentBytes: 10_000)
        try run.commit([10])
        run.disk.plan(DiskFaults(freeBytes: 5, planned: [.init(.truncate, call: 1)]))
        let (batch, _) = run.seal([10])
        #expect(throws: DiskError.self) { try run.writer.append([batch]) }
    }
}
