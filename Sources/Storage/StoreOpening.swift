import Basics
import Digests
import Versioning

/// What opening found and did, for the log.
package struct OpeningReport: Equatable, Sendable {
    /// True where the store was founded now.
    package var isNew = false
    package var entries: UInt64 = 0
    package var damagedEntries = 0
    /// Of the entries in the base, before the log's.
    package var digest = Digest.empty
    package var replayedRecords = 0
    package var tornBytes = 0
    /// Set where a damaged log was put aside: the store came back under a new replica id.
    package var droppedDamage: LogDamage?
    /// Set where the store was given up for the others': it is empty, and joins.
    package var startedOver: StartOverReport?
}

extension Store {
    /// Opens what disk and base hold: rebuilds the digest by a scan that verifies every checksum, replays the log from the position
    /// that the base names, cuts a torn tail, removes segments that are drained and beyond what members may ask for.
    ///
    /// - Parameters:
    ///   - founds: a new store founds a cluster of its own; otherwise it has an id and waits for `adopt`.
    ///   - dropsDamagedLog: comes back under a new replica id from a log that lost synced bytes; otherwise that is refused.
    ///   - generator: draws identities and salts.
    package static func open(
        disk: any Disk, base: any Base, configuration: StoreConfiguration, dropsDamagedLog: Bool = false, founds: Bool = true,
        using generator: inout some RandomNumberGenerator
    ) throws(StoreError) -> (store: Store, report: OpeningReport) {
        var report = OpeningReport()
        var checkpoint = try base.readCheckpoint()
        if checkpoint == nil {
            checkpoint = try Self.checkpoint(of: disk, founds ? Identity(using: &generator) : Identity(unfoundedUsing: &generator))
            report.isNew = true
        }
        let last = checkpoint!.control[.start].flatMap(Start.init(controlValue:)) ?? .none
        checkpoint!.control[.start] = Start(counter: last.counter &+ 1, nonce: generator.next()).controlValue
        if report.isNew { try Self.commit(checkpoint!, to: base) }
        var replay = Replay(checkpoint: checkpoint!)
        let drainedSeen = checkpoint!.seen
        let log = try onDisk { () throws(DiskError) in try LogReader(disk: disk) }
        let keepFrom = try replay.indexDrained(of: log, cap: configuration.logCapBytes)
        let end = try log.read(from: replay.checkpoint.position) { frame, place throws(StoreError) in try replay.apply(frame, place) }
        if let damage = end.damage {
            guard dropsDamagedLog else { throw .damagedLog(damage) }
            try replay.moveToBase(base, head: end.head, newReplica: ReplicaID(using: &generator))
            try onDisk { () throws(DiskError) in try log.setAside() }
            replay.logIndex = LogIndex()
            report.droppedDamage = damage
        } else {
            if !report.isNew { try Self.count(checkpoint!, in: base) }
            try onDisk { () throws(DiskError) in try log.prepare(for: end, keepFrom: keepFrom) }
        }
        (report.replayedRecords, report.tornBytes) = (replay.records, end.damage == nil ? end.tornBytes : 0)
        if end.damage == nil, let order = replay.checkpoint.control[.returning].flatMap(ReturnOrder.init(controlValue:)) {
            report.startedOver = try replay.startOver(base, exporting: order, head: end.head, using: &generator)
            try onDisk { () throws(DiskError) in try LogReader(disk: disk).prepare(for: end, keepFrom: end.head) }
        }

        let reader = try base.makeReader()
        let scan = try BaseScan(base, reader, replay.checkpoint.identity.digestKey, replay.checkpoint.drops)
        (report.entries, report.damagedEntries, report.digest) = (scan.tree.root.entries, scan.rotten.count, scan.tree.root)
        replay.checkpoint.greatestStamp = max(replay.checkpoint.greatestStamp, scan.greatestStamp)
        let recovered = RecoveredStore(
            checkpoint: replay.checkpoint, head: end.head, drainedPosition: replay.checkpoint.position,
            drainedSeen: report.startedOver == nil ? drainedSeen : Seen(), table: replay.table, scan: scan, named: replay.named.joined(scan.named),
            exports: try Self.countExports(reader),
            logIndex: replay.logIndex, segments: try onDisk { () throws(DiskError) in try LogReader(disk: disk).segmentPositions })
        let store = Store(configuration: configuration, base: base, reader: reader, recovered: recovered, saltSeed: generator.next())
        return (store, report)
    }

    private static func countExports(_ reader: any BaseReader) throws(StoreError) -> ExportCounts {
        var (counts, last) = (ExportCounts(), nil as ExportPlace?)
        try reader.open()
        defer { reader.reset() }
        while true {
            let exports = try reader.exports(behind: last, limit: 1_000)
            guard !exports.isEmpty else { return counts }
            for export in exports {
                counts.count(export.state)
                counts.note(export.dot)
            }
            last = exports.last?.place
        }
    }

    /// The first checkpoint of a new store.
    private static func checkpoint(of disk: any Disk, _ identity: Identity) throws(StoreError) -> Checkpoint {
        let names = try onDisk { () throws(DiskError) in try disk.fileNames() }
        guard names.allSatisfy({ SegmentHeader.position(fromFileName: $0) == nil }) else {
            throw .foreign(reason: "the data folder has a log but no LMDB file that goes with it")
        }
        return Checkpoint(identity: identity)
    }

    /// Makes the start durable, before anybody can hear of this process.
    ///
    /// A full disk does not keep a node from serving reads. The next start has the same count then: as peers know this one, it is taken for a copy's, and
    /// costs the store its replica id, as a copy's would.
    private static func count(_ checkpoint: Checkpoint, in base: any Base) throws(StoreError) {
        do throws(StoreError) { try Self.commit(checkpoint, to: base) } catch { guard case .baseFull = error else { throw error } }
    }

    private static func commit(_ checkpoint: Checkpoint, to base: any Base) throws(StoreError) {
        let writer = base.makeWriter()
        try writer.begin()
        try writer.commit(checkpoint)
    }
}

/// What was read from base and log, before a `Store` is made of it.
struct RecoveredStore {
    /// State as of `head`.
    let checkpoint: Checkpoint
    let head: LogPosition
    /// What the base covers.
    let drainedPosition: LogPosition
    /// What had been seen by then.
    let drainedSeen: Seen
    let table: Table
    let scan: BaseScan
    /// What siblings name, of the base and of the log.
    let named: NamedWrites
    let exports: ExportCounts
    let logIndex: LogIndex
    let segments: [LogPosition]
}

/// The records of the log behind the base's checkpoint, gathered in a table.
private struct Replay {
    var checkpoint: Checkpoint
    private(set) var table = Table()
    private(set) var records = 0
    private(set) var named = NamedWrites()
    var logIndex = LogIndex()
    private var tail: LogTail

    init(checkpoint: Checkpoint) {
        self.checkpoint = checkpoint
        // Only its chunks are used: nothing of a replay is appended again.
        self.tail = LogTail(head: 0, segmentBytes: .max, saltSeed: 0)
    }

    /// Notes what of the log the base has already and members may still ask for, as far as the cap reaches.
    ///
    /// - Returns: where the log is kept from.
    mutating func indexDrained(of log: LogReader, cap: Int) throws(StoreError) -> LogPosition {
        let position = self.checkpoint.position
        guard cap > 0, self.checkpoint.control[.members] != nil else { return position }
        let start = position > UInt64(cap) ? position - UInt64(cap) : 0
        var index = LogIndex()
        try log.forEachDrained(from: start, before: position) { frame, place in
            guard frame[4] == RecordType.entry.rawValue, let record = RecordView(frame: frame) else { return }
            index.add(frame, record, segment: place.segment, batch: place.batch, end: place.end)
        }
        self.logIndex = index
        return start
    }

    /// Applies one record.
    mutating func apply(_ frame: UnsafeRawBufferPointer, _ place: LogReader.Place) throws(StoreError) {
        self.records += 1
        switch RecordType(rawValue: frame[4]) {
        case .entry:
            if let record = RecordView(frame: frame) {
                self.logIndex.add(frame, record, segment: place.segment, batch: place.batch, end: place.end)
                return self.apply(record, frame, place.batch)
            }
        case .control:
            if let (key, value) = ControlRecord.read(frame), key != .start {
                self.checkpoint.control[key] = value.isEmpty ? nil : value
                if key == .replica, let change = ReplicaChange(controlValue: value) { self.checkpoint.identity.replica = change.new }
                return
            }
        case .seen:
            let bytes = UnsafeRawBufferPointer(rebasing: frame[RecordLayout.frameByteCount...])
            if let seen = try? Seen(decoding: bytes) { return self.checkpoint.seen.join(seen) }
        case nil: break
        }
        throw .foreign(reason: "the log holds a record at position \(place.batch) that this program cannot read")
    }

    /// Each version won over all that the log had of its key before, or is marked as superseded. So the last one that is not is the newest, also
    /// of those that a drain before a crash has stored already; a superseded one may be older than what the base has.
    private mutating func apply(_ record: RecordView, _ frame: UnsafeRawBufferPointer, _ position: LogPosition) {
        let token = self.checkpoint.identity.digestKey.token(of: record.key)
        if frame[5] & FrameFlags.uncounted == 0 { _ = self.checkpoint.seen.insert(record.dot) }
        self.checkpoint.greatestStamp = max(self.checkpoint.greatestStamp, record.stampTime)
        if frame[5] & FrameFlags.superseded != 0 { return }
        if let siblings = record.siblings { self.named.note(siblings) }
        if let present = self.table.find(token, key: record.key)?.record?.view, present.kind == .register, record.kind == .register,
            !present.precedes(record)
        {
            return
        }
        let (bytes, chunk) = self.tail.reserve(byteCount: frame.count, synced: 0)
        bytes.copyMemory(from: frame)
        self.table.put(Table.Slot(token: token, record: RecordPointer(address: bytes.baseAddress!), position: position, fold: .below), chunk: chunk)
    }

    /// Stores everything in the base, under a new replica id and behind a log that will be put aside.
    mutating func moveToBase(_ base: any Base, head: LogPosition, newReplica: ReplicaID) throws(StoreError) {
        self.checkpoint.control[.replica] = ReplicaChange(new: newReplica, old: self.checkpoint.identity.replica).controlValue
        self.checkpoint.identity.replica = newReplica
        try self.moveToBase(base, head: head)
    }

    private mutating func moveToBase(_ base: any Base, head: LogPosition) throws(StoreError) {
        try self.dropSuperseded(by: base)
        self.checkpoint.position = head
        var drain = Drain(DrainJob(table: self.table, checkpoint: self.checkpoint, progress: DrainProgress()), into: base.makeWriter())
        while true {
            if case .finished = try drain.step() { break }
        }
        self.table = Table()
    }

    /// Makes the store an empty one that belongs to no cluster, but for what the member that answered has not seen: that lies beside the entries from now on. A crash on the way leaves the store as it was, and the next start begins again.
    mutating func startOver(
        _ base: any Base, exporting order: ReturnOrder, head: LogPosition, using generator: inout some RandomNumberGenerator
    ) throws(StoreError) -> StartOverReport {
        try self.moveToBase(base, head: head)
        let report = try self.export(order, in: base)
        var control: [ControlKey: [UInt8]] = [:]
        control[.start] = self.checkpoint.control[.start]
        control[.formerMembers] = self.checkpoint.control[.members]
        let identity = Identity(unfoundedUsing: &generator)
        self.checkpoint = Checkpoint(identity: identity, position: head, greatestStamp: self.checkpoint.greatestStamp, control: control)
        self.logIndex = LogIndex()
        let writer = base.makeWriter()
        try writer.begin()
        try writer.removeAll()
        try writer.commit(self.checkpoint)
        return report
    }

    private func export(_ order: ReturnOrder, in base: any Base) throws(StoreError) -> StartOverReport {
        var (report, gathered) = (StartOverReport(), 0)
        let (identity, drops) = (self.checkpoint.identity, self.checkpoint.drops)
        let (reader, writer) = (try base.makeReader(), base.makeWriter())
        try reader.open()
        try writer.begin()
        var next = try reader.seek(Token(rawValue: 0))
        while let entry = next {
            if let record = entry.record, entry.isIntact(under: identity.digestKey) {
                if !record.isCovered(by: order.seen), !drops.contain(record) {
                    try writer.keep(Export(record, of: identity.cluster))
                    report.exports += 1
                    gathered += entry.key.count + record.value.count + Self.bytesPerRow
                    if gathered >= Self.bytesPerTransaction {
                        gathered = 0
                        try writer.commit(nil as Checkpoint?)
                        try writer.begin()
                    }
                }
            } else {
                report.rotten += 1
            }
            next = try reader.advance()
        }
        try writer.commit(nil as Checkpoint?)
        return report
    }

    /// A transaction of LMDB has room for so many changed pages.
    private static let bytesPerTransaction = 32 << 20
    private static let bytesPerRow = 100

    /// What came with the log's end is in the base, or lost: of siblings the later state has all that the earlier one had.
    private func isOlder(_ record: RecordView, _ stored: RecordView) -> Bool {
        if case .left = Joined(stored, record) { return !record.isSameVersion(as: stored) }
        return false
    }

    /// Forgets versions of which the base has newer ones: a drain that a crash ended may have stored what the damage took from the log.
    private mutating func dropSuperseded(by base: any Base) throws(StoreError) {
        let reader = try base.makeReader()
        try reader.open()
        var index = self.table.firstIndex(in: .first ... .last)
        while let place = index {
            let slot = self.table[place]
            let record = slot.record!.view
            if let stored = try reader.find(slot.token, key: record.key), stored.isIntact, let newest = stored.record, self.isOlder(record, newest) {
                self.table.remove(at: place)
                index = self.table.index(after: place - 1)
            } else {
                index = self.table.index(after: place)
            }
        }
    }
}

/// The digest of everything in a base, by a scan that verifies every checksum.
struct BaseScan {
    private(set) var tree: DigestTree
    private(set) var liveKeys = 0
    private(set) var expiringKeys = 0
    /// Entries that are not what was written.
    private(set) var rotten: [(token: Token, key: [UInt8])] = []
    private(set) var greatestStamp: UInt64 = 0
    /// Entries that were dropped, and count for nothing.
    private(set) var dropped = 0
    private(set) var named = NamedWrites()
    /// Keys whose siblings hold what was dropped.
    private(set) var untrimmed: [(token: Token, key: [UInt8])] = []

    init(_ base: any Base, _ reader: any BaseReader, _ key: DigestKey, _ drops: Drops = Drops()) throws(StoreError) {
        self.tree = DigestTree(leafBits: DigestTree.leafBits(forEntries: try base.statistics().entries))
        try reader.open()
        var next = try reader.seek(Token(rawValue: 0))
        var last: BaseEntry?
        while let entry = next {
            guard last.map({ $0.isAhead(of: entry) }) ?? true else { throw .misplacedRow(token: entry.token.rawValue) }
            try self.count(entry, key, drops)
            last = entry
            next = try reader.advance()
        }
        reader.reset()
    }

    private mutating func count(_ entry: BaseEntry, _ key: DigestKey, _ drops: Drops) throws(StoreError) {
        guard let record = entry.record, entry.isIntact(under: key) else {
            // Of a token that has rotted nothing tells which key is lost: lookups of it would find nothing, and say so.
            guard entry.isIntact || key.token(of: entry.key) == entry.token else { throw .misplacedRow(token: entry.token.rawValue) }
            guard self.rotten.count < Store.maximumRotten else { throw .damagedBase(entries: self.rotten.count) }
            return self.rotten.append((entry.token, Array(entry.key)))
        }
        let siblings = record.siblings
        if let siblings { self.named.note(siblings) }
        if drops.contain(record) {
            self.dropped += 1
        } else {
            if siblings?.trimmed(drops) != nil { self.untrimmed.append((entry.token, Array(entry.key))) }
            self.tree.add(record.fingerprint(under: key), at: entry.token)
            if !record.isTombstone { self.liveKeys += 1 }
            if record.isExpiring { self.expiringKeys += 1 }
        }
        self.greatestStamp = max(self.greatestStamp, record.stampTime)
    }
}

/// Runs file operations on behalf of the store.
private func onDisk<Result>(_ body: () throws(DiskError) -> Result) throws(StoreError) -> Result {
    do throws(DiskError) { return try body() } catch { throw .disk(error) }
}
