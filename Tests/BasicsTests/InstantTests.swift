import Basics
import Testing

@Suite struct InstantTests {
    @Test func `a duration added to an instant moves it by whole nanoseconds`() {
        #expect(Instant(nanoseconds: 5) + .nanoseconds(7) == Instant(nanoseconds: 12))
        #expect(Instant(nanoseconds: 0) + .seconds(3) == Instant(nanoseconds: 3_000_000_000))
    }

    @Test func `an instant stops at the end of its range and does not move back`() {
        let last = Instant(nanoseconds: .max)
        #expect(last + .nanoseconds(1) == last)
        #expect(Instant(nanoseconds: .max - 1) + .nanoseconds(1) == last)
        #expect(Instant(nanoseconds: .max - 2) + .nanoseconds(1) == Instant(nanoseconds: .max - 1))
        #expect(last + .seconds(Int64.max) == last)
        #expect(Instant(nanoseconds: 10) + .nanoseconds(-7) == Instant(nanoseconds: 10))
    }

    @Test func `the time since a later instant is zero`() {
        #expect(Instant(nanoseconds: 12).since(Instant(nanoseconds: 5)) == .nanoseconds(7))
        #expect(Instant(nanoseconds: 5).since(Instant(nanoseconds: 5)) == .zero)
        #expect(Instant(nanoseconds: 5).since(Instant(nanoseconds: 12)) == .zero)
        #expect(Instant(nanoseconds: .max).since(Instant(nanoseconds: 0)) == .nanoseconds(Int64.max))
    }

    @Test func `instants are ordered by their nanoseconds`() {
        #expect(Instant(nanoseconds: 1) < Instant(nanoseconds: 2))
        #expect(!(Instant(nanoseconds: 2) < Instant(nanoseconds: 2)))
    }

    @Test func `a duration's nanoseconds are clamped to 64 bits`() {
        #expect(Duration.nanoseconds(-3).wholeNanoseconds == -3)
        #expect(Duration(secondsComponent: 1, attosecondsComponent: 999_999_999).wholeNanoseconds == 1_000_000_000)
        #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
        #expect(Duration.seconds(Int64.min).wholeNanoseconds == .min)
        #expect(Duration.nanoseconds(Int64.max).wholeNanoseconds == .max)
        #expect((Duration.nanoseconds(Int64.max) + .nanoseconds(1)).wholeNanoseconds == .max)
    }

    @Test func `a duration in seconds keeps its fraction`() {
        #expect(Duration.milliseconds(1_500).inSeconds == 1.5)
    }
}
