import Basics
import Digests
import TestSupport
import Testing
import Versioning

@testable import Storage

/// One suite on both bases, against a sorted array.
@Suite struct OrderedBaseTests {
    /// A base, and the folder that it lives in.
    struct Fixture: CustomTestStringConvertible {
        let testDescription: String
        let make: @Sendable (String) throws(StoreError) -> any Base

        static let all = [
            Fixture(testDescription: "in memory") { _ throws(StoreError) in MemoryBase() },
            Fixture(testDescription: "in LMDB") { folder throws(StoreError) in try LMDBBase(folder: folder) },
        ]
    }

    /// What a base should hold.
    private struct Model {
        struct Entry: Equatable {
            let token: Token
            let key: [UInt8]
            let header: VersionHeader
            let payload: [UInt8]
        }
        var entries: [Entry] = []
        /// Ascending by dot.
        var tombstones: [Entry] { self.entries.filter(\.header.isTombstone).sorted { $0.header.dot < $1.header.dot } }

        /// In the order in which they expire.
        var expiring: [ExpiringPlace] {
            self.entries.filter { $0.header.expiryMilliseconds > 0 }.map { entry in
                let place = IndexedPlace(dot: entry.header.dot, token: entry.token, key: entry.key)
                return ExpiringPlace(milliseconds: entry.header.expiryMilliseconds, place: place)
            }.sorted { $0.expiration < $1.expiration }
        }

        mutating func put(_ entry: Entry) {
            self.entries.removeAll { $0.key == entry.key }
            self.entries.append(entry)
            self.entries.sort { $0.token != $1.token ? $0.token < $1.token : $0.key.lexicographicallyPrecedes($1.key) }
        }
    }

    @Test(arguments: Fixture.all, seeds(6))
    func `a base is a sorted array that changes at commits only`(fixture: Fixture, seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let folder = try ScratchFolder()
        let base = try fixture.make(folder.path)
        let (reader, writer) = (try base.makeReader(), base.makeWriter())
        var committed = Model()
        for round in 0..<12 {
            var model = committed
            try writer.begin()
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                let entry = self.draw(round, using: &generator)
                try self.put(entry, with: writer, expecting: model)
                model.put(entry)
            }
            reader.reset()
            try reader.open()
            try self.compare(reader, committed, using: &generator)
            if Bool.random(using: &generator) {
                writer.abort()
            } else {
                try writer.commit(nil)
                committed = model
            }
        }
        reader.reset()
        try reader.open()
        try self.compare(reader, committed, using: &generator)
        let statistics = try base.statistics()
        #expect(statistics.entries == UInt64(committed.entries.count))
        #expect(statistics.tombstones == UInt64(committed.entries.count { $0.header.isTombstone }))
        #expect(statistics.usedBytes > 0)
    }

    /// Few tokens, so that keys of one token meet.
    private func draw(_ round: Int, using generator: inout SplitMix64) -> Model.Entry {
        let key = [UInt8](repeating: UInt8.random(in: 0..<40, using: &generator), count: Int.random(in: 0...500, using: &generator))
        let token = Token(rawValue: TestRecord.token(of: key).rawValue & 3 << 62)
        let isTombstone = Int.random(in: 0..<3, using: &generator) == 0
        let expiry = !isTombstone && Bool.random(using: &generator) ? UInt64.random(in: 1...20, using: &generator) : 0
        let header = TestRecord.header(sequence: generator.next(), time: UInt64(round), isTombstone: isTombstone, expiry: expiry)
        let payload = isTombstone ? [] : [UInt8](repeating: 7, count: Int.random(in: 0...6_000, using: &generator))
        return Model.Entry(token: token, key: key, header: header, payload: payload)
    }

    private func put(_ entry: Model.Entry, with writer: any BaseWriter, expecting model: Model) throws {
        let frame = TestRecord.frame(entry.header, key: entry.key, token: entry.token, payload: entry.payload)
        try frame.withRecord { record in
            let found = try writer.seek(entry.token, key: record!.key)
            let expected = model.entries.first { $0.key == entry.key }
            #expect(found?.record?.versionHeader == expected?.header)
            try writer.put(record!, token: entry.token)
        }
    }

    private func compare(_ reader: any BaseReader, _ model: Model, using generator: inout SplitMix64) throws {
        let starts = [Token(rawValue: 0), Token(rawValue: .max)] + (0..<6).map { _ in Token(rawValue: generator.next()) }
        for start in starts {
            var entries: [Model.Entry] = []
            var next = try reader.seek(start)
            while let entry = next {
                entries.append(Self.copy(entry))
                next = try reader.advance()
            }
            #expect(entries == model.entries.filter { $0.token >= start })
        }
        for entry in model.entries {
            let found = try entry.key.withUnsafeBytes { try reader.find(entry.token, key: $0).map(Self.copy) }
            #expect(found == entry)
            let missing = try (entry.key.dropLast() + [99]).withUnsafeBytes { try reader.find(entry.token, key: $0) }
            #expect(missing == nil)
        }
        let (one, other, limit) = (generator.next(), generator.next(), Int.random(in: 0...20, using: &generator))
        for range in [1...UInt64.max, min(one, other)...max(one, other)] {
            let places = try reader.tombstones(of: TestRecord.header().dot.replica, range, limit: limit)
            let expected = model.tombstones.filter { range.contains($0.header.dot.sequence) }.prefix(limit)
            #expect(places == expected.map { IndexedPlace(dot: $0.header.dot, token: $0.token, key: $0.key) })
        }
        #expect(try reader.tombstones(of: ReplicaID(high: .max, low: .max), 1...UInt64.max, limit: 1).isEmpty)
        try self.compare(deadlines: reader, model, using: &generator)
    }

    private func compare(deadlines index: any DeadlineIndex, _ model: Model, using generator: inout SplitMix64) throws {
        let expiring = model.expiring
        var ends: [Expiration] = [.none, .last(at: generator.next() % 22), .last(at: .max)]
        if let some = expiring.randomElement(using: &generator) { ends.append(some.expiration) }
        let (one, other, limit) = (ends.randomElement(using: &generator)!, ends.randomElement(using: &generator)!, Int(generator.next() % 20))
        let found = try index.expiring(behind: min(one, other), through: max(one, other), limit: limit)
        let between = expiring.filter { min(one, other) < $0.expiration && $0.expiration <= max(one, other) }
        #expect(found == Array(between.prefix(limit)))
        let (low, high) = (generator.next(), generator.next())
        let range = min(low, high)...max(low, high)
        let dots = try index.expirations(of: TestRecord.replica, range, limit: limit)
        let within = expiring.map(\.expiration).filter { range.contains($0.dot.sequence) }.sorted { $0.dot < $1.dot }
        #expect(dots == Array(within.prefix(limit)))
        #expect(try index.expirations(of: TestRecord.otherReplica, 1...UInt64.max, limit: 1).isEmpty)
        for place in expiring.prefix(3) { #expect(try index.place(of: place.expiration) == place.place) }
        #expect(try index.place(of: Expiration(milliseconds: 21, dot: Dot(replica: TestRecord.replica, sequence: 1))) == nil)
    }

    @Test(arguments: Fixture.all, seeds(4))
    func `tombstones leave a base in the order of their dots, and with them their places in its index`(fixture: Fixture, seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let folder = try ScratchFolder()
        let base = try fixture.make(folder.path)
        let (reader, writer) = (try base.makeReader(), base.makeWriter())
        var model = Model()
        try writer.begin()
        for _ in 0..<60 {
            let entry = self.draw(0, using: &generator)
            try self.put(entry, with: writer, expecting: model)
            model.put(entry)
        }
        try writer.commit(nil)
        let (replica, tombstones) = (TestRecord.header().dot.replica, model.tombstones)
        try writer.begin()
        #expect(try writer.tombstones(of: replica, 0...tombstones[0].header.dot.sequence - 1, limit: 9) == [])
        let ahead = tombstones.prefix(3).map { IndexedPlace(dot: $0.header.dot, token: $0.token, key: $0.key) }
        #expect(try writer.tombstones(of: replica, 0...tombstones[2].header.dot.sequence, limit: 9) == ahead)
        #expect(try writer.tombstones(of: replica, 0 ... .max, limit: 2) == Array(ahead.prefix(2)))
        for tombstone in tombstones.dropLast(2) {
            let place = try #require(try writer.tombstones(of: replica, 0...tombstone.header.dot.sequence, limit: 1).first)
            #expect(place == IndexedPlace(dot: tombstone.header.dot, token: tombstone.token, key: tombstone.key))
            try place.key.withUnsafeBytes { key in
                _ = try writer.seek(place.token, key: key)
                try writer.remove(place.token, key: key)
            }
            model.entries.removeAll { $0 == tombstone }
        }
        try writer.commit(nil)
        reader.reset()
        try reader.open()
        try self.compare(deadlines: reader, model, using: &generator)
        let left = try reader.tombstones(of: replica, 1...UInt64.max, limit: .max).map(\.dot)
        #expect(left == tombstones.suffix(2).map(\.header.dot))
        #expect(try base.statistics().entries == UInt64(model.entries.count))
        try writer.begin()
        try writer.removeAll()
        try writer.commit(nil)
        reader.reset()
        try reader.open()
        #expect(try reader.seek(Token(rawValue: 0)) == nil && reader.tombstones(of: replica, 1...UInt64.max, limit: 1).isEmpty)
        #expect(try base.statistics().entries == 0 && base.statistics().tombstones == 0 && base.statistics().expiring == 0)
        #expect(try reader.expiring(behind: .none, through: .last(at: .max), limit: 1).isEmpty)
        #expect(try reader.expirations(of: replica, 1...UInt64.max, limit: 1).isEmpty)
    }

    private static func copy(_ entry: BaseEntry) -> Model.Entry {
        #expect(entry.isIntact)
        return Model.Entry(token: entry.token, key: Array(entry.key), header: entry.record!.versionHeader, payload: Array(entry.record!.payload))
    }

    @Test(arguments: Fixture.all)
    func `a reader keeps its snapshot until it is reset, and then takes the newest`(fixture: Fixture) throws {
        let folder = try ScratchFolder()
        let base = try fixture.make(folder.path)
        let (reader, writer) = (try base.makeReader(), base.makeWriter())
        try reader.open()
        try self.commit(TestRecord.frame(TestRecord.header(), key: [1], payload: [1]), to: writer)
        #expect(try reader.seek(Token(rawValue: 0)) == nil)
        try reader.open()
        #expect(try reader.seek(Token(rawValue: 0)) == nil)
        reader.reset()
        try reader.open()
        #expect(try reader.seek(Token(rawValue: 0)) != nil)
    }

    private func commit(_ frame: [UInt8], to writer: any BaseWriter, _ checkpoint: Checkpoint? = nil) throws {
        try writer.begin()
        try frame.withRecord { try writer.replace($0!, token: TestRecord.token(of: Array($0!.key))) }
        try writer.commit(checkpoint)
    }

    @Test(arguments: Fixture.all)
    func `a checkpoint is there with the entries of its transaction, or neither is`(fixture: Fixture) throws {
        let folder = try ScratchFolder()
        var generator = SplitMix64(seed: 3)
        var checkpoint = Checkpoint(identity: Identity(using: &generator), position: 7, greatestStamp: 8)
        let base = try fixture.make(folder.path)
        #expect(try base.readCheckpoint() == nil)
        let writer = base.makeWriter()
        try self.commit(TestRecord.frame(TestRecord.header(), key: [1], payload: [1]), to: writer, checkpoint)
        #expect(try base.readCheckpoint() == checkpoint)
        try self.commit(TestRecord.frame(TestRecord.header(), key: [2], payload: [1]), to: writer)
        #expect(try base.readCheckpoint() == checkpoint)
        checkpoint.position = 99
        try writer.begin()
        writer.abort()
        writer.abort()
        #expect(try base.readCheckpoint()?.position == 7)
        try writer.begin()
        try writer.commit(checkpoint)
        #expect(try base.readCheckpoint() == checkpoint)
    }

    @Test(arguments: Fixture.all)
    func `a drained store of either base is the same store`(fixture: Fixture) throws {
        let folder = try ScratchFolder()
        let base = try fixture.make(folder.path)
        var generator = SplitMix64(seed: 4)
        let table = TestRecord.table(
            (0..<500).map { index in
                let key = [UInt8](repeating: UInt8(index % 250), count: 1 + index / 250)
                return (key, TestRecord.header(sequence: UInt64(index), time: UInt64(index), isTombstone: index % 5 == 0), [UInt8(index % 7)])
            })
        let identity = Identity(cluster: ClusterID(using: &generator), digestKey: TestRecord.digestKey, replica: TestRecord.replica)
        var drain = Drain(
            DrainJob(table: table, checkpoint: Checkpoint(identity: identity, position: 5), progress: DrainProgress()), into: base.makeWriter(),
            transactionPages: 100)
        while true { if case .finished = try drain.step() { break } }
        let scan = try BaseScan(base, base.makeReader(), TestRecord.digestKey)
        #expect(scan.tree.root.entries == 500 && scan.liveKeys == 400 && scan.rotten.isEmpty && scan.greatestStamp == 499)
        var expected = Digest.empty
        var index = table.firstIndex(in: .first ... .last)
        while let place = index {
            expected.add(table[place].record!.view.fingerprint(under: TestRecord.digestKey))
            index = table.index(after: place)
        }
        #expect(scan.tree.root == expected)
        #expect(try base.statistics().tombstones == 100)
    }
}
