import Basics
import Digests
import Simulation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// What a bootstrap brings, on its way into the base, on both bases.
@Suite struct BulkLoadTests {
    private struct Entry {
        let token: Token
        let key: [UInt8]
        let header: VersionHeader
        let payload: [UInt8]

        func frame() -> [UInt8] { TestRecord.frame(self.header, key: self.key, token: self.token, payload: self.payload) }

        static func precedes(_ left: Entry, _ right: Entry) -> Bool {
            left.token != right.token ? left.token < right.token : left.key.lexicographicallyPrecedes(right.key)
        }
    }

    /// Greatest versions by key.
    private typealias Model = [[UInt8]: VersionHeader]

    /// So many keys of two hundred, each in a version of its own, in order of tokens.
    private static func entries(_ count: Int, under key: DigestKey, using random: inout SplitMix64) -> [Entry] {
        let keys = (0..<200).shuffled(using: &random).prefix(count)
        return keys.map { number in
            let name = [UInt8]("key:\(number)")
            let isTombstone = random.next() % 4 == 0
            let version = TestRecord.header(
                sequence: 1 + random.next() % 1_000, time: 1 + random.next() % 1_000, isTombstone: isTombstone,
                expiry: random.next() % 3 == 0 ? 1 + random.next() % 1_000 : 0)
            let payload = isTombstone ? [] : [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: Int(random.next() % 300))
            return Entry(token: name.withUnsafeBytes { key.token(of: $0) }, key: name, header: version, payload: payload)
        }.sorted(by: Entry.precedes)
    }

    private static func chunks(_ entries: some Collection<Entry>, using random: inout SplitMix64) -> [[UInt8]] {
        var (chunks, rest): ([[UInt8]], [Entry]) = ([], Array(entries))
        while !rest.isEmpty {
            let count = Int.random(in: 1...min(rest.count, 50), using: &random)
            chunks.append(rest.prefix(count).flatMap { $0.frame() })
            rest.removeFirst(count)
        }
        return chunks
    }

    private static func open(_ base: any Base, _ disk: SimulatedDisk, using random: inout SplitMix64) throws -> Store {
        try Store.open(disk: disk, base: base, configuration: StoreConfiguration(), using: &random).store
    }

    private static func check(_ store: Store, _ model: Model) throws {
        var found: Model = [:]
        try store.scan(.first ... .last) { entry in
            #expect(entry.isIntact(under: store.identity.digestKey))
            found[Array(entry.key)] = entry.record!.versionHeader
            return true
        }
        #expect(found == model)
        #expect(store.foldedDigest.entries == UInt64(model.count) && store.liveKeys == model.values.count { !$0.isTombstone })
        #expect(store.expiringKeys == model.values.count { !$0.isTombstone && $0.expiryMilliseconds != 0 })
        let recount = try store.recount(from: .first, budget: .max)
        #expect(recount?.mismatch == nil && recount?.damaged == 0)
        #expect(store.greatestStamp >= model.values.map(\.stamp.time).max() ?? 0)
    }

    @Test(arguments: OrderedBaseTests.Fixture.all, seeds(15))
    func `the greatest version of each key is left, whole jobs or nothing of them, and the digest is that of a scan (I1, I17)`(
        fixture: OrderedBaseTests.Fixture, seed: UInt64
    ) throws {
        var random = SplitMix64(seed: seed)
        let folder = try ScratchFolder()
        var (base, disk) = (try fixture.make(folder.path), SimulatedDisk())
        var store = try Self.open(base, disk, using: &random)
        var (model, value): (Model, [UInt8]?) = ([:], nil)
        // Donors one after the other; each begins again from the first range, and what is stored already stays where it is greater.
        for donor in 0..<4 {
            var rest = Self.entries(Int.random(in: 0...200, using: &random), under: store.identity.digestKey, using: &random)
            store.foresee(entries: UInt64(rest.count))
            while !rest.isEmpty {
                let part = rest.prefix(Int.random(in: 1...rest.count, using: &random))
                let next: [UInt8] = [1, UInt8(donor), UInt8(rest.count & 255)]
                // A part of a growth, at times.
                if random.next() % 2 == 0 { _ = try store.growDigest(budget: Int.random(in: 1...60, using: &random)) }
                store.load(Self.chunks(part, using: &random), .bootstrap, next)
                let job = try #require(Self.job(of: store))
                #expect(store.isLoading && !store.isFolded)
                #expect(try !store.fold(budget: .max), "nothing is counted while the base is in motion")
                var load = BulkLoad(job, into: base.makeWriter())
                var (steps, isCrash) = (0, random.next() % 4 == 0)
                let crashAt = Int.random(in: 0...3, using: &random)
                while true {
                    if isCrash, steps == crashAt { break }
                    steps += 1
                    guard case .finished(let outcome) = try load.step() else { continue }
                    isCrash = isCrash && steps == crashAt  // Stored, and nobody has heard of it.
                    if !isCrash { try store.loaded(outcome) }
                    rest.removeFirst(part.count)
                    value = next
                    for entry in part where model[entry.key].map({ Self.precedes($0, entry.header) }) ?? true { model[entry.key] = entry.header }
                    break
                }
                if isCrash {
                    if let memory = base as? MemoryBase { base = MemoryBase(memory.contents) } else { load = BulkLoad(job, into: base.makeWriter()) }
                    disk = disk.crash(using: &random)
                    store = try Self.open(base, disk, using: &random)
                }
                #expect(store.control(.bootstrap) == value)
                try Self.check(store, model)
            }
        }
        #expect(model.count > 100)
    }

    private static func job(of store: Store) -> LoadJob? {
        guard case .load(let job)? = store.endTick(at: Instant(nanoseconds: 1)).first else { return nil }
        return job
    }

    private static func precedes(_ left: VersionHeader, _ right: VersionHeader) -> Bool {
        TestRecord.frame(left, key: [1], payload: []).withRecord { left in
            TestRecord.frame(right, key: [1], payload: []).withRecord { left!.precedes($0!) }
        }
    }

    @Test(arguments: OrderedBaseTests.Fixture.all)
    func `entries behind all others are appended, and one that is not is refused`(fixture: OrderedBaseTests.Fixture) throws {
        let folder = try ScratchFolder()
        let writer = try fixture.make(folder.path).makeWriter()
        try writer.begin()
        func append(_ token: UInt64, _ key: [UInt8]) throws -> Bool {
            try TestRecord.frame(TestRecord.header(), key: key, token: Token(rawValue: token), payload: [1]).withRecord {
                try writer.append($0!, token: Token(rawValue: token))
            }
        }
        for (token, key, isTaken) in [(5, [1], true), (5, [1, 0], true), (5, [1, 0], false), (5, [0], false), (4, [9], false), (6, [], true)]
            as [(UInt64, [UInt8], Bool)]
        {
            #expect(try append(token, key) == isTaken, "\(token) \(key)")
        }
        writer.abort()
    }

    @Test func `a full disk stores nothing of a job, and the next attempt all of it, once`() throws {
        let failing = Failing()
        let base = MemoryBase { () throws(StoreError) in if failing.isOn { throw .baseFull(operation: "commit") } }
        var random = SplitMix64(seed: 1)
        let store = try Self.open(base, SimulatedDisk(), using: &random)
        let entries = Self.entries(150, under: store.identity.digestKey, using: &random)
        store.load(Self.chunks(entries, using: &random), .bootstrap, [1])
        let job = try #require(Self.job(of: store))
        failing.isOn = true
        var load = BulkLoad(job, into: base.makeWriter())
        let error = #expect(throws: StoreError.self) { while case .stored = try load.step() {} }
        #expect(error?.isDiskFull == true && base.contents.entries.isEmpty)
        store.drainFailed(error!)
        failing.isOn = false
        load.retry()
        while true {
            guard case .finished(let outcome) = try load.step() else { continue }
            try store.loaded(outcome)
            break
        }
        #expect(store.drainFailure == nil)
        try Self.check(store, Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.header) }))
    }

    /// Set between steps on one thread.
    private final class Failing: @unchecked Sendable {  // One thread uses it.
        var isOn = false
    }

    @Test(arguments: seeds(20))
    func `portions behind each other are all entries in order, from tables and base, each as long as it may be`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var world = try StoreWorld(configuration: StoreConfiguration(), using: &random)
        func put(_ count: Int) throws {
            for _ in 0..<count {
                try world.put(
                    [UInt8]("key:\(random.next() % 300)"), random.next() % 5 == 0 ? nil : [UInt8](repeating: 1, count: Int(random.next() % 90)))
            }
        }
        try put(200)
        try world.settle()
        try put(100)
        try world.commitTick()
        let store = world.store
        var (place, frames, gathered): ((Token, [UInt8])?, Int, [UInt8]) = (nil, 0, [])
        while true {
            let limit = Int.random(in: 1...3_000, using: &random)
            let portion = try store.records(behind: place?.0, key: place?.1, byteCount: limit)
            gathered += portion.bytes
            frames += portion.entries
            #expect(portion.bytes.count <= limit || portion.entries == 1)
            if portion.isLast { break }
            #expect(portion.entries > 0)
            place = (portion.token, portion.key)
        }
        var expected: [UInt8] = []
        try store.scan(.first ... .last) { entry in
            RecordLayout.appendFrame(of: entry.record!, to: &expected)
            return true
        }
        #expect(gathered == expected && frames == RecordLayout.frameCount(in: expected) && frames > 100)
    }

    @Test func `an announced number of entries takes no more memory than the bound`() throws {
        var random = SplitMix64(seed: 1)
        let store = try Self.open(MemoryBase(), SimulatedDisk(), using: &random)
        for (entries, bits) in [
            (UInt64(24) << UInt64(Store.maximumForeseenLeafBits - 1), Store.maximumForeseenLeafBits - 1),
            (24 << UInt64(Store.maximumForeseenLeafBits), Store.maximumForeseenLeafBits), (.max, Store.maximumForeseenLeafBits), (0, 0),
        ] {
            store.foresee(entries: entries)
            #expect(store.leafBits == bits, "\(entries)")
        }
    }
}
