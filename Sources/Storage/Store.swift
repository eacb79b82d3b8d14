import Basics
import DequeModule
import Digests
import Versioning

/// The entries of one node: log, table, frozen table and base as one ordered map, and the digest tree over it.
///
/// The core loop owns it. It does no I/O but reads of the base: `endTick` names the batch to append and the table to drain, and the
/// threads that did so report back with `wrote`, `synced`, `appendFailed` and `drained`. The simulator drives the same calls.
///
///     put → log tail ─ endTick → append … synced        reads: live table, frozen table, base
///         └ live table ─ freeze → drain … drained → base
///
/// - Invariant: a version is in the live table, the frozen table or the base, and the newest is in the first of these that has the key.
/// - Invariant: the folded digest (`tree`, `liveKeys`) covers for each key the version that the tables' `fold` marks name. It equals
///   the digest of all entries once nothing is unfolded and nothing is frozen.
package final class Store {
    package let configuration: StoreConfiguration
    package internal(set) var identity: Identity
    /// What this node's state reflects, log records not yet synced included.
    package internal(set) var seen: Seen { didSet { self.seenRevision &+= 1 } }
    /// Changes with `seen`, so that what was computed of that can be kept.
    package private(set) var seenRevision: UInt64 = 0
    /// The greatest stamp time in log and base.
    package internal(set) var greatestStamp: UInt64
    var control: [ControlKey: [UInt8]] { didSet { self.readControl() } }
    /// The store belongs to a node that has not got yet what its cluster held when it joined. Asked many times a tick.
    package private(set) var isJoining = false
    /// Other members have forgotten what this store never saw: it serves nobody.
    package private(set) var isForgetful = false
    /// What was lost to damage and has not come back.
    package private(set) var damage = DamageMarks()
    var hidden = DamageMarks()
    /// Up to where tombstones were dropped, and who writes no more: as logged, and the floors as they count.
    package private(set) var clearance = Clearance()
    var countingFloors = Floors()
    /// Changes with the floors that count.
    package internal(set) var clearanceRevision: UInt64 = 0
    /// Floors that do not count yet.
    var raise: Raise?
    /// Tombstones that were dropped and lie in the base still.
    var undrainedDrops = 0
    /// What had been seen when what the base has was frozen.
    var drainedSeen: Seen
    /// The last tombstone that came although it had been drained before.
    var lateTombstone: LogPosition = 0
    /// A sweep waits for what the table holds.
    var wantsDrain = false
    /// Entries of the base that are to leave it.
    var rotten: [RottenEntry] = []
    /// What makes their loss durable.
    var rottenBehind: LogPosition?

    var tail: LogTail
    package internal(set) var live = Table()
    package internal(set) var frozen: FrozenTable?
    /// What a bootstrap stores in the base.
    var load = Load.none
    let reader: any BaseReader
    let base: any Base

    /// What the log holds for peers, as far as it is durable; nothing where no peer will ask.
    package internal(set) var logIndex: LogIndex
    /// Where the log's segments begin, as far as they are durable.
    var segments: Deque<LogPosition>
    /// Batches that are not durable yet, in order.
    var unindexed: Deque<Batch> = []
    /// Peers may still ask for what lies from here on.
    var neededFrom = LogPosition.max
    /// False for a node without peers.
    package var indexesLog = false

    var tree: DigestTree
    /// Keys that are not tombstones, as far as folded.
    package internal(set) var liveKeys: Int
    /// Those of them with a deadline, whether it has passed or not: the clock changes nothing here.
    package internal(set) var expiringKeys: Int
    var foldCursor = Token(rawValue: 0)
    /// Takes what a prefetch has read.
    var touched: UInt64 = 0

    /// Everything before it is durable.
    package private(set) var synced: LogPosition
    /// Everything before it is in the file.
    package private(set) var written: LogPosition
    var undo: Deque<Undo> = []
    var replaced: Deque<Replaced> = []
    var oldestPut: Instant?
    /// Since when dropped tombstones wait for a drain.
    private var dropsWaitSince: Instant?
    package internal(set) var pacing: Pacing
    package internal(set) var counters: StoreCounters
    /// Why writes are refused although they could be queued: the disk is full, and the tables cannot be drained.
    package private(set) var drainFailure: StoreError?
    /// While set, no table is frozen: slices of digest work, which wait for the drain to end, get their turn.
    package var holdsFreeze = false
    var isStopping = false

    /// A change that could still fail to be appended.
    struct Undo {
        enum Change {
            /// - Parameter dot: nil where it was not counted as seen.
            case put(Table.Slot, previous: Table.Slot?, dot: Dot?)
            /// Only counted as seen.
            case seen(Dot)
            /// The earlier value is the last of `replaced`.
            case joined
            case control(ControlKey)
        }

        let position: LogPosition
        let change: Change
    }

    /// What an `Undo` of a value that owns memory puts back: apart, as every put would pay for it.
    enum Replaced {
        case seen(Seen)
        case control([UInt8]?)
    }

    init(configuration: StoreConfiguration, base: any Base, reader: any BaseReader, recovered: RecoveredStore, saltSeed: UInt64) {
        (self.configuration, self.base, self.reader) = (configuration, base, reader)
        (self.identity, self.seen) = (recovered.checkpoint.identity, recovered.checkpoint.seen)
        (self.greatestStamp, self.control) = (recovered.checkpoint.greatestStamp, recovered.checkpoint.control)
        self.tail = LogTail(head: recovered.head, segmentBytes: configuration.segmentBytes, saltSeed: saltSeed)
        (self.synced, self.written, self.drainedPosition) = (recovered.head, recovered.head, recovered.drainedPosition)
        (self.live, self.tree) = (recovered.table, recovered.scan.tree)
        (self.liveKeys, self.expiringKeys) = (recovered.scan.liveKeys, recovered.scan.expiringKeys)
        self.pacing = Pacing(configuration: configuration)
        self.counters = StoreCounters(damagedEntries: recovered.scan.rotten.count)
        (self.logIndex, self.segments) = (recovered.logIndex, Deque(recovered.segments))
        self.drainedSeen = recovered.drainedSeen
        self.undrainedDrops = recovered.scan.dropped
        self.readControl()
        self.countingFloors = self.clearance.floors
        self.foundRotten(atStart: recovered.scan.rotten)
    }

    /// Keeps what is asked for often in the form in which it is asked for.
    private func readControl() {
        self.isJoining = self.control[.joining] == [1]
        self.isForgetful = self.control[.forgetful] == [1]
        self.damage = self.control[.damage].flatMap(DamageMarks.init(controlValue:)) ?? DamageMarks()
        self.hide()
        self.clearance =
            self.control[.clearance].flatMap { bytes in bytes.span.bytes.withUnsafeBytes { try? Clearance(decoding: $0) } } ?? Clearance()
    }

    // MARK: Positions

    /// Outputs that depend on a position leave when it is smaller than this.
    package var durable: LogPosition { self.configuration.durability == .always ? self.synced : self.written }

    /// What an output depends on that covers everything applied so far.
    package var appliedPosition: LogPosition {
        if self.tail.openBytes > 0 { return self.tail.openPosition }
        return self.tail.head == 0 ? 0 : self.tail.head - 1
    }

    package var head: LogPosition { self.tail.head }

    /// Everything before it is in the base: what the log is no longer needed for.
    package private(set) var drainedPosition: LogPosition

    /// The bytes that were sealed and are not yet in the file: the driver stops reading from clients when they pass a bound.
    package var unwrittenBytes: Int { Int(self.tail.head - self.written) + self.tail.openBytes }

    // MARK: Reading

    package enum Layer: Sendable { case live, frozen, base }

    /// What a key has.
    package enum Found {
        case nothing
        /// The newest version; it may be a tombstone. An answer that shows it depends on `position`.
        case record(RecordView, position: LogPosition, layer: Layer)
        /// What was stored does not have its checksum, or was lost for that reason.
        case damaged
    }

    /// Looks a key up. The view is valid until the end of the tick, puts or not: chunks stay with their table.
    package func find(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) -> Found {
        if let slot = self.live.find(token, key: key) { return self.found(slot, .live) }
        if let slot = self.frozen?.table.find(token, key: key) { return self.found(slot, .frozen) }
        let entry = try self.findInBase(token, key: key)
        if entry == nil, !self.damage.contains(token) { return .nothing }
        guard let entry, entry.isIntact, let record = entry.record else {
            if self.hidden.contains(token), !self.damage.contains(token) { return .nothing }  // Given up.
            self.counters.damagedReads += 1
            if entry != nil { self.foundRotten(token, key: key) }
            return .damaged
        }
        return self.isDropped(record) ? .nothing : .record(record, position: 0, layer: .base)
    }

    private func found(_ slot: Table.Slot, _ layer: Layer) -> Found {
        let record = slot.record!.view
        return self.isDropped(record) ? .nothing : .record(record, position: slot.position, layer: layer)
    }

    func findInBase(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) -> BaseEntry? {
        try self.reader.open()
        return try self.reader.find(token, key: key)
    }

    package func token(of key: UnsafeRawBufferPointer) -> Token { self.identity.digestKey.token(of: key) }

    // MARK: Writing

    /// Applies a version that wins over whatever the key has, without reading it: a write of this node, whose stamp is the greatest.
    ///
    /// - Parameter fill: writes the payload into memory of exactly `payloadByteCount` bytes.
    /// - Returns: the position that an answer to this write depends on.
    @discardableResult
    package func put(
        _ header: VersionHeader, key: UnsafeRawBufferPointer, token: Token, payloadByteCount: Int, at now: Instant,
        fill: (UnsafeMutableRawBufferPointer) -> Void
    ) -> LogPosition {
        let byteCount = RecordLayout.byteCount(of: header, keyByteCount: key.count, payloadByteCount: payloadByteCount)
        let (bytes, chunk) = self.tail.reserve(byteCount: byteCount, synced: self.synced)
        RecordLayout.encode(header, key: key, token: token, payloadByteCount: payloadByteCount, into: bytes, fill: fill)
        let position = self.tail.openPosition
        self.insert(Table.Slot(token: token, record: RecordPointer(address: bytes.baseAddress!), position: position, fold: .below), chunk, header)
        if self.hasDamage { self.unmark(token, key: key) }
        if self.oldestPut == nil { self.oldestPut = now }
        self.pacing.admitted(recordBytes: byteCount)
        self.counters.recordsApplied += 1
        return position
    }

    private func insert(_ slot: Table.Slot, _ chunk: Chunk, _ header: VersionHeader) {
        precondition(header.dot.sequence == self.seen.watermark(of: header.dot.replica) + 1, "\(header.dot) does not follow \(self.seen)")
        precondition(header.stamp.time > self.greatestStamp, "stamp \(header.stamp) is not above \(self.greatestStamp)")
        let previous = self.putFolded(slot, chunk)
        _ = self.seen.insert(header.dot)
        self.greatestStamp = header.stamp.time
        self.undo.append(Undo(position: slot.position, change: .put(slot, previous: previous, dot: header.dot)))
    }

    /// A point in the current tick to which `rollBack` can return.
    package struct Mark {
        fileprivate let tail: LogTail.Mark?
        fileprivate let undoCount: Int
    }

    package func mark() -> Mark { Mark(tail: self.tail.mark(), undoCount: self.undo.count) }

    /// Takes back all puts since `mark`, which must be of this tick.
    package func rollBack(to mark: Mark) throws(StoreError) {
        while self.undo.count > mark.undoCount { try self.undoNewest() }
        self.tail.rollBack(to: mark.tail)
        self.releaseEmptyTable()
        self.markRottenAgain()
    }

    /// Undone records keep their bytes in the table: a table with nothing else in it would count as full, and never be frozen.
    private func releaseEmptyTable() {
        guard self.live.count == 0 else { return }
        (self.live, self.oldestPut, self.foldCursor) = (Table(), nil, Token(rawValue: 0))
    }

    /// The bytes of records put since the last tick.
    package var tickBytes: Int { self.tail.openBytes }

    // MARK: Ticks, appends and drains

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
        guard self.frozen == nil, self.live.count > 0 || self.hasDropsToDrain(at: now) else { return false }
        if self.isStopping { return true }
        if self.holdsFreeze { return false }
        if self.wantsDrain || self.live.count == 0 { return true }
        if self.live.count >= self.configuration.tableEntries || self.live.recordBytes >= self.configuration.tableBytes { return true }
        return self.oldestPut.map { now >= $0 + self.configuration.tableAge } ?? true
    }

    /// Dropped tombstones lie in the base that can leave it: nothing but a bootstrap writes to that of a joiner.
    private var hasDrops: Bool { self.undrainedDrops > 0 && !self.isLoading && !self.isJoining }

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
        guard let frozen, frozen.progress == nil, self.synced >= frozen.checkpoint.position else { return nil }
        let progress = DrainProgress()
        self.frozen!.progress = progress
        self.frozen!.drops = self.undrainedDrops
        self.pacing.drainStarted(entries: frozen.table.count, at: now)
        return DrainJob(
            table: frozen.table, checkpoint: frozen.checkpoint, hidden: self.hidden, floors: self.countingFloors,
            purges: self.undrainedDrops > 0, progress: progress)
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
        if let raise, raise.behind >= origin { self.raise = nil }
        self.counters.failedAppends += 1
    }

    private func undoNewest() throws(StoreError) {
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
            self.control[key] = previous
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
        self.drainedSeen = self.frozen!.checkpoint.seen
        self.undrainedDrops -= self.frozen!.drops
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

    package var isDrained: Bool { self.live.count == 0 && self.frozen == nil && !self.hasDrops }
}

/// A table that takes no more writes, and the checkpoint for the moment it was frozen.
package struct FrozenTable {
    package internal(set) var table: Table
    let checkpoint: Checkpoint
    /// The dropped tombstones that it takes out of the base.
    var drops = 0
    /// Set once the drain has begun, which is not before the log is synced up to the checkpoint.
    package internal(set) var progress: DrainProgress?
}

/// What a store can be told. Sizes in bytes.
package struct StoreConfiguration: Equatable, Sendable {
    package enum Durability: String, Sendable, CaseIterable {
        /// Answers leave after fdatasync of what they depend on.
        case always
        /// Answers leave after write(); fdatasync follows within the sync interval.
        case interval
    }

    package var durability = Durability.always
    /// A table freezes at this many entries: the more it holds, the more of them share a page of LMDB that has to be written. In a store
    /// of a million 400,000 cost half the bytes an entry that 200,000 do …
    package var tableEntries = 400_000
    /// … or this many bytes of records …
    package var tableBytes = 128 << 20
    /// … or when its oldest entry has waited this long.
    package var tableAge = Duration.seconds(60)
    /// A segment takes no batch beyond this length.
    package var segmentBytes = 64 << 20
    /// So much of the log is kept at most for members that have not confirmed it, besides what is not drained. With 0 no peer is answered from it.
    package var logCapBytes = 1 << 30

    package init() {}
}

/// Events since the start, for INFO.
package struct StoreCounters: Equatable, Sendable {
    /// Entries that were found not to be what was written, most of them by the scan at the start.
    package var damagedEntries: Int
    /// Lookups that were for one of them, or for what was lost with one.
    package var damagedReads = 0
    package var recordsApplied = 0
    package var failedAppends = 0
    package var droppedTombstones = 0
    /// Times that floors were raised because another node's were taken over.
    package var adoptions = 0
    /// Versions that came and were known to have been removed (I23).
    package var knownRemoved = 0
    /// Of settled replicas, versions that were none of theirs (I25).
    package var refusedUnsettled = 0
    package var drains = 0

    package init(damagedEntries: Int = 0) { self.damagedEntries = damagedEntries }
}
