import AntiEntropy
import Basics
import NIOCore
import NIOPosix
import PeerWire
import Testing

@testable import Bench

@Suite struct CuttingProxyTests {
    /// A frame with so many bytes of records, and 9 bytes around them.
    private static func frame(records count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        PeerWire.append(.session(number: 1, sequence: 1, .records([UInt8](repeating: 7, count: count))), to: &bytes)
        return bytes
    }

    @Test func `bytes pass unchanged in both directions, and records are counted apart from all else`() async throws {
        try await withProxy { proxy, server, loop in
            try await proxy.heal()
            let (near, far) = try await connectedPair(proxy, server, on: loop)
            let (there, back) = (Self.frame(records: 100_000), Self.frame(records: 50))
            near.send(there)
            far.send(back)
            #expect(try await far.receive(there.count) == there)
            #expect(try await near.receive(back.count) == back)
            let traffic = try await proxy.traffic()
            #expect(traffic.byteCount == there.count + back.count)
            #expect(traffic.recordBytes == 100_050)
            // 100,000 bytes of records are two frames: 9 bytes around the first and 5 around the second, and one for the type of the message.
            #expect(traffic.digestBytes == 15 + 9)
        }
    }

    @Test func `a delay holds back every byte in each direction, keeps their order, and does not add up`() async throws {
        try await withProxy { proxy, server, loop in
            let delay = Duration.milliseconds(200)
            try await proxy.heal(delay: delay)
            let (near, far) = try await connectedPair(proxy, server, on: loop)
            let text = (0..<50).map { UInt8($0) }
            // One at a time, so that each is a piece of its own.
            for byte in text { near.send([byte]) }
            #expect(try await far.receive(text.count) == text)
            let (sent, arrived) = (try await near.times().firstSent, try await far.times().lastReceived)
            let took = try #require(arrived).since(try #require(sent))
            #expect(took >= delay)
            #expect(took < delay * text.count / 2)
            far.send(text)
            #expect(try await near.receive(text.count) == text)
            let (sentBack, arrivedBack) = (try await far.times().firstSent, try await near.times().lastReceived)
            #expect(try #require(arrivedBack).since(try #require(sentBack)) >= delay)
        }
    }

    @Test func `a cut closes what is there and what comes, and after a heal bytes count from zero`() async throws {
        try await withProxy { proxy, server, loop in
            try await proxy.heal()
            let (near, far) = try await connectedPair(proxy, server, on: loop)
            near.send([1, 2, 3])
            _ = try await far.receive(3)
            try await proxy.cut()
            try await near.closed()
            try await far.closed()
            try await TestPeer.connect(to: proxy.port, on: loop).closed()
            #expect(try await proxy.firstByte(within: .zero) != nil)

            try await proxy.heal()
            #expect(try await proxy.traffic() == PeerTraffic())
            #expect(try await proxy.firstByte(within: .milliseconds(1)) == nil)
            let (again, beyond) = try await connectedPair(proxy, server, on: loop)
            async let first = proxy.firstByte(within: .seconds(60))
            again.send([4])
            #expect(try await beyond.receive(1) == [4])
            #expect(try await first != nil)
            #expect(try await proxy.traffic().byteCount == 1)
        }
    }

    @Test func `a wait for the first byte ends by that byte or its own time, not by that of an earlier wait`() async throws {
        try await withProxy { proxy, server, loop in
            try await proxy.heal()
            let (near, far) = try await connectedPair(proxy, server, on: loop)
            async let early = proxy.firstByte(within: .milliseconds(200))
            near.send([1])
            _ = try await early  // Nil only where this test was held up.
            try await proxy.heal()
            async let late = proxy.firstByte(within: .seconds(60))
            // Longer than the first wait would have had.
            #expect(try await proxy.firstByte(within: .milliseconds(300)) == nil)
            near.send([2])
            #expect(try await late != nil)
            #expect(try await far.receive(2) == [1, 2])
        }
    }

    @Test func `held behind its greetings a connection passes the first frames of each side, and the rest once released`() async throws {
        try await withProxy { proxy, server, loop in
            try await proxy.healGreetings()
            let (near, far) = try await connectedPair(proxy, server, on: loop)
            let (greeting, rest) = (Self.frame(records: 3) + Self.frame(records: 5), Self.frame(records: 1_000))
            near.send(Array(greeting[..<2]))
            #expect(try await far.receive(2) == Array(greeting[..<2]))
            near.send(Array(greeting[2...]) + rest)
            #expect(try await far.receive(greeting.count - 2) == Array(greeting[2...]))
            far.send(greeting)
            // What was sent behind the first frame before this answer would have come with it, or before it.
            #expect(try await near.receive(greeting.count) == greeting)
            far.send(rest)
            try await proxy.release()
            #expect(try await far.receive(rest.count) == rest)
            #expect(try await near.receive(rest.count) == rest)
            near.send([1])
            #expect(try await far.receive(1) == [1])
        }
    }

    @Test func `a cut closes both sides at once, however long the delay, and what is on its way is neither delivered nor counted`() async throws {
        try await withProxy { proxy, server, loop in
            try await proxy.heal(delay: .seconds(30))
            let (near, far) = try await connectedPair(proxy, server, on: loop)
            near.send([1, 2, 3])
            #expect(try await proxy.firstByte(within: .seconds(60)) != nil)
            let began = Instant.monotonic
            try await proxy.cut()
            far.send([4])
            try await near.closed()
            try await far.closed()
            #expect(Instant.monotonic.since(began) < .seconds(15))
            try await proxy.heal()
            #expect(try await proxy.traffic() == PeerTraffic())
        }
    }

    @Test func `nothing gets through before the first heal, and the end of one side is the end of the other, behind its last bytes`() async throws {
        try await withProxy { proxy, server, loop in
            try await TestPeer.connect(to: proxy.port, on: loop).closed()
            try await proxy.heal(delay: .milliseconds(20))
            let (near, far) = try await connectedPair(proxy, server, on: loop)
            near.send([1, 2, 3])
            near.close()
            #expect(try await far.receive(3) == [1, 2, 3])
            try await far.closed()
        }
    }

    @Test func `where nobody listens a connection closes`() async throws {
        try await withProxy { proxy, _, loop in
            try await proxy.lead(to: 1)
            try await proxy.heal()
            try await TestPeer.connect(to: proxy.port, on: loop).closed()
        }
    }
}

/// Runs a test with a proxy that leads to a server.
private func withProxy(_ body: (CuttingProxy, TestServer, any EventLoop) async throws -> Void) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let server = try await TestServer.start(on: loop)
    let proxy = try await CuttingProxy.start(on: loop)
    try await proxy.lead(to: server.port)
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(proxy, server, loop)) } catch { outcome = .failure(error) }
    try await group.shutdownGracefully()
    try outcome.get()
}

/// A connection through the proxy, both of its ends.
private func connectedPair(_ proxy: CuttingProxy, _ server: TestServer, on loop: any EventLoop) async throws -> (near: TestPeer, far: TestPeer) {
    let accepted = server.next(on: loop)
    let near = try await TestPeer.connect(to: proxy.port, on: loop)
    return (near, try await accepted.get())
}

/// A server that hands over each connection to whoever waits for one.
private final class TestServer: Sendable {
    let port: Int
    private let waiting: NIOLoopBoundBox<[EventLoopPromise<TestPeer>]>

    static func start(on loop: any EventLoop) async throws -> TestServer {
        let waiting = try await loop.submit { NIOLoopBoundBox<[EventLoopPromise<TestPeer>]>([], eventLoop: loop) }.get()
        let listener = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let peer = try TestPeer(channel)
                    if !waiting.value.isEmpty { waiting.value.removeFirst().succeed(peer) }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return TestServer(port: listener.localAddress?.port ?? 0, waiting: waiting)
    }

    private init(port: Int, waiting: NIOLoopBoundBox<[EventLoopPromise<TestPeer>]>) { (self.port, self.waiting) = (port, waiting) }

    func next(on loop: any EventLoop) -> EventLoopFuture<TestPeer> {
        loop.flatSubmit {
            let promise = loop.makePromise(of: TestPeer.self)
            self.waiting.value.append(promise)
            return promise.futureResult
        }
    }
}

/// One end of a connection.
private struct TestPeer: Sendable {
    private let channel: any Channel
    private let received: NIOLoopBound<Received>

    static func connect(to port: Int, on loop: any EventLoop) async throws -> TestPeer {
        let made = loop.makePromise(of: TestPeer.self)
        _ = try await ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { made.succeed(try TestPeer(channel)) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return try await made.futureResult.get()
    }

    /// Must be called on the loop, before the channel is active.
    init(_ channel: any Channel) throws {
        let received = Received()
        try channel.pipeline.syncOperations.addHandler(received)
        (self.channel, self.received) = (channel, NIOLoopBound(received, eventLoop: channel.eventLoop))
    }

    func send(_ bytes: [UInt8]) {
        self.channel.eventLoop.execute {
            self.received.value.noteSending()
            self.channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        }
    }
    /// When it first sent and last received something, by the loop: a test may be resumed long afterwards.
    func times() async throws -> (firstSent: Instant?, lastReceived: Instant?) {
        try await self.channel.eventLoop.submit { (self.received.value.firstSentAt, self.received.value.lastReadAt) }.get()
    }
    func close() { self.channel.close(promise: nil) }
    /// Waits for the other side's close.
    func closed() async throws { try await self.channel.closeFuture.get() }

    /// The next so many bytes.
    func receive(_ count: Int) async throws -> [UInt8] {
        try await self.channel.eventLoop.flatSubmit {
            let promise = self.channel.eventLoop.makePromise(of: [UInt8].self)
            self.received.value.wait(count, promise)
            return promise.futureResult
        }.get()
    }
}

private final class Received: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var bytes: [UInt8] = []
    private var waiting: (count: Int, promise: EventLoopPromise<[UInt8]>)?
    private(set) var firstSentAt: Instant?
    private(set) var lastReadAt: Instant?

    func noteSending() { self.firstSentAt = self.firstSentAt ?? Instant.monotonic }

    func wait(_ count: Int, _ promise: EventLoopPromise<[UInt8]>) {
        self.waiting = (count, promise)
        self.tell()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.bytes += self.unwrapInboundIn(data).readableBytesView
        self.lastReadAt = Instant.monotonic
        self.tell()
    }

    func channelInactive(context: ChannelHandlerContext) { self.waiting?.promise.fail(ChannelError.eof) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func tell() {
        guard let waiting, self.bytes.count >= waiting.count else { return }
        self.waiting = nil
        waiting.promise.succeed(Array(self.bytes.prefix(waiting.count)))
        self.bytes.removeFirst(waiting.count)
    }
}
