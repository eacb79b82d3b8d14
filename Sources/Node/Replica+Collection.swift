import Basics
import Membership
import Storage
import Versioning

/// When entries that have expired are dropped, and what that means for rounds (I27).
///
/// Every node goes by its own clock, and in steps of that: nodes whose clocks agree drop the same at the same time. Where they do not, roots differ for as
/// long as the clocks do, which is no reason to compare anything.
extension Replica {
    /// What the sweep of deadlines of this node is at.
    struct Collecting {
        /// When it next looks for what has expired.
        var nextAt: Instant
        /// As many drains there had been when that was decided: each may bring earlier deadlines.
        var drains = 0
        /// When it last dropped something, and since when without a pause.
        private(set) var lastAt: Instant?
        private var beganAt: Instant?

        init(nextAt: Instant) { self.nextAt = nextAt }

        mutating func dropped(at now: Instant) {
            if self.lastAt.map({ now.since($0) > Self.pause }) ?? true { self.beganAt = now }
            self.lastAt = now
        }

        /// True while so many entries go, one after the other, that digests differ all the time: each node is at another of them.
        func goesOn(at now: Instant) -> Bool {
            guard let beganAt, let lastAt else { return false }
            return now.since(lastAt) <= Self.pause && lastAt.since(beganAt) >= Self.long
        }

        /// What a second brings goes in less, and then there is a pause.
        private static let pause = Duration.milliseconds(500)
        private static let long = Duration.seconds(1)
    }

    /// So many entries are looked at in a tick.
    private static let collectEntries = 64
    /// The step of the clock, in milliseconds: what expires within a step is dropped at its end.
    private static let clockStepMilliseconds: UInt64 = 1_000
    /// A clock may be set, so that a deadline comes sooner than was reckoned.
    private static let longestWait = Duration.seconds(60)

    /// When `tendCollection` has something to do although nothing happens; nil where never.
    var collectionDeadline: Instant? { self.mayHoldExpired ? self.collecting.nextAt : nil }

    // Asked for in every tick.
    private var mayHoldExpired: Bool { self.store.mayExpire && self.store.isFounded && !self.isJoining }

    /// Drops a few entries of which this node's floors know that every member has seen them, if the drift bound has passed since their deadlines.
    func tendCollection(at moment: Moment) throws(StoreError) {
        guard self.mayHoldExpired else { return }
        if self.collecting.drains != self.store.counters.drains {
            (self.collecting.drains, self.collecting.nextAt) = (self.store.counters.drains, moment.now)
        }
        guard moment.now >= self.collecting.nextAt else { return }
        guard !self.isExcluded, let expired = self.expiredBefore(moment) else {
            // Until it belongs to the cluster again, or has heard the time.
            self.collecting.nextAt = moment.now + .milliseconds(Self.clockStepMilliseconds)
            return
        }
        let progress = try self.store.collect(through: expired, budget: Self.collectEntries)
        switch progress {
        case .dropped, .advanced:
            self.collecting.nextAt = moment.now + Self.stepInterval
            self.noteSweep(progress)
        case .waits, .early: self.collecting.nextAt = moment.now + (self.store.isSweeping ? Self.stepInterval : Self.drainInterval)
        case .done: self.collecting.nextAt = moment.now + self.timeUntilExpired(at: moment)
        }
    }

    /// So often it looks whether a drain has ended.
    private static let drainInterval = Duration.milliseconds(50)

    /// Up to which deadline entries may be dropped, in milliseconds since 1970; nil where the clock cannot be gone by. One that is ahead of most members'
    /// goes by theirs: what they show still is not dropped here.
    func expiredBefore(_ moment: Moment) -> UInt64? {
        guard let wall = self.commonMilliseconds(moment) else { return nil }
        let step = wall / Self.clockStepMilliseconds * Self.clockStepMilliseconds
        return step > self.driftMilliseconds ? step - self.driftMilliseconds - 1 : nil
    }

    private func commonMilliseconds(_ moment: Moment) -> UInt64? {
        let reading = WallClock.Reading(moment.wall, at: moment.now)
        guard reading.isSet || self.wallClock.hasHeard else { return nil }
        return UInt64(exactly: Int64(clamping: self.time(at: moment).milliseconds) + min(0, self.wallClock.most(reading)))
    }

    /// Until the next entry may be dropped, as far as that is known.
    private func timeUntilExpired(at moment: Moment) -> Duration {
        guard let deadline = self.store.nextDeadline, let wall = self.commonMilliseconds(moment) else { return Self.longestWait }
        let (due, isNever) = deadline.addingReportingOverflow(self.driftMilliseconds + Self.clockStepMilliseconds)
        let step = due / Self.clockStepMilliseconds * Self.clockStepMilliseconds
        guard !isNever, step > wall else { return isNever ? Self.longestWait : .milliseconds(Self.clockStepMilliseconds) }
        return min(Self.longestWait, .milliseconds(min(step - wall, 60_000)))
    }

    /// Whether entries that have expired may explain differing roots: one side has dropped some of late, or the other may have. Clocks that differ by more
    /// than the drift bound explain as much. What lasts longer, and goes on when no more are dropped, has another reason.
    func isUneven(with link: PeerLink, at now: Instant) -> Bool {
        let offset = link.peer.flatMap { self.clockOffset(of: $0) }?.magnitude ?? 0
        let skew = 2 * self.driftMilliseconds + min(offset, StampBounds.heldMilliseconds) + Self.clockStepMilliseconds
        let span = .milliseconds(skew) + self.peers!.rounds.leastInterval * Self.clearingRounds
        guard self.mayHaveDropped(within: span, orWillWithin: skew, at: now) else { return false }
        if link.unevenSince == nil || self.collecting.goesOn(at: now) { link.unevenSince = now }
        guard now.since(link.unevenSince!) < span else { return false }
        self.peers!.counters.unevenRounds += 1
        return true
    }

    /// How often differing roots were put down to what one side had dropped.
    package var unevenRounds: Int { self.peers?.counters.unevenRounds ?? 0 }

    private func mayHaveDropped(within span: Duration, orWillWithin milliseconds: UInt64, at now: Instant) -> Bool {
        // Where the floors are the same and there are none nobody has dropped anything.
        guard !self.store.floors.isEmpty else { return false }
        if let last = self.collecting.lastAt, now.since(last) < span { return true }
        guard let deadline = self.store.nextDeadline, let expired = self.expiredBefore(self.lastMoment) else { return false }
        return deadline <= expired + milliseconds
    }

    /// Entries have been dropped: there is a record in the log.
    func noteSweep(_ progress: Store.SweepProgress) {
        guard case .dropped = progress else { return }
        self.peers?.tickIsMixed = true
        self.peers?.rounds.noticedChange(at: self.lastTick)
    }
}
