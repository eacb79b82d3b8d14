import Basics

/// What a node makes of its machine's clock: whether it can be gone by, by which time versions are judged and stamped, and whether writes may be
/// taken (I12).
///
/// A clock that reads earlier than this program was made is not set: its machine has none that runs while it is off. Such a node goes by the middle of
/// the members' clocks, once one has told its own. Any other clock is gone by, right or wrong, as nobody here can tell which of two is: it is reported,
/// and where most members' clocks agree that what the node stamps is beyond what they take, it takes no more writes.
///
/// - Invariant: `members` ascend.
/// - Complexity: O(1) but for `heard`.
/// - Source: ours.
package struct WallClock: Equatable, Sendable {
    /// 1 November 2026, when this was written. A clock that reads earlier is not set.
    package static let builtAt: UInt64 = 1_793_491_200_000

    /// One reading of this node's clocks, in milliseconds.
    package struct Reading: Equatable, Sendable {
        package let wall: UInt64
        let monotonic: Int64

        package init(_ wall: WallTime, at now: Instant) {
            (self.wall, self.monotonic) = (wall.milliseconds, Int64(clamping: now.nanoseconds / 1_000_000))
        }

        /// By how much a clock is ahead of this node's that is so far ahead of its monotonic one.
        package func offset(of difference: Int64) -> Int64 { difference - (Int64(clamping: self.wall) - self.monotonic) }

        package var isSet: Bool { WallClock.isSet(self.wall) }
    }

    /// Whether a clock can be gone by that reads so many milliseconds since 1970.
    package static func isSet(_ milliseconds: UInt64) -> Bool { (Self.builtAt...StampBounds.milliseconds.upperBound).contains(milliseconds) }

    /// What is wrong.
    package enum Trouble: Equatable, Sendable {
        /// The clock is not set, nobody has told the time, and nothing was ever written that would give a stamp to go on from: no writes.
        case unknownTime
        /// The clock agrees with the members', and the newest stamp is so far ahead of both: no writes.
        case stampsAhead(milliseconds: UInt64)
        /// The clock is further ahead of most members' than they take: no writes.
        case ahead(milliseconds: UInt64)
        /// The clock is behind the newest stamp, behind most members', or not set. Writes go on, from the newest stamp.
        case behind(milliseconds: UInt64)

        package var stopsWrites: Bool { if case .behind = self { false } else { true } }
    }

    /// By how much the clocks of members that are set are ahead of this node's monotonic one.
    private var members: [Int64] = []
    /// The stamps have been no further ahead of the clock than the drift bound since the process started.
    private var hasCaughtUp = false

    package init() {}

    package var hasHeard: Bool { !self.members.isEmpty }

    /// The members' clocks, in any order, against this node's monotonic one. Those that are not set are left out.
    package mutating func heard(_ differences: [Int64], _ reading: Reading) {
        self.members.removeAll(keepingCapacity: true)
        for difference in differences {
            let time = difference.addingReportingOverflow(reading.monotonic)
            if !time.overflow, time.partialValue >= 0, Self.isSet(UInt64(time.partialValue)) { self.members.append(difference) }
        }
        self.members.sort()
    }

    /// By how much the members' middle clock is ahead of this node's; of two in the middle the nearer one.
    package func offset(_ reading: Reading) -> Int64? {
        guard self.hasHeard else { return nil }
        let middle = reading.offset(of: self.members[self.members.count / 2])
        guard self.members.count % 2 == 0 else { return middle }
        let other = reading.offset(of: self.members[self.members.count / 2 - 1])
        return other.magnitude < middle.magnitude ? other : middle
    }

    /// The time by which versions are judged and stamped.
    ///
    /// - Parameter newest: the milliseconds of the newest stamp of this node's store.
    package func time(_ reading: Reading, newest: UInt64) -> UInt64 {
        if reading.isSet { return reading.wall }
        guard self.hasHeard else { return max(newest, min(reading.wall, Self.builtAt)) }
        return UInt64(self.members[self.members.count / 2] + reading.monotonic)
    }

    /// What is wrong now; nil where nothing is.
    package mutating func trouble(_ reading: Reading, newest: UInt64, driftMilliseconds drift: UInt64) -> Trouble? {
        let time = self.time(reading, newest: newest)
        if newest <= time + drift { self.hasCaughtUp = self.hasCaughtUp || reading.isSet || self.hasHeard }
        guard reading.isSet || self.hasHeard else {
            return newest == 0 ? .unknownTime : .behind(milliseconds: max(newest, Self.builtAt) - min(reading.wall, Self.builtAt))
        }
        let most = self.most(reading)
        if most < -Int64(StampBounds.heldMilliseconds) { return .ahead(milliseconds: UInt64(-most)) }
        // Ahead of this clock and of the members', whichever is further on.
        let latest = time + UInt64(max(most, reading.isSet ? self.offset(reading) ?? 0 : 0, 0))
        let bound = self.hasCaughtUp ? StampBounds.heldMilliseconds : drift
        if self.hasHeard, newest > latest + bound { return .stampsAhead(milliseconds: newest - latest) }
        guard reading.isSet else { return .behind(milliseconds: time - min(reading.wall, time)) }
        if !self.hasCaughtUp { return .behind(milliseconds: newest - reading.wall) }
        return most > Int64(drift) ? .behind(milliseconds: UInt64(most)) : nil
    }

    /// By how much the clock in the middle of all, this node's among them, is ahead of this node's; of two in the middle the nearer one. Where this
    /// node's is with most of them, that is little.
    package func most(_ reading: Reading) -> Int64 {
        guard self.hasHeard, reading.isSet else { return 0 }
        let (own, middle) = (self.own(reading), self.members.count / 2)
        let (low, high) = self.members.count % 2 == 0 ? (middle - 1, middle) : (middle - 1, middle + 1)
        let atLeast = low >= 0 ? self.members[low] : own
        let atMost = high < self.members.count ? self.members[high] : own
        return min(max(own, atLeast), max(atMost, atLeast)) - own
    }

    private func own(_ reading: Reading) -> Int64 { Int64(clamping: reading.wall) - reading.monotonic }
}
