import Basics
import Membership
import NIOCore
import Node

/// One connection to another node: its bytes to the replica, the replica's frames to it, as fast as it takes them.
final class PeerConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let core: CoreLoop
    /// What was dialled; nil where the other side did.
    private let dialed: PeerAddress?
    private(set) var link: PeerLink?
    private var context: ChannelHandlerContext?
    private var input: ByteBuffer?
    /// The channel asked to read while the replica could take nothing.
    private var owesRead = false
    private var isClosing = false

    init(core: CoreLoop, dialed: PeerAddress?) { (self.core, self.dialed) = (core, dialed) }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard self.core.admit(self) else { return context.close(promise: nil) }
        self.core.beginTickIfNeeded()
        self.link = self.core.replica.linkOpened(dialed: self.dialed, at: self.core.moment.now)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isClosing else { return }
        var received = self.unwrapInboundIn(data)
        if self.input == nil { self.input = received } else { self.input!.writeBuffer(&received) }
        self.core.beginTickIfNeeded()
        self.process()
    }

    /// Hands over what has been received, as far as the replica takes it.
    func process() {
        guard let link, let input, !self.isClosing else { return }
        let consumed = input.withUnsafeReadableBytes { self.core.received($0, on: link) }
        self.input!.moveReaderIndex(forwardBy: consumed)
        if self.input!.readableBytes == 0 { self.input = nil } else { self.input!.discardReadBytes() }
        guard self.owesRead, !self.isHeldUp else { return }
        self.owesRead = false
        self.context?.read()
    }

    /// True while whole messages wait that the replica cannot take.
    private var isHeldUp: Bool { self.input != nil && self.core.replica.isHeldUp }

    func read(context: ChannelHandlerContext) {
        guard self.isHeldUp, !self.isClosing else { return context.read() }
        self.owesRead = true
    }

    /// Writes what may leave, as long as the socket takes it.
    func pump() {
        guard let context, let link else { return }
        var hasWritten = false
        while context.channel.isWritable, let bytes = self.core.nextOutput(link) {
            context.write(self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            hasWritten = true
        }
        if hasWritten { context.flush() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.core.beginTickIfNeeded() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.isClosing = true
        self.input = nil
        guard let link else {
            if let dialed { self.core.dialFailed(dialed) }
            return
        }
        self.core.beginTickIfNeeded()
        self.core.gone(self, link)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Closes once what waits has been written: a refusal says why.
    func finish() {
        guard let context, !self.isClosing else { return }
        self.pump()
        self.isClosing = true
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }
}
