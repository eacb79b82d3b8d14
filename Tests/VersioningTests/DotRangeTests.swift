import Basics
import TestSupport
import Testing
import Versioning

@Suite struct DotRangeTests {
    private static func replica(_ number: UInt64) -> ReplicaID { ReplicaID(high: 7, low: number) }

    /// Some dots of three replicas, and what they make when they are seen.
    private static func draw(_ random: inout SplitMix64) -> (dots: Set<Dot>, seen: Seen) {
        var (dots, seen) = (Set<Dot>(), Seen())
        let density = UInt64.random(in: 1...10, using: &random)
        for number in UInt64(0)..<3 where random.next() % 4 > 0 {
            for sequence in UInt64(1)...30 where random.next() % 10 < density {
                let dot = Dot(replica: Self.replica(number), sequence: sequence)
                dots.insert(dot)
                _ = seen.insert(dot)
            }
        }
        return (dots, seen)
    }

    @Test(arguments: seeds(500))
    func `what is missing is the difference of the sets, in ascending ranges that cannot be longer`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let (own, theirs) = (Self.draw(&random), Self.draw(&random))
        let missing = own.seen.missing(of: theirs.seen, limit: .max)
        let dots = missing.flatMap { range in range.sequences.map { Dot(replica: range.replica, sequence: $0) } }
        #expect(dots == theirs.dots.subtracting(own.dots).sorted())
        for (range, next) in zip(missing, missing.dropFirst()) where range.replica == next.replica {
            #expect(range.sequences.upperBound + 1 < next.sequences.lowerBound)
        }
        #expect(own.seen.firstMissing(of: theirs.seen) == dots.first)
        #expect(own.seen.missing(of: theirs.seen, limit: 2) == Array(missing.prefix(2)))
        for number in UInt64(0)..<3 {
            for sequence in UInt64(1)...31 {
                let dot = Dot(replica: Self.replica(number), sequence: sequence)
                #expect(missing.covers(dot) == (theirs.dots.contains(dot) && !own.dots.contains(dot)))
            }
            let range = UInt64.random(in: 1...15, using: &random)...UInt64.random(in: 15...31, using: &random)
            let isCovered = range.allSatisfy { own.dots.contains(Dot(replica: Self.replica(number), sequence: $0)) }
            #expect(own.seen.covers(Self.replica(number), range) == isCovered)
        }
    }

    @Test func `the last of 64 bits is a number like any other`() {
        var (all, none) = (Seen(), Seen())
        _ = all.insert(Dot(replica: Self.replica(1), sequence: .max))
        #expect(none.missing(of: all, limit: 9) == [DotRange(replica: Self.replica(1), sequences: .max ... .max)])
        #expect(all.missing(of: all, limit: 9).isEmpty && all.covers(Self.replica(1), .max ... .max))
        _ = none.insert(Dot(replica: Self.replica(1), sequence: 1))
        #expect(all.missing(of: none, limit: 9) == [DotRange(replica: Self.replica(1), sequences: 1...1)])
    }
}
