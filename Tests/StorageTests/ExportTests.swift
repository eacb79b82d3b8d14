import Basics
import Digests
import Simulation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// What a node takes along when it gives up its store (I24).
@Suite struct ExportTests {
    private static let cluster = ClusterID(high: 1, low: 2)

    private func export(_ sequence: UInt64, key: String, state: Export.State = .undecided, cluster: ClusterID = Self.cluster) -> Export {
        let frame = TestRecord.frame(TestRecord.header(sequence: sequence), key: Array(key.utf8), payload: Array("value".utf8))
        let value = Array(frame[(RecordLayout.frameByteCount + key.utf8.count)...])
        return Export(
            cluster: cluster, dot: Dot(replica: TestRecord.replica, sequence: sequence), state: state, key: Array(key.utf8), value: value)
    }

    @Test func `a row reads back as it was written, and nothing else is one`() throws {
        for state in [Export.State.undecided, .salvaged] {
            for key in ["", "k", String(repeating: "k", count: RecordLayout.maximumKeyByteCount)] {
                let export = self.export(7, key: key, state: state)
                let read = export.rowKey.withUnsafeBytes { key in
                    export.rowValue.withUnsafeBytes { value in Export(rowKey: key, rowValue: value) }
                }
                #expect(read == export)
            }
        }
        let export = self.export(7, key: "key")
        func read(_ key: [UInt8], _ value: [UInt8]) -> Export? {
            key.withUnsafeBytes { key in value.withUnsafeBytes { value in Export(rowKey: key, rowValue: value) } }
        }
        #expect(read(export.rowKey.dropLast(), export.rowValue) == nil)
        #expect(read(export.rowKey + [0], export.rowValue) == nil)
        for length in 0..<6 { #expect(read(export.rowKey, Array(export.rowValue.prefix(length))) == nil) }
        #expect(read(export.rowKey, [9] + export.rowValue.dropFirst()) == nil)
    }

    @Test func `a version that is not what was written is not shown`() throws {
        let export = self.export(7, key: "key")
        #expect(try export.withRecord(under: TestRecord.digestKey) { record, _ in record.dot.sequence } == 7)
        for bit in 0..<export.value.count * 8 {
            var value = export.value
            value[bit / 8] ^= 1 << UInt8(bit % 8)
            let rotten = Export(cluster: export.cluster, dot: export.dot, state: export.state, key: export.key, value: value)
            #expect(try rotten.withRecord(under: TestRecord.digestKey) { _, _ in true } == nil, "bit \(bit)")
        }
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `a base keeps exports beside its entries, by cluster and dot`(fixture: OrderedBaseTests.Fixture) throws {
        let folder = try ScratchFolder()
        let base = try fixture.make(folder.path)
        let (reader, writer) = (try base.makeReader(), base.makeWriter())
        let exports = (1...5).map { self.export($0, key: "key\($0)") } + [self.export(1, key: "key", cluster: ClusterID(high: 2, low: 0))]
        try writer.begin()
        for export in exports.reversed() { try writer.keep(export) }
        try writer.commit(nil as Checkpoint?)
        reader.reset()
        try reader.open()
        #expect(try reader.exports(behind: nil, limit: 100) == exports)
        #expect(try reader.exports(behind: exports[1].place, limit: 2) == Array(exports[2...3]))
        #expect(try reader.exports(behind: exports[5].place, limit: 100).isEmpty)
        #expect(try base.statistics().exports == 6 && base.statistics().entries == 0)
        reader.reset()
        var decided = exports[2]
        decided.state = .salvaged
        try writer.begin()
        try writer.removeAll()
        try writer.keep(decided)
        try writer.removeExport(at: exports[0].place)
        try writer.removeExport(at: exports[0].place)
        try writer.commit(nil as Checkpoint?)
        try reader.open()
        #expect(try reader.exports(behind: nil, limit: 100) == [exports[1], decided] + exports[3...])
    }

    // MARK: Giving up

    /// A store with ten keys, half of them in the log alone, that is to be given up for that of a member which has seen the first four writes.
    private func ordered(using generator: inout SplitMix64) throws -> StoreWorld {
        var configuration = StoreConfiguration()
        configuration.tableEntries = 5
        var world = try StoreWorld(configuration: configuration, using: &generator)
        for number in 0..<10 {
            try world.put(Array("key\(number)".utf8), number == 8 ? nil : Array("value".utf8))
            if number == 4 { try world.settle() }
        }
        var seen = Seen()
        for sequence in 1...4 as ClosedRange<UInt64> { _ = seen.insert(Dot(replica: world.store.identity.replica, sequence: sequence)) }
        world.store.setControl(.members, [1, 2, 3])
        _ = world.store.order(ReturnOrder(seen: seen))
        try world.commitTick()
        return world
    }

    @Test(arguments: seeds(3))
    func `a store that is given up opens empty and without a cluster, and keeps what the member has not seen`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let world = try self.ordered(using: &generator)
        let before = world.store.identity
        let base = MemoryBase(world.base.contents)
        let (store, report) = try Store.open(disk: world.disk, base: base, configuration: StoreConfiguration(), founds: false, using: &generator)
        #expect(report.startedOver == StartOverReport(exports: 6, rotten: 0))
        #expect(store.isEmpty && !store.isFounded && store.identity.replica != before.replica && store.head == world.store.head)
        #expect(store.control(.formerMembers) == [1, 2, 3] && store.control(.members) == nil && store.control(.returning) == nil)
        let exports = try store.exports(behind: nil, limit: 100)
        #expect(exports.map(\.dot.sequence) == Array(5...10) && exports.allSatisfy { $0.cluster == before.cluster && $0.state == .undecided })
        #expect(store.exportCounts.undecided == 6)
        // From then on it is as any other.
        let (again, second) = try Store.open(
            disk: world.disk, base: MemoryBase(base.contents), configuration: StoreConfiguration(), founds: false, using: &generator)
        #expect(second.startedOver == nil && again.isEmpty && again.exportCounts == store.exportCounts)
    }

    @Test(arguments: seeds(3))
    func `a base without room leaves the store as it was, to be given up at a later start`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let world = try self.ordered(using: &generator)
        for failing in 1...3 {
            let calls = Calls()
            let base = MemoryBase(world.base.contents) { () throws(StoreError) in
                calls.count += 1
                if calls.count == failing + 1 { throw .baseFull(operation: "commit") }
            }
            do {
                _ = try Store.open(disk: world.disk.copy(), base: base, configuration: StoreConfiguration(), founds: false, using: &generator)
                #expect(calls.count <= failing)
            } catch {
                #expect(base.contents.checkpoint?.identity.replica == world.store.identity.replica)
                let (store, report) = try Store.open(
                    disk: world.disk.copy(), base: MemoryBase(base.contents), configuration: StoreConfiguration(), founds: false, using: &generator)
                #expect(report.startedOver?.exports == 6 && store.exportCounts.undecided == 6)
            }
        }
    }

    private final class Calls: @unchecked Sendable { var count = 0 }

    @Test(arguments: seeds(3))
    func `a version that is written again keeps its stamp, under a fresh dot, and loses to whatever is newer`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let (store, _) = try Store.open(disk: SimulatedDisk(), base: MemoryBase(), configuration: StoreConfiguration(), using: &generator)
        let key = Array("key".utf8)
        let header = TestRecord.header(sequence: 9, time: 5 << 16, expiry: 77)
        let token = key.withUnsafeBytes { store.token(of: $0) }
        let frame = TestRecord.frame(header, key: key, token: token, payload: Array("value".utf8))
        try frame.withRecord { record in
            _ = try store.reenter(record!, token: token, at: Instant(nanoseconds: 0))
            guard case .record(let stored, _, _) = try store.find(token, key: record!.key) else {
                Issue.record("it is not there")
                return
            }
            #expect(stored.dot == Dot(replica: store.identity.replica, sequence: 1))
            #expect(stored.stamp == header.stamp && stored.expiryMilliseconds == 77 && stored.payload.elementsEqual(Array("value".utf8)))
            #expect(stored.isIntact(token: token))
        }
    }

    @Test func `an order reads back as it was written`() {
        var seen = Seen()
        for sequence in [1, 2, 5] as [UInt64] { _ = seen.insert(Dot(replica: TestRecord.replica, sequence: sequence)) }
        for seen in [Seen(), seen] { #expect(ReturnOrder(controlValue: ReturnOrder(seen: seen).controlValue) == ReturnOrder(seen: seen)) }
        #expect(ReturnOrder(controlValue: [1]) == nil)
    }
}
