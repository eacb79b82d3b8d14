/// A moment of a clock that never steps back, in nanoseconds since an origin that only its owner knows.
///
/// Deadlines and rates are computed from it. It comes in as an argument everywhere below Server, so that a simulator can pass its own.
///
/// - Note: Inlinable down to its parts, as is every small type that all modules compare: otherwise another module calls even `>=` through the witness table.
@usableFromInline
package struct Instant: Hashable, Sendable {
    @usableFromInline package let nanoseconds: UInt64

    @inlinable
    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The time since `earlier`; zero where `earlier` is later.
    @inlinable
    package func since(_ earlier: Instant) -> Duration {
        .nanoseconds(self > earlier ? Int64(clamping: self.nanoseconds - earlier.nanoseconds) : 0)
    }

    @inlinable
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let nanoseconds = UInt64(clamping: duration.wholeNanoseconds)
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }
}

extension Instant: Comparable {
    @inlinable
    package static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }
}

/// A reading of the wall clock: milliseconds since 1970, as the system believes them. It may step, drift or be wrong by years.
package struct WallTime: Hashable, Sendable {
    package let milliseconds: UInt64

    package init(milliseconds: UInt64) {
        self.milliseconds = milliseconds
    }
}

extension Duration {
    /// The duration in nanoseconds, clamped to what 64 bits hold (292 years).
    @inlinable
    package var wholeNanoseconds: Int64 {
        // One division where `components` needs several, and up to nine seconds one of 64 bits: every deadline is computed with it.
        let attoseconds = self.attoseconds
        let low = Int64(truncatingIfNeeded: attoseconds)
        return Int128(low) == attoseconds ? low / 1_000_000_000 : Int64(clamping: attoseconds / 1_000_000_000)
    }

    /// The duration in seconds, for rates and texts.
    package var inSeconds: Double {
        let (seconds, attoseconds) = self.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
