import Basics

/// What is known of a member's clock, from what it says of it in answers.
///
/// An answer shows the member's time at some moment of the round trip; the middle of it is off by half a round trip at most. So of the newest samples
/// that of the shortest round trip counts. It is kept against this node's monotonic clock, so that steps of this node's wall clock change nothing.
///
/// - Bound: `maximumSamples`.
/// - Source: the clock filter of NTP (RFC 5905, §10), with fewer samples: here a member whose clock was set right shall be believed soon.
package struct PeerClock: Equatable, Sendable {
    package static let maximumSamples = 5
    /// An answer that was longer on its way says nothing.
    package static let longestRoundTrip = Duration.seconds(10)

    private struct Sample: Equatable, Sendable {
        /// The member's clock less this node's monotonic one.
        let difference: Int64
        let roundTrip: Duration
    }

    private var samples: [Sample] = []

    package init() {}

    /// The member has told its time.
    ///
    /// - Parameter roundTrip: since this node sent what was answered, or longer.
    package mutating func told(_ time: WallTime, roundTrip: Duration, at now: Instant) {
        guard roundTrip <= Self.longestRoundTrip else { return }
        let middle = Int64(clamping: now.nanoseconds / 1_000_000) - roundTrip.wholeNanoseconds / 2_000_000
        // 48 bits, as stamps have: what a peer says of its clock never overflows here.
        let difference = Int64(min(time.milliseconds, Stamp.maximumMilliseconds)) - min(middle, Int64(Stamp.maximumMilliseconds))
        if self.samples.count == Self.maximumSamples { self.samples.removeFirst() }
        self.samples.append(Sample(difference: difference, roundTrip: roundTrip))
    }

    /// By how many milliseconds the member's clock is ahead of this node's monotonic one; nil where nothing is known.
    package var difference: Int64? {
        // The last of equal ones: the newest.
        self.samples.reversed().min { $0.roundTrip < $1.roundTrip }?.difference
    }
}
