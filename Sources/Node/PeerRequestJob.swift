import AntiEntropy
import Basics
import Membership
import Storage
import Versioning

/// REPAIR or DIFF on its way: begins a session as soon as the link is free, and waits for its end.
final class PeerRequestJob {
    let member: Member
    let purpose: SessionPurpose
    /// DIFF: how many keys are answered.
    let limit: Int
    /// DIFF: headers of what the peer has and of what we have, as far as they differ.
    private(set) var theirs: [UInt8] = []
    private(set) var ours: [UInt8] = []
    private(set) var outcome: SessionOutcome?
    private(set) var isRunning = false
    /// A session that could not begin is tried again from this moment on.
    private(set) var retryAt = Instant(nanoseconds: 0)
    private var refusals = 0
    /// Half a minute.
    private static let maximumRefusals = 300
    private static let pause = Duration.milliseconds(100)

    /// Headers that are kept of each side: ten thousand keys of 300 bytes.
    static let maximumHeaderBytes = 4 << 20
    static let maximumLimit = 10_000

    init(_ member: Member, _ purpose: SessionPurpose, limit: Int = 0) { (self.member, self.purpose, self.limit) = (member, purpose, limit) }

    func began() { (self.isRunning, self.theirs, self.ours) = (true, [], []) }

    func show(_ bytes: [UInt8]) { if self.theirs.count + bytes.count <= Self.maximumHeaderBytes { self.theirs += bytes } }
    func give(_ bytes: [UInt8]) { if self.ours.count + bytes.count <= Self.maximumHeaderBytes { self.ours += bytes } }

    /// A session that another has overtaken is begun again.
    func end(_ outcome: SessionOutcome, at now: Instant) {
        self.isRunning = false
        self.refusals += 1
        self.retryAt = now + Self.pause
        if outcome.isComplete || !outcome.mayBeTriedAgain || self.refusals > Self.maximumRefusals { self.outcome = outcome }
    }
}

/// How a session ended.
struct SessionOutcome {
    let isComplete: Bool
    let hasEqualRoots: Bool
    let tally: Tally
    let progress: SessionProgress
    let fault: SessionFault?
    let took: Duration
    /// What the peer had seen when the session began; nil where it did not say.
    let theirSeen: Seen?

    init(exchange: Exchange, tally: Tally, fault: SessionFault?, took: Duration) {
        (self.isComplete, self.hasEqualRoots, self.progress) = (exchange.isComplete, exchange.hasEqualRoots, exchange.progress)
        (self.tally, self.fault, self.took, self.theirSeen) = (tally, fault, took, exchange.theirSeen)
    }

    /// It was refused, or gave way to the peer's.
    var mayBeTriedAgain: Bool { self.fault == nil || self.fault == .cancelled }
}
