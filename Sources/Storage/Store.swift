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
    private(set) var control: [ControlKey: [UInt8]]
    /// The store belongs to a node that has not got yet what its cluster held when it joined. Asked many times a tick.
    package private(set) var isJoining = false
    /// Other members have forgotten what this store never saw: it serves nobody.
    package private(set) var isForgetful = false
    /// What was lost to damage and has not come back.
    package private(set) var damage = DamageMarks()
    var hidden = DamageMarks()
    /// Up to where tombstones were dropped, and who writes no more: as logged.
    package private(set) var clearance = Clearance()
    /// Up to where entries that have expired were looked at: as logged.
    private(set) var collected = Expiration.none
    /// Changes with `clearance`, so that what was computed of that can be kept.
    package private(set) var clearanceRevision: UInt64 = 0
    /// What was dropped, as it counts.
    var drops = Drops()
    /// Changes with the floors that count.
    package internal(set) var floorsRevision: UInt64 = 0
    /// What does not count yet.
    var raise: Raise?
    /// Entries that were dropped and lie in the base still.
    var undrainedDrops = 0
    /// What has left the base of what was dropped.
    var purged = Drops()
    /// Up to where entries that have expired were looked at since the start: behind `collected` none of them was to be dropped on sight.
    var passed = Expiration.none { didSet { self.emptied = min(self.emptied, self.passed) } }
    /// Up to where the values of expired entries have left the base.
    var emptied = Expiration.none
    /// Where expired entries above the floors may be.
    var waitingExpired = WaitingExpired()
    /// When the next entry of the base expires that no sweep has looked at, in milliseconds since 1970; nil where none does, or a drain has changed that.
    package internal(set) var nextDeadline: UInt64?
    /// What had been seen when what the base has was frozen.
    var drainedSeen: Seen
    /// The last entry that came although it had been drained before, or is held never to have been written, of what may be dropped some day.
    var lateEntry: LogPosition = 0
    /// A key may have siblings: a register is not known to win by its stamp alone.
    package private(set) var hasSiblings: Bool
    /// What these name.
    package private(set) var named: NamedWrites
    /// Keys whose siblings hold what was dropped.
    var untrimmed: [(token: Token, key: [UInt8])] = []
    /// Keys whose siblings were written again without, and behind what that is durable.
    var trimmed: [(token: Token, key: [UInt8])] = []
    var trimmedBehind: LogPosition = 0
    /// A sweep waits for what the table holds.
    var wantsDrain = false
    /// What this node took along from a store that it gave up.
    package internal(set) var exportCounts: ExportCounts
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
    package internal(set) var synced: LogPosition
    /// Everything before it is in the file.
    package internal(set) var written: LogPosition
    var undo: Deque<Undo> = []
    var replaced: Deque<Replaced> = []
    var oldestPut: Instant?
    /// Since when dropped tombstones wait for a drain.
    var dropsWaitSince: Instant?
    package internal(set) var pacing: Pacing
    package internal(set) var counters: StoreCounters
    /// Why writes are refused although they could be queued: the disk is full, and the tables cannot be drained.
    package internal(set) var drainFailure: StoreError?
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
        self.named = recovered.named
        self.hasSiblings = !recovered.named.isEmpty
        self.exportCounts = recovered.exports
        for key in ControlKey.allCases { self.readControl(key) }
        (self.drops, self.passed) = (Drops(floors: self.clearance.floors, expired: self.collected), self.collected)
        if recovered.scan.dropped == 0 { self.purged = self.drops }
        // What sessions had brought may be among what was replayed.
        if recovered.table.count > 0, recovered.head > 0 { self.lateEntry = recovered.head - 1 }
        self.foundRotten(atStart: recovered.scan.rotten)
        self.noteUntrimmed(recovered.scan.untrimmed)
    }

    func keepControl(_ key: ControlKey, _ value: [UInt8]?) {
        self.control[key] = value
        self.readControl(key)
    }

    /// Keeps these values and no others.
    func keepControl(_ control: [ControlKey: [UInt8]]) {
        self.control = control
        for key in ControlKey.allCases { self.readControl(key) }
    }

    /// Keeps what is asked for often in the form in which it is asked for.
    private func readControl(_ key: ControlKey) {
        let value = self.control[key]
        switch key {
        case .joining: self.isJoining = value == [1]
        case .forgetful: self.isForgetful = value == [1]
        case .damage:
            self.damage = value.flatMap(DamageMarks.init(controlValue:)) ?? DamageMarks()
            self.hide()
        case .clearance:
            self.clearance = value.flatMap(Clearance.init(controlValue:)) ?? Clearance()
            self.clearanceRevision &+= 1
        case .collected: self.collected = value.flatMap(Expiration.init(controlValue:)) ?? .none
        case .members, .founding, .start, .replica, .returning, .bootstrap, .formerMembers: break
        }
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
    package internal(set) var drainedPosition: LogPosition

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
        // Asked before, as a table that is searched is retained part by part.
        if self.live.mayHave(token), let slot = self.live.find(token, key: key) { return self.found(slot, .live) }
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

    /// Applies a version that wins over whatever the key has, without reading it: a write of this node, whose stamp is the greatest, or one that is
    /// written again with the stamp that it had.
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

    /// Applies what a write of this node makes of a key's siblings.
    ///
    /// - Returns: the position that an answer to this write depends on.
    package func put(
        _ siblings: Siblings, key: UnsafeRawBufferPointer, token: Token, at now: Instant
    ) throws(StoreError) -> LogPosition {
        let (payload, isLate) = (siblings.encoded, try self.isLate(siblings.beneath, key: key, token: token))
        let position = self.put(VersionHeader(siblings), key: key, token: token, payloadByteCount: payload.count, at: now) {
            $0.copyBytes(from: payload)
        }
        if isLate { self.lateEntry = position }
        self.note(siblings)
        return position
    }

    func note(_ siblings: Siblings) {
        self.hasSiblings = true
        self.named.note(siblings)
    }

    func note(_ named: NamedWrites) {
        self.named.join(named)
        self.hasSiblings = !self.named.isEmpty
    }

    /// Whether floors may pass a register beneath siblings while these lie in the table, as no index names it: it is from where the context was given, or
    /// had a deadline.
    private func isLate(_ beneath: Siblings.Register?, key: UnsafeRawBufferPointer, token: Token) throws(StoreError) -> Bool {
        guard let beneath else { return false }
        guard case .record(let record, _, _) = try self.find(token, key: key) else { return true }
        return !record.listed.tombstones.contains(beneath.dot)
    }

    private func insert(_ slot: Table.Slot, _ chunk: Chunk, _ header: VersionHeader) {
        precondition(header.dot.sequence == self.seen.watermark(of: header.dot.replica) + 1, "\(header.dot) does not follow \(self.seen)")
        let isNew = header.stamp.replica == header.dot.replica
        precondition(!isNew || header.stamp.time > self.greatestStamp, "stamp \(header.stamp) is not above \(self.greatestStamp)")
        let previous = self.putFolded(slot, chunk)
        _ = self.seen.insert(header.dot)
        self.greatestStamp = max(self.greatestStamp, header.stamp.time)
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
    func releaseEmptyTable() {
        guard self.live.count == 0 else { return }
        (self.live, self.oldestPut, self.foldCursor) = (Table(), nil, Token(rawValue: 0))
    }

    /// The bytes of records put since the last tick.
    package var tickBytes: Int { self.tail.openBytes }
}
