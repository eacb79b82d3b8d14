import Basics
import Logging
import NIOCore
import Node
import RESP
import Storage

/// Drives one replica on one event loop: clients' commands in, answers out when the log allows, batches and tables to their threads.
///
/// A *tick* is all that one turn of the event loop brings: it begins with the first event, executes, and ends with one sealed batch
/// and one flush per client.
///
/// - Invariant: everything here runs on `eventLoop`.
final class CoreLoop {
    let eventLoop: any EventLoop
    let replica: Replica
    let logger: Logger
    let threads: Threads
    /// Has the store opened again, in a new core.
    let reopens: () -> Void
    /// The answers of the burst at hand.
    var writer = ReplyWriter()
    private var marks: [ReplyQueue.Reply] = []
    private var burstDependsOn: LogPosition = 0

    private(set) var moment = SystemClock.moment()
    private var isInTick = false
    private var wakeAt: Instant?
    private var wake: Scheduled<Void>?
    private var isSyncScheduled = false
    /// When the digest is tended next.
    private var tendAt = Instant(nanoseconds: 0)

    var clients: [ObjectIdentifier: ClientConnection] = [:]
    var nextClientID: UInt64 = 1
    /// What all clients' buffers hold.
    var clientBytes = 0
    var isHousekeeping = false
    private var toFlush: [ClientConnection] = []
    private var waiting: [ClientConnection] = []
    /// Clients whose command waits for room in the table …
    var parked: [ClientConnection] = []
    /// … and those with a command that takes several slices.
    var working: [ClientConnection] = []
    private var resuming: [ClientConnection] = []
    /// In the order in which they were made.
    var peerConnections: [PeerConnection] = []
    /// Why connections to peers were last closed, by peer.
    var toldReasons: [String: String] = [:]
    /// When the next line about a connection that others made may be logged, and how many there would have been since the last.
    var callersToldFrom = Instant(nanoseconds: 0)
    var untoldCallers = 0
    var meters = LoopMeters()
    private(set) var stopping: EventLoopPromise<Void>?

    /// The threads that do what the loop must not wait for.
    struct Threads {
        let append: (Batch) -> Void
        let sync: () -> Void
        let drain: (DrainJob) -> Void
        let load: (LoadJob) -> Void
        let sweep: (LogPosition) -> Void
        /// Reads a block of the log and reports with `logWasRead`.
        let read: (LogRead, @escaping @Sendable ([UInt8]?) -> Void) -> Void
    }

    init(eventLoop: any EventLoop, replica: Replica, threads: Threads, logger: Logger, reopens: @escaping () -> Void) {
        (self.eventLoop, self.replica, self.threads, self.logger) = (eventLoop, replica, threads, logger)
        self.reopens = reopens
    }

    var limits: CommandParser.Limits { .authenticated(valueBytes: self.replica.configuration.maximumValueBytes) }
    var unauthenticatedLimits: CommandParser.Limits { .unauthenticated }
    /// Unread answers of one client beyond this end its connection.
    var outputLimit: Int { ClientLimits.outputBytes(maximumValueBytes: self.replica.configuration.maximumValueBytes) }

    // MARK: Ticks

    func beginTickIfNeeded() {
        guard !self.isInTick else { return }
        self.isInTick = true
        self.moment = SystemClock.moment()
        self.replica.beginTick(at: self.moment)
        self.eventLoop.assumeIsolated().execute { self.endTick() }
        self.resumeWaiting()
    }

    /// Clients that were held up come before new input.
    private func resumeWaiting() {
        if !self.parked.isEmpty {
            let parked = self.parked
            self.parked = []
            for client in parked where !client.resumeParked() { self.parked.append(client) }
        }
        if !self.resuming.isEmpty {
            let resuming = self.resuming
            self.resuming = []
            for client in resuming { client.resumeStalled() }
        }
    }

    private func endTick() {
        let isWorking = self.runJobs()
        self.tendPeers()
        self.tendDigest()
        for action in self.replica.endTick(at: self.moment.now) {
            switch action {
            case .append(let batch):
                self.threads.append(batch)
                self.scheduleSync()
            case .drain(let job): self.threads.drain(job)
            case .load(let job): self.threads.load(job)
            case .sweep(let position): self.threads.sweep(position)
            }
        }
        let flushing = self.toFlush
        self.toFlush = []
        for client in flushing { client.flush() }
        self.servePeers()
        self.closeKilled()
        self.isInTick = false
        self.scheduleWake(isWorking: isWorking)
        self.finishStop()
    }

    /// At most one slice a millisecond: less than a tenth of the time of a loop that is busy.
    private func tendDigest() {
        guard self.replica.wantsTending, self.moment.now >= self.tendAt else { return }
        self.tendAt = self.moment.now + .milliseconds(1)
        self.guarded { () throws(StoreError) in try self.replica.tendDigest(at: self.moment.now) }
    }

    /// Runs one slice of each job that can go on.
    ///
    /// - Returns: whether one wants another slice at once.
    private func runJobs() -> Bool {
        var isWorking = false
        let working = self.working
        self.working = []
        for client in working {
            switch client.advanceJob() {
            case .working:
                isWorking = true
                self.working.append(client)
            case .blocked: self.working.append(client)
            case .finished, nil: break
            }
        }
        return isWorking
    }

    /// Sets the one timer: a task that is executed at once would keep the loop from its sockets, so even working jobs wait a little.
    private func scheduleWake(isWorking: Bool) {
        var delay: Duration?
        if isWorking || self.replica.wantsPeerTick {
            delay = .microseconds(20)
        } else if !self.parked.isEmpty || !self.working.isEmpty || !self.resuming.isEmpty || self.replica.wantsTending {
            delay = .milliseconds(1)
        } else if let deadline = [self.replica.store.deadline, self.replica.peerDeadline].compactMap(\.self).min() {
            delay = max(deadline.since(self.moment.now), .milliseconds(1))
        }
        guard let delay else { return }
        let at = self.moment.now + delay
        if let wakeAt, wakeAt <= at { return }
        self.wake?.cancel()
        self.wakeAt = at
        let task = self.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.wholeNanoseconds)) {
            self.wakeAt = nil
            self.beginTickIfNeeded()
        }
        self.wake = task
    }

    /// At durability `interval` the log is synced a little after it was written to.
    private func scheduleSync() {
        guard self.replica.store.configuration.durability == .interval, !self.isSyncScheduled else { return }
        self.isSyncScheduled = true
        self.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(self.replica.configuration.syncIntervalMilliseconds))) {
            self.isSyncScheduled = false
            self.threads.sync()
        }
    }

    // MARK: Reports of the threads

    func handle(_ report: SyncThread.Report) {
        self.beginTickIfNeeded()
        let store = self.replica.store
        switch report {
        case .wrote(let position):
            store.wrote(through: position)
        case .synced(let position, let took):
            store.wrote(through: max(position, store.written))
            store.synced(through: position)
            self.replica.pushSynced()
            self.meters.synced(took)
        case .failed(let origin, let cause):
            self.logger.warning("writes are refused: the log cannot be extended", metadata: ["cause": "\(cause)"])
            for client in self.waiting + self.working { client.failReplies(from: origin) }
            self.guarded { () throws(StoreError) in try self.replica.appendFailed(from: origin, at: self.moment.now) }
        case .broken(let error):
            self.fail(.disk(error))
        }
        self.releaseReplies()
    }

    private func releaseReplies() {
        let durable = self.replica.store.durable
        let waiting = self.waiting
        self.waiting = []
        for client in waiting where client.release(durable: durable) { self.waiting.append(client) }
    }

    func handle(_ report: DrainThread.Report) {
        self.beginTickIfNeeded()
        switch report {
        case .committed(let adjustments): self.replica.store.drainCommitted(adjustments)
        case .drained(let adjustments): self.guarded { () throws(StoreError) in try self.replica.store.drained(adjustments, at: self.moment.now) }
        case .loaded(let outcome): self.guarded { () throws(StoreError) in try self.replica.loaded(outcome, at: self.moment.now) }
        case .waitsForRoom(let error):
            self.logger.warning("LMDB has no room; writes will be refused once the table is full", metadata: ["cause": "\(error)"])
            self.replica.store.drainFailed(error)
        case .broken(let error): self.fail(error)
        }
    }

    /// Runs what may find the base broken, which ends the process.
    func guarded(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) { try body() } catch { self.fail(error) }
    }

    /// A disk that fails cannot be trusted with another write, nor with a retry: after a failed sync the system may report success for
    /// pages that it has dropped.
    func fail(_ error: StoreError) -> Never {
        self.logger.critical("stopping: storage failed", metadata: ["cause": "\(error)"])
        exitProcess(.inputOutput)
    }

    // MARK: Executing

    /// Executes a command; its answer is in `writer`.
    func execute(_ arguments: Arguments, _ session: Session) -> Replica.Outcome {
        do throws(StoreError) {
            let outcome = try self.replica.execute(arguments, session, at: self.moment, to: &self.writer)
            if case .answered(let position) = outcome { self.mark(dependsOn: position) } else { self.mark(dependsOn: 0) }
            return outcome
        } catch { self.fail(error) }
    }

    /// Writes an answer that depends on nothing.
    func answer(_ write: (inout ReplyWriter) -> Void) {
        write(&self.writer)
        self.mark(dependsOn: 0)
    }

    func advance(_ job: Job) -> Replica.JobProgress {
        do throws(StoreError) {
            let progress = try self.replica.advance(job, at: self.moment, to: &self.writer)
            if case .finished(let position) = progress {
                self.replica.end(job)
                self.mark(dependsOn: position)
            }
            return progress
        } catch { self.fail(error) }
    }

    /// Notes where an answer ends. Answers that follow each other and depend on the same position share a mark only if they depend on
    /// nothing that could still fail, as an error is written for each.
    private func mark(dependsOn position: LogPosition) {
        let isDurable = position.isReleased(durable: self.replica.store.durable)
        if isDurable, let last = self.marks.last, last.dependsOn == 0 {
            self.marks[self.marks.count - 1] = ReplyQueue.Reply(end: self.writer.count, dependsOn: 0)
            return
        }
        self.marks.append(ReplyQueue.Reply(end: self.writer.count, dependsOn: isDurable ? 0 : position))
        if !isDurable { self.burstDependsOn = max(self.burstDependsOn, position) }
    }

    /// The answers written since the last call; nil where there are none.
    func takeBurst() -> (ByteBuffer, [ReplyQueue.Reply], LogPosition)? {
        guard !self.writer.isEmpty else { return nil }
        let buffer = self.writer.withBytes { ByteBuffer(bytes: $0) }
        self.writer.removeAll()
        defer {
            self.marks.removeAll(keepingCapacity: true)
            self.burstDependsOn = 0
        }
        return (buffer, self.burstDependsOn == 0 ? [] : self.marks, self.burstDependsOn)
    }

    func park(_ client: ClientConnection) { self.parked.append(client) }
    func begin(_ client: ClientConnection) { self.working.append(client) }
    func resume(_ client: ClientConnection) {
        self.resuming.append(client)
        self.scheduleWake(isWorking: false)
    }
    func waitsForLog(_ client: ClientConnection) { self.waiting.append(client) }
    func mustFlush(_ client: ClientConnection) {
        if self.toFlush.last !== client { self.toFlush.append(client) }
    }

    // MARK: Stopping

    /// Answers what has been received, then drains everything to the base.
    func stop(_ promise: EventLoopPromise<Void>) {
        guard self.stopping == nil else { return promise.succeed() }
        self.beginTickIfNeeded()
        self.stopping = promise
        for client in self.clients.values { client.finish() }
        self.replica.store.stop()
    }

    func finishStop() {
        guard let stopping, !self.isInTick else { return }
        let store = self.replica.store
        // Without room nothing can be drained; the log is durable, and the next start replays it.
        let isDone = store.isDrained || store.drainFailure != nil
        guard self.waiting.isEmpty, store.synced == store.head, isDone else {
            if store.configuration.durability == .interval, store.synced < store.head { self.threads.sync() }
            return
        }
        stopping.succeed()
    }

    func surroundings(_ fixed: Surroundings) -> Surroundings {
        var around = fixed
        (around.residentBytes, around.privateBytes) = ProcessMeters.memory()
        (around.userSeconds, around.systemSeconds) = ProcessMeters.processorTime()
        around.clientBufferBytes = self.clientBytes
        around.blockedClients = self.parked.count + self.working.count
        around.refusedConnections = self.meters.refusedConnections
        around.evictedClients = self.meters.evictedClients
        around.receivedBytes = self.meters.receivedBytes
        around.sentBytes = self.meters.sentBytes
        around.slowestSyncMicroseconds = self.meters.slowestSyncMicroseconds
        around.lastSyncMicroseconds = self.meters.lastSyncMicroseconds
        return around
    }
}

/// What the loop counts for INFO.
struct LoopMeters {
    var refusedConnections = 0
    var evictedClients = 0
    var receivedBytes = 0
    var sentBytes = 0
    private(set) var slowestSyncMicroseconds = 0
    private(set) var lastSyncMicroseconds = 0

    mutating func synced(_ took: Duration) {
        self.lastSyncMicroseconds = Int(took.wholeNanoseconds / 1_000)
        self.slowestSyncMicroseconds = max(self.slowestSyncMicroseconds, self.lastSyncMicroseconds)
    }
}
