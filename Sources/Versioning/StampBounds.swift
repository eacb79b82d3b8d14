import Basics

/// How far ahead of this node's time a version may be stamped that another node has sent, and what becomes of one that is further ahead (I11).
///
///     this node's time        + drift bound                + 10 min                     2100
///     ... taken ──────────────┤ held: taken at its time ───┤ refused, with its sender ──┤ ...
///
/// Whoever takes a stamp issues greater ones from then on. Without a bound one clock that is an hour ahead would take those of all nodes with it, and
/// its node's writes would win for an hour over every later one.
///
/// - Source: Kulkarni et al., "Logical Physical Clocks" (OPODIS 2014), §4, on bounding what a received stamp may do. To hold what is a little ahead is
///   ours: two honest clocks that differ by more than the bound still come to have the same.
package struct StampBounds: Equatable, Sendable {
    /// The drift bound where no setting says otherwise.
    package static let standardDriftMilliseconds: UInt64 = 1_000
    /// What is further ahead is not waited for.
    package static let heldMilliseconds: UInt64 = 600_000
    /// From 2020 on, when no program wrote stamps yet, to the end of 2100.
    package static let milliseconds: ClosedRange<UInt64> = 1_577_836_800_000...4_133_980_799_999

    package enum Verdict: Equatable, Sendable {
        case taken
        /// It is taken once this node's time has come so near that it is within the drift bound.
        case held
        case refused(StampRefusal)
    }

    /// This node's time, in milliseconds since 1970.
    package let time: UInt64
    package let driftMilliseconds: UInt64

    package init(time: UInt64, driftMilliseconds: UInt64) { (self.time, self.driftMilliseconds) = (time, driftMilliseconds) }

    /// The latest milliseconds that are taken now.
    package var latestTaken: UInt64 { Self.sum(self.time, self.driftMilliseconds) }

    /// - Parameter stamp: as `Stamp.time`.
    package func verdict(on stamp: UInt64) -> Verdict {
        let milliseconds = stamp >> UInt64(Stamp.counterBits)
        guard Self.milliseconds.contains(milliseconds), UInt16(truncatingIfNeeded: stamp) != .max else { return .refused(.impossible) }
        if milliseconds <= self.latestTaken { return .taken }
        guard milliseconds <= Self.sum(self.time, Self.heldMilliseconds) else { return .refused(.ahead(milliseconds: milliseconds - self.time)) }
        return .held
    }

    /// Clocks may say anything.
    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }
}

/// Why a version is not taken, now or soon.
package enum StampRefusal: Equatable, Sendable {
    case ahead(milliseconds: UInt64)
    /// Of a year in which nothing was written, or with the counter that no clock issues: its writer's clock or program is broken.
    case impossible
}
