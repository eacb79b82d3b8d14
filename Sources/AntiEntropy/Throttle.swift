import Basics

/// Holds what is given down to so many bytes a second.
///
/// What was given puts off the next moment by the time that it takes at the rate. Of a pause a twentieth of a second is made up for, so that timers
/// which are late do not lower the rate, and no more is saved up.
///
/// - Bound: it is never put off by more than `longestPause`, so that whoever waits is not taken for gone: a record that takes longer is given all
///   the same.
package struct Throttle: Equatable, Sendable {
    package static let longestPause = Duration.seconds(5)
    /// What is given at a time is worth at most a twentieth of a second.
    private static let portionsPerSecond = 20
    private static let credit = Duration.milliseconds(50)

    /// 0 for no limit.
    package var bytesPerSecond: Int
    private var freeAt = Instant(nanoseconds: 0)

    package init(bytesPerSecond: Int) { self.bytesPerSecond = bytesPerSecond }

    /// When something may be given.
    package var next: Instant { self.bytesPerSecond == 0 ? Instant(nanoseconds: 0) : self.freeAt }

    /// How much to give at a time, of `most` bytes; a record that is longer goes alone.
    package func portion(of most: Int) -> Int {
        self.bytesPerSecond == 0 ? most : min(most, max(1, self.bytesPerSecond / Self.portionsPerSecond))
    }

    package mutating func gave(bytes: Int, at now: Instant) {
        guard self.bytesPerSecond > 0 else { return }
        let cost = min(Duration.seconds(Double(bytes) / Double(self.bytesPerSecond)), Self.longestPause)
        let from = now.since(self.freeAt) > Self.credit ? Instant(nanoseconds: now.nanoseconds - UInt64(Self.credit.wholeNanoseconds)) : self.freeAt
        self.freeAt = min(from + cost, now + Self.longestPause)
    }
}
