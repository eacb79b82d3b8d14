import Basics

/// Shares the time between drains and digest work, which has to wait while a drain runs: after each drain, waiting jobs get a turn
/// before the next table is frozen.
struct DigestTurn {
    /// How long the next freeze is held back at most.
    private static let longest = Duration.milliseconds(200)
    private var began: Instant?

    mutating func isOn(jobs: Int, isDraining: Bool, at now: Instant) -> Bool {
        guard jobs > 0, !isDraining else {
            self.began = nil
            return false
        }
        if self.began == nil { self.began = now }
        return now.since(self.began!) < Self.longest
    }
}
