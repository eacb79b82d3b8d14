import Basics
import Membership
import Storage
import Testing
import Versioning

@testable import Node

@Suite struct DifferenceTests {
    private static let replica = ReplicaID(high: 1, low: 2)

    /// A side that has seen ten writes, and has dropped up to the fifth.
    private func side(seen: Bool = true, isHolding: Bool = false, withHeld: Seen? = nil, isSettled: Bool = false) throws -> DifferenceSide {
        var (all, floors, settled) = (Seen(), Floors(), Settled())
        for sequence in UInt64(1)...10 { _ = all.insert(Dot(replica: Self.replica, sequence: sequence)) }
        floors.raise(Self.replica, to: 5, stampTime: 0)
        if isSettled { settled.settle(Self.replica, with: all) }
        return DifferenceSide(
            name: try MemberName("n2"), seen: seen ? all : nil, floors: floors, settled: settled, withHeld: withHeld, isHolding: isHolding)
    }

    private func version(_ sequence: UInt64, isTombstone: Bool = false, expiry: UInt64 = 0) -> VersionHeader {
        VersionHeader(
            dot: Dot(replica: Self.replica, sequence: sequence), stamp: Stamp(time: sequence, replica: Self.replica), isTombstone: isTombstone,
            expiryMilliseconds: expiry)
    }

    @Test func `DIFF tells what was dropped from what was lost, never seen, held and refused`() throws {
        let (side, wall) = (try self.side(), WallTime(milliseconds: 1_000))
        #expect(side.reason(forLacking: self.version(5, isTombstone: true), at: wall) == "has dropped it")
        #expect(side.reason(forLacking: self.version(6, isTombstone: true), at: wall) == "has seen it and lost it")
        #expect(side.reason(forLacking: self.version(5, expiry: 999), at: wall) == "has dropped it, as it had expired")
        for (sequence, expiry) in [(5, 1_000), (6, 999), (5, 0), (10, 0)] as [(UInt64, UInt64)] {
            #expect(side.reason(forLacking: self.version(sequence, expiry: expiry), at: wall) == "has seen it and lost it")
        }
        #expect(side.reason(forLacking: self.version(11), at: wall) == "has not seen it")
        #expect(try self.side(seen: false).reason(forLacking: self.version(11), at: wall) == "has lost something to damage")
        var held = Seen()
        _ = held.insert(Dot(replica: Self.replica, sequence: 12))
        let holding = try self.side(isHolding: true, withHeld: held)
        #expect(holding.reason(forLacking: self.version(12), at: wall) == "holds it until its time")
        #expect(holding.reason(forLacking: self.version(13), at: wall) == "has not seen it")
        #expect(try self.side(isHolding: true).reason(forLacking: self.version(12), at: wall) == "has not seen it, or holds it until its time")
        #expect(
            try self.side(isSettled: true).reason(forLacking: self.version(11), at: WallTime(milliseconds: 0))
                == "refuses it: who wrote it was no member any more")
    }
}
