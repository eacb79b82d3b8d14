import Basics
import NIOCore

/// What the load connections do between a start and an end: first perhaps write every key once, then the measured mix.
struct PhasePlan: Sendable {
    enum Work: Equatable, Sendable {
        /// One SET for each key from 0 on.
        case everyKeyOnce
        /// One SET for each of these keys, in their order.
        case each([UInt64])
        /// Keys drawn uniformly; a request is a GET if a drawn 32-bit number is below the threshold.
        case mix(getThreshold: UInt64)

        /// The mix in which this share of requests, from 0 to 1, are GETs.
        static func mix(getShare: Double) -> Work {
            .mix(getThreshold: UInt64((getShare * 0x1p32).rounded()))
        }
    }

    let name: String
    let work: Work
    let limit: ServeBenchOptions.Limit
    /// Requests in one write of one connection.
    let pipeline: Int
    /// Whether the asker of digests, if there is one, is at work meanwhile.
    let asksForDigests: Bool
    let keys: UInt64
    let valueBytes: Int
    let patience: Duration
}

/// What came of a phase.
struct PhaseResult: Sendable {
    let tally: Tally
    /// From the first request to the last reply of a load connection.
    let elapsed: Duration
}

/// One phase under way: hands out requests, gathers what the replies say, and ends when all that was handed out is answered.
///
/// Owned by the event loop, as are the connections that share it.
///
/// - Invariant: `promise` is completed exactly once: by what finishes last, or by the first failure.
/// - Bound: it fails once nothing has arrived for `plan.patience`.
final class PhaseRun {
    let plan: PhasePlan
    var tally: Tally
    /// Asks for digests meanwhile; the phase waits for its last answer.
    var asker: DigestAsker?
    private let startedAt: Instant
    private let deadline: Instant?
    private let promise: EventLoopPromise<PhaseResult>
    private let progress: @Sendable (String) -> Void
    private var ticker: RepeatedTask?
    private var grantedCount = 0
    private var activeConnections: Int
    private var finished = false
    private var repliesAtLastTick = 0

    init(_ plan: PhasePlan, connections: Int, promise: EventLoopPromise<PhaseResult>, progress: @escaping @Sendable (String) -> Void) {
        (self.plan, self.promise, self.progress) = (plan, promise, progress)
        (self.activeConnections, self.startedAt) = (connections, .monotonic)
        self.tally = Tally(start: self.startedAt)
        self.deadline = if case .seconds(let count) = plan.limit { self.startedAt + .seconds(count) } else { nil }
    }

    /// Starts the checks and the progress line, once a second.
    func startTicking(on loop: any EventLoop) {
        let bound = NIOLoopBound(self, eventLoop: loop)
        self.ticker = loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in bound.value.tick() }
    }

    /// Grants a connection its next requests, by their numbers from 0 on; none when the phase is over.
    func grant(at now: Instant) -> Range<Int> {
        let first = self.grantedCount
        guard !self.finished else { return first..<first }
        switch self.plan.limit {
        case .requests(let count):
            self.grantedCount = min(count, first + self.plan.pipeline)
        case .seconds:
            if let deadline, now < deadline { self.grantedCount = first + self.plan.pipeline }
        }
        return first..<self.grantedCount
    }

    /// A load connection has all its replies and gets no further requests.
    func connectionFinished() {
        precondition(self.activeConnections > 0, "more connections finished than began in phase \(self.plan.name)")
        self.activeConnections -= 1
        guard self.activeConnections == 0 else { return }
        if let asker {
            asker.loadEnded()
        } else {
            self.succeed()
        }
    }

    var loadHasEnded: Bool { self.activeConnections == 0 }

    /// All is answered: the load, and the last question of the asker of digests.
    func succeed() {
        precondition(self.activeConnections == 0, "\(self.activeConnections) connections are still at work in phase \(self.plan.name)")
        guard !self.finished else { return }
        self.finish()
        self.promise.succeed(PhaseResult(tally: self.tally, elapsed: self.tally.lastReplyAt.since(self.startedAt)))
    }

    func fail(_ error: BenchError) {
        guard !self.finished else { return }
        self.finish()
        self.promise.fail(error)
    }

    private func finish() {
        self.finished = true
        self.ticker?.cancel()
    }

    private func tick() {
        let now = Instant.monotonic
        let silence = now.since(self.tally.lastReplyAt)
        if silence >= self.plan.patience {
            self.fail(.stalled(seconds: Int(silence.inSeconds)))
            return
        }
        let rate = self.tally.replies - self.repliesAtLastTick
        self.repliesAtLastTick = self.tally.replies
        let done =
            switch self.plan.limit {
            case .requests(let count): "\(grouped(self.tally.replies)) of \(grouped(count))"
            case .seconds(let count): "\(Int(now.since(self.startedAt).inSeconds)) of \(count) s, \(grouped(self.tally.replies)) replies"
            }
        let errors = self.tally.errors.total > 0 ? ", \(grouped(self.tally.errors.total)) errors" : ""
        let pause = fixed(self.tally.longestPause.inSeconds * 1_000, decimals: 1)
        self.progress("\(self.plan.name): \(done), \(grouped(rate))/s, longest pause \(pause) ms\(errors)")
    }
}

extension Instant {
    /// Now, by the system's monotonic clock.
    static var monotonic: Instant { Instant(nanoseconds: NIODeadline.now().uptimeNanoseconds) }
}
