import Basics
import TestSupport
import Testing
import Versioning

private func replica(_ number: UInt64) -> ReplicaID { ReplicaID(high: 7, low: number) }

private func seen(_ sequences: [UInt64], of number: UInt64) -> Seen {
    var seen = Seen()
    for sequence in sequences { _ = seen.insert(Dot(replica: replica(number), sequence: sequence)) }
    return seen
}

@Suite struct FloorsTests {
    @Test func `a floor only rises, and covers what lies at it and below of its replica`() {
        var floors = Floors()
        #expect(floors.isEmpty && floors.floor(of: replica(1)) == 0 && !floors.covers(Dot(replica: replica(1), sequence: 1)))
        let (first, again, lower) = (
            floors.raise(replica(1), to: 5, stampTime: 70), floors.raise(replica(1), to: 5, stampTime: 90),
            floors.raise(replica(1), to: 4, stampTime: 90)
        )
        #expect(first && !again && !lower)
        #expect(floors.floor(of: replica(1)) == 5 && floors.stampTime == 70)
        #expect(floors.covers(Dot(replica: replica(1), sequence: 5)) && !floors.covers(Dot(replica: replica(1), sequence: 6)))
        #expect(!floors.covers(Dot(replica: replica(2), sequence: 1)))
        var other = Floors()
        other.raise(replica(0), to: 2, stampTime: 60)
        other.raise(replica(1), to: 3, stampTime: 60)
        floors.join(other)
        #expect(floors.floors.map(\.sequence) == [2, 5] && floors.stampTime == 70)
    }

    @Test func `a node may take floors over only once it has seen all that those who confirmed them had written (I22c)`() {
        var floors = Floors()
        floors.raise(replica(1), to: 5, stampTime: 70)
        floors.confirm(replica(1), through: 6)
        floors.confirm(replica(2), through: 3)
        var own = seen(Array(1...6), of: 1)
        own.join(seen([1, 2], of: 2))
        #expect(!floors.mayBeAdopted(having: own, Settled()))
        own.join(seen([4], of: 2))
        #expect(!floors.mayBeAdopted(having: own, Settled()), "a run behind a gap is not all")
        own.join(seen([3], of: 2))
        #expect(floors.mayBeAdopted(having: own, Settled()) && floors.firstMissing(having: own, Settled()) == nil)
        #expect(floors.firstMissing(having: seen(Array(1...4), of: 1), Settled()) == replica(1))
    }

    @Test func `floors of as many replicas as a node may know are kept, and of one more are not`() {
        var floors = Floors()
        for number in 0..<UInt64(Seen.maximumReplicas) { floors.raise(replica(number), to: 1, stampTime: 1) }
        #expect(floors.floors.count == Seen.maximumReplicas)
        let isKept = floors.raise(replica(UInt64(Seen.maximumReplicas)), to: 1, stampTime: 1)
        let rises = floors.raise(replica(9), to: 2, stampTime: 1)
        #expect(!isKept && rises)
    }
}

@Suite struct SettledTests {
    @Test func `what is settled is final, and no other write of that replica counts (I25)`() {
        var settled = Settled()
        #expect(settled.allows(Dot(replica: replica(1), sequence: 9)))
        let (first, again) = (settled.settle(replica(1), with: seen([1, 2, 5], of: 1)), settled.settle(replica(1), with: seen([1, 2, 3], of: 1)))
        #expect(first && !again)
        #expect([1, 2, 5].allSatisfy { settled.allows(Dot(replica: replica(1), sequence: $0)) })
        #expect([3, 4, 6].allSatisfy { !settled.allows(Dot(replica: replica(1), sequence: $0)) })
        #expect(settled.allows(Dot(replica: replica(2), sequence: 9)))
    }

    @Test(
        arguments: [
            ([1, 2, 5], [1, 2, 5], 5), ([1, 2, 5, 9], [1, 2, 5], 8), ([1, 2, 5, 9], [1, 5, 9], 1), ([3], [3], 3), ([3], [], 2), ([2, 4], [2, 4], 4),
            ([1, 2], [1, 2], 2), ([1, 2], [1], 1), ([], [], 0),
        ] as [([UInt64], [UInt64], UInt64)])
    func `what lies in the gaps of a settled set is waited for by nobody (I25)`(writes: [UInt64], has: [UInt64], watermark: UInt64) {
        var settled = Settled()
        settled.settle(replica(1), with: seen(writes, of: 1))
        #expect(settled.watermark(of: replica(1), in: seen(has, of: 1)) == watermark)
        #expect(settled.watermark(of: replica(2), in: seen([1, 3], of: 2)) == 1, "of one that may still write it is")
    }

    @Test func `floors above the gaps of a settled set are taken over, and nobody is taken for forgetful by them (I22c)`() {
        var (floors, settled) = (Floors(), Settled())
        floors.raise(replica(1), to: 5, stampTime: 1)
        floors.confirm(replica(1), through: 5)
        let own = seen([1, 2, 5], of: 1)
        #expect(!floors.mayBeAdopted(having: own, settled) && floors.firstMissing(having: own, settled) == replica(1))
        settled.settle(replica(1), with: own)
        #expect(floors.mayBeAdopted(having: own, settled) && floors.firstMissing(having: own, settled) == nil)
    }

    @Test func `of what others had seen only the replica's own writes are kept`() {
        var (settled, other) = (Settled(), Settled())
        var all = seen([1, 2], of: 1)
        all.join(seen([1, 2, 3], of: 2))
        settled.settle(replica(1), with: all)
        other.settle(replica(2), with: all)
        #expect(settled.writes == seen([1, 2], of: 1))
        #expect(settled.join(other) == [replica(2)] && settled.join(other) == [])
        #expect(settled.writes == all)
    }
}

@Suite struct ClearanceEncodingTests {
    private func random(_ random: inout SplitMix64) -> Clearance {
        var clearance = Clearance()
        for _ in 0..<random.next() % 5 {
            clearance.floors.raise(replica(random.next() % 9), to: 1 + random.next() % 99, stampTime: 1 + random.next())
        }
        for _ in 0..<random.next() % 5 { clearance.floors.confirm(replica(random.next() % 9), through: 1 + random.next() % 99) }
        for _ in 0..<random.next() % 4 {
            let number = random.next() % 9
            clearance.settled.settle(replica(number), with: seen((0..<random.next() % 6).map { _ in 1 + random.next() % 20 }, of: number))
        }
        return clearance
    }

    private func decode(_ bytes: [UInt8]) -> Clearance? { bytes.withUnsafeBytes { try? Clearance(decoding: $0) } }

    @Test(arguments: seeds(200))
    func `what is written is read as the same, and nothing else is`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let clearance = self.random(&random)
        var bytes = clearance.encoded
        #expect(self.decode(bytes) == clearance)
        for count in 0..<bytes.count { #expect(self.decode(Array(bytes[..<count])) == nil, "cut after \(count)") }
        #expect(self.decode(bytes + [0]) == nil)
        let place = Int(random.next() % UInt64(bytes.count))
        bytes[place] ^= 1 << UInt8(random.next() % 8)
        if let other = self.decode(bytes) { #expect(other != clearance && other.encoded == bytes) }
    }

    @Test func `nothing dropped has no stamp, and a floor of 0 is none`() {
        var bytes = Clearance().encoded
        #expect(Clearance().isEmpty && self.decode(bytes) == Clearance())
        bytes[1] = 1
        #expect(self.decode(bytes) == nil)
    }
}
