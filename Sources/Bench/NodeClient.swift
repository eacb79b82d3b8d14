import Basics
import NIOCore
import NIOPosix
import RESP

/// A connection to a node's client port on 127.0.0.1, for a question now and then.
final class NodeClient: Sendable {
    private let loop: any EventLoop
    private let channel: any Channel
    private let replies: NIOLoopBound<ReplyTaker>

    static func connect(port: Int, on loop: any EventLoop) async throws(BenchError) -> NodeClient {
        do {
            let replies = try await loop.submit { NIOLoopBound(ReplyTaker(), eventLoop: loop) }.get()
            let channel = try await ClientBootstrap(group: loop)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(replies.value) }
                }
                .connect(host: "127.0.0.1", port: port).get()
            return NodeClient(loop, channel, replies)
        } catch {
            throw .cannotConnect(address: "127.0.0.1:\(port)", reason: "\(error)")
        }
    }

    private init(_ loop: any EventLoop, _ channel: any Channel, _ replies: NIOLoopBound<ReplyTaker>) {
        (self.loop, self.channel, self.replies) = (loop, channel, replies)
    }

    /// Sends a command and waits for its answer, as long as it takes.
    func ask(_ words: [String]) async throws(BenchError) -> Reply {
        do {
            return try await self.loop.flatSubmit {
                let promise = self.loop.makePromise(of: Reply.self)
                self.replies.value.ask(words, promise)
                return promise.futureResult
            }.get()
        } catch let error as BenchError {
            throw error
        } catch {
            throw .connectionFailed(reason: "\(error)")
        }
    }
}

/// Gives each reply to whoever asked. Owned by the event loop.
private final class ReplyTaker: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var context: ChannelHandlerContext?
    private var parser = ReplyParser()
    private var waiting: [EventLoopPromise<Reply>] = []

    func ask(_ words: [String], _ promise: EventLoopPromise<Reply>) {
        guard let context else { return promise.fail(BenchError.closedByPeer(lastError: nil)) }
        self.waiting.append(promise)
        var buffer = context.channel.allocator.buffer(capacity: 64)
        buffer.writeRequest(words.map { Array($0.utf8) })
        context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.parser.append(self.unwrapInboundIn(data).readableBytesView)
        do throws(ReplyParser.Failure) {
            while let reply = try self.parser.next() {
                guard !self.waiting.isEmpty else { return self.fail(.malformedReply(.surplusReply), context) }
                self.waiting.removeFirst().succeed(reply)
            }
        } catch {
            self.fail(.connectionFailed(reason: "malformed reply: \(error)"), context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { self.fail(.closedByPeer(lastError: nil), context) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.fail(.connectionFailed(reason: "\(error)"), context) }

    private func fail(_ error: BenchError, _ context: ChannelHandlerContext) {
        self.context = nil
        for promise in self.waiting { promise.fail(error) }
        self.waiting = []
        context.close(promise: nil)
    }
}
