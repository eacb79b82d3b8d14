import Digests
import Synchronization
import Versioning

/// A frozen table on its way to LMDB, with what LMDB's checkpoint becomes once all of it is there.
package struct DrainJob: Sendable {
    package let table: Table
    /// State as of the log position at which the table was frozen.
    package let checkpoint: Checkpoint
    /// Where what is not intact counts for nothing.
    var hidden = DamageMarks()
    /// What was dropped, and is in no digest.
    var drops = Drops()
    /// What has left the base of that: the rest is to leave it; nil where nothing is.
    var purged: Drops?
    /// The values of which entries are to leave, as these have expired; nil where there are none.
    var expiring: ExpirationRange?
    /// Where the drain counts the entries it has stored, for pacing.
    package let progress: DrainProgress
}

/// How far a running drain is: written by the drain thread, read by the core loop.
package final class DrainProgress: Sendable {
    private let stored = Atomic<Int>(0)
    private let taken = Atomic<Int>(0)

    package init() {}

    /// Entries stored so far.
    package var entries: Int { self.stored.load(ordering: .relaxed) }
    /// Entries stored so far, and taken out.
    package var work: Int { self.entries + self.taken.load(ordering: .relaxed) }
    func tookOut() { self.taken.add(1, ordering: .relaxed) }
    func add(_ count: Int) { self.stored.add(count, ordering: .relaxed) }
    func restart(at count: Int) { self.stored.store(count, ordering: .relaxed) }
}

/// What storing one entry changed below the table.
package struct DigestAdjustment: Equatable, Sendable {
    package let token: Token
    /// New fingerprint minus old, modulo 2^128.
    package var sum: UInt128
    /// The number of entries, of those that are not tombstones, and of those of these with a deadline, by which the base grew.
    package var entries: Int
    package var live: Int
    package var expiring: Int

    /// One version in the place of another, or of none; a version that was dropped is none.
    init(_ record: RecordView?, insteadOf below: RecordView?, at token: Token, under key: DigestKey) {
        self.token = token
        self.sum = (record?.fingerprint(under: key) ?? 0) &- (below?.fingerprint(under: key) ?? 0)
        func growth(_ counts: (RecordView) -> Bool) -> Int { (record.map(counts) == true ? 1 : 0) - (below.map(counts) == true ? 1 : 0) }
        self.entries = growth { _ in true }
        self.live = growth { !$0.isTombstone }
        self.expiring = growth { $0.isExpiring }
    }
}

/// Moves one frozen table to the base, in token order, in transactions of bounded size. First what was dropped leaves the base: the table takes its room.
///
/// - Invariant: LMDB's checkpoint moves with the last transaction only. A crash in between leaves newer versions of some keys
///   below an older checkpoint, and replay puts the same versions over them again.
/// - Bound: a transaction ends after `transactionPages` pages that it may have dirtied, as LMDB keeps them in memory.
package struct Drain {
    /// 12,000 pages of 4 KiB: 47 MiB of private memory, which LMDB keeps for the next transaction. Larger transactions need fewer
    /// syncs but no less time: LMDB keeps its dirty pages in a sorted array, and inserting into it becomes what a drain does.
    package static let transactionPages = 12_000
    private static let pageByteCount = 4_096
    /// How many entries are stored or taken out between two reports of progress.
    static let stepEntries = 256

    let job: DrainJob
    let writer: any BaseWriter
    private let digestKey: DigestKey
    let transactionPages: Int
    private var next: Int?
    /// Where the taking out of dropped entries is.
    var purge: Purge
    /// Where the last transaction ended that is durable, and how many entries there were before it.
    private var committed: (next: Int?, entries: Int, purge: Purge)
    private var entries = 0
    var transaction: Transaction?
    private var pending: [DigestAdjustment] = []

    /// How many pages the open transaction may have dirtied: one for each entry, but no more than the token range so far has, as
    /// tokens are spread evenly; besides these what new entries fill, half a page being the least that a split leaves, and long values.
    struct Transaction {
        let entryPages: Int
        let start: Token
        var entries = 0
        var insertedBytes = 0
        var overflowPages = 0
        var taken = 0
        /// An entry that goes has two rows in an index, each beside others that go with it.
        private static let takenPerIndexPage = 8

        mutating func stored(_ record: RecordView, isNew: Bool) {
            self.entries += 1
            if isNew { self.insertedBytes += record.key.count + record.value.count }
            self.overflowPages += record.value.count / Drain.pageByteCount
        }

        mutating func tookOut() {
            self.entries += 1
            self.taken += 1
        }

        func pages(through token: Token) -> Int {
            let share = Double(token.rawValue - self.start.rawValue) / 0x1p64
            let inRange = Int(share * Double(self.entryPages)) + 1
            let indexPages = self.taken / Self.takenPerIndexPage
            return min(self.entries, inRange) + self.insertedBytes / (Drain.pageByteCount / 2) + self.overflowPages + indexPages
        }
    }

    package enum Step: Equatable, Sendable {
        /// Stored a few entries in the open transaction.
        case stored
        /// Committed a transaction; more are to come. With what it changed.
        case committed([DigestAdjustment])
        /// Committed the last transaction, and with it the checkpoint.
        case finished([DigestAdjustment])
    }

    package init(_ job: DrainJob, into writer: any BaseWriter, transactionPages: Int = Self.transactionPages) {
        (self.job, self.writer, self.transactionPages) = (job, writer, transactionPages)
        self.digestKey = job.checkpoint.identity.digestKey
        self.next = job.table.firstIndex(in: .first ... .last)
        self.purge = Purge(job)
        self.committed = (self.next, 0, self.purge)
    }

    /// Does the next piece of work. After an error the open transaction is forgotten; `retry` begins it again.
    package mutating func step() throws(StoreError) -> Step {
        do throws(StoreError) {
            if !self.purge.isOver { return try self.purgeSome() }
            guard let next = self.next else { return try self.finish() }
            let token = self.job.table[next].token
            if let transaction, transaction.pages(through: token) >= self.transactionPages {
                return .committed(try self.commit(nil))
            }
            try self.begin(at: token)
            try self.storeSome()
            return .stored
        } catch {
            self.writer.abort()
            self.transaction = nil
            self.pending.removeAll()
            throw error
        }
    }

    /// Begins the transaction again that an error has ended. What committed ones changed has been reported, and must not be twice.
    package mutating func retry() {
        (self.next, self.entries, self.purge) = self.committed
        self.job.progress.restart(at: self.entries)
    }

    mutating func begin(at token: Token) throws(StoreError) {
        guard self.transaction == nil else { return }
        try self.writer.begin()
        self.transaction = Transaction(entryPages: self.writer.entryPages, start: token)
    }

    private mutating func finish() throws(StoreError) -> Step {
        try self.begin(at: Token(rawValue: .max))
        return .finished(try self.commit(self.job.checkpoint))
    }

    mutating func commit(_ checkpoint: Checkpoint?) throws(StoreError) -> [DigestAdjustment] {
        try self.writer.commit(checkpoint)
        self.transaction = nil
        self.committed = (self.next, self.entries, self.purge)
        defer { self.pending = [] }
        return self.pending
    }

    private mutating func storeSome() throws(StoreError) {
        var count = 0
        while let index = self.next, count < Self.stepEntries {
            let slot = self.job.table[index]
            guard self.transaction!.pages(through: slot.token) < self.transactionPages else { break }
            try self.store(slot)
            self.next = self.job.table.index(after: index)
            count += 1
        }
        self.entries += count
        self.job.progress.add(count)
    }

    private mutating func store(_ slot: Table.Slot) throws(StoreError) {
        let record = slot.record!.view
        let stored = try self.writer.seek(slot.token, key: record.key)
        let old = stored.flatMap { self.job.hidden.isEmpty || !self.job.hidden.isLost($0, under: self.digestKey) ? $0.record : nil }
        if slot.fold != .this { self.adjust(record, at: slot.token, below: slot.fold == .below ? old : nil) }
        if self.job.drops.contain(record) {  // It came again when it had been dropped, or was in the log behind what the base had.
            if old != nil {
                try self.writer.remove(slot.token, key: record.key)
                self.transaction!.entries += 1
            }
            return
        }
        // A transaction before a crash has stored it. One that has rotted since is stored again.
        if let stored, let old, old.isSameVersion(as: record), stored.isIntact { return }
        let isNew = stored == nil
        if let expiring = self.job.expiring, let expiration = record.expiration, expiration <= expiring.through,
            try self.storeHeader(of: record, key: record.key, token: slot.token)
        {
            if isNew { self.transaction!.insertedBytes += record.key.count + RecordLayout.maximumHeaderByteCount }
            self.transaction!.entries += 1
            return
        }
        try self.writer.put(record, token: slot.token)
        self.transaction!.stored(record, isNew: isNew)
    }

    /// Notes what the digest has to take in, and what of the key it has to let go.
    private mutating func adjust(_ record: RecordView, at token: Token, below: RecordView?) {
        if let below, below.isSameVersion(as: record) { return }
        let drops = self.job.drops
        let (new, old) = (drops.contain(record) ? nil : record, below.flatMap { drops.contain($0) ? nil : $0 })
        self.pending.append(DigestAdjustment(new, insteadOf: old, at: token, under: self.digestKey))
    }
}
