import Digests

/// Storing what a bootstrap brings: into the base at once, past log and tables.
///
/// While it goes on the tables are empty, as nothing else is applied. So the digest and the base are known to agree but while a job runs.
extension Store {
    /// Where the job of a bootstrap is.
    enum Load {
        case none
        /// For the next `endTick`.
        case asked(LoadJob)
        case running(LoadJob)
    }

    /// True until the job that `load` was given is reported by `loaded`.
    package var isLoading: Bool { if case .none = self.load { false } else { true } }

    /// True while what the base holds is in motion: nothing can be counted then.
    var isBaseMoving: Bool { self.frozen != nil || self.isLoading }

    /// Has records stored, and in the same transaction a control value that no log record ever holds but to end it.
    ///
    /// - Precondition: no other job is under way, and no entry is in a table.
    ///
    /// - Parameter clears: takes out what the base has, in the same transaction: of what an earlier bootstrap has stored nobody knows what was dropped since.
    package func load(_ chunks: [[UInt8]], _ key: ControlKey, _ value: [UInt8], clears: Bool = false) {
        precondition(
            !self.isLoading && self.live.count == 0 && self.frozen == nil, "\(self.live.count) entries in the table of a store that is loaded")
        // The tree stays as it is until the job is reported; one that grows is told each entry's place.
        let leafBits = self.tree.isGrowing ? nil : self.tree.leafBits
        self.load = .asked(LoadJob(chunks: chunks, key: key, value: value, digestKey: self.identity.digestKey, leafBits: leafBits, clears: clears))
    }

    func takeLoad() -> LoadJob? {
        // At a stop the next start asks again for what is not stored.
        guard case .asked(let job) = self.load, !self.isStopping else { return nil }
        self.load = .running(job)
        return job
    }

    /// The job is in the base, durably.
    package func loaded(_ outcome: LoadOutcome) throws(StoreError) {
        guard case .running(let job) = self.load else { preconditionFailure("loaded, but nothing was loading") }
        self.load = .none
        if job.clears { (self.tree, self.liveKeys, self.expiringKeys) = (DigestTree(leafBits: self.tree.leafBits), 0, 0) }
        self.apply(outcome.adjustments)
        self.keepControl(job.key, job.value)
        self.greatestStamp = max(self.greatestStamp, outcome.greatestStamp)
        self.note(outcome.named)
        self.drainEndedWithRoom()
        (self.waitingExpired, self.nextDeadline) = (WaitingExpired(), nil)
        self.reader.reset()  // A snapshot of before the commit would not show it.
        try self.reader.baseChanged()
    }

    /// So many leaves are made at once at most, 24 MiB of memory: an announced number is a promise that nobody has to keep.
    package static let maximumForeseenLeafBits = 20

    /// Makes the digest tree of an empty store as large as so many entries will need, so that it does not have to grow under them.
    package func foresee(entries: UInt64) {
        guard self.tree.root.entries == 0, !self.tree.isGrowing, self.live.count == 0, !self.isBaseMoving else { return }
        self.tree = DigestTree(leafBits: min(DigestTree.leafBits(forEntries: entries), Self.maximumForeseenLeafBits))
    }

    /// Gathers the records behind a place as a peer gets them, in order, up to so many bytes; one that is longer alone.
    ///
    /// - Parameter key: where the token of the place has several keys, the last that is left out; nil for none.
    package func records(behind token: Token?, key: [UInt8]?, byteCount: Int) throws(StoreError) -> Portion {
        var portion = Portion()
        let digestKey = self.identity.digestKey
        try self.scan((token ?? .first)...Token.last) { entry in
            if let token, entry.token == token, let key, !key.precedes(entry.key) { return true }
            guard let record = entry.record, entry.isIntact(under: digestKey) else {
                portion.hasDamage = true
                self.foundRotten(entry.token, key: entry.key)
                return false
            }
            let count = RecordLayout.frameByteCount + record.key.count + record.value.count
            guard portion.bytes.isEmpty || portion.bytes.count + count <= byteCount else {
                portion.isLast = false
                return false
            }
            if portion.bytes.isEmpty { portion.bytes.reserveCapacity(max(byteCount, count)) }
            portion.lastStart = portion.bytes.count
            RecordLayout.appendFrame(of: record, to: &portion.bytes)
            portion.entries += 1
            portion.position = max(portion.position, entry.position)
            portion.token = entry.token
            return true
        }
        return portion
    }

    /// Some records in order.
    package struct Portion {
        package fileprivate(set) var bytes: [UInt8] = []
        package fileprivate(set) var entries = 0
        /// Of the last record.
        package fileprivate(set) var token = Token.first
        fileprivate var lastStart = 0
        /// What it depends on, as an answer does.
        package fileprivate(set) var position: LogPosition = 0
        /// Nothing lies behind.
        package fileprivate(set) var isLast = true
        /// An entry was met that is not what was written: nothing behind it was read.
        package fileprivate(set) var hasDamage = false

        /// The key of the last record.
        package var key: [UInt8] {
            self.bytes.span.bytes.withUnsafeBytes { Array(RecordView(trustedFrame: $0.baseAddress! + self.lastStart).key) }
        }
    }
}

extension [UInt8] {
    fileprivate func precedes(_ other: UnsafeRawBufferPointer) -> Bool {
        self.span.bytes.withUnsafeBytes { $0.lexicographicallyPrecedes(other) }
    }
}
