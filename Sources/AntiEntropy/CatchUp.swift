import Basics
import Versioning

/// Catching up from a peer's log: what a node that missed writes says, and what it is told.
package enum CatchUpMessage: Equatable, Sendable {
    /// Asks for all writes of some ranges, ascending; at most `GapWatch.maximumGaps`.
    case ask([DotRange])
    /// Some of the records asked for, one behind the other, in the order of the teller's log.
    case tell([UInt8])
    /// No more come. False where the log no longer holds every write asked for: a repair session has to find what is missing.
    case told(isWhole: Bool)
}

/// Decides, from what the rounds with one peer show, which writes to ask its log for.
///
/// What a peer has and we lack is usually on its way, by a push. A gap that the peer has shown in two rounds is not: it was dropped, or fell
/// into a time without a link. After a link has come up nobody waits for a second round.
///
/// - Invariant: only what the peer covers is asked for.
/// - Source: the missing intervals of version vectors are those of Bayou's anti-entropy (Petersen, Spreitzer, Terry, Theimer, Demers,
///   "Flexible Update Propagation for Weakly Consistent Replication", SOSP 1997, §3); to wait for a second round is ours.
package struct GapWatch: Sendable {
    /// Ranges in one question; what is beyond is asked for afterwards.
    package static let maximumGaps = 256
    /// A peer that is asked and says nothing for so long is not waited for.
    package static let patience = Duration.seconds(10)

    package enum Advice: Equatable, Sendable {
        /// Nothing is missing, or not for long enough.
        case wait
        case ask([DotRange])
        /// The peer's log does not help: only a comparison of everything does.
        case repair
    }

    /// What the peer showed in a round before, and what it showed last and when: a round has several messages, which count as one.
    private var shown = Seen()
    private var latest: (seen: Seen, at: Instant)?
    private var isImpatient = true
    /// The first write that the peer was last asked for, until it is known what came of it.
    private var asked: Dot?
    /// What the peer's log did not bring.
    private var missed: Dot?

    package init() {}

    /// The peer has shown what it has seen.
    ///
    /// - Parameter round: the least time between two rounds.
    package mutating func compared(own: Seen, theirs: Seen, at now: Instant, round: Duration) -> Advice {
        if let latest, now.since(latest.at) >= round { self.shown = latest.seen }
        if self.latest.map({ now.since($0.at) >= round }) ?? true { self.latest = (theirs, now) }
        let gaps = own.missing(of: self.isImpatient ? theirs : self.shown, limit: Self.maximumGaps)
        self.isImpatient = false
        guard let first = gaps.first else { return .wait }
        let dot = Dot(replica: first.replica, sequence: first.sequences.lowerBound)
        return dot == self.missed ? .repair : .ask(gaps)
    }

    /// The advice to ask was taken.
    package mutating func ask(for gaps: [DotRange]) { self.asked = gaps.first.map { Dot(replica: $0.replica, sequence: $0.sequences.lowerBound) } }

    /// The peer has answered. If the first of what it was asked for is missing still when it shows its state again, its log has not got it, and there
    /// is no use in asking again.
    ///
    /// - Parameter isHeld: something of what came is held until its time, and will be asked for again.
    package mutating func answered(isHeld: Bool = false) {
        (self.missed, self.asked) = (isHeld ? nil : self.asked, nil)
        if let latest { self.shown = latest.seen }
    }

    package mutating func linkCameUp() { self = GapWatch() }

    /// The peer has the same: what it shows from now on has just been written.
    package mutating func sawEqualRoots() { (self.shown, self.latest, self.isImpatient) = (Seen(), nil, false) }
}
