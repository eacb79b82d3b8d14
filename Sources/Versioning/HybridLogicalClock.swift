import Basics

/// Issues the stamps of one replica: close to the wall clock, yet strictly increasing whatever that clock does (I9), and greater than every stamp
/// that the replica has observed (I10).
///
/// - Invariant: `latest` never decreases, and no stamp issued or observed so far is greater.
/// - Bound: how far ahead an observed stamp may be is the caller's rule (I11); this type believes what it is told. A clock driven to the very end of
///   64 bits issues that last time again and again instead of trapping. Nothing within the caller's rule comes near it: 2100 is a 68th of the way.
/// - Source: Kulkarni et al., "Logical Physical Clocks" (OPODIS 2014), figure 5. The paper's pair (l, c) is one number here, so its three cases are
///   one maximum. Where the paper leaves c unbounded, ours carries into l after 65,535 stamps in a millisecond: the greatest counter is never issued,
///   and refused where it comes from elsewhere (`StampBounds`).
package struct HybridLogicalClock: Equatable, Sendable {
    /// The greatest time issued or observed, as in `Stamp.time`.
    package private(set) var latest: UInt64

    private let replica: ReplicaID

    /// - Parameter greatest: The greatest time in any stamp that this replica has ever stored; 0 for an empty store.
    package init(replica: ReplicaID, startingAt greatest: UInt64) {
        (self.replica, self.latest) = (replica, greatest)
    }

    /// The stamp of a write taken now.
    ///
    /// A wall clock that reads beyond 48 bits (the year 10889) is broken and tells nothing, so it is left out: clamping it would jump to the end of
    /// the range, with no way back once the clock is set right.
    package mutating func issue(at wall: WallTime) -> Stamp {
        // Past the greatest counter, to the next millisecond.
        let isLastCounter = UInt16(truncatingIfNeeded: self.latest) >= .max - 1
        let (next, overflow) = self.latest.addingReportingOverflow(
            isLastCounter ? UInt64(UInt16.max - UInt16(truncatingIfNeeded: self.latest)) + 1 : 1)
        self.latest = overflow ? .max : next
        if wall.milliseconds <= Stamp.maximumMilliseconds {
            self.latest = max(self.latest, wall.milliseconds << UInt64(Stamp.counterBits))
        }
        return Stamp(time: self.latest, replica: self.replica)
    }

    /// Takes note of a time that a stored or received stamp carries: every stamp issued from now on is greater.
    package mutating func observe(_ time: UInt64) {
        self.latest = max(self.latest, time)
    }
}
