import Basics
import Digests
import Simulation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// Seeded histories in which versions of other replicas come in any order, beside a model, with drains, kills, power cuts and full disks.
@Suite struct MergeHistoryTests {
    @Test(arguments: seeds(300))
    func `entries, seen and control state are the model's after whatever happens (I1, I5, I8, I17, I19, I26)`(seed: UInt64) throws {
        var history = try MergeHistory(seed: seed)
        for _ in 0..<120 { try history.step() }
        try history.finish()
    }

    @Test func `the histories meet every case often`() throws {
        var met = MergeHistory.Met()
        for seed in UInt64(1)...100 {
            var history = try MergeHistory(seed: seed)
            for _ in 0..<120 { try history.step() }
            met.add(history.met)
        }
        #expect(met.applied > 500 && met.superseded > 200 && met.known > 200 && met.refused > 50 && met.restarts > 50 && met.drains > 100, "\(met)")
        #expect(met.restartsInDrain > 20, "\(met)")
        #expect(met.dropped > 50 && met.expired > 15 && met.raises > 150 && met.revived > 8 && met.removed > 5, "\(met)")
        #expect(met.emptied > 30, "\(met)")
        #expect(met.answered > 100 && met.notHeld > 300 && met.sweeps > 30 && met.replicaChanges > 100, "\(met)")
    }
}

/// One seeded run of a store that own and foreign versions come to.
struct MergeHistory {
    struct Met {
        var applied = 0
        var superseded = 0
        var known = 0
        var refused = 0
        var restarts = 0
        var restartsInDrain = 0
        var drains = 0
        /// Questions to the log that it answered, and that it could not; and times that segments were removed.
        var answered = 0
        var notHeld = 0
        var sweeps = 0
        var replicaChanges = 0
        /// Tombstones that were dropped, entries that had expired, and times that floors rose.
        var dropped = 0
        var expired = 0
        var raises = 0
        /// Entries that were found without their values.
        var emptied = 0
        /// Versions that had been seen and were not there: taken again from a session, and refused.
        var revived = 0
        var removed = 0

        mutating func add(_ other: Met) {
            self.applied += other.applied
            self.superseded += other.superseded
            self.known += other.known
            self.refused += other.refused
            self.restarts += other.restarts
            self.restartsInDrain += other.restartsInDrain
            self.drains += other.drains
            self.answered += other.answered
            self.notHeld += other.notHeld
            self.sweeps += other.sweeps
            self.replicaChanges += other.replicaChanges
            self.dropped += other.dropped
            self.expired += other.expired
            self.raises += other.raises
            self.emptied += other.emptied
            self.revived += other.revived
            self.removed += other.removed
        }
    }

    /// What the store must hold.
    private struct Model: Equatable {
        var entries: [[UInt8]: [UInt8]] = [:]
        var seen = Seen()
        var control: [ControlKey: [UInt8]] = [:]
        /// Nil until the store has taken another id than its first.
        var replica: ReplicaID?

        /// - Returns: how many tombstones went, and entries that had expired.
        mutating func drop(_ drops: Drops) -> (tombstones: Int, expired: Int) {
            let gone = self.entries.filter { Self.isDropped($0.value, drops) }
            for key in gone.keys { self.entries[key] = nil }
            let tombstones = gone.values.count { $0.withRecord { $0!.isTombstone } }
            return (tombstones, gone.count - tombstones)
        }

        static func isDropped(_ frame: [UInt8], _ drops: Drops) -> Bool {
            frame.withRecord { record in
                let (dot, deadline) = (record!.dot, record!.expiryMilliseconds)
                guard dot.sequence <= drops.floors.floor(of: dot.replica) else { return false }
                return record!.isTombstone || (deadline > 0 && Expiration(milliseconds: deadline, dot: dot) <= drops.expired)
            }
        }
    }

    /// Those that mean nothing to the store.
    private static let controlKeys: [ControlKey] = [.members, .founding, .joining]

    var random: SplitMix64
    private(set) var disk = SimulatedDisk()
    private var base = MemoryBase()
    private(set) var store: Store
    private var writer: LogWriter
    private var drain: Drain?
    private var model = Model()
    /// What the model was when all that had been put was in the log.
    private var committed = Model()
    /// The furthest that a sweep of the deadlines has been, by any process.
    private var latestPassed = Expiration.none
    private var now = Instant(nanoseconds: 0)
    private var clock: HybridLogicalClock
    /// Versions of the foreign replicas, each with the sequence number that it will have for ever.
    private var foreign: [[UInt8]] = []
    var met = Met()
    /// What the members have announced, by which the store keeps its log.
    private var announced: [Seen?] = [nil]
    private let configuration: StoreConfiguration
    private let firstReplica: ReplicaID
    private var starts: UInt64 = 1

    init(seed: UInt64) throws {
        self.random = SplitMix64(seed: seed)
        var configuration = StoreConfiguration()
        configuration.tableEntries = Int.random(in: 3...15, using: &self.random)
        configuration.segmentBytes = Int.random(in: 200...3_000, using: &self.random)
        configuration.logCapBytes = [2_000, 1 << 30].randomElement(using: &self.random)!
        self.configuration = configuration
        self.store = try Store.open(disk: self.disk, base: self.base, configuration: configuration, using: &self.random).store
        self.firstReplica = self.store.identity.replica
        self.writer = LogWriter(disk: self.disk, head: self.store.head)
        self.clock = HybridLogicalClock(replica: self.store.identity.replica, startingAt: self.store.greatestStamp)
        self.keepLog()
        var sequences: [UInt64: UInt64] = [:]
        for _ in 0..<80 {
            let replica = ReplicaID(high: 1, low: self.random.next() % 3)
            sequences[replica.low, default: 0] += 1
            self.foreign.append(self.frame(of: Dot(replica: replica, sequence: sequences[replica.low]!)))
        }
    }

    private mutating func frame(of dot: Dot) -> [UInt8] {
        let isTombstone = self.random.next() % 4 == 0
        // Times before, among and behind those of our own writes.
        let stamp = Stamp(time: UInt64.random(in: 900...1_300, using: &self.random) << 16, replica: dot.replica)
        let header = VersionHeader(dot: dot, stamp: stamp, isTombstone: isTombstone, expiryMilliseconds: isTombstone ? 0 : self.deadline())
        let key = self.key()
        let payload = isTombstone ? [] : (0..<self.random.next() % 30).map { UInt8(truncatingIfNeeded: $0) }
        return TestRecord.frame(header, key: key, token: key.withUnsafeBytes { self.store.token(of: $0) }, payload: payload)
    }

    /// Few moments, so that several entries share one; 0 for most.
    private mutating func deadline() -> UInt64 { self.random.next() % 3 == 0 ? 1_000 + self.random.next() % 40 * 10 : 0 }

    private mutating func key() -> [UInt8] { [UInt8(ascii: "k"), UInt8.random(in: 0..<12, using: &self.random)] }

    // MARK: Steps

    mutating func step() throws {
        switch self.random.next() % 100 {
        case 0..<18: try self.put()
        case 18..<28: try self.sweepSome()
        case 28..<31: try self.collectSome()
        case 31..<55: try self.merge()
        case 55..<60: self.join()
        case 60..<62: self.setControl()
        case 62..<63: self.changeReplica()
        case 63..<75: try self.commit()
        case 75..<88: for _ in 0..<self.random.next() % 5 { try self.stepDrain() }
        case 88..<91: _ = try self.store.fold(budget: 3)
        case 91..<94: try self.fail()
        case 94..<96: try self.restart()
        case 96..<98:
            self.announced = [self.store.seen, Bool.random(using: &self.random) ? nil : self.store.seen]
            self.keepLog()
        case 98..<99: self.checkLog()
        default: self.now = self.now + .seconds(30)
        }
    }

    private mutating func put() throws {
        let key = self.key()
        let replica = self.store.identity.replica
        let dot = Dot(replica: replica, sequence: self.store.seen.watermark(of: replica) + 1)
        let isTombstone = self.random.next() % 4 == 0
        let header = VersionHeader(
            dot: dot, stamp: self.clock.issue(at: WallTime(milliseconds: 1_000 + self.random.next() % 200)), isTombstone: isTombstone,
            expiryMilliseconds: isTombstone ? 0 : self.deadline())
        let payload: [UInt8] = isTombstone ? [] : Array(1...12)
        let frame = key.withUnsafeBytes { key in
            let token = self.store.token(of: key)
            self.store.put(header, key: key, token: token, payloadByteCount: payload.count, at: self.now) { $0.copyBytes(from: payload) }
            return TestRecord.frame(header, key: Array(key), token: token, payload: payload)
        }
        self.model.entries[key] = frame
        _ = self.model.seen.insert(dot)
    }

    private mutating func merge() throws {
        let frame = self.foreign.randomElement(using: &self.random)!
        let revives = self.random.next() % 3 > 0
        let source: Store.Source = self.random.next() % 3 == 0 ? .session(revives: revives) : .push
        let result = try frame.withUnsafeBytes { bytes throws(StoreError) -> Store.Merged in
            let (record, token) = RecordView.received(bytes, under: self.store.identity.digestKey)!
            self.clock.observe(record.stampTime)
            return try self.store.merge(record, token: token, source, at: self.now)
        }
        let (key, dot) = frame.withRecord { (Array($0!.key), $0!.dot) }
        let isKnown = source == .push && self.model.seen.covers(dot)
        let wins = self.model.entries[key].map { present in present.withRecord { old in frame.withRecord { old!.precedes($0!) } } } ?? true
        // What was seen and is not there was removed; that a live version was lost is for the session to say (I23).
        let isAbsent = source != .push && self.model.seen.covers(dot) && self.model.entries[key] == nil
        let isRemoved = isAbsent && (!revives || frame.withRecord { $0!.isTombstone })
        switch result {
        case .known:
            self.met.known += 1
            self.met.removed += isRemoved ? 1 : 0
            #expect(isKnown || isRemoved || (source != .push && !wins))
        case .applied:
            self.met.applied += 1
            self.met.revived += isAbsent ? 1 : 0
            #expect(!isKnown && !isRemoved && wins)
            self.model.entries[key] = Model.isDropped(frame, self.store.drops) ? nil : frame
            if source == .push { _ = self.model.seen.insert(dot) }
        case .superseded:
            self.met.superseded += 1
            #expect(!isKnown && !wins && source == .push)
            _ = self.model.seen.insert(dot)
        }
    }

    private mutating func join() {
        var other = Seen()
        for _ in 0..<3 { _ = other.insert(Dot(replica: ReplicaID(high: 1, low: self.random.next() % 3), sequence: 1 + self.random.next() % 30)) }
        let position = self.store.join(other)
        #expect((position == nil) == self.model.seen.covers(all: other))
        self.model.seen.join(other)
    }

    /// Drops some tombstones of what has been seen, as far as the base has them: all that there are, or those that are old enough.
    private mutating func sweepSome() throws {
        if Bool.random(using: &self.random) {
            try self.commit()
            while self.drain != nil { try self.stepDrain() }
        }
        var floors = Floors()
        for replica in self.store.seen.replicas where Bool.random(using: &self.random) {
            let watermark = self.store.seen.watermark(of: replica)
            if watermark > 0 { floors.raise(replica, to: UInt64.random(in: 1...watermark, using: &self.random), stampTime: 0) }
        }
        let isAdoption = Bool.random(using: &self.random)
        let stampTime: UInt64 = isAdoption ? .max : UInt64.random(in: 900...1_400, using: &self.random) << 16
        let before = self.store.clearance.floors
        let progress = try self.store.sweep(
            Store.SweepLimit(floors: floors, stampTime: stampTime, expired: self.expired(), isAdoption: isAdoption),
            budget: Int.random(in: 1...4, using: &self.random))
        guard case .dropped = progress else { return #expect(self.store.clearance.floors == before) }
        self.met.raises += 1
    }

    /// Drops some entries that have expired by a clock that reads anything.
    private mutating func collectSome() throws {
        defer { self.latestPassed = max(self.latestPassed, self.store.passed) }
        if Bool.random(using: &self.random) {
            try self.commit()
            while self.drain != nil { try self.stepDrain() }
        }
        _ = try self.store.collect(through: self.expired(), budget: Int.random(in: 1...4, using: &self.random))
    }

    private mutating func expired() -> UInt64 { 1_000 + self.random.next() % 450 }

    /// What is durable counts.
    private mutating func drop() throws {
        try self.store.tendSweep(at: Instant(nanoseconds: 0))
        let dropped = self.model.drop(self.store.drops)
        self.met.dropped += dropped.tombstones
        self.met.expired += dropped.expired
        _ = self.committed.drop(self.store.drops)
    }

    private mutating func setControl() {
        let key = Self.controlKeys.randomElement(using: &self.random)!
        let value = (0..<self.random.next() % 50).map { UInt8(truncatingIfNeeded: $0) }
        self.store.setControl(key, value)
        self.model.control[key] = value.isEmpty ? nil : value
    }

    private mutating func changeReplica() {
        let (old, new) = (self.store.identity.replica, ReplicaID(using: &self.random))
        self.store.changeReplica(to: new)
        #expect(self.store.formerReplica == old)
        self.model.replica = new
        self.resumeClock()
        self.met.replicaChanges += 1
    }

    private mutating func resumeClock() {
        let greatest = max(self.clock.latest, self.store.greatestStamp)
        self.clock = HybridLogicalClock(replica: self.store.identity.replica, startingAt: greatest)
    }

    private mutating func commit() throws {
        var batches: [Batch] = []
        for action in self.store.endTick(at: self.now) {
            switch action {
            case .append(let batch): batches.append(batch)
            case .drain(let job): self.drain = Drain(job, into: self.base.makeWriter(), transactionPages: 2)
            case .load: preconditionFailure("nothing was asked to be loaded")
            case .sweep(let position): try self.sweep(through: position)
            }
        }
        let failed = try self.writer.append(batches)
        self.store.wrote(through: self.writer.written)
        if let failed {
            self.met.refused += 1
            try self.store.appendFailed(from: failed.failed.origin)
            self.model = self.committed
        }
        self.store.synced(through: try self.writer.sync())
        self.committed = self.model
        for action in self.store.endTick(at: self.now) {
            if case .drain(let job) = action { self.drain = Drain(job, into: self.base.makeWriter(), transactionPages: 2) }
            if case .sweep(let position) = action { try self.sweep(through: position) }
        }
        try self.drop()
        self.store.replenish(at: self.now)
    }

    private mutating func sweep(through position: LogPosition) throws {
        self.met.sweeps += 1
        try SegmentSweeper(disk: self.disk).removeSegments(through: position)
        // Whatever a member has not confirmed, and is not beyond the cap, is there still.
        let head = self.store.head, cap = UInt64(self.configuration.logCapBytes)
        if self.announced.contains(where: { $0 == nil }) { #expect(head > cap && position <= head - cap) }
    }

    private func keepLog() {
        self.store.indexesLog = true
        self.store.keepLog(for: self.announced)
    }

    private mutating func stepDrain() throws {
        guard self.drain != nil else { return }
        switch try self.drain!.step() {
        case .stored: break
        case .committed(let adjustments): self.store.drainCommitted(adjustments)
        case .finished(let adjustments):
            self.drain = nil
            try self.store.drained(adjustments, at: self.now)
            try self.drop()
            self.met.drains += 1
        }
    }

    /// A full disk takes back what was put since the last commit.
    private mutating func fail() throws {
        try self.commit()
        for _ in 0..<4 {
            try self.merge()
            try self.put()
            self.join()
            self.setControl()
        }
        if Bool.random(using: &self.random) { self.changeReplica() }
        self.disk.plan(DiskFaults(freeBytes: 20))
        try self.commit()
        self.resumeClock()
        self.disk.plan(DiskFaults())
        try self.check()
    }

    private mutating func restart() throws {
        try self.commit()
        self.met.restarts += 1
        if self.drain != nil { self.met.restartsInDrain += 1 }
        self.drain = nil
        if Bool.random(using: &self.random) { self.disk = self.disk.crash(using: &self.random) }
        self.base = MemoryBase(self.base.contents)
        self.store = try Store.open(disk: self.disk, base: self.base, configuration: self.configuration, using: &self.random).store
        self.starts += 1
        #expect(self.store.start.counter == self.starts)
        self.writer = LogWriter(disk: self.disk, head: self.store.head)
        self.clock = HybridLogicalClock(replica: self.store.identity.replica, startingAt: self.store.greatestStamp)
        self.keepLog()
        try self.drop()
        try self.check()
        self.checkLog()
    }

    mutating func finish() throws {
        try self.commit()
        try self.restart()
        self.store.stop()
        repeat {
            try self.commit()
            while self.drain != nil { try self.stepDrain() }
        } while !self.store.isDrained
        try self.check()
        try self.checkDropped()
        try self.restart()
    }

    /// With the last drain LMDB has let go of all that was dropped, and its index of tombstones names what is there.
    private func checkDropped() throws {
        guard self.store.undrainedDrops == 0 else { return }
        var (tombstones, expirations): (Set<Dot>, Set<Dot>) = ([], [])
        let reader = try self.base.makeReader()
        try reader.open()
        var next = try reader.seek(Token(rawValue: 0))
        while let entry = next {
            let record = try #require(entry.record)
            if record.isTombstone {
                #expect(record.dot.sequence > self.store.floors.floor(of: record.dot.replica), "\(record.dot) was dropped")
                tombstones.insert(record.dot)
            } else if let expiration = record.expiration {
                #expect(!self.store.drops.contain(record), "\(record.dot) was dropped")
                expirations.insert(expiration.dot)
            }
            next = try reader.advance()
        }
        for replica in self.store.seen.replicas {
            let indexed = try reader.tombstones(of: replica, 1...UInt64.max, limit: .max).map(\.dot)
            #expect(Set(indexed) == tombstones.filter { $0.replica == replica }, "the index of \(replica)")
            let expiring = try reader.expirations(of: replica, 1...UInt64.max, limit: .max).map(\.dot)
            #expect(Set(expiring) == expirations.filter { $0.replica == replica }, "the index of \(replica)'s deadlines")
        }
    }

    // MARK: Checks

    private mutating func check() throws {
        var (found, emptied): ([[UInt8]: [UInt8]], Set<[UInt8]>) = ([:], [])
        try self.store.scan(Token.first...Token.last) { entry in
            let record = entry.record!
            var frame: [UInt8] = []
            RecordLayout.appendFrame(of: record, withPayload: !record.isHeaderOnly, to: &frame)
            found[Array(entry.key)] = frame
            if record.isHeaderOnly {
                emptied.insert(Array(entry.key))
                #expect(record.expiration! <= self.latestPassed && record.isIntact(token: entry.token) && record.payload.isEmpty)
            }
            return true
        }
        self.met.emptied += emptied.count
        for key in emptied {
            var header: [UInt8] = []
            self.model.entries[key]?.withRecord { RecordLayout.appendFrame(of: $0!, withPayload: false, to: &header) }
            #expect(found[key] == header)
            found[key] = self.model.entries[key]
        }
        #expect(found == self.model.entries)
        #expect(self.store.seen == self.model.seen)
        #expect(self.store.identity.replica == self.model.replica ?? self.firstReplica)
        #expect(Self.controlKeys.allSatisfy { self.store.control($0) == self.model.control[$0] })
        guard try self.store.fold(budget: .max) else { return }
        let key = self.store.identity.digestKey
        let digest = self.model.entries.values.reduce(into: Digest.empty) { digest, frame in
            digest.add(frame.withRecord { $0!.fingerprint(under: key) })
        }
        #expect(self.store.foldedDigest == digest)
        let recount = try self.store.recount(from: Token(rawValue: 0), budget: .max)
        #expect(recount?.mismatch == nil && recount?.next == nil)
    }
}
