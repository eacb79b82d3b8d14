import Basics
import Testing
import Versioning

/// What becomes of a version by how far ahead it is stamped (I11).
@Suite struct StampBoundsTests {
    private static let now: UInt64 = 1_800_000_000_000

    private func verdict(_ milliseconds: UInt64, counter: UInt16 = 0, at time: UInt64 = Self.now, drift: UInt64 = 1_000) -> StampBounds.Verdict {
        let stamp = Stamp(milliseconds: milliseconds, counter: counter, replica: ReplicaID(high: 1, low: 1))
        return StampBounds(time: time, driftMilliseconds: drift).verdict(on: stamp.time)
    }

    @Test(arguments: [100, 1_000, 300_000] as [UInt64])
    func `a stamp is taken up to the drift bound ahead, and held above it`(drift: UInt64) {
        for (ahead, verdict) in [(drift - 1, .taken), (drift, .taken), (drift + 1, .held)] as [(UInt64, StampBounds.Verdict)] {
            #expect(self.verdict(Self.now + ahead, drift: drift) == verdict)
            // The counter counts for nothing here.
            #expect(self.verdict(Self.now + ahead, counter: .max - 1, drift: drift) == verdict)
        }
        #expect(self.verdict(Self.now, drift: drift) == .taken && self.verdict(Self.now - 86_400_000_000, drift: drift) == .taken)
    }

    @Test func `a stamp is held up to ten minutes ahead, and refused above with how far it is`() {
        #expect(self.verdict(Self.now + 599_999) == .held)
        #expect(self.verdict(Self.now + 600_000) == .held)
        #expect(self.verdict(Self.now + 600_001) == .refused(.ahead(milliseconds: 600_001)))
    }

    @Test func `no stamp is of before 2020 or after 2100, whatever this node's clock says`() {
        let (first, last) = (StampBounds.milliseconds.lowerBound, StampBounds.milliseconds.upperBound)
        // 1 January 2020, and the last millisecond of 2100.
        #expect((first, last) == (1_577_836_800_000, 4_133_980_799_999))
        for (milliseconds, time, verdict) in [
            (first - 1, Self.now, .refused(.impossible)), (first, Self.now, .taken), (first + 1, Self.now, .taken),
            (0, Self.now, .refused(.impossible)),
            (last - 1, last, .taken), (last, last, .taken), (last + 1, last, .refused(.impossible)), (last + 1, .max, .refused(.impossible)),
            (Stamp.maximumMilliseconds, .max, .refused(.impossible)),
        ] as [(UInt64, UInt64, StampBounds.Verdict)] { #expect(self.verdict(milliseconds, at: time) == verdict, "\(milliseconds) at \(time)") }
    }

    @Test func `a counter that no clock issues is refused`() {
        #expect(self.verdict(Self.now, counter: .max - 1) == .taken)
        #expect(self.verdict(Self.now, counter: .max) == .refused(.impossible))
    }

    @Test func `whatever this node's clock says, nothing traps`() {
        for time in [0, 1, UInt64.max - 1_000, .max] {
            for stamp in [0, 1, Self.now << 16, UInt64.max - 1, .max] {
                _ = StampBounds(time: time, driftMilliseconds: .max).verdict(on: stamp)
            }
        }
    }
}
