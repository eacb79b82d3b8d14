import Basics
import Simulation
import TestSupport
import Testing
import Versioning

@testable import Storage

extension MergeHistory {
    /// Asks the log for some writes of each replica: what it says that it holds is read, every one of them and nothing else.
    mutating func checkLog() {
        for replica in self.store.seen.replicas {
            let greatest = self.store.seen.watermark(of: replica) + 2
            let (one, other) = (UInt64.random(in: 1...greatest, using: &self.random), UInt64.random(in: 1...greatest, using: &self.random))
            let gap = DotRange(replica: replica, sequences: min(one, other)...max(one, other))
            guard let blocks = self.store.logIndex.blocks(holding: [gap]) else {
                self.met.notHeld += 1
                continue
            }
            self.met.answered += 1
            #expect(self.store.seen.covers(replica, gap.sequences), "the log claims \(gap) of \(self.store.seen)")
            var sequences: Set<UInt64> = []
            for block in blocks {
                guard let records = LogRead(block: block, gaps: [gap]).run(on: self.disk) else {
                    Issue.record("\(block) does not read")
                    continue
                }
                sequences.formUnion(self.sequences(in: records, of: gap))
            }
            #expect(sequences == Set(gap.sequences), "\(gap)")
        }
    }

    private func sequences(in records: [UInt8], of gap: DotRange) -> Set<UInt64> {
        records.withUnsafeBytes { bytes in
            var (rest, sequences) = (bytes, Set<UInt64>())
            while let frame = RecordLayout.firstFrame(in: rest) {
                let received = RecordView.received(frame, under: self.store.identity.digestKey)
                #expect(received?.record.dot.replica == gap.replica)
                if let sequence = received?.record.dot.sequence { sequences.insert(sequence) }
                rest = UnsafeRawBufferPointer(rebasing: rest[frame.count...])
            }
            #expect(rest.isEmpty)
            return sequences
        }
    }
}

@Suite struct LogIndexTests {
    /// A log of one replica's writes in batches, indexed as they become durable.
    private func indexed(_ run: LogRun, _ batches: [Batch]) -> LogIndex {
        var index = LogIndex()
        var segment: LogPosition = 0
        for batch in batches {
            segment = batch.segment?.position ?? segment
            index.add(batch, segment: segment)
        }
        return index
    }

    private func batches(_ run: inout LogRun, _ sizes: [[Int]]) throws -> [Batch] {
        try sizes.map { sizes in
            let (batch, written) = run.seal(sizes)
            #expect(try run.writer.append([batch]) == nil)
            run.keep(written)
            try run.sync()
            return batch
        }
    }

    private let replica = TestRecord.header(sequence: 1).dot.replica

    @Test func `a range is held whole or not at all`() throws {
        var run = LogRun(segmentBytes: 1 << 20)
        let index = self.indexed(run, try self.batches(&run, [[10, 20], [30], [40, 50, 60]]))
        func holds(_ sequences: ClosedRange<UInt64>, of replica: ReplicaID) -> Bool {
            index.blocks(holding: [DotRange(replica: replica, sequences: sequences)]) != nil
        }
        #expect(holds(1...6, of: self.replica) && holds(4...4, of: self.replica))
        #expect(!holds(1...7, of: self.replica) && !holds(7...7, of: self.replica))
        #expect(!holds(1...1, of: ReplicaID(high: 99, low: 99)))
        #expect(index.blocks(holding: [])?.isEmpty == true)
    }

    @Test func `of what is asked for the log can say which part it holds, and holds no more what does not read`() throws {
        var run = LogRun(segmentBytes: 1)
        var index = self.indexed(run, try self.batches(&run, [[10, 20], [30], [40, 50, 60]]))
        func range(_ sequences: ClosedRange<UInt64>) -> DotRange { DotRange(replica: self.replica, sequences: sequences) }
        #expect(index.part(of: [range(2...4), range(6...9)]) == [range(2...4), range(6...6)])
        #expect(index.part(of: [range(7...9), DotRange(replica: ReplicaID(high: 99, low: 99), sequences: 1...6)]).isEmpty)
        #expect(index.part(of: []).isEmpty)
        index.remove(try #require(index.blocks(holding: [range(3...3)]))[0])
        #expect(index.part(of: [range(1...9)]) == [range(1...2), range(4...6)])
    }

    @Test func `only the blocks that hold what is asked for are read`() throws {
        var run = LogRun(segmentBytes: 4 << 20)
        let quarter = LogIndex.blockBytes / 4
        let index = self.indexed(run, try self.batches(&run, Array(repeating: [quarter], count: 40)))
        #expect(index.blockCount == 10)
        let blocks = try #require(index.blocks(holding: [DotRange(replica: self.replica, sequences: 9...9)]))
        #expect(blocks.count == 1)
        let records = try #require(LogRead(block: blocks[0], gaps: [DotRange(replica: self.replica, sequences: 9...9)]).run(on: run.disk))
        #expect(records == run.batches[8].frames[0].bytes)
    }

    @Test func `a block of a removed segment, and one that has rotted, does not read`() throws {
        var run = LogRun(segmentBytes: 1)
        let index = self.indexed(run, try self.batches(&run, [[10], [10]]))
        let gap = DotRange(replica: self.replica, sequences: 1...2)
        let blocks = try #require(index.blocks(holding: [gap]))
        #expect(blocks.count == 2)
        let name = SegmentHeader.fileName(at: blocks[1].segment)
        let file = try run.disk.open(name)
        try [UInt8(0xff)].withUnsafeBytes { try file.write([$0], at: SegmentHeader.byteCount + BatchHeader.byteCount + 12) }
        #expect(LogRead(block: blocks[1], gaps: [gap]).run(on: run.disk) == nil)
        try run.disk.remove(SegmentHeader.fileName(at: blocks[0].segment))
        #expect(LogRead(block: blocks[0], gaps: [gap]).run(on: run.disk) == nil)
    }

    @Test func `who lacks a write has all from before it, as far as the log knows when that was`() throws {
        var index = LogIndex()
        func add(_ sequence: UInt64, milliseconds: UInt64) {
            let frame = TestRecord.frame(TestRecord.header(sequence: sequence, time: milliseconds << 16), key: [1], payload: [0])
            frame.withUnsafeBytes { index.add($0, RecordView(frame: $0)!, segment: 0, batch: 100 * sequence, end: 100 * sequence + 100) }
        }
        for sequence in UInt64(5)...9 { add(sequence, milliseconds: 1_000 + sequence) }
        func moment(_ sequence: UInt64) -> UInt64? { index.milliseconds(before: Dot(replica: self.replica, sequence: sequence)) }
        #expect(moment(5) == 1_004 && moment(7) == 1_005)
        #expect(moment(4) == nil && moment(10) == nil)
        #expect(index.milliseconds(before: Dot(replica: ReplicaID(high: 9, low: 9), sequence: 5)) == nil)
        // A run is a second long, so a slow writer's moments are good to a second.
        add(10, milliseconds: 2_004)
        add(11, milliseconds: 2_005)
        add(12, milliseconds: 3_004)
        #expect(moment(9) == 1_005 && moment(10) == 1_005 && moment(11) == 2_004 && moment(12) == 2_005)
        // A block has so many of them, then the last goes on.
        for sequence in UInt64(13)...100 { add(sequence, milliseconds: 10_000 * sequence) }
        #expect(moment(100) == 10_000 * UInt64(10 + LogIndex.maximumRuns / 2))
    }

    @Test func `what everybody has is not kept, what one lacks is from its segment on`() throws {
        var run = LogRun(segmentBytes: 1)
        let index = self.indexed(run, try self.batches(&run, [[1], [1], [1]]))
        func seen(_ count: UInt64) -> Seen {
            var seen = Seen()
            for sequence in 0..<count { _ = seen.insert(Dot(replica: self.replica, sequence: sequence + 1)) }
            return seen
        }
        #expect(index.firstSegment(notCoveredBy: []) == nil)
        #expect(index.firstSegment(notCoveredBy: [seen(3), seen(3)]) == nil)
        #expect(index.firstSegment(notCoveredBy: [seen(3), seen(2)]) == run.batches[2].origin)
        #expect(index.firstSegment(notCoveredBy: [seen(0), seen(3)]) == run.batches[0].origin)
    }

    /// A store that has drained some writes, and what a restart makes of it.
    private func reopened(cap: Int, hasMembers: Bool, damaging segment: Int? = nil) throws -> (store: Store, disk: SimulatedDisk, replica: ReplicaID)
    {
        var random = SplitMix64(seed: 3)
        var configuration = StoreConfiguration()
        (configuration.segmentBytes, configuration.logCapBytes) = (500, cap)
        var world = try StoreWorld(configuration: configuration, using: &random)
        world.store.indexesLog = true
        if hasMembers { world.store.setControl(.members, [1]) }
        world.store.keepLog(for: [nil])
        for number in 0..<40 {
            try world.put([UInt8(number)], [1, 2, 3])
            try world.commitTick()
        }
        world.store.stop()
        try world.settle()
        #expect(world.store.isDrained)
        if let segment {
            let file = try world.disk.open(try world.disk.fileNames().filter { $0.hasSuffix(".log") }.sorted()[segment])
            try [UInt8(0xff)].withUnsafeBytes { try file.write([$0], at: SegmentHeader.byteCount + BatchHeader.byteCount + 12) }
        }
        try world.restart(after: .killed, using: &random)
        return (world.store, world.disk, world.store.identity.replica)
    }

    private func holds(_ store: Store, _ sequences: ClosedRange<UInt64>, _ replica: ReplicaID) -> Bool {
        store.logIndex.blocks(holding: [DotRange(replica: replica, sequences: sequences)]) != nil
    }

    @Test func `what members may ask for is there after a restart, drained or not, as far as the cap reaches`() throws {
        let (store, disk, replica) = try self.reopened(cap: 1 << 30, hasMembers: true)
        #expect(self.holds(store, 1...40, replica))
        let gap = DotRange(replica: replica, sequences: 7...9)
        let blocks = try #require(store.logIndex.blocks(holding: [gap]))
        let records = try blocks.map { try #require(LogRead(block: $0, gaps: [gap]).run(on: disk)) }
        #expect(records.reduce(0) { $0 + RecordLayout.frameCount(in: $1) } == 3)

        let capped = try self.reopened(cap: 1_500, hasMembers: true)
        #expect(!self.holds(capped.store, 1...1, capped.replica) && self.holds(capped.store, 38...40, capped.replica))
        for (cap, hasMembers) in [(0, true), (1 << 30, false)] {
            let alone = try self.reopened(cap: cap, hasMembers: hasMembers)
            #expect(!self.holds(alone.store, 40...40, alone.replica))
            #expect(try alone.disk.fileNames().allSatisfy { !$0.hasSuffix(".log") })
        }
    }

    @Test func `a drained segment that has rotted keeps nobody from starting, and is not offered`() throws {
        let (store, _, replica) = try self.reopened(cap: 1 << 30, hasMembers: true, damaging: 1)
        #expect(self.holds(store, 1...1, replica) && self.holds(store, 38...40, replica) && !self.holds(store, 1...40, replica))
    }
}
