import Basics
import NIOPosix
import Storage
import Synchronization

/// The thread that writes the log, and syncs what it wrote (durability `always`) or leaves that to a second one, so that no write waits
/// for the disk (`interval`). All that the core loop hands over while a round runs shares the next one.
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
        /// A round is running or queued, and will take what is added.
        var isScheduled = false
        /// A sync by the second thread is queued, and will cover what is written before it begins.
        var isSyncQueued = false
    }

    private let writing = NIOThreadPool(numberOfThreads: 1)
    /// Nil where each round syncs.
    private let syncing: NIOThreadPool?
    private let queue = Mutex(Queue())
    private let writer: Mutex<LogWriter>
    private let report: @Sendable (Report) -> Void

    /// - Parameter syncsEachRound: durability `always`; otherwise only `requestSync` syncs.
    init(writer: LogWriter, syncsEachRound: Bool, report: @escaping @Sendable (Report) -> Void) {
        self.writer = Mutex(writer)
        self.syncing = syncsEachRound ? nil : NIOThreadPool(numberOfThreads: 1)
        self.report = report
        self.writing.start()
        self.syncing?.start()
    }

    func append(_ batch: Batch) {
        let mustSubmit = self.queue.withLock { queue in
            queue.batches.append(batch)
            defer { queue.isScheduled = true }
            return !queue.isScheduled
        }
        if mustSubmit { self.writing.submit { _ in self.run() } }
    }

    private func run() {
        while let batches = self.take() {
            let failure = self.writer.withLock { writer -> DiskError? in
                do throws(DiskError) { try self.round(&writer, batches) } catch { return error }
                return nil
            }
            if let failure { return self.report(.broken(failure)) }  // Still scheduled: nothing more is taken.
        }
    }

    private func take() -> [Batch]? {
        self.queue.withLock { queue in
            guard !queue.batches.isEmpty else {
                queue.isScheduled = false
                return nil
            }
            defer { queue.batches = [] }
            return queue.batches
        }
    }

    /// Reports while it holds the writer: a sync that covers the round is reported after it.
    private func round(_ writer: inout LogWriter, _ batches: [Batch]) throws(DiskError) {
        let failure = try writer.append(batches)
        if self.syncing == nil {
            try self.run(writer.beginSync())
        } else {
            self.report(.wrote(through: writer.written))
        }
        if let failure { self.report(.failed(from: failure.failed.origin, cause: failure.cause)) }
    }

    private func run(_ sync: LogSync) throws(DiskError) {
        let start = SystemClock.now()
        try sync.run()
        self.report(.synced(through: sync.position, took: SystemClock.now().since(start)))
    }

    /// Syncs, at durability `interval`, all that is written when the second thread gets to it.
    func requestSync() {
        let mustSubmit = self.queue.withLock { queue in
            defer { queue.isSyncQueued = true }
            return !queue.isSyncQueued
        }
        guard mustSubmit else { return }
        self.syncing?.submit { _ in
            self.queue.withLock { queue in queue.isSyncQueued = false }
            let sync = self.writer.withLock { writer in writer.beginSync() }
            do throws(DiskError) { try self.run(sync) } catch { self.report(.broken(error)) }
        }
    }

    /// Ends the threads once they have done what they were given.
    func shutDown() async throws {
        try await self.writing.shutdownGracefully()
        try await self.syncing?.shutdownGracefully()
    }
}
