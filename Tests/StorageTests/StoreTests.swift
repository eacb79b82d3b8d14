import Basics
import Digests
import Simulation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// Positions, freezing, reading and the digest, without crashes.
@Suite struct StoreTests {
    private func makeWorld(
        seed: UInt64 = 1, contents: MemoryBase.Contents = MemoryBase.Contents(), _ change: (inout StoreConfiguration) -> Void = { _ in }
    ) throws -> StoreWorld {
        var generator = SplitMix64(seed: seed)
        var configuration = StoreConfiguration()
        change(&configuration)
        return try StoreWorld(contents: contents, configuration: configuration, using: &generator)
    }

    // MARK: Positions

    @Test(arguments: StoreConfiguration.Durability.allCases)
    func `an answer waits for the sync of what it depends on at always, for the write at interval (I4, I6)`(
        durability: StoreConfiguration.Durability
    ) throws {
        var world = try self.makeWorld { $0.durability = durability }
        for key in UInt8(0)..<3 {
            try world.put([key], [1])
            let position = world.model.writes.last!.position
            #expect(world.store.appliedPosition == position)
            #expect(position >= world.store.durable)
            world.endTick()
            #expect(position >= world.store.durable && world.store.appliedPosition >= position)
            try world.append()
            #expect((position < world.store.durable) == (durability == .interval))
            try world.sync()
            #expect(position < world.store.durable && world.store.appliedPosition < world.store.durable)
        }
    }

    @Test func `a read depends on the record that it shows, not on the head of the log`() throws {
        var world = try self.makeWorld()
        try world.put([1], [1])
        try world.commitTick()
        try world.put([2], [2])
        try [UInt8(1)].withUnsafeBytes { key in
            guard case .record(_, let position, .live) = try world.store.find(world.store.token(of: key), key: key) else {
                throw StoreError.foreign(reason: "not found")
            }
            #expect(position < world.store.durable)
        }
    }

    @Test func `a new store answers at once, although its log is empty`() throws {
        let world = try self.makeWorld()
        #expect(world.store.appliedPosition == 0 && world.report.isNew && world.store.foldedDigest == .empty)
    }

    @Test func `a log without the LMDB file that goes with it is refused`() throws {
        var world = try self.makeWorld()
        try world.put([1], [1])
        try world.commitTick()
        var generator = SplitMix64(seed: 2)
        #expect(throws: StoreError.foreign(reason: "the data folder has a log but no LMDB file that goes with it")) {
            try StoreWorld(disk: world.disk, configuration: StoreConfiguration(), using: &generator)
        }
    }

    // MARK: Freezing

    @Test func `a table freezes by entries, bytes or age, and when the store stops`() throws {
        var world = try self.makeWorld { $0.tableEntries = 2 }
        try self.expectFreeze(&world) { world in for key in UInt8(0)..<2 { try world.put([key], [1]) } }
        world = try self.makeWorld { $0.tableBytes = 1_000 }
        try self.expectFreeze(&world) { world in try world.put([1], [UInt8](repeating: 1, count: 950)) }
        world = try self.makeWorld { $0.tableAge = .seconds(60) }
        try world.put([1], [1])
        try self.expectFreeze(&world) { world in
            world.now = world.now + .seconds(60)
            #expect(world.store.deadline == world.now)
        }
        world = try self.makeWorld()
        try world.put([1], [1])
        try self.expectFreeze(&world) { $0.store.stop() }
        #expect(world.store.isDrained)
    }

    /// A tick before `cause` leaves the table live, one after it freezes it; it drains once it is synced.
    private func expectFreeze(_ world: inout StoreWorld, _ cause: (inout StoreWorld) throws -> Void) throws {
        try world.commitTick()
        #expect(world.store.frozen == nil)
        try cause(&world)
        world.endTick()
        #expect(world.store.frozen != nil && world.store.live.count == 0)
        let needsSync = world.store.synced < world.store.head
        #expect(world.isDraining != needsSync)
        try world.commitTick()
        world.endTick()
        #expect(world.isDraining)
        try world.finishDrain()
        #expect(world.store.frozen == nil && world.store.drainedPosition == world.store.head)
        try world.check()
    }

    @Test func `a table that is held back does not freeze, and one is frozen at a time`() throws {
        var world = try self.makeWorld { $0.tableEntries = 1 }
        world.store.holdsFreeze = true
        try world.put([1], [1])
        try world.commitTick()
        #expect(world.store.frozen == nil)
        world.store.holdsFreeze = false
        try world.commitTick()
        #expect(world.store.frozen != nil)
        try world.put([2], [1])
        try world.commitTick()
        #expect(world.store.live.count == 1)
        for _ in 0..<2 { try world.settle() }
        #expect(world.store.live.count == 0 && world.store.counters.drains == 2)
        try world.check()
    }

    @Test func `reads find the newest version in whichever layer it is`() throws {
        var world = try self.makeWorld { $0.tableEntries = 4 }
        for key in UInt8(0)..<4 { try world.put([key], [1]) }
        try world.settle()
        for key in UInt8(1)..<5 { try world.put([key], [2]) }
        try world.commitTick()
        for key in UInt8(2)..<4 { try world.put([key], key == 2 ? nil : [3]) }
        try world.checkEntries()
        let layers = try (UInt8(0)..<6).map { key in
            try [key].withUnsafeBytes { key -> Store.Layer? in
                guard case .record(_, _, let layer) = try world.store.find(world.store.token(of: key), key: key) else { return nil }
                return layer
            }
        }
        #expect(layers == [.base, .frozen, .live, .live, .frozen, nil])
    }

    // MARK: Digest

    @Test(arguments: seeds(20))
    func `equal entries have equal digests, however they were batched, folded, drained and stored (I17)`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let identity = Identity(using: &generator)
        let writes = Int.random(in: 5...80, using: &generator)
        var digests: [Digest] = []
        for variant in 0..<4 {
            var contents = MemoryBase.Contents()
            contents.checkpoint = Checkpoint(identity: identity)
            var world = try self.makeWorld(seed: seed, contents: contents) { $0.tableEntries = [3, 8, 30, 1_000][variant] }
            var load = SplitMix64(seed: seed)
            for _ in 0..<writes {
                try world.put(
                    [UInt8.random(in: 0..<40, using: &load)], Int.random(in: 0..<5, using: &load) == 0 ? nil : [UInt8.random(in: 0...9, using: &load)]
                )
                if Int.random(in: 0..<4, using: &generator) == 0 { try world.commitTick() }
                if Int.random(in: 0..<4, using: &generator) == 0 { _ = try world.store.fold(budget: 3) }
                if Bool.random(using: &generator) { try world.stepDrain() }
            }
            try world.commitTick()
            if variant == 2 { try world.restart(after: .killed, using: &generator) }
            try world.settle()
            #expect(try world.store.fold(budget: .max))
            digests.append(world.store.foldedDigest)
        }
        #expect(Set(digests.map(\.description)).count == 1)
    }

    @Test(arguments: seeds(10))
    func `the order in which entries came makes no difference to the digest of a base (I17)`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var records = (0..<60).map { index in
            let header = TestRecord.header(sequence: UInt64(index), time: UInt64(index), isTombstone: index % 6 == 0)
            return (key: [UInt8(index)], header: header, payload: [UInt8(index)])
        }
        let digests = try (0..<3).map { _ in
            records.shuffle(using: &generator)
            let base = MemoryBase()
            let writer = base.makeWriter()
            for record in records {
                try writer.begin()
                try TestRecord.frame(record.header, key: record.key, payload: record.payload).withRecord {
                    try writer.replace($0!, token: TestRecord.token(of: record.key))
                }
                try writer.commit(nil)
            }
            return try BaseScan(base, base.makeReader(), TestRecord.digestKey).tree.root
        }
        #expect(digests[0].entries == 60 && digests[0] == digests[1] && digests[1] == digests[2])
    }

    @Test(arguments: [1, 7, 1_000])
    func `folding in slices ends, and digest work waits for a running drain`(budget: Int) throws {
        var world = try self.makeWorld { $0.tableEntries = 100 }
        for key in UInt8(0)..<99 { try world.put([key], [1]) }
        var slices = 0
        while !world.store.isFolded {
            #expect(try world.store.fold(budget: budget))
            slices += 1
        }
        // Four budgets are folded at once.
        #expect(slices == 1 + max(0, (99 - (4 * budget + 3) + budget - 1) / budget))
        try world.checkDigest()
        try world.put([99], [1])
        try world.commitTick()
        #expect(try !world.store.fold(budget: 1) && world.store.recount(from: Token(rawValue: 0), budget: 1) == nil)
        #expect(try !world.store.growDigest(budget: 1) && !world.store.isFolded)
        world.endTick()
        try world.finishDrain()
        #expect(world.store.isFolded && world.store.foldedDigest.entries == 100)
        try world.checkDigest()
    }

    @Test func `the tree grows in slices while writes go on, and stays the digest of all entries`() throws {
        var world = try self.makeWorld { $0.tableEntries = 150 }
        for round in UInt8(0)..<8 {
            for key in UInt8(0)..<120 {
                try world.put([key, round], [round])
                if key.isMultiple(of: 3) { try world.put([key / 2, round / 2], nil) }
                if key.isMultiple(of: 10) {
                    try world.commitTick()
                    try world.stepDrain()
                    _ = try world.store.growDigest(budget: 4)
                }
            }
        }
        try world.settle()
        while try world.store.growDigest(budget: 50) {}
        #expect(world.store.leafBits == DigestTree.leafBits(forEntries: 960) && !world.store.wantsGrowth)
        try world.check()
    }

    @Test func `a recount names the leaf whose entries do not add up`() throws {
        var world = try self.makeWorld()
        for key in UInt8(0)..<100 { try world.put([key], [1]) }
        while try world.store.growDigest(budget: 50) {}
        try world.checkDigest()
        let token = [UInt8(7)].withUnsafeBytes { world.store.token(of: $0) }
        world.store.tree.add(1, at: token)
        let recount = try world.store.recount(from: Token(rawValue: 0), budget: .max)
        #expect(recount?.mismatch?.contains(token) == true)
        // In slices: each names where the next begins.
        var (next, entries) = (Token?.some(Token(rawValue: 0)), 0)
        while let token = next {
            let slice = try #require(try world.store.recount(from: token, budget: 1))
            (next, entries) = (slice.next, entries + slice.entries)
        }
        #expect(entries == recount?.entries)
    }

    @Test func `a damaged entry of the base is counted at open and never served (I17)`() throws {
        var generator = SplitMix64(seed: 9)
        var world = try self.makeWorld { $0.tableEntries = 3 }
        for key in UInt8(0)..<3 { try world.put([key], [key]) }
        try world.settle()
        var contents = world.base.contents
        let victim = try #require(contents.entries.firstIndex { $0.key == [1] })
        contents.entries[victim].value[48] ^= 1
        let (store, report) = try Store.open(
            disk: SimulatedDisk(), base: MemoryBase(contents), configuration: StoreConfiguration(), using: &generator)
        #expect(report.damagedEntries == 1 && report.entries == 2 && store.liveKeys == 2)
        try [UInt8(1)].withUnsafeBytes { key in
            guard case .damaged = try store.find(store.token(of: key), key: key) else { throw StoreError.foreign(reason: "served") }
        }
        #expect(store.counters.damagedReads == 1)
        #expect(try store.recount(from: Token(rawValue: 0), budget: .max) == Store.Recount(next: nil, entries: 3, damaged: 0, mismatch: nil))
    }

    @Test func `a base with a row that no lookup would find, or that hides others, is not opened`() throws {
        var world = try self.makeWorld { $0.tableEntries = 2 }
        for key in UInt8(0)..<4 { try world.put([key], [key]) }
        try world.settle()
        let intact = world.base.contents
        var generator = SplitMix64(seed: 10)
        func open(_ contents: MemoryBase.Contents) throws {
            _ = try Store.open(disk: SimulatedDisk(), base: MemoryBase(contents), configuration: StoreConfiguration(), using: &generator)
        }
        try open(intact)
        var contents = intact
        let (row, other) = (contents.entries[1], contents.entries[2])
        // One further than its own: the rows are in order still.
        let token = Token(rawValue: row.token.rawValue + 1)
        contents.entries[1] = MemoryBase.Entry(token: token, key: row.key, value: row.value)
        #expect(throws: StoreError.misplacedRow(token: token.rawValue)) { try open(contents) }
        (contents.entries[1], contents.entries[2]) = (other, row)
        #expect(throws: StoreError.misplacedRow(token: row.token.rawValue)) { try open(contents) }
    }

    /// The checksum covers the key by its token alone.
    @Test func `an entry of the base whose key has rotted is shown by no walk, and its key is not said to be absent (I17)`() throws {
        var generator = SplitMix64(seed: 10)
        var world = try self.makeWorld { $0.tableEntries = 2 }
        for key in UInt8(0)..<2 { try world.put([key], [key]) }
        try world.settle()
        var contents = world.base.contents
        contents.entries[0] = MemoryBase.Entry(token: contents.entries[0].token, key: [9], value: contents.entries[0].value)
        let (store, report) = try Store.open(
            disk: SimulatedDisk(), base: MemoryBase(contents), configuration: StoreConfiguration(), using: &generator)
        #expect(report.damagedEntries == 1)
        #expect(try store.recount(from: Token(rawValue: 0), budget: .max)?.mismatch == nil)
        var shown: [[UInt8]] = []
        try store.scan(.first ... .last) { entry in
            shown.append(Array(entry.key))
            return true
        }
        #expect(shown == [contents.entries[1].key])
        for key in UInt8(0)..<2 where shown != [[key]] {
            try [key].withUnsafeBytes { key in
                guard case .damaged = try store.find(store.token(of: key), key: key) else { throw StoreError.foreign(reason: "said to be absent") }
            }
        }
    }
}
