import Basics
import NIOCore

/// The first exchange on a connection: `AUTH` if there is a password, then `PING`, so that an open connection is known to be served.
///
/// After it this handler puts `next` in its place and is gone.
final class Greeting: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let requests: [[[UInt8]]]
    private let next: any ChannelHandler
    private let done: EventLoopPromise<Void>
    private let patience: TimeAmount
    private var scanner = ReplyScanner()
    private var answeredCount = 0
    private var timeout: Scheduled<Void>?

    init(password: [UInt8]?, patience: Duration, next: any ChannelHandler, done: EventLoopPromise<Void>) {
        self.requests = (password.map { [[Array("AUTH".utf8), $0]] } ?? []) + [[Array("PING".utf8)]]
        (self.next, self.done, self.patience) = (next, done, .nanoseconds(patience.wholeNanoseconds))
    }

    func channelActive(context: ChannelHandlerContext) {
        var buffer = context.channel.allocator.buffer(capacity: 128)
        for request in self.requests { buffer.writeRequest(request) }
        let (done, patience) = (self.done, self.patience)
        self.timeout = context.eventLoop.scheduleTask(in: patience) {
            done.fail(BenchError.stalled(seconds: Int(patience.nanoseconds / 1_000_000_000)))
        }
        context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        do {
            try self.takeReplies(buffer)
            guard self.answeredCount == self.requests.count else { return }
            self.timeout?.cancel()
            try context.pipeline.syncOperations.addHandler(self.next)
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
            self.done.succeed()
        } catch {
            self.done.fail(error)
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timeout?.cancel()
        self.done.fail(BenchError.closedByPeer(lastError: nil))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.done.fail(BenchError.connectionFailed(reason: "\(error)"))
        context.close(promise: nil)
    }

    private func takeReplies(_ buffer: ByteBuffer) throws {
        let bytes = buffer.readableBytesUInt8Span
        var offset = 0
        while let reply = try self.scanner.next(in: bytes, from: &offset) {
            if reply == .error { throw BenchError.refused(text: self.scanner.errorText) }
            guard reply == .status, self.answeredCount < self.requests.count else {
                throw BenchError.unexpectedReply(request: "the greeting", reply: "\(reply)")
            }
            self.answeredCount += 1
        }
    }
}

/// How many of the silent connections are still open. Owned by the event loop.
final class IdleWatch {
    fileprivate(set) var closedCount = 0
}

/// A connection that stays open and says nothing.
final class IdleConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let watch: IdleWatch

    init(watch: IdleWatch) {
        self.watch = watch
    }

    func channelInactive(context: ChannelHandlerContext) { self.watch.closedCount += 1 }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}  // Nothing was asked: an error before the close.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// A connection that asks `HEARSAY DIGEST` at an interval, one question at a time: one that is late delays the next.
final class DigestAsker: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let interval: TimeAmount
    private var scanner = ReplyScanner()
    private var context: ChannelHandlerContext?
    private var run: PhaseRun?
    private var failure: BenchError?
    /// When the question was sent whose answer is missing.
    private var askedAt: Instant?
    private var ticker: RepeatedTask?

    init(interval: Duration) {
        self.interval = .nanoseconds(interval.wholeNanoseconds)
    }

    /// Asks until the phase tells that its load has ended.
    func begin(_ run: PhaseRun) {
        guard self.failure == nil, let context else {
            run.fail(self.failure ?? .closedByPeer(lastError: nil))
            return
        }
        self.run = run
        run.asker = self
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.ticker = context.eventLoop.scheduleRepeatedTask(initialDelay: self.interval, delay: self.interval) { _ in bound.value.ask() }
    }

    /// Asks nothing more; the phase ends now, or with the answer that is still missing.
    func loadEnded() {
        self.ticker?.cancel()
        if self.askedAt == nil { self.finish() }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        do throws(ReplyFault) {
            let bytes = buffer.readableBytesUInt8Span
            var offset = 0
            while let reply = try self.scanner.next(in: bytes, from: &offset) { try self.take(reply) }
        } catch {
            self.fail(.malformedReply(error))
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { self.fail(.closedByPeer(lastError: nil)) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(.connectionFailed(reason: "\(error)"))
        context.close(promise: nil)
    }

    private func ask() {
        guard self.run != nil, let context, self.askedAt == nil else { return }
        var buffer = context.channel.allocator.buffer(capacity: 64)
        buffer.writeRequest([Array("HEARSAY".utf8), Array("DIGEST".utf8)])
        self.askedAt = .monotonic
        context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
    }

    private func take(_ reply: ReplyScanner.Reply) throws(ReplyFault) {
        guard let askedAt, let run else { throw .surplusReply }
        self.askedAt = nil
        if reply == .error {
            run.tally.errors.record(self.scanner.errorText)
        } else {
            run.tally.digests.record(Instant.monotonic.since(askedAt))
        }
        if run.loadHasEnded { self.finish() }
    }

    private func finish() {
        let run = self.run
        self.run = nil
        run?.succeed()
    }

    private func fail(_ error: BenchError) {
        self.failure = self.failure ?? error
        self.ticker?.cancel()
        let run = self.run
        self.run = nil
        run?.fail(error)
    }
}

extension ByteBuffer {
    /// Appends a request as RESP has it: an array of bulk strings.
    mutating func writeRequest(_ words: [[UInt8]]) {
        self.writeString("*\(words.count)\r\n")
        for word in words {
            self.writeString("$\(word.count)\r\n")
            self.writeBytes(word)
            self.writeString("\r\n")
        }
    }
}
