import Basics
import NIOCore

/// A connection that sends a batch of requests in one write, waits for all its replies, and sends the next.
///
/// One clock reading serves a whole write and another a whole read, so a reply's latency runs from the write of its batch to the read that
/// brought it. Nothing is allocated for a request.
///
/// The load is a closed loop: while the node stalls, nothing more is sent. That is why the report shows the longest pause beside the percentiles.
final class LoadConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var scanner = ReplyScanner()
    private var batch: RequestBatch
    private var generator: SplitMix64
    private var answeredCount = 0
    private var sentAt = Instant(nanoseconds: 0)
    private var context: ChannelHandlerContext?
    private var run: PhaseRun?
    /// Why the connection cannot be used any more.
    private var failure: BenchError?
    private var lastErrorText: String?

    init(options: ServeBenchOptions, seed: UInt64) {
        self.batch = RequestBatch(keyPrefix: options.keyPrefix, valueBytes: options.valueBytes, timeToLive: options.ttlSeconds)
        self.generator = SplitMix64(seed: seed)
    }

    /// Works on this phase until it grants nothing more.
    func begin(_ run: PhaseRun) {
        precondition(self.run == nil, "a connection works on one phase at a time")
        if let failure {
            run.fail(failure)
            return
        }
        self.run = run
        self.sendBatch(at: .monotonic)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        do throws(BenchError) {
            try self.takeReplies(buffer)
        } catch {
            self.fail(error)
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail(.closedByPeer(lastError: self.lastErrorText))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(.connectionFailed(reason: "\(error)"))
        context.close(promise: nil)
    }

    private func takeReplies(_ buffer: ByteBuffer) throws(BenchError) {
        let now = Instant.monotonic
        let bytes = buffer.readableBytesUInt8Span
        var (offset, sets, gets) = (0, 0, 0)
        let answeredBefore = self.answeredCount
        while let reply = try self.nextReply(in: bytes, from: &offset) {
            guard let run, self.answeredCount < self.batch.kinds.count else { throw .malformedReply(.surplusReply) }
            let kind = self.batch.kinds[self.answeredCount]
            self.answeredCount += 1
            switch (kind, reply) {
            case (_, .error):
                self.lastErrorText = self.scanner.errorText
                run.tally.errors.record(self.scanner.errorText)
            case (.set, .status):
                sets += 1
            case (.get, .value(let byteCount)):
                gets += 1
                run.tally.hits += 1
                if byteCount != run.plan.valueBytes { run.tally.wrongValues += 1 }
            case (.get, .null):
                gets += 1
                run.tally.misses += 1
            case (.set, _), (.get, _):
                throw .unexpectedReply(request: kind == .set ? "SET" : "GET", reply: "\(reply)")
            }
        }
        guard let run, self.answeredCount > answeredBefore else { return }
        let latency = now.since(self.sentAt)
        if sets > 0 { run.tally.sets.record(latency, count: sets) }
        if gets > 0 { run.tally.gets.record(latency, count: gets) }
        run.tally.noteReplies(self.answeredCount - answeredBefore, at: now)
        if self.answeredCount == self.batch.kinds.count { self.sendBatch(at: now) }
    }

    private func nextReply(in bytes: Span<UInt8>, from offset: inout Int) throws(BenchError) -> ReplyScanner.Reply? {
        do throws(ReplyFault) {
            return try self.scanner.next(in: bytes, from: &offset)
        } catch {
            throw .malformedReply(error)
        }
    }

    private func sendBatch(at now: Instant) {
        guard let run, let context else { return }
        self.batch.removeAll()
        self.answeredCount = 0
        let granted = run.grant(at: now)
        guard !granted.isEmpty else {
            self.run = nil
            run.connectionFinished()
            return
        }
        switch run.plan.work {
        case .everyKeyOnce:
            for number in granted { self.batch.append(.set, key: UInt64(number), values: &self.generator) }
        case .each(let keys):
            for number in granted { self.batch.append(.set, key: keys[number], values: &self.generator) }
        case .mix(let getThreshold):
            for _ in granted {
                let kind = self.generator.next() >> 32 < getThreshold ? RequestKind.get : .set
                let key = self.generator.next(upperBound: run.plan.keys)
                self.batch.append(kind, key: key, values: &self.generator)
            }
        }
        self.sentAt = .monotonic
        context.writeAndFlush(self.wrapOutboundOut(self.batch.buffer), promise: nil)
    }

    private func fail(_ error: BenchError) {
        let first = self.failure ?? error
        self.failure = first
        let run = self.run
        self.run = nil
        run?.fail(first)
    }
}
