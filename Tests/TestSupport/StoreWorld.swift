import Basics
import Digests
import Simulation
import Storage
import Versioning

/// A store on a simulated disk and a base in memory, driven one step at a time by what the server's threads do, beside a model.
///
/// The core loop, the sync thread and the drain thread each take their turns when a test says so, in any order that their hand-overs
/// allow, so that a crash may come between any two of their steps.
package struct StoreWorld {
    package let configuration: StoreConfiguration
    package private(set) var disk: SimulatedDisk
    package private(set) var base: MemoryBase
    package private(set) var store: Store
    package private(set) var report: OpeningReport
    package private(set) var model = StoreModel()
    /// What the wall clock reads; it may be set to anything.
    package var wall = WallTime(milliseconds: 1_700_000_000_000)
    package var now = Instant(nanoseconds: 0)

    private var clock: HybridLogicalClock
    private var writer: LogWriter
    /// Sealed, and not yet taken by the sync thread.
    private var queue: [Batch] = []
    /// A batch that could not be appended, and of which the loop has not heard yet.
    private var failure: Batch?
    private var drain: RunningDrain?
    /// Segments that the store asked to remove.
    private var sweepable: LogPosition?
    private let transactionPages: Int
    private let commitFault: MemoryBase.CommitFault

    private struct RunningDrain {
        var drain: Drain
        var phase = Phase.storing

        enum Phase { case storing, committed([DigestAdjustment]) }
    }

    /// How a run ends without warning.
    package enum Crash {
        /// kill -9: the system keeps all that was written.
        case killed
        /// Power loss, with the disk that it left.
        case powerCut(SimulatedDisk)
    }

    /// - Parameters:
    ///   - transactionPages: small values make drains of several transactions.
    ///   - commitFault: throws to make a commit of the base fail.
    package init(
        disk: SimulatedDisk = SimulatedDisk(), contents: MemoryBase.Contents = MemoryBase.Contents(), configuration: StoreConfiguration,
        transactionPages: Int = 3, commitFault: @escaping MemoryBase.CommitFault = { () throws(StoreError) in },
        using generator: inout some RandomNumberGenerator
    ) throws {
        (self.disk, self.configuration, self.transactionPages, self.commitFault) = (disk, configuration, transactionPages, commitFault)
        self.base = MemoryBase(contents, commitFault: commitFault)
        (self.store, self.report) = try Store.open(disk: disk, base: self.base, configuration: configuration, using: &generator)
        self.clock = HybridLogicalClock(replica: self.store.identity.replica, startingAt: self.store.greatestStamp)
        self.writer = LogWriter(disk: disk, head: self.store.head)
    }

    /// Ends the run and begins the next on what is left.
    package mutating func restart(
        after crash: Crash, dropsDamagedLog: Bool = false, using generator: inout some RandomNumberGenerator
    ) throws {
        if case .powerCut(let disk) = crash {
            self.disk = disk
            self.model.acknowledge(before: self.store.synced)
        } else {
            self.model.acknowledge(before: self.store.durable)
        }
        self.base = MemoryBase(self.base.contents, commitFault: self.commitFault)
        (self.queue, self.failure, self.drain) = ([], nil, nil)
        (self.store, self.report) = try Store.open(
            disk: self.disk, base: self.base, configuration: self.configuration, dropsDamagedLog: dropsDamagedLog, using: &generator)
        self.writer = LogWriter(disk: self.disk, head: self.store.head)
        self.clock = HybridLogicalClock(replica: self.store.identity.replica, startingAt: self.store.greatestStamp)
        if self.report.droppedDamage == nil { try self.model.reopened(at: self.store.head) } else { self.model.giveUp(from: self.store.head) }
    }
}

// MARK: The core loop

extension StoreWorld {
    /// Writes a value, or a tombstone where there is none.
    package mutating func put(_ key: [UInt8], _ payload: [UInt8]?, expiryMilliseconds: UInt64 = 0) throws {
        let replica = self.store.identity.replica
        let header = VersionHeader(
            dot: Dot(replica: replica, sequence: self.store.seen.watermark(of: replica) + 1), stamp: self.clock.issue(at: self.wall),
            isTombstone: payload == nil, expiryMilliseconds: expiryMilliseconds)
        let bytes = payload ?? []
        let position = key.withUnsafeBytes { key in
            self.store.put(header, key: key, token: self.store.token(of: key), payloadByteCount: bytes.count, at: self.now) {
                $0.copyBytes(from: bytes)
            }
        }
        try self.model.append(StoreModel.Write(key: key, header: header, payload: bytes, position: position))
    }

    /// Takes back within the tick what `body` puts, as a command does that fails halfway.
    package mutating func rollBack(_ body: (inout StoreWorld) throws -> Void) throws {
        let (mark, model) = (self.store.mark(), self.model)
        try body(&self)
        try self.store.rollBack(to: mark)
        self.model = model
    }

    /// Ends a burst of work, and queues what the store asks for.
    package mutating func endTick() {
        for action in self.store.endTick(at: self.now) {
            switch action {
            case .append(let batch): self.queue.append(batch)
            case .drain(let job):
                let drain = Drain(job, into: self.base.makeWriter(), transactionPages: self.transactionPages)
                self.drain = RunningDrain(drain: drain)
            case .load: preconditionFailure("nothing was asked to be loaded")
            case .sweep(let position): self.sweepable = position
            }
        }
    }

    /// The loop hears of a batch that could not be appended. Nothing happens where there is none.
    package mutating func hearOfFailure() throws {
        guard let failed = self.failure.take() else { return }
        try self.store.appendFailed(from: failed.origin)
        try self.model.cut(back: failed.origin)
    }

    package var hasFailure: Bool { self.failure != nil }
}

// MARK: The sync thread

extension StoreWorld {
    /// Appends all that is queued.
    package mutating func append() throws {
        let failed = try self.writer.append(self.queue)
        self.queue.removeAll()
        self.store.wrote(through: self.writer.written)
        if let failed { self.failure = failed.failed }
    }

    /// Makes what was appended durable; at `always` that answers it.
    package mutating func sync() throws {
        self.store.synced(through: try self.writer.sync())
        self.model.acknowledge(before: self.store.durable)
    }

    /// A tick, appended and synced.
    package mutating func commitTick() throws {
        self.endTick()
        try self.append()
        try self.hearOfFailure()
        try self.sync()
    }
}

// MARK: The drain thread

extension StoreWorld {
    package var isDraining: Bool { self.drain != nil || self.sweepable != nil }

    /// The next step of the drain thread: removes segments, or stores, commits, and at last tells the loop.
    ///
    /// - Returns: false where it has nothing to do.
    @discardableResult
    package mutating func stepDrain() throws -> Bool {
        if let position = self.sweepable.take() {
            try SegmentSweeper(disk: self.disk).removeSegments(through: position)
            return true
        }
        guard let running = self.drain else { return false }
        switch running.phase {
        case .storing:
            do throws(StoreError) {
                switch try self.drain!.drain.step() {
                case .stored: break
                case .committed(let adjustments): self.store.drainCommitted(adjustments)
                case .finished(let adjustments): self.drain!.phase = .committed(adjustments)
                }
            } catch {
                guard error.isDiskFull else { throw error }
                self.store.drainFailed(error)
                self.drain!.drain.retry()
            }
        case .committed(let adjustments):
            try self.store.drained(adjustments, at: self.now)
            self.drain = nil
        }
        return true
    }

    package mutating func finishDrain() throws {
        while try self.stepDrain() {}
    }

    /// Commits what was put and drains what is due: nothing is queued then, and no table frozen.
    package mutating func settle() throws {
        repeat {
            try self.commitTick()
            try self.finishDrain()
        } while self.store.frozen != nil
    }
}
