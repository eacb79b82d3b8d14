import Basics
import Glibc
import NIOCore
import NIOPosix

/// A load tool for any server that speaks the Redis protocol: it measures what a client sees and says so when something was not as it should be.
///
/// One event loop on one thread drives every connection, so that the tool takes at most one core from the node it measures.
package enum ServeBench {
    /// Runs the load that the options describe: connect, load if asked to, measure.
    ///
    /// Error replies, missing values and lost idle connections are in the report's `failures`; what made the run impossible is thrown.
    /// `progress` is called about once a second with one line, on the event loop.
    package static func run(
        _ options: ServeBenchOptions, progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(BenchError) -> ServeBenchReport {
        try options.validate()
        return try await Self.withLoop(options) { loop in try await Self.measure(options, on: loop, progress: progress) }
    }

    /// Writes some keys once, as fast as it goes; any error reply is a failure.
    static func write(
        _ work: PhasePlan.Work, count: Int, _ options: ServeBenchOptions, progress: @escaping @Sendable (String) -> Void
    ) async throws(BenchError) {
        try options.validate()
        guard count > 0 else { return }
        try await Self.withLoop(options) { loop in
            let fleet = try await loop.submit { NIOLoopBound(Fleet(options), eventLoop: loop) }.get()
            try await Self.connect(options, on: loop, fleet: fleet)
            _ = try await Self.load(.writing(work, count: count, options), on: loop, fleet: fleet, progress: progress)
        }
    }

    /// Runs the body with a loop of its own, and closes every connection that is open after it.
    private static func withLoop<Result: Sendable>(
        _ options: ServeBenchOptions, _ body: @Sendable (any EventLoop) async throws -> Result
    ) async throws(BenchError) -> Result {
        try DescriptorLimit.makeRoom(forConnections: options.connectionCount)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome: Swift.Result<Result, BenchError>
        do {
            outcome = .success(try await body(group.next()))
        } catch let error as BenchError {
            outcome = .failure(error)
        } catch {
            outcome = .failure(.connectionFailed(reason: "\(error)"))
        }
        // It fails only if the group is shut down twice.
        try? await group.shutdownGracefully()
        return try outcome.get()
    }

    private static func measure(
        _ options: ServeBenchOptions, on loop: any EventLoop, progress: @escaping @Sendable (String) -> Void
    ) async throws -> ServeBenchReport {
        let fleet = try await loop.submit { NIOLoopBound(Fleet(options), eventLoop: loop) }.get()
        progress("connecting to \(options.address)")
        try await Self.connect(options, on: loop, fleet: fleet)
        var loaded: PhaseResult?
        if options.load {
            loaded = try await Self.load(.writing(.everyKeyOnce, count: options.keys, options), on: loop, fleet: fleet, progress: progress)
        }
        let measured = try await Self.run(.measured(options), on: loop, fleet: fleet, progress: progress)
        let idleClosedCount = try await loop.submit { fleet.value.idleWatch.closedCount }.get()
        return ServeBenchReport(options: options, load: loaded, measured: measured, idleClosedCount: idleClosedCount)
    }

    private static func load(
        _ plan: PhasePlan, on loop: any EventLoop, fleet: NIOLoopBound<Fleet>, progress: @escaping @Sendable (String) -> Void
    ) async throws -> PhaseResult {
        let result = try await Self.run(plan, on: loop, fleet: fleet, progress: progress)
        if let first = result.tally.errors.kinds.first { throw BenchError.loadFailed(errors: result.tally.errors.total, first: first.text) }
        return result
    }

    /// Opens the connections one after the other, which bounds what a node must accept at once.
    private static func connect(_ options: ServeBenchOptions, on loop: any EventLoop, fleet: NIOLoopBound<Fleet>) async throws {
        for _ in 0..<options.clients {
            try await Self.connect(options, on: loop, readBytes: 64 * 1024) { fleet.value.makeLoadConnection() }
        }
        if let interval = options.digestEvery {
            try await Self.connect(options, on: loop, readBytes: 1024) { fleet.value.makeAsker(interval: interval) }
        }
        for _ in 0..<options.idleClients {
            try await Self.connect(options, on: loop, readBytes: 512) { fleet.value.makeIdleConnection() }
        }
    }

    private static func connect(
        _ options: ServeBenchOptions, on loop: any EventLoop, readBytes: Int, role: @escaping @Sendable () -> any ChannelHandler
    ) async throws {
        let greeted = loop.makePromise(of: Void.self)
        let patience = Duration.seconds(options.patienceSeconds)
        let bootstrap = ClientBootstrap(group: loop)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: readBytes))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let greeting = Greeting(password: options.password, patience: patience, next: role(), done: greeted)
                    try channel.pipeline.syncOperations.addHandler(greeting)
                }
            }
        do {
            _ = try await bootstrap.connect(host: options.host, port: options.port).get()
        } catch {
            greeted.fail(error)
            throw BenchError.cannotConnect(address: options.address, reason: Self.reason(error))
        }
        try await greeted.futureResult.get()
    }

    /// The first cause in a few words; NIO's own text of a failed connection is a page of structure.
    private static func reason(_ error: any Error) -> String {
        guard let connection = error as? NIOConnectionError else { return "\(error)" }
        guard let failed = connection.connectionErrors.first else { return "the name has no address" }
        guard let system = failed.error as? IOError else { return "\(failed.error)" }
        return String(cString: strerror(system.errnoCode))
    }

    private static func run(
        _ plan: PhasePlan, on loop: any EventLoop, fleet: NIOLoopBound<Fleet>, progress: @escaping @Sendable (String) -> Void
    ) async throws -> PhaseResult {
        try await loop.flatSubmit {
            let promise = loop.makePromise(of: PhaseResult.self)
            fleet.value.begin(plan, on: loop, promise: promise, progress: progress)
            return promise.futureResult
        }.get()
    }
}

/// The connections of one run. Owned by the event loop.
private final class Fleet {
    let idleWatch = IdleWatch()
    private let options: ServeBenchOptions
    private var seeds: SplitMix64
    private var loads: [LoadConnection] = []
    private var asker: DigestAsker?

    init(_ options: ServeBenchOptions) {
        (self.options, self.seeds) = (options, SplitMix64(seed: options.seed))
    }

    func makeLoadConnection() -> LoadConnection {
        // Each seed is drawn: neighbouring seeds of SplitMix64 could be one sequence, shifted.
        let connection = LoadConnection(options: self.options, seed: self.seeds.next())
        self.loads.append(connection)
        return connection
    }

    func makeAsker(interval: Duration) -> DigestAsker {
        let asker = DigestAsker(interval: interval)
        self.asker = asker
        return asker
    }

    func makeIdleConnection() -> IdleConnection { IdleConnection(watch: self.idleWatch) }

    func begin(_ plan: PhasePlan, on loop: any EventLoop, promise: EventLoopPromise<PhaseResult>, progress: @escaping @Sendable (String) -> Void) {
        let run = PhaseRun(plan, connections: self.loads.count, promise: promise, progress: progress)
        run.startTicking(on: loop)
        if plan.asksForDigests { self.asker?.begin(run) }
        for connection in self.loads { connection.begin(run) }
    }
}

extension PhasePlan {
    /// A load's writes are about this large, enough to keep a node busy and small beside the memory of its connection.
    private static let loadWriteBytes = 16 * 1024
    private static let loadPipelineRange = 1...128

    /// So many keys, each once. The node's time is not the question here, so the pipeline is as deep as `loadWriteBytes` allows.
    fileprivate static func writing(_ work: Work, count: Int, _ options: ServeBenchOptions) -> PhasePlan {
        let fitting =
            Self.loadWriteBytes
            / RequestBatch(keyPrefix: options.keyPrefix, valueBytes: options.valueBytes, timeToLive: options.ttlSeconds).longestRequestBytes
        let pipeline = min(max(fitting, Self.loadPipelineRange.lowerBound), Self.loadPipelineRange.upperBound)
        return PhasePlan(name: "load", work: work, limit: .requests(count), pipeline: pipeline, asksForDigests: false, options: options)
    }

    fileprivate static func measured(_ options: ServeBenchOptions) -> PhasePlan {
        PhasePlan(
            name: "run", work: .mix(getShare: options.getShare), limit: options.limit, pipeline: options.pipeline, asksForDigests: true,
            options: options)
    }

    private init(name: String, work: Work, limit: ServeBenchOptions.Limit, pipeline: Int, asksForDigests: Bool, options: ServeBenchOptions) {
        self.init(
            name: name, work: work, limit: limit, pipeline: pipeline, asksForDigests: asksForDigests, keys: UInt64(options.keys),
            valueBytes: options.valueBytes, patience: .seconds(options.patienceSeconds))
    }
}
