import Basics
import Versioning

/// Decides when to open a repair session with one peer, from what the rounds show.
///
/// Roots that differ are no reason by themselves: under writes they always do, because something is on its way. A session is due where what the peer
/// shows has not moved for two rounds, or the same write has been missing for two; after a link came up; and now and then in any case,
/// as the proof that all else worked.
///
/// - Source: ours; the rule stands in for catching up from the log until that exists.
package struct RepairTrigger: Sendable {
    /// About so often a session is due whatever the rounds say, as under writes that never pause.
    package static let fullInterval = Duration.seconds(600)
    /// Rounds in a row that must show the same.
    static let patientRounds = 2

    private struct Sight: Equatable, Sendable {
        let seen: Seen
        let missing: Dot?
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
    /// - Returns: true where a session is due.
    package mutating func compared(equal: Bool?, own: Seen, theirs: Seen, at now: Instant) -> Bool {
        if equal == true {
            (self.last, self.rounds, self.isImpatient) = (nil, 0, false)
            return false
        }
        if now >= self.fullAt { return true }
        guard equal == false else { return false }
        if self.isImpatient { return true }
        let sight = Sight(seen: theirs, missing: own.firstMissing(of: theirs))
        let isSame = self.last.map { $0.seen == sight.seen || ($0.missing != nil && $0.missing == sight.missing) } ?? false
        self.rounds = isSame ? self.rounds + 1 : 1
        self.last = sight
        return self.rounds >= Self.patientRounds
    }

    /// A link to the peer has come up: where roots differ nobody waits for a second round.
    package mutating func linkCameUp() { (self.last, self.rounds, self.isImpatient) = (nil, 0, true) }

    /// A session with the peer has ended, in whatever way.
    package mutating func ended(at now: Instant, using random: inout SplitMix64) {
        (self.last, self.rounds, self.isImpatient) = (nil, 0, false)
        self.fullAt = now + Self.fullInterval * Double.random(in: 0.75...1.25, using: &random)
    }
}
