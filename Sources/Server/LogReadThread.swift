import NIOPosix
import Storage

/// The thread that reads the log for peers: mostly what the system has in memory, now and then what it has not.
final class LogReadThread: Sendable {
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let disk: any Disk

    init(disk: any Disk) {
        self.disk = disk
        self.pool.start()
    }

    /// - Parameter report: is called on this thread.
    func run(_ read: LogRead, report: @escaping @Sendable ([UInt8]?) -> Void) {
        self.pool.submit { _ in report(read.run(on: self.disk)) }
    }

    func shutDown() async throws { try await self.pool.shutdownGracefully() }
}
