import Basics
import Digests
import Versioning

/// The ends of ticks: what is appended to the log, frozen and drained, and how it went.
extension Store {
    package enum Action: Sendable {
        /// Append to the log and sync, then report `wrote` and `synced`, or `appendFailed`.
        case append(Batch)
        /// Store in the base, then report `drained` or `drainFailed`.
        case drain(DrainJob)
        /// Store in the base, then report `loaded` or `drainFailed`.
        case load(LoadJob)
        /// Remove the segments that end at or before this position.
        case sweep(LogPosition)
    }

    /// Ends a burst of work: seals what was put, lets go of the read snapshot, freezes the table when it is time.
    package func endTick(at now: Instant) -> [Action] {
        self.reader.reset()
        var actions: [Action] = []
        if let batch = self.tail.seal(synced: self.synced) {
            self.unindexed.append(batch)
            actions.append(.append(batch))
        }
        if self.shouldFreeze(at: now) { self.freeze() }
        if let job = self.startDrainIfSynced(at: now) { actions.append(.drain(job)) }
        if let job = self.takeLoad() { actions.append(.load(job)) }
        if let position = self.takeSweepable() { actions.append(.sweep(position)) }
        return actions
    }

    private func shouldFreeze(at now: Instant) -> Bool {
        // What came since bounds were raised has to be found in the table when they count.
        guard self.frozen == nil, self.raise == nil, self.live.count > 0 || self.hasDropsToDrain(at: now) else { return false }
        if self.isStopping { return true }
        if self.holdsFreeze { return false }
        if self.wantsDrain || self.live.count == 0 { return true }
        if self.live.count >= self.configuration.tableEntries || self.live.recordBytes >= self.configuration.tableBytes { return true }
        return self.oldestPut.map { now >= $0 + self.configuration.tableAge } ?? true
    }

    /// Dropped entries lie in the base that can leave it, or values of expired ones: nothing but a bootstrap writes to that of a joiner.
    private var hasDrops: Bool { (self.undrainedDrops > 0 || self.emptied < self.passed) && !self.isLoading && !self.isJoining }

    /// They leave with the next table, by themselves where there is none for long, and before a stop.
    private func hasDropsToDrain(at now: Instant) -> Bool {
        guard self.hasDrops else { return false }
        if self.isStopping { return true }
        if self.dropsWaitSince == nil { self.dropsWaitSince = now }
        return now >= self.dropsWaitSince! + self.configuration.tableAge
    }

    /// When `endTick` should be called although nothing happened: the table's oldest entry has waited long enough. A replayed table is
    /// due at once.
    package var deadline: Instant? {
        guard self.frozen == nil, self.live.count > 0 else {
            return self.frozen == nil ? self.dropsWaitSince.map { $0 + self.configuration.tableAge } : nil
        }
        return self.oldestPut.map { $0 + self.configuration.tableAge } ?? Instant(nanoseconds: 0)
    }

    private func freeze() {
        (self.wantsDrain, self.dropsWaitSince) = (false, nil)
        let checkpoint = Checkpoint(
            identity: self.identity, position: self.tail.head, greatestStamp: self.greatestStamp, seen: self.seen, control: self.control)
        self.frozen = FrozenTable(table: self.live, checkpoint: checkpoint)
        self.live = Table()
        (self.oldestPut, self.foldCursor) = (nil, Token(rawValue: 0))
    }

    /// The base may hold only what the log holds durably, or a crash would leave versions whose dots are issued again.
    private func startDrainIfSynced(at now: Instant) -> DrainJob? {
        guard self.frozen != nil else { return nil }  // As in most ticks: without a copy.
        guard let frozen, frozen.progress == nil, self.synced >= frozen.checkpoint.position else { return nil }
        let progress = DrainProgress()
        self.frozen!.progress = progress
        (self.frozen!.drops, self.frozen!.purges) = (self.undrainedDrops, self.undrainedDrops > 0 ? self.drops : nil)
        self.frozen!.empties = self.passed
        self.pacing.drainStarted(entries: frozen.table.count + self.undrainedDrops, at: now)
        return DrainJob(
            table: frozen.table, checkpoint: frozen.checkpoint, hidden: self.hidden, drops: self.drops,
            purged: self.undrainedDrops > 0 ? self.purged : nil, expiring: self.leavingValues, progress: progress)
    }

    /// Everything before `position` is in the file.
    package func wrote(through position: LogPosition) {
        precondition(position >= self.written, "written \(self.written) falls to \(position)")
        self.written = position
        while let first = self.undo.first, first.position < position {
            switch self.undo.removeFirst().change {
            case .put, .seen: break
            case .joined, .control: self.replaced.removeFirst()
            }
        }
    }

    /// Everything before `position` is durable.
    package func synced(through position: LogPosition) {
        precondition(position >= self.synced && position <= self.written, "synced \(self.synced), \(position) of \(self.written)")
        self.synced = position
        self.index(through: position)
    }

    /// The batch that begins at `origin` could not be appended: takes back its records and all newer ones, newest first. Their
    /// sequence numbers are issued again, their stamps are not.
    package func appendFailed(from origin: LogPosition) throws(StoreError) {
        while let last = self.undo.last, last.position >= origin { try self.undoNewest() }
        if let frozen, frozen.checkpoint.position > origin {
            precondition(self.live.count == 0 && frozen.progress == nil, "\(self.live.count) entries live behind a frozen table that is not synced")
            (self.live, self.frozen) = (frozen.table, nil)
        }
        self.tail.cut(back: origin)
        self.unindexed.removeAll { $0.position >= origin }
        self.releaseEmptyTable()
        self.markRottenAgain()
        self.trimAgain()
        if let raise, raise.behind >= origin { (self.raise, self.passed) = (nil, self.drops.expired) }
        self.counters.failedAppends += 1
    }

    /// Takes back the newest change that is not in the file yet.
    func undoNewest() throws(StoreError) {
        switch self.undo.removeLast().change {
        case .put(let slot, let previous, let dot):
            let key = slot.record!.view.key
            if let index = self.live.index(of: slot.token, key: key), self.live[index].record == slot.record {
                try self.undoPut(in: &self.live, at: index, previous: previous, below: self.frozen?.table)
            } else if let index = self.frozen!.table.index(of: slot.token, key: key) {
                try self.undoPut(in: &self.frozen!.table, at: index, previous: previous, below: nil)
            }
            if let dot { self.seen.remove(dot) }
        case .seen(let dot): self.seen.remove(dot)
        case .joined:
            guard case .seen(let previous) = self.replaced.removeLast() else { preconditionFailure("no earlier value of seen") }
            self.seen = previous
        case .control(let key):
            guard case .control(let previous) = self.replaced.removeLast() else { preconditionFailure("no earlier value of \(key)") }
            if key == .replica, let change = self.control[key].flatMap(ReplicaChange.init(controlValue:)) { self.identity.replica = change.old }
            self.keepControl(key, previous)
        }
    }

    /// A part of the frozen table is in the base. Nothing asks the digest before the rest is.
    package func drainCommitted(_ adjustments: [DigestAdjustment]) {
        precondition(self.frozen?.progress != nil, "drained, but nothing was draining")
        self.apply(adjustments)
    }

    /// All of the frozen table is in the base.
    package func drained(_ adjustments: [DigestAdjustment], at now: Instant) throws(StoreError) {
        self.drainCommitted(adjustments)
        self.reader.reset()  // Before the table goes: a snapshot of before the commit would show neither.
        self.pacing.drainEnded(at: now)
        self.drainedPosition = self.frozen!.checkpoint.position
        self.noteDrainedDeadlines(from: self.drainedSeen)
        self.drainedSeen = self.frozen!.checkpoint.seen
        self.undrainedDrops -= self.frozen!.drops
        if let purges = self.frozen!.purges { self.purged = purges }
        self.emptied = min(self.frozen!.empties, self.passed)
        self.frozen = nil
        self.drainEndedWithRoom()
        self.counters.drains += 1
        try self.reader.baseChanged()
    }

    /// The drain found no room and will be tried again; until then reads see the frozen table as before.
    package func drainFailed(_ error: StoreError) { self.drainFailure = error }

    /// What failed for want of room has been done.
    func drainEndedWithRoom() { self.drainFailure = nil }

    /// From now on every tick drains what there is; the store is done when nothing is live or frozen.
    package func stop() { self.isStopping = true }

    /// Sizes of the base, as of its last commit.
    package func baseStatistics() throws(StoreError) -> BaseStatistics { try self.base.statistics() }

    /// Up to where the frozen table covers the log; nil where there is none.
    package var frozenPosition: LogPosition? { self.frozen?.checkpoint.position }

    /// Nothing is in memory alone.
    package var isDrained: Bool { self.live.count == 0 && self.frozen == nil && !self.hasDrops }
}

/// A table that takes no more writes, and the checkpoint for the moment it was frozen.
package struct FrozenTable {
    package internal(set) var table: Table
    let checkpoint: Checkpoint
    /// The dropped entries that its drain takes out of the base: how many, and up to where; nil where none.
    var drops = 0
    var purges: Drops?
    /// Up to where in the order of deadlines its drain takes values away.
    var empties = Expiration.none
    /// Set once the drain has begun, which is not before the log is synced up to the checkpoint.
    package internal(set) var progress: DrainProgress?
}
