import Basics
import Node
import RESP
import Simulation
import Storage
import TestSupport
import Versioning

/// A replica over a store on a simulated disk and a base in memory. The core loop, the sync thread and the drain thread each take
/// their turns when a test says so.
final class ReplicaWorld {
    let disk: SimulatedDisk
    private(set) var base: MemoryBase
    private(set) var replica: Replica
    /// What the wall clock reads; it may be set to anything.
    var wall = WallTime(milliseconds: 1_800_000_000_123)
    var now = Instant(nanoseconds: 1_000_000_000)
    private let storeConfiguration: StoreConfiguration
    private var writer: LogWriter
    /// Sealed, and not yet taken by the sync thread.
    private var queue: [Batch] = []
    private var job: DrainJob?
    private var nextClientID: UInt64 = 1

    init(
        store: StoreConfiguration = StoreConfiguration(), configuration: ReplicaConfiguration = ReplicaConfiguration(),
        disk: SimulatedDisk = SimulatedDisk(), contents: MemoryBase.Contents = MemoryBase.Contents(), seed: UInt64 = 1
    ) throws {
        (self.disk, self.storeConfiguration, self.base) = (disk, store, MemoryBase(contents))
        (self.replica, self.writer) = try Self.open(disk, self.base, store, configuration, seed)
        self.replica.beginTick(at: self.moment)
    }

    private static func open(
        _ disk: SimulatedDisk, _ base: MemoryBase, _ storeConfiguration: StoreConfiguration, _ configuration: ReplicaConfiguration, _ seed: UInt64
    ) throws -> (Replica, LogWriter) {
        var generator = SplitMix64(seed: seed)
        let store = try Store.open(disk: disk, base: base, configuration: storeConfiguration, using: &generator).store
        let replica = Replica(
            store: store, configuration: configuration, randomSeed: seed, startedAt: Instant(nanoseconds: 0)
        ) {
            var around = Surroundings()
            (around.processID, around.port, around.folder, around.uptimeSeconds) = (42, 7_379, "/data", 90_000)
            (around.privateBytes, around.residentBytes) = (1_572_864, 2_097_152)
            return around
        }
        return (replica, LogWriter(disk: disk, head: store.head))
    }

    var store: Store { self.replica.store }
    var moment: Replica.Moment { Replica.Moment(now: self.now, wall: self.wall) }

    /// A new client.
    func connect(address: String = "10.0.0.9:50000") -> TestClient {
        let session = Session(
            id: self.nextClientID, address: address, localAddress: "10.0.0.1:7379", isAuthenticated: self.replica.configuration.password == nil,
            at: self.now)
        self.nextClientID += 1
        self.replica.connected(session)
        return TestClient(self, session)
    }

    /// The process ends, by `kill -9` or otherwise, and the next one opens what it left. Clients are gone.
    func restart(configuration: ReplicaConfiguration? = nil) throws {
        self.base = MemoryBase(self.base.contents)
        (self.queue, self.job) = ([], nil)
        (self.replica, self.writer) = try Self.open(
            self.disk, self.base, self.storeConfiguration, configuration ?? self.replica.configuration, 2)
        self.replica.beginTick(at: self.moment)
    }

    // MARK: Turns

    /// Ends a tick and begins the next.
    func tick() throws {
        if self.store.wantsGrowth { try self.replica.tendDigest(at: self.now) }
        for action in self.replica.endTick(at: self.now) {
            switch action {
            case .append(let batch): self.queue.append(batch)
            case .drain(let job): self.job = job
            case .load: preconditionFailure("a node without peers joins nobody")
            case .sweep(let position): try SegmentSweeper(disk: self.disk).removeSegments(through: position)
            }
        }
        self.replica.beginTick(at: self.moment)
    }

    /// The sync thread writes all that is queued.
    ///
    /// - Returns: where the log was cut back to, where there was no room.
    @discardableResult
    func append() throws -> LogPosition? {
        let failed = try self.writer.append(self.queue)
        self.queue.removeAll()
        self.store.wrote(through: self.writer.written)
        guard let origin = failed?.failed.origin else { return nil }
        try self.replica.store.appendFailed(from: origin)
        return origin
    }

    /// The sync thread makes durable what was written.
    func sync() throws { self.store.synced(through: try self.writer.sync()) }

    /// A tick whose batch is written and synced, and the next tick begun.
    func commit() throws {
        try self.tick()
        try self.append()
        try self.sync()
        try self.tick()
    }

    // MARK: Drains

    var isDraining: Bool { self.job != nil }

    /// Freezes the table and hands it to the drain thread, which has not begun.
    func freeze() throws {
        self.now = self.now + self.storeConfiguration.tableAge + .seconds(1)
        try self.commit()
        precondition(self.job != nil, "nothing was frozen")
    }

    /// The drain thread stores the frozen table, and the loop hears of it.
    func finishDrain() throws {
        var drain = Drain(self.job.take()!, into: self.base.makeWriter())
        while true {
            switch try drain.step() {
            case .stored: break
            case .committed(let adjustments): self.store.drainCommitted(adjustments)
            case .finished(let adjustments):
                try self.store.drained(adjustments, at: self.now)
                return self.replica.beginTick(at: self.moment)
            }
        }
    }

    /// The next thing that a drain can do: ends the one that runs, or else begins one, if there is something to drain.
    func stepDrain() throws {
        if self.isDraining { try self.finishDrain() } else if self.store.live.count > 0 { try self.freeze() }
    }

    /// Moves all entries to the base.
    func drain() throws {
        try self.freeze()
        try self.finishDrain()
    }

    /// Changes the bytes of a drained entry, as rot does. The next process reads them so.
    func rot(_ key: String, _ change: (inout [UInt8]) -> Void) {
        var contents = self.base.contents
        let index = contents.entries.firstIndex { $0.key == Array(key.utf8) }!
        change(&contents.entries[index].value)
        self.base = MemoryBase(contents)
    }

    // MARK: Looking inside

    /// The newest version of a key, tombstones included; nil where there is none or it is damaged.
    func version(of key: String) throws -> VersionHeader? {
        try Array(key.utf8).withUnsafeBytes { key in
            guard case .record(let record, _, _) = try self.store.find(self.store.token(of: key), key: key) else { return nil }
            return record.versionHeader
        }
    }

    /// A field of INFO.
    func info(_ field: String) throws -> String {
        let client = self.connect()
        defer { client.disconnect() }
        let lines = try client.send("INFO").text.split(separator: "\r\n")
        guard let line = lines.first(where: { $0.hasPrefix(field + ":") }) else { throw HarnessError(description: "INFO has no \(field)") }
        return String(line.dropFirst(field.count + 1))
    }

    /// The digest of everything, which waits for drains.
    func digest() throws -> String {
        let client = self.connect()
        defer { client.disconnect() }
        return try client.send("HEARSAY", "DIGEST").text
    }
}
