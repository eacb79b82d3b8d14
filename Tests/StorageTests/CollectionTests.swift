import Basics
import CLMDB
import Digests
import Simulation
import Testing
import Versioning

@testable import Storage

/// Dropping of what has expired, on both bases (I22, I27).
@Suite struct CollectionTests {
    /// A store without peers, driven as the server does, and what it has to hold.
    private final class Subject {
        private let fixture: OrderedBaseTests.Fixture
        private let folder: ScratchFolder
        private(set) var disk = SimulatedDisk()
        private(set) var base: any Base
        private(set) var store: Store
        private var writer: LogWriter
        private var random = SplitMix64(seed: 1)
        private var time: UInt64 = 1_000
        private var drain: Drain?
        var transactionPages = 50
        private var now = Instant(nanoseconds: 0)
        /// The numbers of the keys that are to be there.
        var expected: Set<Int> = []

        init(_ fixture: OrderedBaseTests.Fixture) throws {
            (self.fixture, self.folder) = (fixture, try ScratchFolder())
            self.base = try fixture.make(self.folder.path)
            self.store = try Store.open(disk: self.disk, base: self.base, configuration: StoreConfiguration(), using: &self.random).store
            self.writer = LogWriter(disk: self.disk, head: self.store.head)
        }

        /// Writes keys, the value of each with a deadline or, with 0, none.
        func put(_ numbers: Range<Int>, expiry: UInt64, isTombstone: Bool = false, payloadByteCount: Int = 0) {
            for number in numbers {
                let (replica, key) = (self.store.identity.replica, Self.key(number))
                self.time += 1
                let header = VersionHeader(
                    dot: Dot(replica: replica, sequence: self.store.seen.watermark(of: replica) + 1),
                    stamp: Stamp(time: self.time, replica: replica), isTombstone: isTombstone, expiryMilliseconds: expiry)
                key.withUnsafeBytes { key in
                    _ = self.store.put(header, key: key, token: self.store.token(of: key), payloadByteCount: payloadByteCount, at: self.now) {
                        $0.copyBytes(from: repeatElement(UInt8(truncatingIfNeeded: number), count: $0.count))
                    }
                }
                if isTombstone { self.expected.remove(number) } else { self.expected.insert(number) }
            }
        }

        static func key(_ number: Int) -> [UInt8] { [UInt8]("key-\(number)") }

        /// Makes everything durable that was put.
        func commit() throws {
            for action in self.store.endTick(at: self.now) {
                switch action {
                case .append(let batch): _ = try self.writer.append([batch])
                case .drain(let job): self.drain = Drain(job, into: self.base.makeWriter(), transactionPages: self.transactionPages)
                case .load, .sweep: break
                }
            }
            self.store.wrote(through: self.writer.written)
            self.store.synced(through: try self.writer.sync())
            try self.store.tendSweep(at: Instant(nanoseconds: 0))
        }

        /// Moves everything into the base.
        func settle() throws {
            repeat {
                self.now = self.now + .seconds(61)
                try self.commit()
                while self.drain != nil {
                    switch try self.drain!.step() {
                    case .stored: break
                    case .committed(let adjustments): self.store.drainCommitted(adjustments)
                    case .finished(let adjustments):
                        try self.store.drained(adjustments, at: self.now)
                        self.drain = nil
                    }
                }
            } while !self.store.isDrained
        }

        /// Drops what may go on sight, a few at a time.
        func collect(through milliseconds: UInt64, budget: Int = 256) throws {
            try self.run { () throws(StoreError) in try self.store.collect(through: milliseconds, budget: budget) }
        }

        /// Drops what is confirmed up to the last write.
        func sweep(expired: UInt64, stampTime: UInt64 = .max, isAdoption: Bool = false, budget: Int = 256) throws {
            var floors = Floors()
            floors.raise(self.store.identity.replica, to: self.store.seen.watermark(of: self.store.identity.replica), stampTime: 0)
            let limit = Store.SweepLimit(floors: floors, stampTime: stampTime, expired: expired, isAdoption: isAdoption)
            try self.run { () throws(StoreError) in try self.store.sweep(limit, budget: budget) }
        }

        private(set) var last = Store.SweepProgress.done
        private(set) var steps = 0

        private func run(_ step: () throws(StoreError) -> Store.SweepProgress) throws {
            self.steps = 0
            while true {
                self.last = try step()
                self.steps += 1
                switch self.last {
                case .dropped, .advanced: try self.commit()
                case .waits, .early, .done: return
                }
            }
        }

        /// Ends without warning, or in order, and begins again with what is durable.
        func restart() throws {
            self.drain = nil
            if let memory = self.base as? MemoryBase { self.base = MemoryBase(memory.contents) }
            self.store = try Store.open(disk: self.disk, base: self.base, configuration: StoreConfiguration(), using: &self.random).store
            self.writer = LogWriter(disk: self.disk, head: self.store.head)
        }

        /// Of dropped entries nothing shows, and of others everything; the digest says the same.
        func check() throws {
            var found: Set<Int> = []
            try self.store.scan(.first ... .last) { entry in
                if !entry.record!.isTombstone { found.insert(Int(String(decoding: entry.key.dropFirst(4), as: UTF8.self))!) }
                return true
            }
            #expect(found == self.expected)
            for number in [self.expected.first, 0, 1, 7].compactMap(\.self) {
                let isThere = try Self.key(number).withUnsafeBytes { key in
                    if case .record(let record, _, _) = try self.store.find(self.store.token(of: key), key: key) {
                        !record.isTombstone
                    } else {
                        false
                    }
                }
                #expect(isThere == self.expected.contains(number))
            }
            guard try self.store.fold(budget: .max) else { return }
            let recount = try #require(try self.store.recount(from: .first, budget: .max))
            #expect(recount.mismatch == nil && recount.entries >= self.expected.count)
            #expect(self.store.liveKeys == self.expected.count)
        }

        /// The lengths of the values that the base has, by the numbers of their keys; nil where the value has left.
        func storedValues() throws -> [Int: Int?] {
            let reader = try self.base.makeReader()
            try reader.open()
            var (values, next): ([Int: Int?], BaseEntry?) = ([:], try reader.seek(.first))
            while let entry = next {
                #expect(entry.isIntact)
                let record = try #require(entry.record)
                values[Int(String(decoding: entry.key.dropFirst(4), as: UTF8.self))!] = .some(record.isHeaderOnly ? nil : record.payload.count)
                next = try reader.advance()
            }
            return values
        }

        var stored: BaseStatistics { get throws { try self.base.statistics() } }
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `what has expired above the floors raises one, and leaves digest, scan and base; what lives below is not touched`(
        fixture: OrderedBaseTests.Fixture
    ) throws {
        let subject = try Subject(fixture)
        subject.put(0..<10, expiry: 0)
        subject.put(10..<20, expiry: 500)
        subject.put(20..<30, expiry: 2_000)
        subject.put(30..<40, expiry: 500)
        subject.put(40..<50, expiry: 2_000)
        try subject.settle()
        try subject.collect(through: 499)
        #expect(subject.steps == 1 && subject.store.nextDeadline == 500)
        try subject.collect(through: 1_000)
        #expect(subject.store.nextDeadline == 2_000 && subject.store.floors.isEmpty, "without a floor they wait")
        try subject.check()
        try subject.sweep(expired: 1_000)
        #expect(subject.store.floors.floor(of: subject.store.identity.replica) == 40)
        subject.expected.subtract(10..<20)
        subject.expected.subtract(30..<40)
        try subject.check()
        #expect(subject.store.counters.droppedExpired == 20 && subject.store.counters.droppedTombstones == 0)
        try subject.settle()
        #expect(try subject.stored.entries == 30 && subject.stored.expiring == 20)
        try subject.restart()
        try subject.check()
        // The rest of those below the floor go on sight, the others with a floor of their own.
        try subject.collect(through: 2_000)
        subject.expected.subtract(20..<30)
        try subject.check()
        try subject.sweep(expired: 2_000)
        subject.expected.subtract(40..<50)
        try subject.check()
        try subject.settle()
        #expect(try subject.stored.entries == 10 && subject.stored.expiring == 0)
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `nothing is dropped with a floor before its window has passed`(fixture: OrderedBaseTests.Fixture) throws {
        let subject = try Subject(fixture)
        subject.put(0..<5, expiry: 500)
        subject.put(5..<10, expiry: 500)
        try subject.settle()
        try subject.collect(through: 1_000)
        try subject.sweep(expired: 1_000, stampTime: 1_005)
        #expect(subject.last == .early)
        subject.expected.subtract(0..<5)
        try subject.check()
        try subject.sweep(expired: 1_000, stampTime: 1_010)
        subject.expected.subtract(5..<10)
        try subject.check()
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `thousands that expire at once are all dropped, some in each step, also behind thousands that live`(fixture: OrderedBaseTests.Fixture) throws
    {
        let subject = try Subject(fixture)
        subject.put(0..<2_500, expiry: 900_000)
        subject.put(2_500..<4_000, expiry: 500)
        subject.put(4_000..<4_100, expiry: 0, isTombstone: true)
        subject.put(4_100..<5_000, expiry: 500)
        try subject.settle()
        try subject.collect(through: 1_000)
        #expect(subject.steps > 2_400 / 256)
        try subject.sweep(expired: 1_000)
        #expect(subject.last == .done && subject.steps > 2_400 / 512)
        subject.expected.subtract(2_500..<5_000)
        try subject.check()
        try subject.settle()
        #expect(try subject.stored.entries == 2_500 && subject.stored.expiring == 2_500 && subject.stored.tombstones == 0)
        // On sight as well.
        try subject.collect(through: 1_000_000)
        subject.expected.removeAll()
        try subject.check()
        try subject.settle()
        #expect(try subject.stored.entries == 0 && subject.stored.expiring == 0)
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `a crash between the raising of a bound and the drain leaves dropped what was dropped`(fixture: OrderedBaseTests.Fixture) throws {
        let subject = try Subject(fixture)
        subject.put(0..<20, expiry: 500)
        subject.put(20..<30, expiry: 700)
        subject.put(30..<40, expiry: 0)
        try subject.settle()
        try subject.collect(through: 600, budget: 7)
        try subject.restart()
        try subject.check()
        try subject.collect(through: 600, budget: 7)
        try subject.sweep(expired: 600, budget: 7)
        subject.expected.subtract(0..<20)
        try subject.check()
        try subject.restart()
        try subject.check()
        #expect(try subject.stored.entries == 40, "they lie there still")
        try subject.settle()
        #expect(try subject.stored.entries == 20 && subject.stored.expiring == 10)
        // What is not durable does not count.
        subject.put(40..<41, expiry: 0)
        try subject.settle()
        _ = try subject.store.collect(through: 700, budget: 7)
        try subject.check()
        try subject.restart()
        try subject.check()
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `a clock that is set back brings nothing back, and costs nothing that it holds for alive`(fixture: OrderedBaseTests.Fixture) throws {
        let subject = try Subject(fixture)
        subject.put(0..<10, expiry: 5_000)
        try subject.settle()
        try subject.collect(through: 6_000)
        try subject.sweep(expired: 6_000)
        subject.expected.removeAll()
        try subject.check()
        // Now it reads an hour less, as it were: what is written with a deadline that was passed already lives.
        subject.put(10..<20, expiry: 4_000)
        subject.put(20..<21, expiry: 0, isTombstone: true)
        try subject.settle()
        try subject.collect(through: 1_000)
        for isAdoption in [false, true] {
            try subject.sweep(expired: 1_000, isAdoption: isAdoption)
            #expect(subject.last == .early)
            try subject.check()
        }
        #expect(subject.store.floors.floor(of: subject.store.identity.replica) == 10)
        try subject.restart()
        try subject.check()
        try subject.sweep(expired: 4_000)
        subject.expected.removeAll()
        try subject.check()
        #expect(subject.store.tombstones == 0)
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `with another node's floor those that have expired below it go, and no others`(fixture: OrderedBaseTests.Fixture) throws {
        let subject = try Subject(fixture)
        subject.put(0..<10, expiry: 500)
        subject.put(10..<20, expiry: 5_000)
        subject.put(20..<30, expiry: 0)
        try subject.settle()
        try subject.collect(through: 1_000)
        try subject.sweep(expired: 1_000, isAdoption: true, budget: 3)
        #expect(subject.last == .done && subject.store.floors.floor(of: subject.store.identity.replica) == 30)
        subject.expected.subtract(0..<10)
        try subject.check()
        try subject.collect(through: 5_000)
        subject.expected.subtract(10..<20)
        try subject.check()
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `what was written over is not dropped, wherever the new version lies`(fixture: OrderedBaseTests.Fixture) throws {
        let subject = try Subject(fixture)
        subject.put(0..<30, expiry: 500)
        try subject.settle()
        subject.put(0..<10, expiry: 0)
        subject.put(10..<20, expiry: 5_000)
        if try subject.store.fold(budget: 5) {}
        try subject.commit()
        try subject.collect(through: 1_000)
        try subject.sweep(expired: 1_000)
        subject.expected.subtract(20..<30)
        try subject.check()
        try subject.settle()
        try subject.check()
        #expect(try subject.stored.entries == 20 && subject.stored.expiring == 10)
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `values that have expired leave the base with the next drain, and their entries stay until a floor lets them go`(
        fixture: OrderedBaseTests.Fixture
    ) throws {
        let subject = try Subject(fixture)
        subject.put(0..<300, expiry: 500, payloadByteCount: 1_000)
        subject.put(300..<310, expiry: 2_000, payloadByteCount: 1_000)
        subject.put(310..<320, expiry: 0, payloadByteCount: 1_000)
        subject.put(320..<330, expiry: 500, payloadByteCount: 8)
        try subject.settle()
        let digest = subject.store.foldedDigest
        #expect(try subject.storedValues().values.allSatisfy { $0 != nil })
        try subject.collect(through: 1_000)
        #expect(!subject.store.isDrained, "a drain comes though nothing is written")
        // What has expired before it is stored is stored without its value; of a newer version of a key nothing is taken.
        subject.put(330..<340, expiry: 400, payloadByteCount: 1_000)
        subject.put(0..<2, expiry: 0, payloadByteCount: 1_000)
        try subject.settle()
        let values = try subject.storedValues()
        #expect((2..<300).allSatisfy { values[$0] == .some(nil) } && (330..<340).allSatisfy { values[$0] == .some(nil) })
        #expect((300..<320).allSatisfy { values[$0] == 1_000 } && (320..<330).allSatisfy { values[$0] == 8 } && values[0] == 1_000)
        try subject.check()
        #expect(subject.store.foldedDigest != digest && subject.store.counters.droppedExpired == 0)
        try subject.restart()
        try subject.check()
        try subject.settle()
        try subject.collect(through: 1_000)
        try subject.sweep(expired: 1_000)
        subject.expected.subtract(2..<300)
        subject.expected.subtract(320..<340)
        try subject.check()
        try subject.settle()
        #expect(try subject.stored.entries == 22)
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `a drain takes values in as many transactions as it needs, and a start begins with all of them`(fixture: OrderedBaseTests.Fixture) throws {
        let subject = try Subject(fixture)
        subject.put(0..<1_000, expiry: 500, payloadByteCount: 100)
        subject.put(1_000..<2_000, expiry: 700, payloadByteCount: 100)
        try subject.settle()
        try subject.collect(through: 600)
        try subject.settle()
        #expect(try subject.storedValues().values.count { $0 == nil } == 1_000)
        try subject.restart()
        try subject.collect(through: 1_000)
        try subject.settle()
        #expect(try subject.storedValues().values.allSatisfy { $0 == nil })
        try subject.check()
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `tombstones are counted by age, as far as asked`(fixture: OrderedBaseTests.Fixture) throws {
        let subject = try Subject(fixture)
        subject.put(0..<10, expiry: 0, isTombstone: true)
        try subject.settle()
        for (stampTime, count) in [(1_000, 0), (1_001, 1), (1_005, 5), (1_010, 10), (.max, 10)] as [(UInt64, Int)] {
            #expect(try subject.store.agedTombstones(through: stampTime, limit: 100) == count)
            #expect(try subject.store.agedTombstones(through: stampTime, limit: 3) == min(3, count))
        }
    }

    @Test func `a step may end with the last of what was found, and the next look begins at the first token again`() throws {
        let subject = try Subject(OrderedBaseTests.Fixture.all[0])
        // With an index page for each eight entries a transaction is full after 534: the second one ends with a whole step.
        subject.transactionPages = 600
        subject.put(0..<790, expiry: 0, isTombstone: true)
        subject.put(790..<1_000, expiry: 500)
        try subject.settle()
        try subject.collect(through: 1_000)
        try subject.sweep(expired: 1_000)
        subject.expected.removeAll()
        try subject.settle()
        try subject.check()
        #expect(try subject.stored.entries == 0)
    }

    @Test func `a store of a program that kept no index of deadlines gets one when it is opened`() throws {
        let base = try CheckedBase()
        try base.fill(700)
        for name in [LMDBBase.deadlinesName, LMDBBase.expirationsName] {
            try base.change(name) { transaction, database in #expect(mdb_drop(transaction, database, 1) == 0) }
        }
        #expect(try base.report().isIntact)
        let opened = try LMDBBase(folder: base.folder)
        #expect(try opened.statistics().expiring == 120)
        let reader = try opened.makeReader()
        try reader.open()
        #expect(try reader.expiring(behind: .none, through: .last(at: .max), limit: .max).count == 120)
        #expect(try base.report().isIntact)
    }
}
