import Basics
import Digests
import Membership
import Testing

private func decoded(_ bytes: [UInt8]) throws(MalformedMembership) -> Offer {
    try copied(bytes) { bytes throws(MalformedMembership) in try Offer(decoding: bytes) }
}

@Suite struct OfferTests {
    @Test func `the encoding of an offer is the documented one`() throws {
        let key = DigestKey(bytes: (0..<192).map { UInt8($0) })
        let offer = Offer(cluster: ClusterID(high: 8, low: 9), digestKey: key, members: [replica(1), replica(2)])
        let parts = [1, 0, 2, 0, 8, 9].flatMap { bigEndian(UInt64($0)) }
        #expect(encoded(offer) == [2] + parts + key.bytes)
        #expect(try decoded(encoded(offer)) == offer)
        #expect(offer.proposer == replica(1))
    }

    @Test(arguments: [2, 3, 63, 64])
    func `an offer to as many as may found is read, and every truncation or extension refused`(count: UInt64) throws {
        let bytes = encoded(offer((1...count).map { $0 }))
        #expect(bytes.count <= 1_233)
        #expect(try decoded(bytes) == offer((1...count).map { $0 }))
        for length in 0..<bytes.count { #expect(throws: MalformedMembership.truncated) { try decoded(Array(bytes[..<length])) } }
        #expect(throws: MalformedMembership.trailingBytes(count: 2)) { try decoded(bytes + [0, 0]) }
    }

    @Test(arguments: [0, 1, 65, 255] as [UInt8])
    func `an offer to fewer than two or more than 64 is refused`(count: UInt8) {
        let members = (0..<UInt64(count)).flatMap { bigEndian($0) + bigEndian(UInt64(0)) }
        #expect(throws: MalformedMembership.founderCount(Int(count))) { try decoded([count] + members + [UInt8](repeating: 1, count: 208)) }
    }

    @Test func `members out of order or repeated are refused`() {
        func bytes(_ members: [UInt64]) -> [UInt8] {
            [UInt8(members.count)] + members.flatMap { bigEndian($0) + bigEndian(UInt64(0)) } + [UInt8](repeating: 1, count: 208)
        }
        #expect(throws: MalformedMembership.misplacedReplica(replica(2))) { try decoded(bytes([3, 2, 4])) }
        #expect(throws: MalformedMembership.misplacedReplica(replica(3))) { try decoded(bytes([1, 3, 3])) }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `altered or random bytes are refused, or are the encoding of what they decode to`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let bytes = encoded(offer(Array(1...UInt64.random(in: 2...8, using: &generator)), seed: seed))
        for _ in 0..<100 {
            let altered = bytes.altered(using: &generator)
            if let offer = try? decoded(altered) { #expect(encoded(offer) == altered) }
            let random = (0..<Int.random(in: 0...400, using: &generator)).map { _ in UInt8.random(in: 0...4, using: &generator) }
            if let offer = try? decoded(random) { #expect(encoded(offer) == random) }
        }
    }
}
