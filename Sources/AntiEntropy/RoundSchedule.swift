import Basics

/// When this node gossips, and with whom: every interval with a few peers, each once before any a second time.
///
/// While nothing is noticed to change the interval doubles, up to `idleInterval`: all that an idle cluster costs is a small frame now and then.
///
/// - Invariant: between two shuffles of the deck nobody is drawn twice.
/// - Source: Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (PODC 1987), §1.3, anti-entropy with random peers. Drawing
///   without replacement and the doubling interval are ours.
package struct RoundSchedule: Sendable {
    /// Each interval is multiplied by a number from this range, so that nodes that started together do not stay together.
    private static let jitter = 0.75...1.25

    /// The interval while things change.
    package var interval: Duration { didSet { (self.leastInterval, self.answerPatience) = Self.derived(from: self.interval) } }
    /// The least that passes between two rounds.
    package private(set) var leastInterval: Duration
    /// So long a peer may take to answer. Kept like the least interval: both are asked for with each push and comparison, and to divide a duration takes long.
    package private(set) var answerPatience: Duration
    /// What the interval grows to while nothing does.
    package var idleInterval = Duration.seconds(5)
    /// How many peers a round has.
    package var fanout: Int
    /// When the next round is due.
    package private(set) var deadline: Instant
    private var pause: Duration
    private var deck: [ReplicaID] = []
    private var random: SplitMix64

    /// - Precondition: `interval` is above zero and `fanout` is at least 1.
    package init(interval: Duration, fanout: Int, seed: UInt64, at now: Instant) {
        precondition(interval > .zero && fanout > 0, "rounds every \(interval) with \(fanout) peers")
        (self.interval, self.fanout, self.pause, self.deadline, self.random) = (interval, fanout, interval, now, SplitMix64(seed: seed))
        (self.leastInterval, self.answerPatience) = Self.derived(from: interval)
    }

    private static func derived(from interval: Duration) -> (least: Duration, patience: Duration) {
        (interval * Self.jitter.lowerBound, interval + interval / 2)
    }

    /// The longest that may pass between two rounds with the same peer, of so many: it may be the first of one deck and the last of the next.
    package func longestGap(among peers: Int) -> Duration {
        let rounds = 2 * max(1, (peers + self.fanout - 1) / self.fanout)
        return max(self.idleInterval, self.interval) * (Double(rounds) * Self.jitter.upperBound)
    }

    /// Begins the round that is due.
    ///
    /// - Parameter peers: those that are linked, in ascending order.
    /// - Returns: whom to talk to; nobody before `deadline`.
    package mutating func begin(among peers: [ReplicaID], at now: Instant) -> [ReplicaID] {
        guard now >= self.deadline else { return [] }
        self.deadline = now + self.pause * Double.random(in: Self.jitter, using: &self.random)
        self.pause = min(self.pause * 2, max(self.idleInterval, self.interval))
        var chosen: [ReplicaID] = []
        while chosen.count < min(self.fanout, peers.count) {
            if self.deck.isEmpty { self.deck = peers.filter { !chosen.contains($0) }.shuffled(using: &self.random) }
            let next = self.deck.removeLast()
            if peers.contains(next), !chosen.contains(next) { chosen.append(next) }
        }
        return chosen
    }

    /// Something was written, came or differs: rounds come at the short interval again.
    package mutating func noticedChange(at now: Instant) {
        self.pause = self.interval
        let soon = now + self.interval
        if self.deadline > soon { self.deadline = soon }
    }
}
