import Basics
import NIOCore
import NIOPosix
import PeerWire

/// What has crossed a proxy, both ways together.
package struct PeerTraffic: Equatable, Sendable {
    /// All bytes, as the nodes wrote them to their sockets.
    package fileprivate(set) var byteCount = 0
    /// Of these, encoded records.
    package fileprivate(set) var recordBytes = 0

    /// All the others: digests, framing, gossip.
    package var digestBytes: Int { self.byteCount - self.recordBytes }
}

/// A TCP proxy between two nodes, which counts what crosses it, delays it, and cuts it off.
///
/// It goes on accepting while it is cut and closes at once what it accepted, as a port that nobody listens on could be taken by another process.
///
/// All its state is the event loop's; its methods may be called from anywhere.
package final class CuttingProxy: Sendable {
    /// Where it listens, on 127.0.0.1.
    package let port: Int
    private let loop: any EventLoop
    private let state: NIOLoopBound<ProxyState>

    /// Listens. Nothing gets through before `heal`.
    package static func start(on loop: any EventLoop) async throws -> CuttingProxy {
        let state = try await loop.submit { NIOLoopBound(ProxyState(), eventLoop: loop) }.get()
        let listener = try await ServerBootstrap(group: loop)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ProxyRelay(state.value, dials: true))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return CuttingProxy(port: listener.localAddress?.port ?? 0, loop: loop, state: state)
    }

    private init(port: Int, loop: any EventLoop, state: NIOLoopBound<ProxyState>) {
        (self.port, self.loop, self.state) = (port, loop, state)
    }

    /// Where accepted connections lead to from now on, on 127.0.0.1.
    package func lead(to port: Int) async throws {
        try await self.loop.submit { self.state.value.destination = port }.get()
    }

    /// Closes every connection, and each new one as soon as it comes. What is on its way is lost.
    package func cut() async throws {
        try await self.loop.submit { self.state.value.cut() }.get()
    }

    /// Lets connections through from now on, every byte `delay` late in either direction, and counts from zero.
    package func heal(delay: Duration = .zero) async throws {
        try await self.loop.submit { self.state.value.heal(delay: delay) }.get()
    }

    /// Lets connections through from now on as far as the first frames of each side, so that the nodes greet each other, and holds all else
    /// until `release`.
    package func healGreetings() async throws {
        try await self.loop.submit { self.state.value.heal(delay: .zero, isHolding: true) }.get()
    }

    /// Lets go of what is held.
    package func release() async throws {
        try await self.loop.submit { self.state.value.release() }.get()
    }

    /// When the first byte arrived since `heal`; nil if none does in time.
    package func firstByte(within patience: Duration) async throws -> Instant? {
        try await self.loop.flatSubmit { self.state.value.firstByte(within: patience, on: self.loop) }.get()
    }

    /// What has arrived since `heal`.
    package func traffic() async throws -> PeerTraffic {
        try await self.loop.submit { self.state.value.traffic }.get()
    }
}

/// What the connections through a proxy share. Owned by the event loop.
final class ProxyState {
    var destination: Int?
    fileprivate(set) var isCut = true
    /// Only the first frames of each direction get through.
    fileprivate(set) var isHolding = false
    fileprivate(set) var delay = TimeAmount.zero
    fileprivate(set) var traffic = PeerTraffic()
    private var relays: [ProxyRelay] = []
    private var firstByteAt: Instant?
    private var firstByteWaiters: [EventLoopPromise<Instant?>] = []

    func add(_ relay: ProxyRelay) { self.relays.append(relay) }
    func remove(_ relay: ProxyRelay) { self.relays.removeAll { $0 === relay } }

    fileprivate func cut() {
        self.isCut = true
        // Taken out first: each removes itself when it closes, and others beside it.
        let relays = self.relays
        self.relays = []
        for relay in relays { relay.cut() }
    }

    fileprivate func heal(delay: Duration, isHolding: Bool = false) {
        (self.isCut, self.isHolding, self.delay) = (false, isHolding, .nanoseconds(delay.wholeNanoseconds))
        (self.traffic, self.firstByteAt) = (PeerTraffic(), nil)
    }

    fileprivate func release() {
        self.isHolding = false
        for relay in self.relays { relay.release() }
    }

    func arrived(_ byteCount: Int, ofRecords recordBytes: Int) {
        self.traffic.byteCount += byteCount
        self.traffic.recordBytes += recordBytes
        guard self.firstByteAt == nil else { return }
        let now = Instant.monotonic
        self.firstByteAt = now
        let waiters = self.firstByteWaiters
        self.firstByteWaiters = []
        for waiter in waiters { waiter.succeed(now) }
    }

    fileprivate func firstByte(within patience: Duration, on loop: any EventLoop) -> EventLoopFuture<Instant?> {
        if let firstByteAt { return loop.makeSucceededFuture(firstByteAt) }
        let promise = loop.makePromise(of: Instant?.self)
        self.firstByteWaiters.append(promise)
        let bound = NIOLoopBound(self, eventLoop: loop)
        let timeout = loop.scheduleTask(in: .nanoseconds(patience.wholeNanoseconds)) {
            bound.value.firstByteWaiters.removeAll { $0.futureResult === promise.futureResult }
            promise.succeed(nil)
        }
        // Left alone it would end another's wait.
        promise.futureResult.whenComplete { _ in timeout.cancel() }
        return promise.futureResult
    }
}
