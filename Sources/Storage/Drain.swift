import Digests
import Synchronization

/// A frozen table on its way to LMDB, with what LMDB's checkpoint becomes once all of it is there.
package struct DrainJob: Sendable {
    package let table: Table
    /// State as of the log position at which the table was frozen.
    package let checkpoint: Checkpoint
    /// Where the drain counts the entries it has stored, for pacing.
    package let progress: DrainProgress
}

/// Entries stored so far by a running drain: written by the drain thread, read by the core loop.
package final class DrainProgress: Sendable {
    private let stored = Atomic<Int>(0)

    package init() {}

    package var entries: Int { self.stored.load(ordering: .relaxed) }
    func add(_ count: Int) { self.stored.add(count, ordering: .relaxed) }
    func restart() { self.stored.store(0, ordering: .relaxed) }
}

/// What storing one entry changed below the table.
package struct DigestAdjustment: Equatable, Sendable {
    package let token: Token
    /// New fingerprint minus old, modulo 2^128.
    package var sum: UInt128
    /// The number of entries, and of those that are not tombstones, by which the base grew.
    package var entries: Int
    package var live: Int
}

/// Moves one frozen table to the base, in token order, in transactions of bounded size.
///
/// - Invariant: LMDB's checkpoint moves with the last transaction only. A crash in between leaves newer versions of some keys
///   below an older checkpoint, and replay puts the same versions over them again.
/// - Bound: a transaction ends after `transactionPages` pages that it may have dirtied, as LMDB keeps them in memory.
package struct Drain {
    /// 24,000 pages of 4 KiB: at most 94 MiB of private memory, which LMDB keeps for the next transaction. Every entry is counted
    /// as a page of its own; neighbours in a small store share one, and the transaction is then smaller than it could be.
    package static let transactionPages = 24_000
    private static let pageByteCount = 4_096
    /// How many entries are stored between two reports of progress.
    private static let stepEntries = 256

    private let job: DrainJob
    private let writer: any BaseWriter
    private let digestKey: DigestKey
    private let transactionPages: Int
    private var next: Int?
    private var pages = 0
    private var isInTransaction = false
    private var adjustments: [DigestAdjustment] = []
    private var pending: [DigestAdjustment] = []

    package enum Step: Equatable, Sendable {
        /// Stored a few entries in the open transaction.
        case stored
        /// Committed a transaction; more are to come.
        case committed
        /// Committed the last transaction, and with it the checkpoint.
        case finished([DigestAdjustment])
    }

    package init(_ job: DrainJob, into writer: any BaseWriter, transactionPages: Int = Self.transactionPages) {
        (self.job, self.writer, self.transactionPages) = (job, writer, transactionPages)
        self.digestKey = job.checkpoint.identity.digestKey
        self.next = job.table.firstIndex(from: Token(rawValue: 0))
    }

    /// Does the next piece of work. After an error the open transaction is forgotten; `retry` begins again.
    package mutating func step() throws(StoreError) -> Step {
        do throws(StoreError) {
            if !self.isInTransaction {
                try self.writer.begin()
                self.isInTransaction = true
            }
            guard self.next != nil else { return try self.finish() }
            if self.pages >= self.transactionPages {
                try self.commit(nil)
                return .committed
            }
            try self.storeSome()
            return .stored
        } catch {
            self.writer.abort()
            (self.isInTransaction, self.pages) = (false, 0)
            self.pending.removeAll()
            throw error
        }
    }

    /// Begins again from the first entry: those stored by a committed transaction are found there and cost a lookup.
    package mutating func retry() {
        self.next = self.job.table.firstIndex(from: Token(rawValue: 0))
        self.job.progress.restart()
    }

    private mutating func finish() throws(StoreError) -> Step {
        try self.commit(self.job.checkpoint)
        return .finished(self.adjustments)
    }

    private mutating func commit(_ checkpoint: Checkpoint?) throws(StoreError) {
        self.isInTransaction = false
        try self.writer.commit(checkpoint)
        self.pages = 0
        self.adjustments += self.pending
        self.pending.removeAll(keepingCapacity: true)
    }

    private mutating func storeSome() throws(StoreError) {
        var count = 0
        while let index = self.next, count < Self.stepEntries, self.pages < self.transactionPages {
            try self.store(self.job.table[index])
            self.next = self.job.table.index(after: index)
            count += 1
        }
        self.job.progress.add(count)
    }

    private mutating func store(_ slot: Table.Slot) throws(StoreError) {
        let record = slot.record!.view
        let stored = try self.writer.find(slot.token, key: record.key)
        let old = stored?.record
        // A transaction before a crash or a retry has stored it. One that has rotted since is stored again.
        if let stored, stored.isIntact, let old, old.isSameVersion(as: record) { return }
        if slot.fold != .this {
            let below = slot.fold == .below ? old : nil
            self.pending.append(
                DigestAdjustment(
                    token: slot.token, sum: record.fingerprint(under: self.digestKey) &- (below?.fingerprint(under: self.digestKey) ?? 0),
                    entries: below == nil ? 1 : 0, live: (record.isTombstone ? 0 : 1) - (below.map { $0.isTombstone ? 0 : 1 } ?? 0)))
        }
        try self.writer.put(record, token: slot.token, replacingTombstone: old?.isTombstone ?? false)
        self.pages += 1 + record.value.count / Self.pageByteCount
    }
}
