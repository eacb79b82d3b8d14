import NIOCore
import NIOPosix
import PeerWire

/// One end of a connection through a proxy: what arrives here leaves at the partner, later by the proxy's delay and in the same order.
///
/// A delay holds up no bytes behind it: each piece leaves so long after its own arrival.
///
/// - Bound: nothing more is read while `longestQueueBytes` are on their way to the partner: more than two nodes have under way.
final class ProxyRelay: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private static let longestQueueBytes = 32 << 20

    private let proxy: ProxyState
    /// Whether it was accepted and so dials its partner.
    private let dials: Bool
    private var partner: ProxyRelay?
    private var context: ChannelHandlerContext?
    private var meter = FrameMeter()
    private var greeting = FirstFrames(PeerWire.greetingFrames)
    /// What came behind the greeting while the proxy held it.
    private var held = ByteBuffer()
    private var queuedBytes = 0
    /// The channel asked to read while nothing could be taken.
    private var owesRead = false

    init(_ proxy: ProxyState, dials: Bool) { (self.proxy, self.dials) = (proxy, dials) }

    func cut() { self.context?.close(promise: nil) }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        self.proxy.add(self)
        context.fireChannelActive()
        guard self.dials else {
            self.partner?.readIfOwed()
            return
        }
        guard !self.proxy.isCut, let destination = self.proxy.destination else { return context.close(promise: nil) }
        self.dial(destination, on: context.eventLoop)
    }

    private func dial(_ port: Int, on loop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        let connected = ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let partner = ProxyRelay(bound.value.proxy, dials: false)
                    (partner.partner, bound.value.partner) = (bound.value, partner)
                    try channel.pipeline.syncOperations.addHandler(partner)
                }
            }
            .connect(host: "127.0.0.1", port: port)
        connected.assumeIsolated().whenComplete { result in
            // It may have been cut, and even healed, meanwhile.
            if case .success = result, !self.proxy.isCut, self.context != nil { return }
            self.partner?.cut()
            self.cut()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = self.unwrapInboundIn(data)
        let recordBytes = bytes.withUnsafeReadableBytes { self.meter.recordBytes(in: $0) }
        self.proxy.arrived(bytes.readableBytes, ofRecords: recordBytes)
        self.queuedBytes += bytes.readableBytes
        var first = self.greeting.take(from: &bytes)
        if self.proxy.isHolding { self.held.writeBuffer(&bytes) } else { first.writeBuffer(&bytes) }
        guard first.readableBytes > 0 else { return }
        self.forward(first, on: context.eventLoop)
    }

    private func forward(_ bytes: ByteBuffer, on loop: any EventLoop) {
        self.later(on: loop) { $0.send(bytes, from: self) }
    }

    /// Sends on what was held.
    func release() {
        guard let context, self.held.readableBytes > 0 else { return }
        let bytes = self.held
        self.held = ByteBuffer()
        self.forward(bytes, on: context.eventLoop)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.proxy.remove(self)
        self.later(on: context.eventLoop) { $0.finish() }
        self.partner = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func read(context: ChannelHandlerContext) {
        guard self.canRead else {
            self.owesRead = true
            return
        }
        context.read()
    }

    private var canRead: Bool { self.partner?.context != nil && self.queuedBytes < Self.longestQueueBytes }

    private func readIfOwed() {
        guard self.owesRead, self.canRead else { return }
        self.owesRead = false
        self.context?.read()
    }

    /// Does something with the partner after the delay. What is due at one time happens in the order in which it was asked for.
    private func later(on loop: any EventLoop, _ action: @escaping (ProxyRelay) -> Void) {
        guard let partner else { return }
        if self.proxy.delay == .zero { return action(partner) }
        loop.assumeIsolated().scheduleTask(in: self.proxy.delay) { action(partner) }
    }

    private func send(_ bytes: ByteBuffer, from source: ProxyRelay) {
        guard let context else { return }
        let count = bytes.readableBytes
        context.writeAndFlush(self.wrapOutboundOut(bytes)).assumeIsolated().whenComplete { _ in
            source.queuedBytes -= count
            source.readIfOwed()
        }
    }

    /// Closes once what waits has been written.
    private func finish() {
        guard let context else { return }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }
}

/// Tells the first frames of a stream from what follows.
struct FirstFrames {
    /// Those that are not whole yet.
    private var count: Int
    private var length: [UInt8] = []
    /// Bytes of the first of them behind the length that are still to come; nil while the length is not whole.
    private var rest: Int?

    init(_ count: Int) { self.count = count }

    /// Takes from the front what belongs to them.
    mutating func take(from bytes: inout ByteBuffer) -> ByteBuffer {
        var taken = ByteBuffer()
        while self.count > 0, bytes.readableBytes > 0 {
            var part = self.takeOne(from: &bytes)
            taken.writeBuffer(&part)
            guard self.rest == 0 else { continue }
            (self.count, self.length, self.rest) = (self.count - 1, [], nil)
        }
        return taken
    }

    private mutating func takeOne(from bytes: inout ByteBuffer) -> ByteBuffer {
        var taken = ByteBuffer()
        while self.rest == nil, let byte = bytes.readInteger(as: UInt8.self) {
            self.length.append(byte)
            taken.writeInteger(byte)
            guard self.length.count == PeerWire.lengthByteCount else { continue }
            self.rest = self.length.reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        guard let rest, var part = bytes.readSlice(length: min(rest, bytes.readableBytes)) else { return taken }
        self.rest = rest - part.readableBytes
        taken.writeBuffer(&part)
        return taken
    }
}
