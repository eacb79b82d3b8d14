import Basics
import Digests
import Glibc
import Logging
import Membership
import NIOCore
import NIOPosix
import Node
import ServiceLifecycle
import Storage

/// A running node: opens the store, listens, serves until it is told to stop, drains.
package struct NodeService: Service {
    private let options: NodeOptions
    private let logger: Logger

    package init(options: NodeOptions, logger: Logger) {
        (self.options, self.logger) = (options, logger)
    }

    /// - Throws: `NodeFailure` where the node cannot start.
    package func run() async throws {
        var ports = Ports(clients: self.options.port, peers: self.options.peerPort)
        while try await self.serve(&ports) == .reopens {}
    }

    /// Those that the first start has got stay the node's.
    private struct Ports {
        var clients: Int
        var peers: Int
    }

    private enum End { case stops, reopens }

    /// Opens the store and serves, until the node is told to stop or wants its store opened again.
    private func serve(_ ports: inout Ports) async throws -> End {
        weak var base: LMDBBase?
        let end = try await self.serve(&ports) { base = $0.base }
        guard end == .reopens, base != nil else { return end }
        // LMDB must never have a file open twice in one process.
        throw NodeFailure(.unavailable, "the node gives up its data for those of the other members: start it again")
    }

    private func serve(_ ports: inout Ports, _ note: (OpenedNode) -> Void) async throws -> End {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let fileLimit = ProcessMeters.raiseFileLimit()
        let opened = try OpenedNode.open(self.options)
        note(opened)
        let (reopenings, reopening) = AsyncStream.makeStream(of: Void.self)
        let loop = group.next()
        let started = try await loop.submit { try RunningNode(opened, self.options, loop, self.logger, fileLimit: fileLimit) { reopening.yield() } }
            .get()
        let listener: any Channel
        do {
            listener = try await started.listen(on: self.options.host, ports.clients, group)
        } catch {
            throw NodeFailure(.unavailable, "cannot listen on \(self.options.host):\(ports.clients): \(describe(error))")
        }
        let peerListener = try await self.listenForPeers(started, on: ports.peers, group)
        self.logOpening(opened)
        let port = listener.localAddress?.port ?? ports.clients
        ports = Ports(clients: port, peers: peerListener?.localAddress?.port ?? ports.peers)
        try await started.ready(port: port, peers: self.peerConfiguration(boundTo: peerListener, isMember: opened.isMember))
        var places: Logger.Metadata = ["listen": "\(self.options.host):\(port)", "data": "\(self.options.folder)"]
        if let peerHost = self.options.peerHost { places["peers"] = "\(peerHost):\(peerListener?.localAddress?.port ?? 0)" }
        self.logger.info("ready", metadata: places)
        var end = End.stops
        for await _ in reopenings.cancelOnGracefulShutdown() {
            end = .reopens
            break
        }
        self.logger.info(end == .stops ? "stopping" : "opening the store again")
        try await listener.close()
        try await peerListener?.close()
        let digest = try await started.stop()
        try await group.shutdownGracefully()
        // Nobody writes any more. Without the sign the next start takes longer, and that is all.
        do throws(StoreError) { try opened.folder.leaveCleanStop(digest) } catch { self.logger.debug("no sign of this stop: \(error)") }
        if end == .stops { self.logger.info("stopped") }
        return end
    }

    private func listenForPeers(_ started: RunningNode, on port: Int, _ group: MultiThreadedEventLoopGroup) async throws -> (any Channel)? {
        guard let host = self.options.peerHost else { return nil }
        do {
            return try await started.listenForPeers(on: host, port, group)
        } catch {
            throw NodeFailure(.unavailable, "cannot listen for peers on \(host):\(port): \(describe(error))")
        }
    }

    /// What peers are told to dial: what was asked for, or where we listen, unless that is every address.
    private func peerConfiguration(boundTo listener: (any Channel)?, isMember: Bool) -> PeerConfiguration? {
        // A member stays one whatever flags it is started with: nobody else must be taken for it, nor it for a newer copy.
        guard self.options.hasPeers || isMember else { return nil }
        var configuration = self.options.peers
        if configuration.advertised == nil, let host = self.options.peerHost, !["0.0.0.0", "::"].contains(host),
            let port = listener?.localAddress?.port
        {
            configuration.advertised = try? PeerAddress(host: host, port: UInt16(clamping: port))
        }
        return configuration
    }

    private func logOpening(_ opened: OpenedNode) {
        let report = opened.report
        self.logChecking(opened)
        if report.isNew, opened.identity.isFounded {
            self.logger.info("founded a new cluster", metadata: ["cluster": "\(opened.identity.cluster)", "replica": "\(opened.identity.replica)"])
        }
        if let damage = report.droppedDamage {
            self.logger.warning(
                "damaged log put aside; back under a new replica id", metadata: ["damage": "\(damage)", "replica": "\(opened.identity.replica)"])
        }
        if report.tornBytes > 0 {
            self.logger.notice("cut a torn tail off the log, as a crash leaves it", metadata: ["bytes": "\(report.tornBytes)"])
        }
        if report.damagedEntries > 0 {
            self.logger.error("entries do not have their checksums; they answer -ERR damaged", metadata: ["entries": "\(report.damagedEntries)"])
        }
        if let report = report.startedOver {
            self.logger.notice(
                "the former data are given up; what perhaps no other member has was taken along",
                metadata: ["versions": "\(report.exports)", "damaged": "\(report.rotten)"])
        }
        if report.replayedRecords > 0 { self.logger.info("replayed the log", metadata: ["records": "\(report.replayedRecords)"]) }
    }
}

extension NodeService {
    private func logChecking(_ opened: OpenedNode) {
        if let seconds = opened.checkSeconds {
            let cause = self.options.rebuilds ? "as --rebuild asks" : "as the last stop was not an orderly one"
            self.logger.info("checked the base, \(cause)", metadata: ["seconds": "\((seconds * 100).rounded() / 100)"])
        }
        if let aside = opened.aside {
            self.logger.warning(
                "damaged store put aside, joining again; what only this node had is there alone",
                metadata: ["folder": "\(aside.folder)", "damage": "\(aside.damage)"])
        } else if self.options.rebuilds, !opened.report.isNew {
            self.logger.info("nothing to rebuild: the store is not damaged beyond single entries")
        }
        if opened.hasLostEntries {
            self.logger.error("the base does not hold what it held at the last stop; compare with the other members, or with a backup")
        }
    }
}

/// The parts of a node that serves. Its methods may be called from anywhere; they hop to the loop.
private final class RunningNode: Sendable {
    private let loop: any EventLoop
    private let core: NIOLoopBound<CoreLoop>
    private let port: NIOLoopBoundBox<Int>
    private let box: NIOLoopBoundBox<CoreLoop?>
    private let sync: SyncThread
    private let drain: DrainThread
    private let logReads: LogReadThread
    private let folder: StoreFolder

    /// Must be called on the loop.
    ///
    /// - Parameter reopens: called when the store is to be opened again.
    init(
        _ opened: OpenedNode, _ options: NodeOptions, _ loop: any EventLoop, _ logger: Logger, fileLimit: Int, reopens: @escaping @Sendable () -> Void
    ) throws {
        let box = NIOLoopBoundBox<CoreLoop?>(nil, eventLoop: loop)
        let port = NIOLoopBoundBox(options.port, eventLoop: loop)
        let started = SystemClock.now()
        var configuration = options.replica
        let affordable = fileLimit - NodeOptions.reservedFiles
        if configuration.maximumClients > affordable {
            logger.warning(
                "fewer clients than asked for: the limit of open files is too low",
                metadata: ["max-clients": "\(configuration.maximumClients)", "lowered-to": "\(max(1, affordable))"])
            configuration.maximumClients = max(1, affordable)
        }
        let sync = SyncThread(
            writer: LogWriter(disk: opened.disk, head: opened.store.head), syncsEachRound: options.store.durability == .always
        ) { report in loop.execute { box.value?.handle(report) } }
        let drain = DrainThread(base: opened.base, disk: opened.disk) { report in loop.execute { box.value?.handle(report) } }
        let replica = Replica(
            store: opened.store, configuration: configuration, randomSeed: UInt64.random(in: 0 ... .max), startedAt: started
        ) {
            var fixed = Surroundings()
            (fixed.processID, fixed.port, fixed.folder) = (getpid(), port.value, opened.folder.path)
            fixed.uptimeSeconds = UInt64(SystemClock.now().since(started).inSeconds)
            return box.value?.surroundings(fixed) ?? fixed
        }
        let logReads = LogReadThread(disk: opened.disk)
        let threads = CoreLoop.Threads(
            append: { sync.append($0) }, sync: { sync.requestSync() }, drain: { drain.start($0) }, load: { drain.start($0) },
            sweep: { drain.sweep(through: $0) },
            read: { read, report in logReads.run(read) { records in loop.execute { report(records) } } })
        let core = CoreLoop(eventLoop: loop, replica: replica, threads: threads, logger: logger, reopens: reopens)
        box.value = core
        (self.loop, self.core, self.port) = (loop, NIOLoopBound(core, eventLoop: loop), port)
        self.box = box
        (self.sync, self.drain, self.logReads, self.folder) = (sync, drain, logReads, opened.folder)
    }

    func listen(on host: String, _ port: Int, _ group: MultiThreadedEventLoopGroup) async throws -> any Channel {
        let core = self.core
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 16 << 10, high: 32 << 10))
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ClientConnection(core: core.value))
                }
            }
            .bind(host: host, port: port).get()
    }

    func listenForPeers(on host: String, _ port: Int, _ group: MultiThreadedEventLoopGroup) async throws -> any Channel {
        let core = self.core
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: CoreLoop.peerWaterMark)
            .childChannelOption(.recvAllocator, value: CoreLoop.peerReceiveBuffers)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PeerConnection(core: core.value, dialed: nil))
                }
            }
            .bind(host: host, port: port).get()
    }

    /// The node can be used: a first tick starts what the replay left to do.
    func ready(port: Int, peers: PeerConfiguration?) async throws {
        try await self.loop.submit {
            self.port.value = port
            let core = self.core.value
            core.beginTickIfNeeded()
            var generator = SystemRandomNumberGenerator()
            if let peers { try core.replica.startPeers(peers, at: core.moment.now, using: &generator) }
        }.get()
    }

    /// - Returns: the digest of what is in the base, where that is everything.
    func stop() async throws -> Digest? {
        let promise = self.loop.makePromise(of: Void.self)
        self.loop.execute { self.core.value.stop(promise) }
        try await promise.futureResult.get()
        try await self.sync.shutDown()
        try await self.drain.shutDown()
        try await self.logReads.shutDown()
        return try await self.loop.submit {
            self.box.value = nil  // The threads' reports hold the box, and the core the threads.
            return self.core.value.replica.store.drainedDigest
        }.get()
    }
}

/// NIO's errors carry the call and the code; the text is what an operator needs.
private func describe(_ error: any Error) -> String {
    guard let error = error as? IOError else { return "\(error)" }
    return String(cString: strerror(error.errnoCode))
}
