import Basics
import Versioning

/// Decides when to open a repair session with one peer, from what the rounds show.
///
/// Roots that differ are no reason by themselves: under writes they always do, because something is on its way. A session is due where what the peer
/// shows has not moved for two rounds, or the same write has been missing for two; after a link came up; and now and then in any case,
/// as the proof that all else worked. Writes that one side lacks are for the other's log first.
///
/// - Source: ours.
package struct RepairTrigger: Sendable {
    /// About so often a session is due whatever the rounds say, as under writes that never pause.
    package static let fullInterval = Duration.seconds(600)
    /// Rounds in a row that must show the same; and where the peer can ask our log, which takes it two rounds and the answer's time.
    static let patientRounds = 2
    static let politeRounds = 5

    private struct Sight: Sendable {
        let seen: Seen
        let missing: Dot?
        let at: Instant
    }

    private var last: Sight?
    private var rounds = 0
    private var fullAt: Instant
    /// The next comparison decides at once.
    private var isImpatient: Bool

    package init(at now: Instant, using random: inout SplitMix64) {
        self.fullAt = now
        self.isImpatient = true
        self.ended(at: now, using: &random)
        self.isImpatient = true
    }

    /// The peer has shown its state.
    ///
    /// - Parameters:
    ///   - equal: whether the roots are equal; nil where one is not known.
    ///   - theirs: what the peer has seen.
    ///   - round: the least time between two rounds; what is shown sooner belongs to the round before.
    ///   - catchesUp: whoever lacks writes asks the other's log for them, and only what that does not bring is for a session.
    /// - Returns: true where a session is due.
    package mutating func compared(equal: Bool?, own: Seen, theirs: Seen, catchesUp: Bool, at now: Instant, round: Duration) -> Bool {
        if equal == true {
            self.sawEqualRoots()
            return false
        }
        if now >= self.fullAt { return true }
        guard equal == false else { return false }
        let missing = own.firstMissing(of: theirs)
        if catchesUp, missing != nil {
            (self.last, self.rounds) = (nil, 0)
            return false
        }
        let isWaitedFor = catchesUp && !theirs.covers(all: own)
        if self.isImpatient, !isWaitedFor { return true }
        if let last, now.since(last.at) < round { return false }
        let isSame = self.last.map { $0.seen == theirs || ($0.missing != nil && $0.missing == missing) } ?? false
        self.rounds = isSame ? self.rounds + 1 : 1
        self.last = Sight(seen: theirs, missing: missing, at: now)
        return self.rounds >= (isWaitedFor ? Self.politeRounds : Self.patientRounds)
    }

    /// The peer has the same.
    package mutating func sawEqualRoots() { (self.last, self.rounds, self.isImpatient) = (nil, 0, false) }

    /// A link to the peer has come up: where roots differ nobody waits for a second round.
    package mutating func linkCameUp() { (self.last, self.rounds, self.isImpatient) = (nil, 0, true) }

    /// A session with the peer has ended, in whatever way.
    package mutating func ended(at now: Instant, using random: inout SplitMix64) {
        (self.last, self.rounds, self.isImpatient) = (nil, 0, false)
        self.fullAt = now + Self.fullInterval * Double.random(in: 0.75...1.25, using: &random)
    }
}
