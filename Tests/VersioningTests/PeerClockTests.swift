import Basics
import Testing
import Versioning

/// What is known of a member's clock.
@Suite struct PeerClockTests {
    private func now(_ milliseconds: Int) -> Instant { Instant(nanoseconds: UInt64(milliseconds) * 1_000_000) }

    @Test func `the member's clock is reckoned from the middle of the round trip`() {
        var clock = PeerClock()
        #expect(clock.difference == nil)
        // Asked at 1,000, answered at 1,200: its clock read 51,100 at 1,100.
        clock.told(WallTime(milliseconds: 51_100), roundTrip: .milliseconds(200), at: self.now(1_200))
        #expect(clock.difference == 50_000)
    }

    @Test func `of the newest samples that of the shortest round trip counts, and of equal ones the newest`() {
        var clock = PeerClock()
        clock.told(WallTime(milliseconds: 101_000), roundTrip: .milliseconds(100), at: self.now(1_000))
        clock.told(WallTime(milliseconds: 202_000), roundTrip: .milliseconds(20), at: self.now(2_000))
        clock.told(WallTime(milliseconds: 303_000), roundTrip: .milliseconds(50), at: self.now(3_000))
        #expect(clock.difference == 200_010)
        clock.told(WallTime(milliseconds: 404_000), roundTrip: .milliseconds(20), at: self.now(4_000))
        #expect(clock.difference == 400_010)
    }

    @Test func `a member whose clock was set right is believed once so many newer answers have come`() {
        var clock = PeerClock()
        clock.told(WallTime(milliseconds: 900_000), roundTrip: .zero, at: self.now(0))
        for index in 1...PeerClock.maximumSamples {
            #expect(clock.difference == 900_000)
            clock.told(WallTime(milliseconds: 100), roundTrip: .milliseconds(200), at: self.now(100 * index + 100))
        }
        #expect(clock.difference == 100 - 500)
    }

    @Test func `an answer that took longer than ten seconds says nothing`() {
        var clock = PeerClock()
        clock.told(WallTime(milliseconds: 5), roundTrip: PeerClock.longestRoundTrip + .nanoseconds(1), at: self.now(60_000))
        #expect(clock.difference == nil)
        clock.told(WallTime(milliseconds: 60_000), roundTrip: PeerClock.longestRoundTrip, at: self.now(60_000))
        #expect(clock.difference == 5_000)
    }

    @Test func `whatever a member says its clock reads, nothing traps`() {
        var clock = PeerClock()
        for wall in [0, .max] as [UInt64] {
            for instant in [0, .max] as [UInt64] {
                clock.told(WallTime(milliseconds: wall), roundTrip: .zero, at: Instant(nanoseconds: instant))
                _ = clock.difference
            }
        }
    }
}
