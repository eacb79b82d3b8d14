import Glibc
import NIOPosix
import Storage
import Synchronization

/// The thread that writes to LMDB, frozen tables and what a bootstrap brings, and removes log segments that are not needed any more.
final class DrainThread: Sendable {
    enum Report: Sendable {
        /// A part of the table is in the base.
        case committed([DigestAdjustment])
        case drained([DigestAdjustment])
        /// A bootstrap's job is in the base.
        case loaded(LoadOutcome)
        /// No room; it is tried again until there is.
        case waitsForRoom(StoreError)
        /// LMDB or the log's folder cannot be relied on any more: the process must end.
        case broken(StoreError)
    }

    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let base: any Base
    private let sweeper: SegmentSweeper
    private let report: @Sendable (Report) -> Void
    private let isStopping = Atomic<Bool>(false)

    /// How long a drain waits between two attempts on a full disk.
    private static let retryMilliseconds = 1_000

    init(base: any Base, disk: any Disk, report: @escaping @Sendable (Report) -> Void) {
        (self.base, self.sweeper, self.report) = (base, SegmentSweeper(disk: disk), report)
        self.pool.start()
    }

    func start(_ job: DrainJob) {
        self.pool.submit { _ in self.run(job) }
    }

    private func run(_ job: DrainJob) {
        var drain = Drain(job, into: self.base.makeWriter())
        while true {
            do throws(StoreError) {
                switch try drain.step() {
                case .stored: break
                case .committed(let adjustments): self.report(.committed(adjustments))
                case .finished(let adjustments): return self.report(.drained(adjustments))
                }
            } catch {
                guard error.isDiskFull else { return self.report(.broken(error)) }
                self.report(.waitsForRoom(error))
                guard self.waitForRoom() else { return }
                drain.retry()
            }
        }
    }

    func start(_ job: LoadJob) {
        self.pool.submit { _ in self.run(job) }
    }

    private func run(_ job: LoadJob) {
        var load = BulkLoad(job, into: self.base.makeWriter())
        while true {
            do throws(StoreError) {
                if case .finished(let outcome) = try load.step() { return self.report(.loaded(outcome)) }
            } catch {
                guard error.isDiskFull else { return self.report(.broken(error)) }
                self.report(.waitsForRoom(error))
                guard self.waitForRoom() else { return }
                load.retry()
            }
        }
    }

    /// False where the node is stopping: what is not drained is replayed from the log at the next start.
    private func waitForRoom() -> Bool {
        for _ in 0..<Self.retryMilliseconds / 10 {
            if self.isStopping.load(ordering: .relaxed) { return false }
            usleep(10_000)
        }
        return true
    }

    /// Removes the segments that end at or before a position.
    func sweep(through position: LogPosition) {
        self.pool.submit { _ in
            do throws(DiskError) { try self.sweeper.removeSegments(through: position) } catch { self.report(.broken(.disk(error))) }
        }
    }

    /// Ends the thread; a drain that waits for room is given up.
    func shutDown() async throws {
        self.isStopping.store(true, ordering: .relaxed)
        try await self.pool.shutdownGracefully()
    }
}
