import Basics
import Simulation
import TestSupport
import Testing

@testable import Storage

/// What is left of a log after crashes, which take only what no sync covered, and after damage, which takes anything (I7a).
@Suite struct LogRecoveryTests {
    /// Three synced batches, then four that are not, over several segments.
    private func makeRun(segmentBytes: Int) throws -> LogRun {
        var run = LogRun(segmentBytes: segmentBytes)
        for count in [1, 2, 1] { try run.commit(Array(repeating: 20, count: count)) }
        for count in [1, 3, 1, 2] { try run.append(Array(repeating: 30, count: count)) }
        return run
    }

    @Test(arguments: [1, 300, 100_000])
    func `a crash at any byte of the unsynced tail leaves all synced batches and of the rest the whole ones`(segmentBytes: Int) throws {
        let run = try self.makeRun(segmentBytes: segmentBytes)
        // Where the unsynced bytes begin: beginning a segment syncs the one before.
        let safe = run.tail.head - UInt64(run.disk.unsyncedByteCount)
        for kept in 0...run.disk.unsyncedByteCount {
            let disk = run.disk.crash(keepingUnsyncedBytes: kept)
            let read = try LogRun.read(disk)
            let reached = safe + UInt64(kept)
            #expect(read.frames == run.frames(until: reached), "\(kept) bytes kept")
            #expect(read.end.damage == nil)
            try self.goOn(disk, read)
        }
    }

    @Test(arguments: seeds(300))
    func `a crash that keeps, loses and tears what it likes of the unsynced tail is never called damage`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var run = LogRun(segmentBytes: Int.random(in: 1...2_000, using: &generator))
        for _ in 0..<Int.random(in: 1...12, using: &generator) {
            try run.append((0..<Int.random(in: 1...4, using: &generator)).map { _ in Int.random(in: 0...900, using: &generator) })
            if Int.random(in: 0..<3, using: &generator) == 0 { try run.sync() }
        }
        let disk = run.disk.crash(using: &generator)
        let read = try LogRun.read(disk)
        #expect(read.end.damage == nil)
        #expect(read.end.head >= run.synced)
        #expect(read.frames == run.frames(until: read.end.head))
        try self.goOn(disk, read)
    }

    /// The log takes batches behind its new end, and reads whole again, also after another crash.
    private func goOn(_ disk: SimulatedDisk, _ read: LogRun.Read) throws {
        try LogReader(disk: disk).prepare(for: read.end, keepFrom: 0)
        var next = LogRun(disk: disk, head: read.end.head)
        try next.commit([5])
        let again = try LogRun.read(disk.crash(keepingUnsyncedBytes: 0))
        #expect(again.frames == read.frames + next.frames(until: .max))
        #expect(again.end == LogReader.End(head: next.tail.head, tornBytes: 0, damage: nil))
    }

    @Test func `batches that a killed process left unsynced are synced before they count (I6)`() throws {
        var run = LogRun()
        try run.append([10])
        let end = try LogRun.read(run.disk).end
        try LogReader(disk: run.disk).prepare(for: end, keepFrom: 0)
        let read = try LogRun.read(run.disk.crash(keepingUnsyncedBytes: 0))
        #expect(read.frames == run.frames(until: .max) && read.end.head == end.head)
    }

    // MARK: Damage

    /// No writer leaves such a file; a restored copy or a hand may. To cut the log where it begins would destroy what had been synced.
    @Test func `a file whose place lies inside a segment is damage, and no reason to cut that segment there`() throws {
        var run = LogRun(segmentBytes: 100_000)
        for _ in 0..<3 { try run.commit([20]) }
        _ = try run.disk.create(SegmentHeader.fileName(at: 100))
        let end = try LogRun.read(run.disk).end
        #expect(end.damage?.position == UInt64(SegmentHeader.byteCount))
        #expect(end.damage?.claimedSynced == run.batches[1].end)
    }

    /// Synced after every batch, so that each claims what the one before it ends with.
    private func makeSyncedRun(segmentBytes: Int) throws -> LogRun {
        var run = LogRun(segmentBytes: segmentBytes)
        for count in 1...6 { try run.commit(Array(repeating: 10, count: count)) }
        return run
    }

    @Test(arguments: [1, 500, 100_000])
    func `a flipped bit in any byte that a later batch claims is damage at the first byte that does not read`(segmentBytes: Int) throws {
        let run = try self.makeSyncedRun(segmentBytes: segmentBytes)
        for batch in run.batches.dropLast() {
            let start = SegmentHeader.position(fromFileName: batch.segment)!
            // With the header of a batch's segment, where it is the first there.
            for position in batch.origin..<batch.end {
                let disk = run.disk.crash(keepingUnsyncedBytes: 0)
                disk.flip(bit: Int(position % 8), ofByte: Int(position - start), in: batch.segment)
                let read = try LogRun.read(disk)
                let isHeader = position < batch.position
                let expected = LogDamage(
                    segment: batch.segment, position: isHeader ? batch.origin : batch.position, claimedSynced: run.batches.last!.origin)
                #expect(read.end.damage == expected, "flipped at \(position)")
                #expect(read.frames == run.frames(until: batch.origin))
            }
        }
    }

    @Test func `a zeroed range over several batches is damage where it begins`() throws {
        let run = try self.makeSyncedRun(segmentBytes: 100_000)
        run.disk.rot(run.segment) { bytes in
            for index in Int(run.batches[1].position) + 10..<Int(run.batches[4].position) + 10 { bytes[index] = 0 }
        }
        let read = try LogRun.read(run.disk)
        #expect(read.end.damage?.position == run.batches[1].position)
        #expect(read.end.head == run.batches[0].end && read.frames == run.batches[0].frames)
    }

    @Test(arguments: [500, 100_000])
    func `rot in the very last synced batch looks torn: it is cut, and its bytes are reported`(segmentBytes: Int) throws {
        let run = try self.makeSyncedRun(segmentBytes: segmentBytes)
        let last = run.batches.last!
        let start = SegmentHeader.position(fromFileName: last.segment)!
        for position in last.position..<last.end {
            let disk = run.disk.crash(keepingUnsyncedBytes: 0)
            disk.flip(bit: 0, ofByte: Int(position - start), in: last.segment)
            let read = try LogRun.read(disk)
            #expect(read.end.damage == nil && read.frames == run.frames(until: last.origin))
            #expect(read.end.tornBytes >= Int(last.end - last.position))
            try self.goOn(disk, read)
        }
    }

    @Test func `a missing segment is damage at its beginning`() throws {
        let run = try self.makeSyncedRun(segmentBytes: 1)
        for batch in run.batches.dropLast() {
            let disk = run.disk.crash(keepingUnsyncedBytes: 0)
            try disk.remove(batch.segment)
            let read = try LogRun.read(disk)
            #expect(read.end.damage?.position == batch.origin && read.frames == run.frames(until: batch.origin))
        }
    }

    @Test func `a segment that lost its end is damage there`() throws {
        let run = try self.makeSyncedRun(segmentBytes: 1)
        let batch = run.batches[2]
        run.disk.rot(batch.segment) { $0.removeLast(1) }
        #expect(try LogRun.read(run.disk).end.damage?.position == batch.position)
        run.disk.rot(batch.segment) { $0.removeAll() }
        #expect(try LogRun.read(run.disk).end.damage?.position == batch.origin)
    }

    @Test func `rot in what the base covers does no harm, and takes nothing behind it`() throws {
        let run = try self.makeSyncedRun(segmentBytes: 100_000)
        let drained = run.batches[2].end
        run.disk.rot(run.segment) { for index in Int(run.batches[0].position)..<Int(drained) { $0[index] = 0xff } }
        let read = try LogRun.read(run.disk, from: drained)
        #expect(read.frames == run.frames(until: .max, from: drained))
        #expect(read.end == LogReader.End(head: run.tail.head, tornBytes: 0, damage: nil))
    }

    @Test func `a lost header of a segment that the base covers in part is damage: all of it had been synced`() throws {
        let run = try self.makeSyncedRun(segmentBytes: 100_000)
        run.disk.flip(bit: 3, ofByte: 20, in: run.segment)
        #expect(try LogRun.read(run.disk, from: run.batches.last!.end).end.damage?.position == 0)
    }

    @Test func `files of other names are left alone`() throws {
        var run = LogRun()
        try run.commit([10])
        _ = try run.disk.create("data.mdb")
        try LogReader(disk: run.disk).prepare(for: LogRun.read(run.disk).end, keepFrom: 0)
        try LogReader(disk: run.disk).setAside()
        #expect(try run.disk.fileNames() == [run.segment + ".damaged", "data.mdb"])
    }
}

@Suite struct SegmentSweeperTests {
    @Test func `segments go whose successor begins at or below the drained position, and no others`() throws {
        var run = LogRun(segmentBytes: 1)
        for _ in 0..<5 { try run.commit([10]) }
        let names = try run.disk.fileNames()
        let sweeper = SegmentSweeper(disk: run.disk)
        // The newest stays, as the sync thread writes to it.
        for (drained, gone) in [(run.batches[1].origin - 1, 0), (run.batches[1].origin, 1), (run.batches[3].end - 1, 3), (.max, 4)] {
            try sweeper.removeSegments(through: drained)
            #expect(try run.disk.fileNames() == Array(names[gone...]))
        }
        #expect(try run.disk.crash(keepingUnsyncedBytes: 0).fileNames() == Array(names[4...]))
        #expect(run.disk.faults.callCount(of: .syncFolder) > 0)
    }

    @Test(arguments: seeds(50))
    func `a crash that brings removed segments back changes nothing that is read`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var run = LogRun(segmentBytes: 1)
        for _ in 0..<6 { try run.commit([10]) }
        let drained = run.batches[Int.random(in: 0..<6, using: &generator)].end
        run.disk.plan(DiskFaults(planned: [.init(.syncFolder, call: 1)]))
        _ = try? SegmentSweeper(disk: run.disk).removeSegments(through: drained)
        let read = try LogRun.read(run.disk.crash(using: &generator), from: drained)
        #expect(read.frames == run.frames(until: .max, from: drained) && read.end == LogReader.End(head: run.tail.head, tornBytes: 0, damage: nil))
    }
}
