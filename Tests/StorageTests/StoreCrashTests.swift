import Basics
import Digests
import Simulation
import Storage
import TestSupport
import Testing

/// Crashes at chosen moments; `StoreHistoryTests` has them at drawn ones.
@Suite struct StoreCrashTests {
    /// A store whose drain of ten entries, in transactions of two, has just begun; a first drain has left half of the keys in the base.
    private func makeDrainingWorld(using generator: inout SplitMix64) throws -> StoreWorld {
        var configuration = StoreConfiguration()
        (configuration.tableEntries, configuration.segmentBytes) = (10, 200)
        var world = try StoreWorld(configuration: configuration, transactionPages: 2, using: &generator)
        for key in UInt8(0)..<10 { try world.put([key], [1]) }
        try world.settle()
        for key in UInt8(5)..<15 {
            try world.put([key], key.isMultiple(of: 3) ? nil : [2])
            if key == 9 { try world.commitTick() }
        }
        try world.commitTick()
        world.endTick()
        try #require(world.isDraining)
        return world
    }

    @Test(arguments: [false, true])
    func `a crash at any step of a drain loses nothing, and the drain is done again (I4, I7a, I17)`(cutsPower: Bool) throws {
        var (steps, drainGoesOn) = (0, true)
        while drainGoesOn {
            var generator = SplitMix64(seed: UInt64(steps))
            var world = try self.makeDrainingWorld(using: &generator)
            for _ in 0..<steps { drainGoesOn = try world.stepDrain() }
            try world.checkEntries()
            let crash = cutsPower ? StoreWorld.Crash.powerCut(world.disk.crash(using: &generator)) : .killed
            try world.restart(after: crash, using: &generator)
            try world.check()
            try world.settle()
            try world.check()
            #expect(world.base.contents.entries.count == 15)
            steps += 1
        }
        // Five transactions, each stored and committed, the checkpoint, the sweep, and the word to the loop.
        #expect(steps > 12)
    }

    @Test func `writes go on while a table drains, and a crash replays them over it`() throws {
        var generator = SplitMix64(seed: 3)
        var world = try self.makeDrainingWorld(using: &generator)
        for key in UInt8(8)..<18 {
            try world.put([key], [3])
            try world.commitTick()
            try world.stepDrain()
            try world.check()
        }
        try world.restart(after: .powerCut(world.disk.crash(using: &generator)), using: &generator)
        try world.check()
    }

    @Test func `a second crash finds what the first left unsynced and the restart then counted on`() throws {
        var generator = SplitMix64(seed: 4)
        var world = try StoreWorld(configuration: StoreConfiguration(), using: &generator)
        try world.put([1], [1])
        world.endTick()
        try world.append()
        // Killed before the sync: the write was not answered, but the next run sees it, answers from it and builds on it.
        try world.restart(after: .killed, using: &generator)
        #expect(world.report.replayedRecords == 1)
        try world.put([2], [2])
        try world.commitTick()
        try world.restart(after: .powerCut(world.disk.crash(keepingUnsyncedBytes: 0)), using: &generator)
        #expect(world.report.replayedRecords == 2)
        try world.check()
    }

    @Test func `a replayed table is drained at the next tick, which is due at once`() throws {
        var generator = SplitMix64(seed: 8)
        var world = try StoreWorld(configuration: StoreConfiguration(), using: &generator)
        world.now = Instant(nanoseconds: 5)
        try world.put([1], [1])
        try world.commitTick()
        try world.restart(after: .killed, using: &generator)
        #expect(world.store.deadline.map { $0 <= world.now } == true)
        world.endTick()
        #expect(world.isDraining && world.store.deadline == nil)
    }

    @Test func `stamps increase over a restart with a clock that went back by years (I9)`() throws {
        var generator = SplitMix64(seed: 5)
        var world = try StoreWorld(configuration: StoreConfiguration(), using: &generator)
        try world.put([1], [1])
        try world.commitTick()
        let latest = world.store.greatestStamp
        for drains in [false, true] {
            if drains {
                world.store.stop()
                try world.settle()
            }
            try world.restart(after: .killed, using: &generator)
            #expect(world.store.greatestStamp >= latest)
            world.wall = WallTime(milliseconds: 1)
            try world.put([2], [2])
            #expect(world.store.greatestStamp > latest)
            try world.commitTick()
        }
    }

    @Test func `a clean stop leaves a base that needs no log`() throws {
        var generator = SplitMix64(seed: 6)
        var world = try self.makeDrainingWorld(using: &generator)
        try world.put([99], [1])
        world.store.stop()
        while !world.store.isDrained { try world.settle() }
        try world.restart(after: .powerCut(world.disk.crash(keepingUnsyncedBytes: 0)), using: &generator)
        #expect(world.report.replayedRecords == 0 && world.report.entries == 16 && !world.report.isNew)
        #expect(try world.disk.fileNames().isEmpty)
        try world.check()
    }

    @Test func `an I/O error reaches the caller, and the acknowledged writes are there after it (I7)`() throws {
        for fault in [DiskFaults.Planned(.write, call: 1), .init(.sync, call: 1), .init(.syncFolder, call: 1), .init(.create, call: 1)] {
            var generator = SplitMix64(seed: 7)
            var configuration = StoreConfiguration()
            configuration.segmentBytes = 1
            var world = try StoreWorld(configuration: configuration, using: &generator)
            try world.put([1], [1])
            try world.commitTick()
            try world.put([2], [2])
            world.disk.plan(DiskFaults(planned: [fault]))
            #expect(throws: DiskError.self) { try world.commitTick() }
            try world.restart(after: .powerCut(world.disk.crash(using: &generator)), using: &generator)
            try world.check()
        }
    }
}

/// A log that lost what it had reported as synced.
@Suite struct DamagedLogTests {
    /// Three ticks on one key and a fourth that claims them; the damage is in the second.
    private func makeDamagedWorld(using generator: inout SplitMix64) throws -> (world: StoreWorld, damage: LogPosition) {
        var configuration = StoreConfiguration()
        configuration.segmentBytes = 300
        var world = try StoreWorld(configuration: configuration, using: &generator)
        var positions: [LogPosition] = []
        for value in UInt8(1)...6 {
            try world.put([7], [value])
            try world.put([value], [value])
            positions.append(world.model.writes.last!.position)
            try world.commitTick()
        }
        let file = try #require(try world.disk.fileNames().first)
        world.disk.flip(bit: 1, ofByte: Int(positions[1]) + 60, in: file)
        return (world, positions[1])
    }

    @Test func `is refused, and nothing is changed`() throws {
        var generator = SplitMix64(seed: 1)
        var (world, position) = try self.makeDamagedWorld(using: &generator)
        let (names, contents) = (try world.disk.fileNames(), world.base.contents)
        for _ in 0..<2 {
            let error = try #require(throws: StoreError.self) { try world.restart(after: .killed, using: &generator) }
            guard case .damagedLog(let damage) = error else { throw error }
            #expect(damage.position == position && damage.claimedSynced > position && damage.segment == names[0])
        }
        #expect(try world.disk.fileNames() == names && world.base.contents == contents)
    }

    @Test func `is dropped on request: put aside whole, under a new replica id, with all batches before the damage`() throws {
        var generator = SplitMix64(seed: 2)
        var (world, position) = try self.makeDamagedWorld(using: &generator)
        let (names, replica) = (try world.disk.fileNames(), world.store.identity.replica)
        let bytes = names.map { world.disk.contents(of: $0) }
        try world.restart(after: .killed, dropsDamagedLog: true, using: &generator)
        #expect(world.report.droppedDamage?.position == position && world.store.head == position)
        #expect(world.store.identity.replica != replica)
        #expect(try world.disk.fileNames() == names.map { $0 + ".damaged" })
        #expect(names.map { world.disk.contents(of: $0 + ".damaged") } == bytes)
        #expect(world.model.entries().count == 2)
        try world.check()
        try world.put([7], [100])
        try world.commitTick()
        try world.restart(after: .powerCut(world.disk.crash(using: &generator)), using: &generator)
        #expect(world.report.droppedDamage == nil && world.model.entries()[[7]]?.payload == [100])
        try world.check()
    }

    @Test(arguments: seeds(30))
    func `a crash while it is dropped leaves a log that is refused or dropped again`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var (world, _) = try self.makeDamagedWorld(using: &generator)
        world.disk.plan(DiskFaults(planned: [.init(.rename, call: Int.random(in: 1...2, using: &generator))]))
        #expect(throws: StoreError.self) { try world.restart(after: .killed, dropsDamagedLog: true, using: &generator) }
        try world.restart(after: .powerCut(world.disk.crash(using: &generator)), dropsDamagedLog: true, using: &generator)
        #expect(world.base.contents.entries.count == 2)
        #expect(try world.disk.fileNames().allSatisfy { $0.hasSuffix(".damaged") })
    }

    @Test func `does not take back what a drain had stored already`() throws {
        var generator = SplitMix64(seed: 1)
        var configuration = StoreConfiguration()
        configuration.tableEntries = 5
        var world = try StoreWorld(configuration: configuration, transactionPages: 1, using: &generator)
        for (key, value) in [(1, 1), (1, 2), (2, 3), (3, 3), (4, 3), (5, 3)] as [(UInt8, UInt8)] {
            try world.put([key], [value])
            try world.commitTick()
        }
        world.endTick()
        while !world.base.contents.entries.contains(where: { $0.key == [1] }) { try world.stepDrain() }
        #expect(world.base.contents.checkpoint?.position == 0)  // Not the last of the five, with this seed.
        let file = try #require(try world.disk.fileNames().first)
        world.disk.flip(bit: 1, ofByte: Int(world.model.writes[1].position) + 60, in: file)
        try world.restart(after: .killed, dropsDamagedLog: true, using: &generator)
        let payload: [UInt8]? = try [UInt8(1)].withUnsafeBytes { key in
            guard case .record(let record, _, .base) = try world.store.find(world.store.token(of: key), key: key) else { return nil }
            return Array(record.payload)
        }
        #expect(payload == [2])
        _ = try world.store.fold(budget: .max)
        #expect(try world.store.recount(from: Token(rawValue: 0), budget: .max)?.mismatch == nil)
    }
}
