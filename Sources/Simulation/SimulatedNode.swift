import Basics
import Digests
import Membership
import Node
import RESP
import Storage
import Versioning

/// One node of a simulated world: the replica and the storage of production, on a disk and a base in memory.
///
/// What the threads of a real node do is done here when the world says so, so that a crash may come between any two steps.
final class SimulatedNode {
    let index: Int
    /// What this node's wall clock is off by, in milliseconds.
    let clockOffset: Int64
    private let configuration: StoreConfiguration
    private let settings: ReplicaConfiguration
    private let peers: PeerConfiguration
    private(set) var disk = SimulatedDisk()
    private var contents = MemoryBase.Contents()
    private var base = MemoryBase()
    /// Nil while the node is down.
    private(set) var replica: Replica?
    /// Counts the starts, so that what was planned for an earlier one is not taken for this.
    private(set) var incarnation = 0
    private var writer: LogWriter?
    private var queue: [Batch] = []
    private var drain: Drain?
    private var load: BulkLoad?
    private var session: Session?
    /// Writes that are executed and not yet acknowledged, oldest first.
    private var pending: [(position: LogPosition, write: Write)] = []
    private(set) var acknowledged: [Write] = []
    private(set) var tornTails = 0

    /// A write as the client knows it.
    struct Write {
        let key: [UInt8]
        let dot: Dot
        let stamp: Stamp
        let isTombstone: Bool
    }

    init(index: Int, clockOffset: Int64, configuration: StoreConfiguration, settings: ReplicaConfiguration, peers: PeerConfiguration) {
        (self.index, self.clockOffset, self.configuration) = (index, clockOffset, configuration)
        (self.settings, self.peers) = (settings, peers)
    }

    func wall(at now: Instant) -> WallTime {
        WallTime(milliseconds: UInt64(1_700_000_000_000 + Int64(now.nanoseconds / 1_000_000) + self.clockOffset))
    }

    func moment(at now: Instant) -> Replica.Moment { Replica.Moment(now: now, wall: self.wall(at: now)) }

    // MARK: Life

    func start(at now: Instant, using random: inout SplitMix64) throws(StoreError) {
        self.incarnation += 1
        self.base = MemoryBase(self.contents)
        let configuration = self.peers
        let (store, report) = try Store.open(
            disk: self.disk, base: self.base, configuration: self.configuration, founds: !configuration.awaitsOthers, using: &random)
        if report.tornBytes > 0 { self.tornTails += 1 }
        let replica = Replica(
            store: store, configuration: self.settings, randomSeed: random.next(), startedAt: now, surroundings: { Surroundings() })
        self.writer = LogWriter(disk: self.disk, head: store.head)
        try replica.startPeers(configuration, at: now, using: &random)
        let session = Session(id: 1, address: "client", localAddress: "node", isAuthenticated: true, at: now)
        replica.connected(session)
        (self.replica, self.session) = (replica, session)
    }

    /// The process ends without warning.
    func kill() {
        self.contents = self.base.contents
        (self.replica, self.session, self.writer, self.drain, self.load) = (nil, nil, nil, nil, nil)
        (self.queue, self.pending) = ([], [])
    }

    /// The power goes: what no sync has covered is lost, torn or there.
    func cutPower(using random: inout SplitMix64) {
        self.kill()
        self.disk = self.disk.crash(using: &random)
    }

    // MARK: Threads

    func take(_ batch: Batch) { self.queue.append(batch) }

    func take(_ job: DrainJob) { self.drain = Drain(job, into: self.base.makeWriter(), transactionPages: 4) }

    func take(_ job: LoadJob) { self.load = BulkLoad(job, into: self.base.makeWriter()) }

    /// True while the disk holds what a power cut may take.
    var hasUnsynced: Bool { self.replica != nil && self.disk.unsyncedByteCount > 0 }

    var hasUnwritten: Bool { !self.queue.isEmpty }

    /// The sync thread's two steps.
    func append() throws {
        guard let replica else { return }
        guard try self.writer!.append(self.queue) == nil else { preconditionFailure("node \(self.index): no room on a disk without limits") }
        self.queue = []
        replica.store.wrote(through: self.writer!.written)
    }

    func sync() throws {
        guard let replica else { return }
        replica.store.synced(through: try self.writer!.sync())
        replica.pushSynced()
        let durable = replica.store.durable
        let count = self.pending.firstIndex { $0.position >= durable } ?? self.pending.count
        self.acknowledged += self.pending[..<count].map(\.write)
        self.pending.removeFirst(count)
    }

    func sweep(through position: LogPosition) throws(DiskError) { try SegmentSweeper(disk: self.disk).removeSegments(through: position) }

    func run(_ read: LogRead) -> [UInt8]? { read.run(on: self.disk) }

    /// One step of a running drain.
    ///
    /// - Returns: false where none runs any more.
    func stepDrain(at now: Instant) throws(StoreError) -> Bool {
        guard let replica, self.drain != nil else { return false }
        switch try self.drain!.step() {
        case .stored: return true
        case .committed(let adjustments):
            replica.store.drainCommitted(adjustments)
            return true
        case .finished(let adjustments):
            self.drain = nil
            try replica.store.drained(adjustments, at: now)
            return false
        }
    }

    /// One step of a bootstrap's job.
    ///
    /// - Returns: false where none runs any more.
    func stepLoad(at now: Instant) throws(StoreError) -> Bool {
        guard let replica, let step = try self.load?.step() else { return false }
        guard case .finished(let outcome) = step else { return true }
        self.load = nil
        try replica.loaded(outcome, at: now)
        return false
    }

    // MARK: Clients

    /// Executes a command; a write that is executed is acknowledged once it is durable.
    func execute(_ words: [[UInt8]], at now: Instant) throws(StoreError) {
        guard let replica, let session else { return }
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words { bytes += Array("$\(word.count)\r\n".utf8) + word + Array("\r\n".utf8) }
        let (key, isTombstone) = (words[1], words[0] == Array("DEL".utf8))
        var parser = CommandParser(limits: .authenticated(valueBytes: 1 << 20))
        var writer = ReplyWriter()
        let position = try bytes.span.bytes.withUnsafeBytes { input throws(StoreError) -> LogPosition? in
            guard case .command = parser.next(in: input), !replica.mustWait(parser.arguments, session),
                case .answered(let position) = try replica.execute(parser.arguments, session, at: self.moment(at: now), to: &writer)
            else { return nil }
            return position
        }
        guard let position, position > 0, writer.withBytes({ $0.first }) != UInt8(ascii: "-") else { return }
        let version = try self.version(of: key)
        guard let version, version.dot.replica == replica.store.identity.replica, version.isTombstone == isTombstone else { return }
        self.pending.append((position, Write(key: key, dot: version.dot, stamp: version.stamp, isTombstone: isTombstone)))
    }

    private func version(of key: [UInt8]) throws(StoreError) -> VersionHeader? {
        let store = self.replica!.store
        return try key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            guard case .record(let record, _, _) = try store.find(store.token(of: key), key: key) else { return nil }
            return record.versionHeader
        }
    }

    // MARK: Looking inside

    /// All entries as a scan shows them.
    func entries() throws(StoreError) -> [[UInt8]: Entry] {
        var entries: [[UInt8]: Entry] = [:]
        try self.replica!.store.scan(Token.first...Token.last) { entry in
            entries[Array(entry.key)] = Entry(header: entry.record!.versionHeader, payload: Array(entry.record!.payload))
            return true
        }
        return entries
    }

    struct Entry: Equatable {
        let header: VersionHeader
        let payload: [UInt8]
    }
}
