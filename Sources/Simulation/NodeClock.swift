import Basics

/// The wall clock of a simulated node: off, too fast or too slow, stepped and stopped, while the world's own time goes on; or one that was never set.
struct NodeClock {
    private static let origin: Int64 = 1_800_000_000_000

    /// In milliseconds.
    private var offset: Int64
    /// Parts in a million by which it is too fast.
    private var drift: Int64
    /// What it shows, and until when, while it stands still.
    private var frozen: (reading: UInt64, until: Instant)?
    /// False for a machine without a clock: it believes that it was started in 1970.
    private(set) var isSet = true

    init(_ plan: WorldPlan, using random: inout SplitMix64) {
        let greatest = plan.greatestClockOffset.wholeNanoseconds / 1_000_000
        self.offset = greatest == 0 ? 0 : Int64.random(in: -greatest...greatest, using: &random)
        self.drift = plan.greatestDrift == 0 ? 0 : Int64.random(in: -Int64(plan.greatestDrift)...Int64(plan.greatestDrift), using: &random)
    }

    /// The right time, in milliseconds since 1970.
    static func right(at now: Instant) -> UInt64 { UInt64(Self.origin) + now.nanoseconds / 1_000_000 }

    func wall(at now: Instant) -> WallTime {
        if let frozen, now < frozen.until { return WallTime(milliseconds: frozen.reading) }
        let elapsed = Int64(now.nanoseconds / 1_000_000)
        let start = self.isSet ? Self.origin : 0
        return WallTime(milliseconds: UInt64(max(0, start + elapsed + elapsed * self.drift / 1_000_000 + self.offset)))
    }

    mutating func step(milliseconds: Int) { self.offset += Int64(milliseconds) }

    mutating func freeze(at now: Instant, for duration: Duration) { self.frozen = (self.wall(at: now).milliseconds, now + duration) }

    mutating func takeAway() { self.isSet = false }

    /// An operator sets it to the right time. A machine without a clock stays so.
    mutating func setRight() { (self.offset, self.drift, self.frozen) = (0, 0, nil) }
}
