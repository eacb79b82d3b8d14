import Basics

/// The wall clock of a simulated node: off, too fast or too slow, stepped and stopped, while the world's own time goes on.
struct NodeClock {
    private static let origin: Int64 = 1_700_000_000_000

    /// In milliseconds.
    private var offset: Int64
    /// Parts in a million by which it is too fast.
    private let drift: Int64
    /// What it shows, and until when, while it stands still.
    private var frozen: (reading: UInt64, until: Instant)?

    init(_ plan: WorldPlan, using random: inout SplitMix64) {
        let greatest = plan.greatestClockOffset.wholeNanoseconds / 1_000_000
        self.offset = greatest == 0 ? 0 : Int64.random(in: -greatest...greatest, using: &random)
        self.drift = plan.greatestDrift == 0 ? 0 : Int64.random(in: -Int64(plan.greatestDrift)...Int64(plan.greatestDrift), using: &random)
    }

    func wall(at now: Instant) -> WallTime {
        if let frozen, now < frozen.until { return WallTime(milliseconds: frozen.reading) }
        let elapsed = Int64(now.nanoseconds / 1_000_000)
        return WallTime(milliseconds: UInt64(Self.origin + elapsed + elapsed * self.drift / 1_000_000 + self.offset))
    }

    mutating func step(milliseconds: Int) { self.offset += Int64(milliseconds) }

    mutating func freeze(at now: Instant, for duration: Duration) { self.frozen = (self.wall(at: now).milliseconds, now + duration) }
}
