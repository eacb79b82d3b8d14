import Basics
import Digests
import Simulation
import Storage
import TestSupport
import Testing

/// A batch that could not be appended never was: reads, digest and `seen` are as before it (I5, I7a).
@Suite struct StoreUndoTests {
    /// What stood before the puts that fail, and what happens between them and the failure.
    struct Story: CustomTestStringConvertible {
        var drainsBefore = false
        var foldsBefore = false
        var foldsAfter = false
        /// The table takes this many entries, so that the puts that fail make it freeze, or not.
        var tableEntries = 100

        var testDescription: String {
            "\(self.drainsBefore ? "drained, " : "")\(self.foldsBefore ? "folded, " : "")put\(self.foldsAfter ? ", folded" : "")"
                + (self.tableEntries < 100 ? ", frozen" : "")
        }

        static let all = [false, true].flatMap { drains in
            [false, true].flatMap { before in
                [false, true].flatMap { after in
                    [5, 100].map { Story(drainsBefore: drains, foldsBefore: before, foldsAfter: after, tableEntries: $0) }
                }
            }
        }
    }

    @Test(arguments: Story.all)
    func `a refused batch leaves no trace in reads, digest, counts and seen`(story: Story) throws {
        var generator = SplitMix64(seed: 1)
        var configuration = StoreConfiguration()
        configuration.tableEntries = story.tableEntries
        configuration.segmentBytes = 300
        var world = try StoreWorld(configuration: configuration, using: &generator)
        for key in UInt8(0)..<4 { try world.put([key], [1]) }
        try world.commitTick()
        if story.drainsBefore { try self.drain(&world, using: &generator) }
        if story.foldsBefore { try world.checkDigest() }
        let before = (world.store.seen, world.model.entries(), world.model.digest(under: world.store.identity.digestKey))

        // An overwrite, a delete, a new key, and a second overwrite of each.
        for payload: [UInt8]? in [[2], nil] {
            for key in UInt8(2)..<7 { try world.put([key], payload) }
        }
        if story.foldsAfter { _ = try world.store.fold(budget: 4) }
        world.endTick()
        if story.foldsAfter { _ = try world.store.fold(budget: 4) }
        try world.put([9], [9])
        #expect((world.store.frozen != nil) == (story.tableEntries == 5))
        world.disk.plan(DiskFaults(freeBytes: 70))
        try world.append()
        try #require(world.hasFailure)
        world.endTick()
        try world.hearOfFailure()

        #expect(world.store.frozen == nil && world.store.counters.failedAppends == 1)
        #expect(world.model.entries() == before.1 && world.store.seen == before.0)
        try world.check()
        #expect(world.store.foldedDigest == before.2)
        world.disk.plan(DiskFaults())
        for key in UInt8(1)..<9 { try world.put([key], [3]) }
        try world.commitTick()
        try world.restart(after: .killed, using: &generator)
        try world.check()
    }

    private func drain(_ world: inout StoreWorld, using generator: inout SplitMix64) throws {
        world.now = world.now + world.configuration.tableAge
        try world.commitTick()
        world.endTick()
        #expect(world.isDraining)
        try world.finishDrain()
        #expect(world.base.contents.entries.count == 4)
    }

    @Test(arguments: seeds(100))
    func `what a roll-back within a tick takes back is gone, and what was put before stays`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        var configuration = StoreConfiguration()
        configuration.tableEntries = 6
        var world = try StoreWorld(configuration: configuration, using: &generator)
        for _ in 0..<30 {
            for _ in 0..<Int.random(in: 0...3, using: &generator) { try world.put([UInt8.random(in: 0..<8, using: &generator)], [1]) }
            if Bool.random(using: &generator) { _ = try world.store.fold(budget: 3) }
            try world.rollBack { world throws in
                for _ in 0..<Int.random(in: 0...4, using: &generator) { try world.put([UInt8.random(in: 0..<8, using: &generator)], nil) }
                if Bool.random(using: &generator) { _ = try world.store.fold(budget: 3) }
            }
            if Bool.random(using: &generator) { try world.commitTick() }
            try world.stepDrain()
            try world.check()
        }
        try world.commitTick()
        try world.restart(after: .powerCut(world.disk.crash(using: &generator)), using: &generator)
        try world.check()
    }
}
