import Basics
import Simulation
import Storage
import Synchronization
import TestSupport
import Testing

/// Seeded histories of a store on a simulated disk, beside a model.
@Suite struct StoreHistoryTests {
    @Test(arguments: seeds(150))
    func `at always every acknowledged write survives kills and power cuts, and no other state shows (I4, I5, I9, I17)`(seed: UInt64) throws {
        var history = try History(seed: seed)
        try history.run(steps: 250)
    }

    @Test(arguments: seeds(60))
    func `at interval every answered write survives a kill (I4)`(seed: UInt64) throws {
        var history = try History(seed: seed, durability: .interval, cutsPower: false)
        try history.run(steps: 250)
    }

    /// Seeds that have found a bug come first.
    @Test(arguments: [1_732, 3_138, 3_312, 3_549] + seeds(120))
    func `writes that found the disk full are taken back whole and never show later, and full drains are tried again (I5, I7a)`(seed: UInt64) throws {
        var history = try History(seed: seed, fillsDisk: true)
        try history.run(steps: 250)
    }

    /// A suite that never meets what it is for passes too.
    @Test func `the histories meet every rare event often`() throws {
        var events = History.Events()
        for seed in UInt64(1)...320 {
            var history = try History(seed: seed, fillsDisk: seed % 2 == 0)
            try history.run(steps: 250)
            events.add(history.events)
        }
        #expect(
            events.refusedBatches > 50 && events.unfrozenTables > 20 && events.fullDrains > 50 && events.crashesInDrain > 20 && events.tornTails > 20
                && events.replays > 50 && events.drains > 100, "\(events)")
    }
}

/// One seeded run: what happens next is drawn, and after each restart, and now and then, the store is compared with the model.
struct History {
    /// What a run met.
    struct Events {
        var refusedBatches = 0
        var unfrozenTables = 0
        var fullDrains = 0
        var drains = 0
        var crashesInDrain = 0
        var tornTails = 0
        var replays = 0

        mutating func add(_ other: Events) {
            self.refusedBatches += other.refusedBatches
            self.unfrozenTables += other.unfrozenTables
            self.fullDrains += other.fullDrains
            self.drains += other.drains
            self.crashesInDrain += other.crashesInDrain
            self.tornTails += other.tornTails
            self.replays += other.replays
        }
    }

    /// Makes the base full at drawn commits.
    private final class FullBase: Sendable {
        private let generator: Mutex<SplitMix64>
        let isOn = Atomic(false)

        init(seed: UInt64) { self.generator = Mutex(SplitMix64(seed: seed)) }

        func meet() throws(StoreError) {
            let isFull = self.generator.withLock { $0.next().isMultiple(of: 6) }
            if isFull && self.isOn.load(ordering: .relaxed) { throw .baseFull(operation: "commit") }
        }
    }

    private var generator: SplitMix64
    private var world: StoreWorld
    private let fullBase: FullBase
    private let cutsPower: Bool
    private let fillsDisk: Bool
    private(set) var events = Events()

    init(seed: UInt64, durability: StoreConfiguration.Durability = .always, cutsPower: Bool = true, fillsDisk: Bool = false) throws {
        (self.cutsPower, self.fillsDisk) = (cutsPower, fillsDisk)
        self.generator = SplitMix64(seed: seed)
        var configuration = StoreConfiguration()
        configuration.durability = durability
        configuration.tableEntries = Int.random(in: 2...12, using: &self.generator)
        configuration.segmentBytes = Int.random(in: 100...3_000, using: &self.generator)
        let pages = Int.random(in: 1...6, using: &self.generator)
        let fullBase = FullBase(seed: seed)
        self.fullBase = fullBase
        self.world = try StoreWorld(
            configuration: configuration, transactionPages: pages, commitFault: { () throws(StoreError) in try fullBase.meet() },
            using: &self.generator)
        self.fullBase.isOn.store(fillsDisk, ordering: .relaxed)
    }

    mutating func run(steps: Int) throws {
        for _ in 0..<steps { try self.step() }
        self.world.disk.plan(DiskFaults())
        self.fullBase.isOn.store(false, ordering: .relaxed)
        try self.hearOfFailure()
        try self.restart()
        try self.world.settle()
        try self.world.check()
    }

    private mutating func step() throws {
        switch Int.random(in: 0..<100, using: &self.generator) {
        case 0..<35: try self.write()
        case 35..<48: self.world.endTick()
        case 48..<60: try self.world.append()
        case 60..<66: try self.hearOfFailure()
        case 66..<76: try self.world.sync()
        case 76..<90: for _ in 0..<Int.random(in: 1...4, using: &self.generator) { try self.stepDrain() }
        case 90: _ = try self.world.store.fold(budget: Int.random(in: 1...5, using: &self.generator))
        case 91: _ = try self.world.store.growDigest(budget: Int.random(in: 1...8, using: &self.generator))
        case 92: try self.world.check()
        case 93..<96 where self.fillsDisk: self.world.disk.plan(DiskFaults(freeBytes: Int.random(in: 0...400, using: &self.generator)))
        case 96..<98 where self.fillsDisk: self.world.disk.plan(DiskFaults())
        case 98: try self.restart()
        default: self.world.now = self.world.now + .seconds(Int.random(in: 0...90, using: &self.generator))
        }
    }

    private mutating func write() throws {
        guard self.world.store.admitsWrites else { return }
        let key = [UInt8("k".utf8.first!), UInt8.random(in: 0..<30, using: &self.generator)]
        let isDelete = Int.random(in: 0..<5, using: &self.generator) == 0
        let byteCount = Int.random(in: 0..<10, using: &self.generator) == 0 ? Int.random(in: 0...6_000, using: &self.generator) : 8
        let payload = (0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &self.generator) }
        let expiry = Int.random(in: 0..<8, using: &self.generator) == 0 ? UInt64.random(in: 1...1_000_000, using: &self.generator) : 0
        try self.world.put(key, isDelete ? nil : payload, expiryMilliseconds: expiry)
    }

    private mutating func hearOfFailure() throws {
        guard self.world.hasFailure else { return }
        let wasFrozen = self.world.store.frozen != nil
        try self.world.hearOfFailure()
        self.events.refusedBatches += 1
        if wasFrozen && self.world.store.frozen == nil { self.events.unfrozenTables += 1 }
    }

    private mutating func stepDrain() throws {
        let (drains, wasFull) = (self.world.store.counters.drains, self.world.store.drainFailure != nil)
        try self.world.stepDrain()
        self.events.drains += self.world.store.counters.drains - drains
        if !wasFull && self.world.store.drainFailure != nil { self.events.fullDrains += 1 }
    }

    private mutating func restart() throws {
        if self.world.isDraining { self.events.crashesInDrain += 1 }
        if self.cutsPower && Bool.random(using: &self.generator) {
            try self.world.restart(after: .powerCut(self.world.disk.crash(using: &self.generator)), using: &self.generator)
        } else {
            try self.world.restart(after: .killed, using: &self.generator)
        }
        if self.world.report.tornBytes > 0 { self.events.tornTails += 1 }
        if self.world.report.replayedRecords > 0 { self.events.replays += 1 }
        self.world.wall = WallTime(milliseconds: UInt64.random(in: 1_000_000_000_000...2_000_000_000_000, using: &self.generator))
        try self.world.check()
    }
}
