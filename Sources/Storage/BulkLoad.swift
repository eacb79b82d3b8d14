import Digests
import Versioning

/// Records of a peer on their way to the base without log and table, and what becomes of a piece of control state in the same transaction.
package struct LoadJob: Sendable {
    /// Records that `RecordView.received` has checked, one behind the other in each chunk, all in order of token and key.
    let chunks: [[UInt8]]
    package let key: ControlKey
    package let value: [UInt8]
    let digestKey: DigestKey
    /// The depth of the digest tree's leaves: what falls into one of them is told as a sum. Nil where each entry is to be told by itself.
    let leafBits: Int?
    /// What the base has goes first.
    let clears: Bool

    package var byteCount: Int { self.chunks.reduce(0) { $0 + $1.count } }
}

/// What storing the records of a job came to.
package struct LoadOutcome: Sendable {
    /// What the digest has to take in.
    package fileprivate(set) var adjustments: [DigestAdjustment] = []
    package fileprivate(set) var greatestStamp: UInt64 = 0
    /// What the siblings among them name.
    package fileprivate(set) var named = NamedWrites()
    /// Records of which the base had the same version, or a greater one.
    package fileprivate(set) var known = 0

    /// Adds a change to the last one where both fall into the same leaf.
    fileprivate mutating func adjust(_ change: DigestAdjustment, leafBits: Int?) {
        if let leafBits, let last = self.adjustments.last, (last.token.rawValue ^ change.token.rawValue).leadingZeroBitCount >= leafBits {
            let index = self.adjustments.count - 1
            self.adjustments[index].sum &+= change.sum
            self.adjustments[index].entries += change.entries
            self.adjustments[index].live += change.live
            self.adjustments[index].expiring += change.expiring
        } else {
            self.adjustments.append(change)
        }
    }
}

/// Stores the records of one job in one synced transaction, with its control value: a crash leaves all of it or nothing.
///
/// Into an empty base, and behind all that there is, entries are appended: LMDB fills its pages and searches nothing. Between others a record is put
/// where its key belongs if it is greater than what is there (I1).
///
/// - Bound: a job's bytes; in token order they dirty about as many pages as they fill.
package struct BulkLoad {
    /// How many entries are stored in a step.
    private static let stepEntries = 256

    private let job: LoadJob
    private let writer: any BaseWriter
    /// The chunk and the offset in it of the next record.
    private var (chunk, offset) = (0, 0)
    private var isOpen = false
    /// No entry lies behind what was stored last, as far as is known.
    private var appends = true
    private var outcome = LoadOutcome()

    package enum Step: Sendable {
        case stored
        case finished(LoadOutcome)
    }

    package init(_ job: LoadJob, into writer: any BaseWriter) { (self.job, self.writer) = (job, writer) }

    /// Does the next piece of work. After an error nothing of the job is stored; `retry` begins it again.
    package mutating func step() throws(StoreError) -> Step {
        do throws(StoreError) {
            if !self.isOpen {
                try self.writer.begin()
                self.isOpen = true
                if self.job.clears { try self.writer.removeAll() }
            }
            if self.chunk < self.job.chunks.count {
                try self.storeSome()
                return .stored
            }
            try self.writer.commit([self.job.key: self.job.value])
            return .finished(self.outcome)
        } catch {
            self.writer.abort()
            throw error
        }
    }

    package mutating func retry() { self = BulkLoad(self.job, into: self.writer) }

    /// Stores the next records of a chunk.
    private mutating func storeSome() throws(StoreError) {
        let (chunk, offset, job, writer) = (self.job.chunks[self.chunk], self.offset, self.job, self.writer)
        var (appends, outcome) = (self.appends, self.outcome.taken())
        self.offset = try chunk.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
            var (offset, count) = (offset, 0)
            while offset < bytes.count, count < Self.stepEntries {
                let record = RecordView(trustedFrame: bytes.baseAddress! + offset)
                try Self.store(record, at: job.digestKey.token(of: record.key), job, writer, appends: &appends, &outcome)
                (offset, count) = (offset + RecordLayout.frameByteCount + record.key.count + record.value.count, count + 1)
            }
            return offset
        }
        (self.appends, self.outcome) = (appends, outcome)
        if self.offset == chunk.count { (self.chunk, self.offset) = (self.chunk + 1, 0) }
    }

    private static func store(
        _ record: RecordView, at token: Token, _ job: LoadJob, _ writer: any BaseWriter, appends: inout Bool, _ outcome: inout LoadOutcome
    ) throws(StoreError) {
        outcome.greatestStamp = max(outcome.greatestStamp, record.stampTime)
        if let siblings = record.siblings { outcome.named.note(siblings) }
        if appends {
            if try writer.append(record, token: token) {
                outcome.adjust(DigestAdjustment(record, insteadOf: nil, at: token, under: job.digestKey), leafBits: job.leafBits)
                return
            }
            appends = false
        }
        let stored = try writer.seek(token, key: record.key)
        if let stored, stored.isIntact, let old = stored.record, !old.precedes(record) {
            outcome.known += 1
            return
        }
        // One that has rotted counts by its header, as at the start.
        outcome.adjust(DigestAdjustment(record, insteadOf: stored?.record, at: token, under: job.digestKey), leafBits: job.leafBits)
        try writer.put(record, token: token)
    }
}

extension LoadOutcome {
    /// Moves the value out, so that its array is not copied when it grows elsewhere.
    fileprivate mutating func taken() -> LoadOutcome {
        defer { self = LoadOutcome() }
        return self
    }
}
