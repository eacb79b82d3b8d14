import Basics
import NIOPosix
import Storage
import Synchronization

/// The thread that writes and syncs the log. All that the core loop hands over while a sync runs shares the next one.
final class SyncThread: Sendable {
    /// What the core loop learns, in this order for one round.
    enum Report: Sendable {
        case wrote(through: LogPosition)
        case synced(through: LogPosition, took: Duration)
        /// No room: the file has been cut back to before this position.
        case failed(from: LogPosition, cause: DiskError)
        /// The log cannot be relied on any more: the process must end.
        case broken(DiskError)
    }

    private struct Queue {
        var batches: [Batch] = []
        var wantsSync = false
        /// A round is running or queued, and will take what is added.
        var isScheduled = false
    }

    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let queue = Mutex(Queue())
    private let writer: Mutex<LogWriter>
    private let syncsEachRound: Bool
    private let report: @Sendable (Report) -> Void

    /// - Parameter syncsEachRound: durability `always`; otherwise only `requestSync` syncs.
    init(writer: LogWriter, syncsEachRound: Bool, report: @escaping @Sendable (Report) -> Void) {
        self.writer = Mutex(writer)
        (self.syncsEachRound, self.report) = (syncsEachRound, report)
        self.pool.start()
    }

    func append(_ batch: Batch) {
        self.schedule { queue in queue.batches.append(batch) }
    }

    func requestSync() {
        self.schedule { queue in queue.wantsSync = true }
    }

    private func schedule(_ add: (inout Queue) -> Void) {
        let mustSubmit = self.queue.withLock { queue in
            add(&queue)
            defer { queue.isScheduled = true }
            return !queue.isScheduled
        }
        if mustSubmit { self.pool.submit { _ in self.run() } }
    }

    private func run() {
        while let (batches, wantsSync) = self.take() {
            let failure = self.writer.withLock { writer -> DiskError? in
                do throws(DiskError) { try self.round(&writer, batches, wantsSync: wantsSync) } catch { return error }
                return nil
            }
            if let failure { return self.report(.broken(failure)) }  // Still scheduled: nothing more is taken.
        }
    }

    private func take() -> (batches: [Batch], wantsSync: Bool)? {
        self.queue.withLock { queue in
            guard !queue.batches.isEmpty || queue.wantsSync else {
                queue.isScheduled = false
                return nil
            }
            defer { (queue.batches, queue.wantsSync) = ([], false) }
            return (queue.batches, queue.wantsSync)
        }
    }

    private func round(_ writer: inout LogWriter, _ batches: [Batch], wantsSync: Bool) throws(DiskError) {
        let failure = try writer.append(batches)
        if !self.syncsEachRound { self.report(.wrote(through: writer.written)) }
        if self.syncsEachRound || wantsSync {
            let start = SystemClock.now()
            let position = try writer.sync()
            self.report(.synced(through: position, took: SystemClock.now().since(start)))
        }
        if let failure { self.report(.failed(from: failure.failed.origin, cause: failure.cause)) }
    }

    /// Ends the thread once it has done what it was given.
    func shutDown() async throws { try await self.pool.shutdownGracefully() }
}
