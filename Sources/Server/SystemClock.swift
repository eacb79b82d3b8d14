import Basics
import Glibc
import Node

/// The system's clocks, read in one place: everything below Server gets time passed in.
enum SystemClock {
    static func moment() -> Replica.Moment { Replica.Moment(now: self.now(), wall: self.wall()) }

    static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    /// A clock set before 1970 reads as 1970.
    static func wall() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        guard time.tv_sec >= 0 else { return WallTime(milliseconds: 0) }
        return WallTime(milliseconds: UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000)
    }
}
