import Basics
import Testing
import Versioning

@Suite struct HybridLogicalClockTests {
    private let replica = ReplicaID(high: 1, low: 2)

    @Test func `a stamp carries the wall clock's milliseconds when that has moved on`() {
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        #expect(clock.issue(at: WallTime(milliseconds: 500)) == Stamp(milliseconds: 500, counter: 0, replica: self.replica))
        #expect(clock.issue(at: WallTime(milliseconds: 501)) == Stamp(milliseconds: 501, counter: 0, replica: self.replica))
    }

    @Test func `stamps of one millisecond differ in their counter`() {
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        let stamps = (0..<3).map { _ in clock.issue(at: WallTime(milliseconds: 500)) }
        #expect(stamps == (0..<3).map { Stamp(milliseconds: 500, counter: $0, replica: self.replica) })
    }

    @Test func `a wall clock that steps back does not take the stamps with it (I9)`() {
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        _ = clock.issue(at: WallTime(milliseconds: 500))
        #expect(clock.issue(at: WallTime(milliseconds: 3)) == Stamp(milliseconds: 500, counter: 1, replica: self.replica))
    }

    @Test func `a counter that overflows carries into the milliseconds, and its greatest value is never issued (I9, I11)`() {
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        let stamps = (0...0x1_0000).map { _ in clock.issue(at: WallTime(milliseconds: 500)) }
        #expect(stamps[0xfffe] == Stamp(milliseconds: 500, counter: .max - 1, replica: self.replica))
        #expect(stamps[0xffff] == Stamp(milliseconds: 501, counter: 0, replica: self.replica))
        #expect(stamps[0x1_0000] == Stamp(milliseconds: 501, counter: 1, replica: self.replica))
        // Wherever a stamp of that counter came from.
        for counter in [UInt16.max - 1, .max] {
            clock.observe(Stamp(milliseconds: 700, counter: counter, replica: self.replica).time)
            #expect(clock.issue(at: WallTime(milliseconds: 500)) == Stamp(milliseconds: 701, counter: 0, replica: self.replica))
            clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        }
    }

    @Test func `a clock starts behind the greatest stamp that its store holds (I9)`() {
        let greatest = Stamp(milliseconds: 500, counter: 7, replica: self.replica)
        var clock = HybridLogicalClock(replica: self.replica, startingAt: greatest.time)
        #expect(clock.latest == greatest.time)
        #expect(clock.issue(at: WallTime(milliseconds: 3)) == Stamp(milliseconds: 500, counter: 8, replica: self.replica))
    }

    @Test func `a stamp issued after one was observed is greater, even from a replica with a smaller id (I10)`() {
        let other = ReplicaID(high: 9, low: 9)
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        let theirs = Stamp(milliseconds: 900, counter: 4, replica: other)
        clock.observe(theirs.time)
        #expect(clock.issue(at: WallTime(milliseconds: 500)) > theirs)
    }

    @Test func `observing an older stamp changes nothing`() {
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 900)
        clock.observe(899)
        #expect(clock == HybridLogicalClock(replica: self.replica, startingAt: 900))
    }

    @Test func `a wall clock beyond 48 bits is left out, and the clock recovers when it is set right`() {
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        _ = clock.issue(at: WallTime(milliseconds: 500))
        for milliseconds in [Stamp.maximumMilliseconds + 1, .max] { _ = clock.issue(at: WallTime(milliseconds: milliseconds)) }
        #expect(clock.issue(at: WallTime(milliseconds: 501)) == Stamp(milliseconds: 501, counter: 0, replica: self.replica))
        let last = clock.issue(at: WallTime(milliseconds: Stamp.maximumMilliseconds))
        #expect(last == Stamp(milliseconds: Stamp.maximumMilliseconds, counter: 0, replica: self.replica))
    }

    @Test func `a clock at the end of its range stays there and does not trap`() {
        var clock = HybridLogicalClock(replica: self.replica, startingAt: 0)
        clock.observe(.max - 1)
        #expect(clock.issue(at: WallTime(milliseconds: 500)).time == .max)
        #expect(clock.issue(at: WallTime(milliseconds: .max)).time == .max)
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `whatever the wall clock and the peers do, stamps increase and follow what was observed (I9, I10)`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        var clock = HybridLogicalClock(replica: self.replica, startingAt: generator.next() >> 20)
        var greatest = clock.latest
        var wall: UInt64 = 1_700_000_000_000
        for _ in 0..<500 {
            switch UInt64.random(in: 0..<10, using: &generator) {
            case 0: wall = UInt64.random(in: 0...Stamp.maximumMilliseconds / 2, using: &generator)
            case 1: wall = .max - (generator.next() >> 40)
            case 2: wall -= min(wall, generator.next() >> 50)
            case 3:
                let observed = generator.next() >> UInt64.random(in: 1...20, using: &generator)
                clock.observe(observed)
                greatest = max(greatest, observed)
            default: wall = wall &+ UInt64.random(in: 0...2, using: &generator)
            }
            let stamp = clock.issue(at: WallTime(milliseconds: wall))
            #expect(stamp.time > greatest)
            if wall <= Stamp.maximumMilliseconds { #expect(stamp.milliseconds >= wall) }
            greatest = stamp.time
            #expect(clock.latest == greatest)
        }
    }
}
