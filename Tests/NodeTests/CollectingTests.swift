import Basics
import Testing

@testable import Node

/// When differing digests are put down to what is being dropped (I27).
@Suite struct CollectingTests {
    private func at(_ milliseconds: Int) -> Instant { Instant(nanoseconds: 1_000_000_000) + .milliseconds(milliseconds) }

    @Test func `dropping goes on once it has lasted a second, until it pauses for more than half of one`() {
        var collecting = Replica.Collecting(nextAt: self.at(0))
        #expect(!collecting.goesOn(at: self.at(0)))
        for step in 0...499 { collecting.dropped(at: self.at(2 * step)) }
        #expect(!collecting.goesOn(at: self.at(998)))
        collecting.dropped(at: self.at(1_000))
        #expect(collecting.goesOn(at: self.at(1_000)) && collecting.goesOn(at: self.at(1_500)))
        #expect(!collecting.goesOn(at: self.at(1_501)))
        collecting.dropped(at: self.at(1_501))
        #expect(!collecting.goesOn(at: self.at(1_501)), "a pause ends it, and the next begins anew")
    }

    @Test func `what goes at each full second never goes on`() {
        var collecting = Replica.Collecting(nextAt: self.at(0))
        for second in 0..<10 {
            for step in 0..<100 { collecting.dropped(at: self.at(1_000 * second + 4 * step)) }
            #expect(!collecting.goesOn(at: self.at(1_000 * second + 400)))
        }
    }
}
