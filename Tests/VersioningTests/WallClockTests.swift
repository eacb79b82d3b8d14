import Basics
import Testing
import Versioning

/// What a node makes of its machine's clock (I12).
@Suite struct WallClockTests {
    /// The right time in these tests, 1,000 ms after the monotonic clock began.
    private static let now: UInt64 = 1_800_000_000_000
    private static let drift: UInt64 = 1_000
    private static let held = StampBounds.heldMilliseconds

    private func reading(_ wall: UInt64) -> WallClock.Reading {
        WallClock.Reading(WallTime(milliseconds: wall), at: Instant(nanoseconds: 1_000_000_000))
    }

    /// A clock that has heard members whose clocks are so far ahead of the right time.
    private func clock(_ members: Int64...) -> WallClock {
        var clock = WallClock()
        clock.heard(members.map { Int64(Self.now) - 1_000 + $0 }, self.reading(Self.now))
        return clock
    }

    private func trouble(_ clock: WallClock, wall: Int64 = 0, newest: Int64 = 0) -> WallClock.Trouble? {
        var clock = clock
        return self.trouble(&clock, wall: wall, newest: newest)
    }

    private func trouble(_ clock: inout WallClock, wall: Int64 = 0, newest: Int64 = 0) -> WallClock.Trouble? {
        clock.trouble(
            self.reading(UInt64(Int64(Self.now) + wall)), newest: UInt64(Int64(Self.now) + newest), driftMilliseconds: Self.drift)
    }

    @Test func `a clock is set from the day that this was written to the end of 2100`() {
        for (wall, isSet) in [
            (0, false), (WallClock.builtAt - 1, false), (WallClock.builtAt, true), (4_133_980_799_999, true), (4_133_980_800_000, false),
            (.max, false),
        ] as [(UInt64, Bool)] { #expect(self.reading(wall).isSet == isSet, "\(wall)") }
    }

    @Test func `stamps up to the drift bound ahead of the clock are nothing, and further ahead the clock is behind, and writes go on`() {
        #expect(self.trouble(self.clock(), newest: 999) == nil && self.trouble(self.clock(), newest: 1_000) == nil)
        for newest in [1_001, 3_600_000] as [Int64] {
            let trouble = self.trouble(self.clock(), newest: newest)
            #expect(trouble == .behind(milliseconds: UInt64(newest)) && trouble?.stopsWrites == false)
        }
    }

    @Test func `once members' clocks agree with this one, it is the stamps that are wrong, and writes stop until the clock is there`() {
        var clock = self.clock(10, -10, 0)
        let trouble = self.trouble(&clock, newest: 1_001)
        #expect(trouble == .stampsAhead(milliseconds: 1_001) && trouble!.stopsWrites)
        #expect(self.trouble(&clock, newest: 1_000) == nil)
        // From then on a step of the clock costs nothing: what is ahead by less than ten minutes the others wait for.
        #expect(self.trouble(&clock, newest: 1_001) == nil && self.trouble(&clock, newest: Int64(Self.held)) == nil)
        #expect(self.trouble(&clock, newest: Int64(Self.held) + 1) == .stampsAhead(milliseconds: Self.held + 1))
    }

    @Test func `where members' clocks agree with the stamps, it is the clock that is wrong, and writes go on`() {
        for members in [[3_600_000], [3_600_000, 3_599_000, 3_601_000]] as [[Int64]] {
            var clock = WallClock()
            clock.heard(members.map { Int64(Self.now) - 1_000 + $0 }, self.reading(Self.now))
            #expect(self.trouble(&clock, newest: 3_600_000) == .behind(milliseconds: 3_600_000))
        }
    }

    @Test func `a clock that is further ahead of most others than they take stops writes, and of two nodes neither is most`() {
        let ahead = Int64(Self.held)
        #expect(self.trouble(self.clock(0, 0), wall: ahead, newest: ahead) == nil)
        #expect(self.trouble(self.clock(0, 0), wall: ahead + 1, newest: ahead) == .ahead(milliseconds: Self.held + 1))
        #expect(self.trouble(self.clock(0, ahead), wall: ahead + 1) == nil, "one of the others is there too")
        #expect(self.trouble(self.clock(0), wall: 10 * ahead) == nil)
        #expect(self.trouble(self.clock(0, 5, 10 * ahead), wall: 10 * ahead) == nil, "two of four")
        #expect(self.trouble(self.clock(0, 5, 9, 10 * ahead), wall: 10 * ahead) == .ahead(milliseconds: UInt64(10 * ahead) - 9))
    }

    @Test func `a clock that is behind most others is said to be, and a lone other says nothing`() {
        #expect(self.trouble(self.clock(1_000, 1_000), newest: -5) == nil)
        #expect(self.trouble(self.clock(1_001, 1_002), newest: -5) == .behind(milliseconds: 1_001))
        #expect(self.trouble(self.clock(3_600_000), newest: -5) == nil)
    }

    @Test func `a clock that is not set takes no first write before a member has told the time, and then goes by the members' middle one`() {
        var clock = WallClock()
        let reading = self.reading(3_000)
        #expect(clock.trouble(reading, newest: 0, driftMilliseconds: Self.drift) == .unknownTime)
        #expect(WallClock.Trouble.unknownTime.stopsWrites)
        // With something written there is a stamp to go on from.
        #expect(clock.trouble(reading, newest: Self.now, driftMilliseconds: Self.drift) == .behind(milliseconds: Self.now - 3_000))
        #expect(clock.time(reading, newest: Self.now) == Self.now)
        clock.heard([Int64(Self.now) - 1_000, Int64(Self.now) - 900, 5_000, Int64(Self.now)], reading)
        #expect(clock.time(reading, newest: 0) == Self.now + 100, "the one that reads 1970 itself is left out")
        #expect(clock.trouble(reading, newest: 0, driftMilliseconds: Self.drift) == .behind(milliseconds: Self.now + 100 - 3_000))
        // Its stamps may be wrong all the same.
        let ahead = clock.trouble(reading, newest: Self.now + 100 + Self.held + 1, driftMilliseconds: Self.drift)
        #expect(ahead == .stampsAhead(milliseconds: Self.held + 1))
    }

    @Test func `a clock that is set is gone by, whatever the members say, and steps of it change nothing of what is known of theirs`() {
        let clock = self.clock(3_600_000, 3_600_000)
        for wall in [Self.now, Self.now + 5_000, Self.now - 5_000] {
            #expect(clock.time(self.reading(wall), newest: 0) == wall)
            #expect(clock.offset(self.reading(wall)) == Int64(Self.now) + 3_600_000 - Int64(wall))
        }
    }

    @Test func `the members' clock is the middle one, of two in the middle the nearer, and where this node is with most of all that is near`() {
        for (members, wall, offset, most) in [
            ([0], 50, -50, 0), ([0, 3_600_000], 50, -50, 0), ([0, 10, 3_600_000], 50, -40, 0), ([-20, -10, 10, 20], 15, -5, -5),
            ([100, 200, 300], 0, 200, 100), ([100, 200], 0, 100, 100), ([-300, -200, -100, 0], 0, -100, -100),
        ] as [([Int64], Int64, Int64, Int64)] {
            var clock = WallClock()
            clock.heard(members.map { Int64(Self.now) - 1_000 + $0 }, self.reading(Self.now))
            let reading = self.reading(UInt64(Int64(Self.now) + wall))
            #expect(clock.offset(reading) == offset && clock.most(reading) == most, "\(members)")
        }
    }

    @Test func `whatever clocks say, nothing traps`() {
        for wall in [0, WallClock.builtAt, 4_133_980_799_999, .max] as [UInt64] {
            for instant in [0, .max] as [UInt64] {
                let reading = WallClock.Reading(WallTime(milliseconds: wall), at: Instant(nanoseconds: instant))
                for newest in [0, Self.now, Stamp.maximumMilliseconds] as [UInt64] {
                    for members in [[], [.min, .max], [0], [Int64(Stamp.maximumMilliseconds), -Int64(Stamp.maximumMilliseconds)]] as [[Int64]] {
                        var clock = WallClock()
                        clock.heard(members, reading)
                        _ = (
                            clock.trouble(reading, newest: newest, driftMilliseconds: 300_000), clock.offset(reading),
                            clock.time(reading, newest: newest)
                        )
                    }
                }
            }
        }
    }
}
