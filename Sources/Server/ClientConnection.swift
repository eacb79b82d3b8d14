import Basics
import NIOCore
import Node
import RESP
import Storage

/// One client: its input as far as it is not executed, its answers as far as they may not leave, and what holds it up.
///
///     received → input → parser → replica → writer ─ depends on nothing ────→ channel
///                                              └ depends on the log → replies ┘ (released by a sync)
final class ClientConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    let core: CoreLoop
    private(set) var session: Session!
    private var context: ChannelHandlerContext?
    private var parser: CommandParser
    /// What was received and is not executed: nil where nothing is left over.
    private var input: ByteBuffer?
    private(set) var replies = ReplyQueue()

    /// The command that waits for room in the table.
    private var parked: ArgumentsCopy?
    /// The command whose answer is being computed in slices.
    private var job: Job?
    /// Set while the client does not read: since when its answers have passed the soft limit.
    private(set) var stalledSince: Instant?
    private var inputEnded = false
    private var isClosing = false
    /// The channel asked to read while the client was held up.
    private var owesRead = false
    private var backlog = OutputBacklog()
    private var accountedBytes = 0

    init(core: CoreLoop) {
        self.core = core
        self.parser = CommandParser(limits: core.unauthenticatedLimits)
    }

    var isAuthenticated: Bool { self.session.isAuthenticated }
    /// What the client's buffers hold.
    var bufferedBytes: Int { self.accountedBytes }

    /// True while one of its commands is being worked on.
    var isBusy: Bool { self.parked != nil || self.job != nil || !self.replies.isEmpty }
    /// False once it is being disconnected.
    private(set) var isEvictable = true

    /// True where no command may be executed now.
    private var isHeldUp: Bool { self.parked != nil || self.job != nil || self.stalledSince != nil || self.isClosing }

    // MARK: Channel events

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard let session = self.core.admit(self, context.channel) else { return self.refuse() }
        self.session = session
        if session.isAuthenticated { self.parser.limits = self.core.limits }
    }

    private func refuse() {
        self.isClosing = true
        guard let context else { return }
        context.write(self.wrapOutboundOut(ByteBuffer(string: "-ERR max number of clients reached\r\n")), promise: nil)
        self.core.connectionRefused()
        self.endOutput(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isClosing else { return }
        var received = self.unwrapInboundIn(data)
        self.core.received(byteCount: received.readableBytes)
        if self.input == nil { self.input = received } else { self.input!.writeBuffer(&received) }
        self.core.beginTickIfNeeded()
        self.process()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        self.inputEnded = true
        if self.isClosing { return context.close(promise: nil) }
        self.closeIfDone()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.measureBacklog()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.isClosing = true
        self.core.gone(self, accountedBytes: self.accountedBytes, job: self.job)
        (self.input, self.parked, self.job, self.accountedBytes) = (nil, nil, nil, 0)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// While the client is held up nothing more is read from it: the kernel's buffers fill and it feels that.
    func read(context: ChannelHandlerContext) {
        guard self.isHeldUp, !self.isClosing else { return context.read() }
        self.owesRead = true
    }

    // MARK: Executing

    /// Executes what has been received, as far as it goes.
    private func process() {
        if !self.isHeldUp, let input {
            let consumed = input.withUnsafeReadableBytes { self.execute($0) }
            guard self.context != nil else { return }  // Disconnected meanwhile.
            self.input!.moveReaderIndex(forwardBy: consumed)
            self.parser.discarded(consumed)
            if self.input!.readableBytes == 0 { self.input = nil } else { self.input!.discardReadBytes() }
        }
        self.endBurst()
        self.closeIfDone()
    }

    /// Executes commands until the bytes end or something holds the client up.
    ///
    /// - Returns: the bytes that are done with.
    private func execute(_ bytes: UnsafeRawBufferPointer) -> Int {
        self.core.writer.version = self.session.version
        var prepared = 0
        while !self.isHeldUp {
            let position = self.parser.consumedBytes
            if position >= prepared, bytes.count > position {
                prepared = max(self.core.replica.prefetch(in: bytes, from: position), position + 1)
            }
            switch self.parser.next(in: bytes) {
            case .needsMore: return self.parser.consumedBytes
            case .command:
                self.execute(self.parser.arguments)
                // A small request may have a great answer: the limits on output look at it before the next.
                if self.core.writer.count > self.burstBytes { self.endBurst() }
            case .oversized(let excess):
                self.core.replica.refuse(self.session)
                self.core.answer { $0.error("ERR", excess.message) }
            case .failure(let error): self.fail(error)
            }
        }
        return self.parser.consumedBytes
    }

    private func fail(_ error: ProtocolError) {
        if error.isAnswered { self.core.answer { $0.error("ERR", error.message) } }
        self.core.protocolFailed(self.session, error)
        self.isClosing = true
    }

    private func execute(_ arguments: Arguments) {
        if self.core.replica.mustWait(arguments, self.session) {
            self.parked = arguments.copy()
            self.core.park(self)
            return
        }
        let wasAuthenticated = self.session.isAuthenticated
        switch self.core.execute(arguments, self.session) {
        case .answered: break
        case .answeredAndCloses: self.isClosing = true
        case .job(let job):
            self.job = job
            self.core.begin(self)
        }
        if self.session.isAuthenticated != wasAuthenticated {
            self.parser.limits = self.session.isAuthenticated ? self.core.limits : self.core.unauthenticatedLimits
        }
    }

    /// Executes the command that waited, if there is room now, and what came behind it.
    ///
    /// - Returns: false where it still waits.
    func resumeParked() -> Bool {
        guard let parked else { return true }
        guard self.context != nil, !parked.withArguments({ self.core.replica.mustWait($0, self.session) }) else { return self.context == nil }
        self.parked = nil
        self.core.writer.version = self.session.version
        parked.withArguments { self.execute($0) }
        self.process()
        self.readIfOwed()
        return self.parked == nil
    }

    /// Does a slice of the command that takes several.
    func advanceJob() -> Replica.JobProgress? {
        guard let job, self.context != nil else { return nil }
        self.core.writer.version = self.session.version
        let progress = self.core.advance(job)
        if case .finished = progress {
            self.job = nil
            self.process()
            self.readIfOwed()
        }
        return progress
    }

    private func readIfOwed() {
        guard self.owesRead, !self.isHeldUp else { return }
        self.owesRead = false
        self.context?.read()
    }

    // MARK: Answering

    /// Takes the burst's answers out of the shared writer: to the channel, or into the queue behind those that wait already.
    private func endBurst() {
        guard let (buffer, marks, dependsOn) = self.core.takeBurst() else { return self.account() }
        if dependsOn.isReleased(durable: self.core.replica.store.durable), self.replies.isEmpty {
            self.write(buffer)
        } else {
            if self.replies.isEmpty { self.core.waitsForLog(self) }
            self.replies.append(buffer, marks)
        }
        self.account()
    }

    private func write(_ buffer: ByteBuffer) {
        guard let context else { return }
        self.core.sent(byteCount: buffer.readableBytes)
        self.backlog.wrote(byteCount: buffer.readableBytes, allocatedBytes: buffer.storageCapacity)
        context.write(self.wrapOutboundOut(buffer), promise: nil)
        self.core.mustFlush(self)
    }

    /// Lets answers go whose position has become durable.
    ///
    /// - Returns: true where others still wait.
    func release(durable: LogPosition) -> Bool {
        while let buffer = self.replies.popReleased(durable: durable) { self.write(buffer) }
        self.account()
        self.closeIfDone()
        return !self.replies.isEmpty
    }

    /// The log was cut back: turns answers to what was lost into errors.
    func failReplies(from origin: LogPosition) {
        self.replies.fail(from: origin)
        self.job?.logWasCut(back: origin)
    }

    func flush() {
        self.context?.flush()
        self.measureBacklog()
    }

    /// Looks how much the socket has not taken, and holds the client up while that is too much.
    private func measureBacklog() {
        guard let context else { return }
        // A channel that can be written to may hold a little: not worth the look, unless it is the end of something large.
        let isSmall = context.channel.isWritable && self.backlog.allocatedBytes <= ClientLimits.unlookedBytes
        self.backlog.reduce(to: isSmall ? 0 : (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? self.backlog.byteCount)
        self.account()
        if self.stalledSince != nil, self.outputBytes <= ClientLimits.softOutputBytes / 2 {
            self.stalledSince = nil
            self.core.resume(self)
        }
    }

    /// Goes on after the client has read.
    func resumeStalled() {
        self.process()
        self.readIfOwed()
    }

    private var outputBytes: Int { self.backlog.byteCount + self.replies.byteCount }
    private var outputLimit: Int { self.session.isAuthenticated ? self.core.outputLimit : ClientLimits.unauthenticatedOutputBytes }
    private var burstBytes: Int { self.session.isAuthenticated ? ClientLimits.burstBytes : ClientLimits.unauthenticatedOutputBytes }

    private func account() {
        let bytes =
            self.backlog.allocatedBytes + self.replies.allocatedBytes + (self.input?.storageCapacity ?? 0) + self.parser.allocatedBytes
            + (self.parked?.byteCount ?? 0)
        self.core.account(bytes - self.accountedBytes)
        self.accountedBytes = bytes
        self.session?.bufferedInputBytes = self.input?.readableBytes ?? 0
        self.session?.bufferedOutputBytes = self.outputBytes
        guard self.session != nil else { return }  // Refused: it has one line, and no more.
        if self.outputBytes > self.outputLimit {
            self.core.evict(self, because: "it does not read its answers")
        } else if self.outputBytes > ClientLimits.softOutputBytes, self.stalledSince == nil {
            self.stalledSince = self.core.moment.now
        }
    }

    // MARK: Closing

    /// Closes once all that was asked is answered: after QUIT, after lost framing, after the client has closed its sending side.
    private func closeIfDone() {
        guard let context, self.isClosing || (self.inputEnded && !self.isHeldUp), self.replies.isEmpty, self.job == nil, self.parked == nil else {
            return
        }
        self.isClosing = true
        if self.inputEnded {
            // The channel goes when everything written before has been taken.
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        } else {
            self.endOutput(context)
        }
    }

    /// Ends the sending side and waits a moment for the client to do the same: closing at once while it still sends would make the
    /// kernel throw the last answer away.
    private func endOutput(_ context: ChannelHandlerContext) {
        self.owesRead = false
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            context.close(mode: .output, promise: nil)
            context.read()
            context.eventLoop.assumeIsolated().scheduleTask(in: ClientLimits.lingering) { context.close(promise: nil) }
        }
    }

    /// Ends the connection with what it still holds.
    func closeNow() {
        (self.isClosing, self.isEvictable) = (true, false)
        self.context?.close(promise: nil)
    }

    /// Ends the connection; answers that wait for the log still go out.
    func kill() {
        if self.replies.isEmpty { self.closeNow() } else { self.finish() }
    }

    /// Takes no more commands; closes when the answers to those executed are out. For the node's own stop.
    func finish() {
        guard !self.isClosing else { return }
        self.isClosing = true
        self.input = nil
        self.closeIfDone()
    }
}

/// Bounds on what one client may hold.
enum ClientLimits {
    /// A client whose unread answers pass this is executed no further, and disconnected if it reads nothing for `softOutputTime`.
    static let softOutputBytes = 8 << 20
    static let softOutputTime = Duration.seconds(60)
    /// More unread answers than this at once end the connection, where the longest value does not need more: it fits behind what may
    /// be there already.
    static func outputBytes(maximumValueBytes: Int) -> Int { max(32 << 20, Self.softOutputBytes + maximumValueBytes + 2 * Self.burstBytes) }
    /// Answers that a client may hold before it has authenticated.
    static let unauthenticatedOutputBytes = 4 << 10
    static let unauthenticatedTime = Duration.seconds(10)
    static let unauthenticatedClients = 256
    /// Answers that are gathered before they are counted against the limits.
    static let burstBytes = 1 << 20
    /// Backlogs up to this are taken for nothing once the channel can be written to.
    static let unlookedBytes = 64 << 10
    static let lingering = TimeAmount.seconds(1)
}
