import Basics
import Testing
import Versioning

@Suite struct StampTests {
    private let low = ReplicaID(high: 0, low: 1)
    private let high = ReplicaID(high: 1, low: 0)

    @Test func `stamps are ordered by milliseconds, then counter, then replica`() {
        let ascending = [
            Stamp(milliseconds: 1, counter: 0, replica: self.high), Stamp(milliseconds: 1, counter: 1, replica: self.low),
            Stamp(milliseconds: 1, counter: 1, replica: self.high), Stamp(milliseconds: 1, counter: .max, replica: self.low),
            Stamp(milliseconds: 2, counter: 0, replica: self.low),
        ]
        for (index, left) in ascending.enumerated() {
            for (other, right) in ascending.enumerated() { #expect((left < right) == (index < other)) }
        }
    }

    @Test func `a stamp keeps milliseconds and counter apart in one number`() {
        let stamp = Stamp(milliseconds: 0x1234, counter: 0xabcd, replica: self.low)
        #expect(stamp.time == 0x1234_abcd)
        #expect(stamp == Stamp(time: 0x1234_abcd, replica: self.low))
        #expect((stamp.milliseconds, stamp.counter) == (0x1234, 0xabcd))
        #expect(stamp.description == "4660.43981@00000000000000000000000000000001")
    }

    @Test func `milliseconds beyond 48 bits are held at the greatest`() {
        let limit = Stamp.maximumMilliseconds
        #expect(limit == 1 << 48 - 1)
        for milliseconds in [limit, limit + 1, .max] {
            #expect(Stamp(milliseconds: milliseconds, counter: 3, replica: self.low).milliseconds == limit)
        }
        #expect(Stamp(milliseconds: limit - 1, counter: 3, replica: self.low).milliseconds == limit - 1)
    }

    @Test func `dots are ordered by replica, then by sequence number`() {
        let ascending = [
            Dot(replica: self.low, sequence: 1), Dot(replica: self.low, sequence: .max), Dot(replica: self.high, sequence: 1),
            Dot(replica: self.high, sequence: 2),
        ]
        for (index, left) in ascending.enumerated() {
            for (other, right) in ascending.enumerated() { #expect((left < right) == (index < other)) }
        }
        #expect(ascending[0].description == "00000000000000000000000000000001/1")
    }
}
