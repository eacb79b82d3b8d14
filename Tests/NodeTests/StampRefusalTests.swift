import Basics
import Testing

@testable import Node

/// How long a member waits that was refused for what it has sent, and what is told of those whose writes are held (I11).
@Suite struct StampRefusalTests {
    private func at(_ seconds: Int) -> Instant { Instant(nanoseconds: 1_000_000_000_000) + .seconds(seconds) }

    @Test func `each time in a row it waits twice as long, up to a minute, and after ten minutes without it begins anew`() {
        var (pause, now, pauses) = (StampRefusalPause?.none, self.at(0), [Duration]())
        for _ in 0..<9 {
            pause = StampRefusalPause(after: pause, because: "\(now)", at: now)
            pauses.append(pause!.until.since(now))
            now = pause!.until
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { Duration.seconds($0) })
        let later = StampRefusalPause(after: pause, because: "later", at: pause!.until + .seconds(600))
        #expect(later.until.since(pause!.until + .seconds(600)) == .seconds(1) && later.reason == "later")
    }

    @Test func `the reason stays the same for ten minutes, so that it is logged once`() {
        let first = StampRefusalPause(after: nil, because: "60 min", at: self.at(0))
        let second = StampRefusalPause(after: first, because: "59 min", at: self.at(2))
        let third = StampRefusalPause(after: second, because: "58 min", at: self.at(599))
        #expect(second.reason == "60 min" && third.reason == "60 min")
        #expect(StampRefusalPause(after: third, because: "50 min", at: self.at(600)).reason == "50 min")
    }

    @Test func `whose writes are held is told once, and again after ten minutes without; of more than the bound the oldest is forgotten`() {
        var writers = HeldWriters()
        func note(_ low: UInt64, _ second: Int) -> Bool { writers.note(ReplicaID(high: 1, low: low), at: self.at(second)) }
        #expect([0, 599, 1_198, 1_798].map { note(0, $0) } == [true, false, false, true])
        #expect((1..<UInt64(HeldWriters.maximumCount)).allSatisfy { note($0, 1_799) })
        #expect(!note(0, 1_800))
        for low in 1_000..<1_000 + UInt64(HeldWriters.maximumCount) { _ = note(low, 1_801) }
        #expect(note(0, 1_802))
    }

    @Test(
        arguments: [
            (0, "0.0 s"), (5_299, "5.2 s"), (119_999, "119.9 s"), (120_000, "2 min"), (7_199_000, "119 min"), (7_200_000, "2 h"),
            (172_800_000, "2 days"),
            (63_113_903_999, "730 days"), (63_113_904_000, "2 years"), (UInt64.max, "584554049 years"),
        ] as [(UInt64, String)])
    func `a span of time reads as people say it`(milliseconds: UInt64, text: String) { #expect(spanText(milliseconds) == text) }
}
