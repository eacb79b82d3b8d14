import Basics
import TestSupport
import Testing
import Versioning

private let own = ReplicaID(high: 5, low: 5)

/// A `Seen` of one replica that holds exactly these sequence numbers, inserted in this order.
private func seen(_ sequences: [UInt64], of replica: ReplicaID = own) -> Seen {
    var seen = Seen()
    for sequence in sequences { _ = seen.insert(Dot(replica: replica, sequence: sequence)) }
    return seen
}

@Suite struct SeenTests {
    @Test func `nothing is seen at first`() {
        let seen = Seen()
        #expect(seen.watermark(of: own) == 0)
        #expect(!seen.covers(Dot(replica: own, sequence: 1)))
        #expect(seen.replicas.isEmpty)
        #expect(seen.description == "[]")
    }

    @Test func `the next dot advances the watermark, a repeated one is not new`() {
        var seen = Seen()
        #expect(seen.insert(Dot(replica: own, sequence: 1)) == true)
        #expect(seen.insert(Dot(replica: own, sequence: 2)) == true)
        #expect(seen.insert(Dot(replica: own, sequence: 2)) == false)
        #expect(seen.insert(Dot(replica: own, sequence: 1)) == false)
        #expect(seen.watermark(of: own) == 2)
        #expect(!seen.covers(Dot(replica: own, sequence: 3)))
    }

    @Test func `a dot behind a gap becomes a run, and the watermark takes the run when the gap closes`() {
        var seen = seen([1, 3, 4, 6])
        #expect(seen.watermark(of: own) == 1)
        #expect(seen.description == "[\(own): 1, 3...4, 6...6]")
        #expect([2, 5, 7].allSatisfy { !seen.covers(Dot(replica: own, sequence: $0)) })
        #expect([1, 3, 4, 6].allSatisfy { seen.covers(Dot(replica: own, sequence: $0)) })
        #expect(seen.insert(Dot(replica: own, sequence: 4)) == false)
        #expect(seen.insert(Dot(replica: own, sequence: 2)) == true)
        #expect(seen.watermark(of: own) == 4)
        #expect(seen.insert(Dot(replica: own, sequence: 5)) == true)
        #expect(seen.description == "[\(own): 6]")
    }

    @Test func `a sequence number of 0 names no write, and the last of 64 bits is one like any other`() {
        var seen = Seen()
        #expect(seen.insert(Dot(replica: own, sequence: 0)) == false)
        #expect(seen == Seen())
        #expect(seen.covers(Dot(replica: own, sequence: 0)))
        #expect(seen.insert(Dot(replica: own, sequence: .max)) == true)
        #expect(seen.insert(Dot(replica: own, sequence: .max - 1)) == true)
        #expect(seen.insert(Dot(replica: own, sequence: .max)) == false)
        #expect(seen.description == "[\(own): 0, \(UInt64.max - 1)...\(UInt64.max)]")
        var joined = seen
        joined.join(seen)
        #expect(joined == seen)
    }

    @Test func `replicas are kept apart and listed in order`() {
        var seen = Seen()
        let replicas = [3, 1, 2].map { ReplicaID(high: 0, low: $0) }
        for replica in replicas { _ = seen.insert(Dot(replica: replica, sequence: replica.low)) }
        #expect(seen.replicas == replicas.sorted())
        #expect(replicas.map { seen.watermark(of: $0) } == [0, 1, 0])
        #expect(replicas.allSatisfy { seen.covers(Dot(replica: $0, sequence: $0.low)) })
    }

    @Test func `a failed append takes the newest dots back, newest first`() {
        var seen = seen([1, 2, 3])
        let before = seen
        for sequence in [4, 5] as [UInt64] { _ = seen.insert(Dot(replica: own, sequence: sequence)) }
        for sequence in [5, 4] as [UInt64] { seen.remove(Dot(replica: own, sequence: sequence)) }
        #expect(seen == before)
        for sequence in [3, 2, 1] as [UInt64] { seen.remove(Dot(replica: own, sequence: sequence)) }
        #expect(seen == Seen())
        #expect(seen.insert(Dot(replica: own, sequence: 1)) == true)
    }

    @Test func `what is not covered cannot be taken back`() async {
        await #expect(processExitsWith: .failure) {
            var seen = Seen()
            for sequence in [1, 2] as [UInt64] { _ = seen.insert(Dot(replica: ReplicaID(high: 5, low: 5), sequence: sequence)) }
            seen.remove(Dot(replica: ReplicaID(high: 5, low: 5), sequence: 3))
        }
    }

    @Test(arguments: seeds(100))
    func `taking back what was inserted, newest first, gives every earlier value again`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var values = [Seen()]
        var inserted: [Dot] = []
        for _ in 0..<60 {
            let dot = Dot(replica: ReplicaID(high: 0, low: random.next() % 3), sequence: 1 + random.next() % 40)
            var next = values[values.count - 1]
            guard next.insert(dot) else { continue }
            values.append(next)
            inserted.append(dot)
        }
        var seen = values.removeLast()
        while let dot = inserted.popLast() {
            seen.remove(dot)
            #expect(seen == values.removeLast())
        }
    }

    @Test(arguments: seeds(50))
    func `the first missing dot is the least that one covers and the other does not`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        func draw() -> Seen {
            var seen = Seen()
            for _ in 0..<random.next() % 40 {
                _ = seen.insert(Dot(replica: ReplicaID(high: 0, low: random.next() % 3), sequence: 1 + random.next() % 15))
            }
            return seen
        }
        let (own, other) = (draw(), draw())
        let all = (UInt64(0)..<3).flatMap { low in (UInt64(1)...15).map { Dot(replica: ReplicaID(high: 0, low: low), sequence: $0) } }
        let expected = all.first { other.covers($0) && !own.covers($0) }
        #expect(own.firstMissing(of: other) == expected)
        #expect(own.covers(all: other) == (expected == nil))
    }
}

@Suite struct SeenBoundsTests {
    private static let limit = UInt64(Seen.maximumRunsPerReplica)

    /// The even numbers from 2: every one of them a run of its own.
    private static func evens(_ count: UInt64) -> [UInt64] { (1...count).map { 2 * $0 } }

    @Test(arguments: [limit - 1, limit])
    func `as many runs as the bound allows are all remembered`(count: UInt64) {
        let seen = seen(Self.evens(count))
        #expect(Self.evens(count).allSatisfy { seen.covers(Dot(replica: own, sequence: $0)) })
    }

    @Test func `one run more and the farthest is forgotten, whichever came last`() {
        var far = seen(Self.evens(Self.limit))
        let before = far
        #expect(far.insert(Dot(replica: own, sequence: 2 * Self.limit + 2)) == true)
        #expect(far == before)
        let near = seen(Self.evens(Self.limit + 1).reversed())
        #expect(near == before)
    }

    @Test func `a forgotten dot is new again once there is room`() {
        var seen = seen(Self.evens(Self.limit + 1))
        let forgotten = Dot(replica: own, sequence: 2 * Self.limit + 2)
        #expect(!seen.covers(forgotten))
        _ = seen.insert(Dot(replica: own, sequence: 1))
        #expect(seen.insert(forgotten) == true)
        #expect(seen.covers(forgotten))
    }

    @Test func `a join keeps the nearest runs of both`() {
        var joined = seen(Self.evens(Self.limit))
        joined.join(seen(Self.evens(Self.limit).map { $0 + 2 * Self.limit }))
        #expect(joined == seen(Self.evens(Self.limit)))
    }

    @Test func `replicas beyond the bound are not remembered, and none that is known is forgotten`() {
        var full = Seen()
        for number in 1...UInt64(Seen.maximumReplicas) {
            #expect(full.insert(Dot(replica: ReplicaID(high: 1, low: number), sequence: 1)) == true)
        }
        let before = full
        let another = Dot(replica: ReplicaID(high: 0, low: 1), sequence: 1)
        #expect(full.insert(another) == true)
        #expect(!full.covers(another))
        full.join(seen([1], of: another.replica))
        #expect(full == before)
        #expect(full.insert(Dot(replica: ReplicaID(high: 1, low: 1), sequence: 2)) == true)
        #expect(full.watermark(of: ReplicaID(high: 1, low: 1)) == 2)
    }
}
