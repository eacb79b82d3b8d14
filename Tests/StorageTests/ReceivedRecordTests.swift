import Basics
import Digests
import Simulation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// Records from peers, and stores that become part of a cluster.
@Suite struct ReceivedRecordTests {
    private static let key = TestRecord.digestKey

    private func received(_ frame: [UInt8]) -> VersionHeader? {
        frame.withUnsafeBytes { RecordView.received($0, under: Self.key)?.record.versionHeader }
    }

    @Test func `a record that a node wrote is taken, byte for byte`() {
        let header = TestRecord.header(sequence: 3, time: 5 << 16)
        let frame = TestRecord.frame(header, key: [UInt8]("k"), payload: [1, 2])
        #expect(self.received(frame) == header)
        frame.withRecord { record in
            var again: [UInt8] = []
            RecordLayout.appendFrame(of: record!, to: &again)
            #expect(again == frame)
        }
    }

    @Test func `what no node writes is refused`() {
        let good = TestRecord.frame(TestRecord.header(), key: [UInt8]("k"), payload: [1, 2])
        for flags in [FrameFlags.superseded, FrameFlags.uncounted, 4] as [UInt8] {
            var frame = good
            frame[5] = flags
            #expect(self.received(frame) == nil)
        }
        for type in [0, 2, 3, 200] as [UInt8] {
            var frame = good
            frame[4] = type
            #expect(self.received(frame) == nil)
        }
        #expect(self.received(Array(good.dropLast())) == nil && self.received(good + [0]) == nil && self.received([]) == nil)
        #expect(self.received(TestRecord.frame(TestRecord.header(sequence: 0), key: [1], payload: [])) == nil)
        #expect(self.received(TestRecord.frame(TestRecord.header(isTombstone: true), key: [1], payload: [1])) == nil)
        #expect(self.received(TestRecord.frame(TestRecord.header(), key: [1], token: Token(rawValue: 1), payload: [])) == nil)
    }

    @Test func `deadlines end with what a signed number holds`() {
        let last = RecordLayout.maximumExpiryMilliseconds
        for (expiry, isTaken) in [(1, true), (last - 1, true), (last, true), (last + 1, false), (.max, false)] {
            #expect((self.received(TestRecord.frame(TestRecord.header(expiry: expiry), key: [1], payload: [])) != nil) == isTaken)
        }
    }

    @Test func `a record that is changed in any bit is refused`() {
        let frame = TestRecord.frame(TestRecord.header(sequence: 7, time: 9 << 16, expiry: 5), key: [UInt8]("key"), payload: [1, 2, 3])
        for bit in 0..<frame.count * 8 {
            var changed = frame
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(self.received(changed) == nil, "bit \(bit)")
        }
    }

    @Test(arguments: seeds(50))
    func `whatever the bytes, nothing traps`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            var frame = TestRecord.frame(TestRecord.header(), key: [UInt8]("key"), payload: [1, 2, 3])
            for _ in 0..<random.next() % 6 { frame[Int(random.next() % UInt64(frame.count))] = UInt8(truncatingIfNeeded: random.next()) }
            frame = Array(frame.prefix(Int(random.next() % UInt64(frame.count + 1))))
            _ = self.received(frame)
            frame.withUnsafeBytes { bytes in
                _ = RecordLayout.firstFrame(in: bytes)
                _ = RecordView(receivedHeader: bytes)
            }
            _ = RecordLayout.frameCount(in: frame)
        }
    }

    // MARK: Founding

    private func open(_ disk: SimulatedDisk, _ base: MemoryBase, founds: Bool = false, seed: UInt64 = 1) throws -> Store {
        var random = SplitMix64(seed: seed)
        return try Store.open(disk: disk, base: base, configuration: StoreConfiguration(), founds: founds, using: &random).store
    }

    @Test func `a store that does not found a cluster keeps its id and waits`() throws {
        let (disk, base) = (SimulatedDisk(), MemoryBase())
        let store = try self.open(disk, base)
        #expect(!store.isFounded && store.isEmpty)
        let again = try self.open(disk, MemoryBase(base.contents), founds: true, seed: 2)
        #expect(!again.isFounded && again.identity == store.identity)
    }

    @Test func `an empty store becomes part of a cluster at once and for good, with what was agreed on`() throws {
        let (disk, base) = (SimulatedDisk(), MemoryBase())
        let store = try self.open(disk, base)
        let identity = Identity(cluster: ClusterID(high: 1, low: 2), digestKey: Self.key, replica: store.identity.replica)
        try store.adopt(store.identity, control: [.founding: [7]])
        #expect(!store.isFounded && store.control(.founding) == [7])
        try store.adopt(identity, control: [.joining: [1]])
        for store in [store, try self.open(disk, MemoryBase(base.contents))] {
            #expect(store.identity == identity && store.isFounded && store.isEmpty)
            #expect(store.control(.founding) == nil && store.control(.joining) == [1] && store.control(.members) == nil)
        }
    }

    @Test func `a store in which something was seen cannot change its cluster`() async {
        await #expect(processExitsWith: .failure) {
            var random = SplitMix64(seed: 1)
            let store = try Store.open(disk: SimulatedDisk(), base: MemoryBase(), configuration: StoreConfiguration(), using: &random).store
            var seen = Seen()
            _ = seen.insert(Dot(replica: ReplicaID(high: 1, low: 1), sequence: 1))
            store.join(seen)
            try store.adopt(store.identity, control: [:])
        }
    }

    @Test func `what came later replaces what heals: a damaged version loses to any that comes`() throws {
        let (disk, base) = (SimulatedDisk(), MemoryBase())
        let store = try self.open(disk, base, founds: true)
        let key = [UInt8]("k")
        let token = key.withUnsafeBytes { store.token(of: $0) }
        func frame(_ time: UInt64) -> [UInt8] {
            TestRecord.frame(TestRecord.header(sequence: time, time: time << 16), key: key, token: token, payload: [UInt8(time)])
        }
        var contents = base.contents
        var value = frame(9)
        value.removeFirst(RecordLayout.frameByteCount + key.count)
        value[value.count - 1] ^= 1
        contents.entries = [MemoryBase.Entry(token: token, key: key, value: value)]
        let rotten = try self.open(disk, MemoryBase(contents), founds: true)
        let merged = try frame(5).withUnsafeBytes { bytes throws(StoreError) in
            let (record, token) = RecordView.received(bytes, under: rotten.identity.digestKey)!
            return try rotten.merge(record, token: token, .session(revives: true), at: Instant(nanoseconds: 0))
        }
        guard case .applied = merged else { return #expect(Bool(false), "\(merged)") }
        try key.withUnsafeBytes { key in
            guard case .record(let record, _, .live) = try rotten.find(token, key: key) else { return #expect(Bool(false)) }
            #expect(Array(record.payload) == [5])
        }
    }
}
