import Basics
import Digests
import Membership
import Node
import RESP
import Storage
import Synchronization
import Versioning

/// One node of a simulated world: the replica and the storage of production, on a disk and a base in memory.
///
/// What the threads of a real node do is done here when the world says so, so that a crash may come between any two steps.
final class SimulatedNode {
    let index: Int
    var clock: NodeClock
    /// The latest time that its clock has shown to it, or to the node that it is a copy of.
    private(set) var greatestReading: UInt64 = 0
    /// By how much it was ever ahead of the right time.
    private(set) var greatestLead: UInt64 = 0
    private let configuration: StoreConfiguration
    private let settings: ReplicaConfiguration
    private var peers: PeerConfiguration
    private let clients: Int
    private(set) var disk = SimulatedDisk()
    private var contents = MemoryBase.Contents()
    private var base = MemoryBase()
    private let room = Room()
    /// Nil while the node is down.
    private(set) var replica: Replica?
    /// Counts the starts, so that what was planned for an earlier one is not taken for this.
    private(set) var incarnation = 0
    private var writer: LogWriter?
    private var queue: [Batch] = []
    private var drain: Drain?
    private var load: BulkLoad?
    private(set) var sessions: [Session] = []
    /// Answers that wait for the log, oldest first.
    private(set) var pending: [Pending] = []
    private(set) var acknowledged: [Acknowledged] = []
    /// Own writes that are not known to be durable yet, oldest first.
    private(set) var provisional: [Provisional] = []
    var jobs: [WaitingJob] = []
    /// The attempt of which a WAIT is due or under way. One at a time: WAIT is about the last write of its connection.
    var waitingAttempt: UInt64?
    private(set) var tornTails = 0
    private var snapshot: (disk: SimulatedDisk, contents: MemoryBase.Contents, provisional: [Provisional])?
    /// Its disk has been exchanged for an earlier copy.
    private(set) var wasRestored = false
    /// A bit of what it had stored became another.
    private(set) var hasRotted = false
    /// The next start puts a damaged log aside.
    var dropsDamagedLog = false
    /// Under which id it last ran, and what it had seen at the end, durably or not.
    private var last: (replica: ReplicaID, seen: Seen)?

    // What the world keeps of it.
    var ends: [ConnectionEnd] = []
    var wakeAt: Instant?
    var tendAt = Instant(nanoseconds: 0)
    private(set) var pausedUntil = Instant(nanoseconds: 0)
    var slowUntil = Instant(nanoseconds: 0)
    var isSyncPlanned = false
    /// The floors that the world knows of it.
    var floorsRevision: UInt64 = 0
    /// The latest deadline up to which its process has looked at entries to drop them, in milliseconds since 1970.
    var collectedThrough: UInt64 = 0
    /// When the last sync was asked for.
    var syncPlannedAt = Instant(nanoseconds: 0)
    /// How long it stays down when its disk fails.
    var downAfterFailure = Duration.seconds(1)
    /// Soon down for good.
    var isLeaving = false
    /// Down for good.
    var isRetired = false
    var roundsBefore = 0

    init(
        index: Int, clock: NodeClock, configuration: StoreConfiguration, settings: ReplicaConfiguration, peers: PeerConfiguration, clients: Int
    ) {
        (self.index, self.clock, self.configuration, self.settings) = (index, clock, configuration, settings)
        (self.peers, self.clients) = (peers, clients)
    }

    /// A second node on a copy of another's folder.
    convenience init(index: Int, copying other: SimulatedNode, peers: PeerConfiguration) {
        self.init(
            index: index, clock: other.clock, configuration: other.configuration, settings: other.settings, peers: peers, clients: other.clients)
        self.disk = other.disk.copy()
        self.contents = other.replica == nil ? other.contents : other.base.contents
        (self.provisional, self.hasRotted) = (other.provisional, other.hasRotted)
        self.greatestReading = other.greatestReading
    }

    func moment(at now: Instant) -> Replica.Moment { Replica.Moment(now: now, wall: self.clock.wall(at: now)) }

    func noteReading(_ wall: WallTime, at now: Instant) {
        self.greatestReading = max(self.greatestReading, wall.milliseconds)
        self.greatestLead = max(self.greatestLead, max(wall.milliseconds, NodeClock.right(at: now)) - NodeClock.right(at: now))
    }

    var peerConfiguration: PeerConfiguration { self.peers }

    // MARK: Life

    func start(at now: Instant, using random: inout SplitMix64) throws(StoreError) {
        self.incarnation += 1
        let room = self.room
        self.base = MemoryBase(self.contents) { () throws(StoreError) in
            if room.isFull.load(ordering: .relaxed) { throw .baseFull(operation: "commit") }
        }
        let configuration = self.peers
        let (store, report) = try Store.open(
            disk: self.disk, base: self.base, configuration: self.configuration, dropsDamagedLog: self.dropsDamagedLog,
            founds: !configuration.awaitsOthers, using: &random)
        if report.tornBytes > 0 { self.tornTails += 1 }
        let replica = Replica(
            store: store, configuration: self.settings, randomSeed: random.next(), startedAt: now, surroundings: { Surroundings() })
        self.writer = LogWriter(disk: self.disk, head: store.head)
        try replica.startPeers(configuration, at: now, using: &random)
        // The last two are an operator's, and that of the one client that may wait for members.
        self.sessions = (1...UInt64(self.clients) + 2).map {
            Session(id: $0, address: "client", localAddress: "node", isAuthenticated: true, at: now)
        }
        for session in self.sessions { replica.connected(session) }
        self.replica = replica
    }

    /// The process ends without warning.
    func kill() {
        guard let replica else { return }
        self.last = (replica.store.identity.replica, replica.store.seen)
        self.contents = self.base.contents
        (self.replica, self.writer, self.drain, self.load) = (nil, nil, nil, nil)
        (self.queue, self.pending, self.jobs, self.sessions) = ([], [], [], [])
        (self.isSyncPlanned, self.wakeAt, self.waitingAttempt) = (false, nil, nil)
        if !self.isFull { self.disk.plan(DiskFaults()) }
    }

    /// The power goes: what no sync has covered is lost, torn or there.
    ///
    /// - Returns: acknowledged writes that may be gone.
    func cutPower(using random: inout SplitMix64) -> [Acknowledged] {
        let synced = self.replica?.store.synced ?? .max
        self.kill()
        self.disk = self.disk.crash(using: &random)
        return self.excuse { $0.position.map { $0 >= synced } ?? false }
    }

    /// The disk is another, with nothing on it: the node will join what it was part of.
    func wipe() {
        self.kill()
        self.peers.expected = 0
        self.last = nil
        self.exchange(SimulatedDisk(), MemoryBase.Contents(), [])
    }

    private func exchange(_ disk: SimulatedDisk, _ contents: MemoryBase.Contents, _ provisional: [Provisional]) {
        (self.disk, self.contents, self.provisional) = (disk, contents, provisional)
        self.makeRoom()
        self.forgetPositions()
    }

    /// The disk does not have these answered writes any more, or positions begin anew.
    func forgetPositions(where isGone: (Acknowledged) -> Bool = { _ in true }) {
        for index in self.acknowledged.indices where isGone(self.acknowledged[index]) { self.acknowledged[index].position = nil }
    }

    /// Its id, and what it has seen; while it is down those of its last moment. Nil before its first start.
    var known: (replica: ReplicaID, seen: Seen)? { self.replica.map { ($0.store.identity.replica, $0.store.seen) } ?? self.last }

    /// With it goes what it holds of own writes that are not known to be durable: a copy may make them so. What no sync has covered yet is not on it: put
    /// back after a power cut that took it from the disk, and after its dot was used again, it would give one dot two contents, and nobody could tell.
    func takeSnapshot() {
        self.snapshot = (self.disk.crash(keepingUnsyncedBytes: 0), self.replica == nil ? self.contents : self.base.contents, self.provisional)
    }

    /// The disk holds what it held at the last snapshot.
    func restore() {
        guard let snapshot else { return }
        self.kill()
        self.wasRestored = true
        self.exchange(snapshot.disk.copy(), snapshot.contents, snapshot.provisional)
    }

    /// Changes a bit of the log, wherever it falls.
    ///
    /// - Returns: false where there is no log.
    func flipBitInLog(choice: UInt64) -> Bool {
        guard self.disk.flipBit(choice: choice) else { return false }
        self.hasRotted = true
        return true
    }

    /// Changes a bit of the header or value of an entry in the base.
    ///
    /// - Returns: what is lost; nil where there is no entry.
    func flipBitInBase(choice: UInt64) -> (key: Int, stamp: Stamp)? {
        guard !self.contents.entries.isEmpty else { return nil }
        var random = SplitMix64(seed: choice)
        let index = Int.random(in: 0..<self.contents.entries.count, using: &random)
        guard let lost = self.contents.entries[index].header else { return nil }
        let key = self.contents.entries[index].key.withUnsafeBytes(Ledger.Version.number)
        self.flipBit(ofEntry: index, using: &random)
        return (key, lost.stamp)
    }

    /// Changes a bit of what the base has of a key.
    ///
    /// - Returns: false where it has nothing.
    func flipBitInBase(of key: [UInt8], choice: UInt64) -> Bool {
        guard let index = self.contents.entries.firstIndex(where: { $0.key.elementsEqual(key) }) else { return false }
        var random = SplitMix64(seed: choice)
        self.flipBit(ofEntry: index, using: &random)
        return true
    }

    /// Takes what the base has of a key away, as a fault of a program would.
    ///
    /// - Returns: what is lost; nil where it has nothing.
    func loseFromBase(_ key: [UInt8]) -> (key: Int, stamp: Stamp)? {
        guard let index = self.contents.entries.firstIndex(where: { $0.key.elementsEqual(key) }) else { return nil }
        let lost = self.contents.entries.remove(at: index)
        return lost.header.map { (lost.key.withUnsafeBytes(Ledger.Version.number), $0.stamp) }
    }

    private func flipBit(ofEntry index: Int, using random: inout SplitMix64) {
        let bit = Int.random(in: 0..<self.contents.entries[index].value.count * 8, using: &random)
        self.contents.entries[index].value[bit / 8] ^= 1 << UInt8(bit % 8)
        self.hasRotted = true
    }

    /// Acknowledged writes that a lost disk may have taken.
    func excuse(where isLost: (Acknowledged) -> Bool) -> [Acknowledged] {
        var excused: [Acknowledged] = []
        for index in self.acknowledged.indices where !self.acknowledged[index].isExcused && isLost(self.acknowledged[index]) {
            self.acknowledged[index].isExcused = true
            excused.append(self.acknowledged[index])
        }
        return excused
    }

    /// One that is paused already stays so for at least as long as it was going to.
    func pause(at now: Instant, for duration: Duration) { self.pausedUntil = max(self.pausedUntil, now + duration) }

    func endPause(at now: Instant) { self.pausedUntil = min(self.pausedUntil, now) }

    var storedExports: [Export] { self.contents.exports }
    var committedExports: [Export] { self.base.contents.exports }

    // MARK: Threads

    func take(_ batch: Batch) { self.queue.append(batch) }

    func take(_ job: LoadJob) { self.load = BulkLoad(job, into: self.base.makeWriter()) }

    func take(_ job: DrainJob) { self.drain = Drain(job, into: self.base.makeWriter(), transactionPages: 4) }

    /// True while the disk holds what a power cut may take.
    var hasUnsynced: Bool { self.replica != nil && self.disk.unsyncedByteCount > 0 }

    var hasUnwritten: Bool { !self.queue.isEmpty }

    func noteOwn(_ write: Provisional) { self.provisional.append(write) }

    /// The sync thread's first step.
    ///
    /// - Returns: where the log was cut back to, as the disk was full; nil where all was appended.
    func append() throws(DiskError) -> LogPosition? {
        guard let replica else { return nil }
        let failed = try self.writer!.append(self.queue)
        self.queue = []
        replica.store.wrote(through: self.writer!.written)
        return failed?.failed.origin
    }

    /// Nothing from `origin` on is in the log: its answers are errors.
    ///
    /// - Returns: the writes that were refused.
    func appendFailed(from origin: LogPosition, at now: Instant) throws(StoreError) -> [Pending] {
        let refused = self.pending.filter { $0.position >= origin }
        self.pending.removeAll { $0.position >= origin }
        self.provisional.removeAll { $0.position >= origin }
        for job in self.jobs { job.job.logWasCut(back: origin) }
        try self.replica!.appendFailed(from: origin, at: now)
        return refused
    }

    func sync() throws(DiskError) {
        guard let replica else { return }
        replica.store.synced(through: try self.writer!.sync())
        replica.pushSynced()
    }

    /// Own writes that are durable now.
    func takeDurable() -> [Provisional] {
        guard let replica, let first = self.provisional.first, first.position < replica.store.synced else { return [] }
        let count = self.provisional.firstIndex { $0.position >= replica.store.synced } ?? self.provisional.count
        defer { self.provisional.removeFirst(count) }
        return Array(self.provisional[..<count])
    }

    /// After a start: own writes of before that are there. The others never were.
    func takeRecovered() -> [Provisional] {
        defer { self.provisional = [] }
        let seen = self.replica!.store.seen
        return self.provisional.filter { seen.covers($0.dot) }
    }

    /// Answers that may leave now.
    func takeAnswered(at now: Instant) -> [Pending] {
        guard let replica, !self.pending.isEmpty else { return [] }
        let durable = replica.store.durable
        let count = self.pending.firstIndex { $0.position > 0 && $0.position >= durable } ?? self.pending.count
        let answered = Array(self.pending[..<count])
        self.pending.removeFirst(count)
        for case var write? in answered.map(\.write) {
            write.at = now
            self.acknowledged.append(write)
        }
        return answered
    }

    func wait(_ pending: Pending) {
        // Positions grow, but for answers that depend on something older.
        let index = self.pending.lastIndex { $0.position <= pending.position }.map { $0 + 1 } ?? 0
        self.pending.insert(pending, at: index)
    }

    func sweep(through position: LogPosition) throws(DiskError) { try SegmentSweeper(disk: self.disk).removeSegments(through: position) }

    func run(_ read: LogRead) -> [UInt8]? { read.run(on: self.disk) }

    enum DrainState { case goesOn, waitsForRoom, ended }

    /// One step of a running drain.
    func stepDrain(at now: Instant) throws(StoreError) -> DrainState {
        guard let replica, self.drain != nil else { return .ended }
        do throws(StoreError) {
            switch try self.drain!.step() {
            case .stored: return .goesOn
            case .committed(let adjustments):
                replica.store.drainCommitted(adjustments)
                return .goesOn
            case .finished(let adjustments):
                self.drain = nil
                try replica.store.drained(adjustments, at: now)
                return .ended
            }
        } catch {
            guard error.isDiskFull else { throw error }
            replica.store.drainFailed(error)
            self.drain!.retry()
            return .waitsForRoom
        }
    }

    /// One step of what a bootstrap stores.
    func stepLoad(at now: Instant) throws(StoreError) -> DrainState {
        guard let replica, self.load != nil else { return .ended }
        do throws(StoreError) {
            guard case .finished(let outcome) = try self.load!.step() else { return .goesOn }
            self.load = nil
            try replica.loaded(outcome, at: now)
            return .ended
        } catch {
            guard error.isDiskFull else { throw error }
            self.load!.retry()
            return .waitsForRoom
        }
    }

    // MARK: Faults of the disk

    var isFull: Bool { self.room.isFull.load(ordering: .relaxed) }

    func fill(freeBytes: Int) {
        self.disk.plan(DiskFaults(freeBytes: freeBytes))
        self.room.isFull.store(true, ordering: .relaxed)
    }

    func makeRoom() {
        self.disk.plan(DiskFaults())
        self.room.isFull.store(false, ordering: .relaxed)
    }

    /// The next sync of this process fails, if there is room for what comes before it.
    func failNextSync() {
        guard self.replica != nil, !self.isFull else { return }
        self.disk.plan(DiskFaults(planned: [DiskFaults.Planned(.sync, call: 1)]))
    }

    /// Whether there is room, for the base's transactions.
    private final class Room: Sendable {
        let isFull = Atomic(false)
    }
}
