import Basics
import Digests
import Testing

@Suite struct DigestTests {
    @Test func `the empty digest is a zero, a colon and 32 zeros`() {
        #expect(Digest.empty.description == "0:00000000000000000000000000000000")
        #expect(MemoryLayout<Digest>.stride == 24)
    }

    @Test func `a digest is written in lower case, leading zeros kept`() {
        let digest = Digest(entries: 1_000_000, sum: 0x00ab_cdef_0000_0001_0000_0000_0000_00ff)
        #expect(digest.description == "1000000:00abcdef0000000100000000000000ff")
        #expect(Digest(entries: .max, sum: .max).description == "18446744073709551615:ffffffffffffffffffffffffffffffff")
    }

    @Test func `adding carries from the low half of the sum into the high one, and wraps`() {
        var digest = Digest.empty
        digest.add(0xffff_ffff_ffff_ffff)
        digest.add(1)
        #expect(digest == Digest(entries: 2, sum: 1 << 64))
        digest.add(.max)
        #expect(digest == Digest(entries: 3, sum: 1 << 64 - 1))
        digest.sum = 5
        #expect(digest == Digest(entries: 3, sum: 5))
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `digests form a group: order does not matter, and what was added can be subtracted`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        func fingerprints() -> [Fingerprint] {
            (0..<Int.random(in: 0...20, using: &generator)).map { _ in .random(in: 0 ... .max, using: &generator) }
        }
        func digest(_ fingerprints: [Fingerprint]) -> Digest { fingerprints.reduce(into: .empty) { $0.add($1) } }
        let (left, right) = (fingerprints(), fingerprints())
        let (a, b) = (digest(left), digest(right))
        #expect(digest((left + right).shuffled(using: &generator)) == a + b)
        #expect(a + b == b + a)
        #expect(a + b - b == a)
        #expect(Digest.empty - a + a == .empty)
        var below = Digest.empty
        for fingerprint in left { below.subtract(fingerprint) }
        #expect(below + a == .empty)
        var rest = a + b
        for fingerprint in right { rest.subtract(fingerprint) }
        #expect(rest == a)
    }

    @Test func `digests differ where any half of their sums does`() {
        let digest = Digest(entries: 1, sum: 5)
        #expect(digest != Digest(entries: 1, sum: 6) && digest != Digest(entries: 2, sum: 5))
        #expect(digest != Digest(entries: 1, sum: UInt128(1) << 64 | 5))
    }
}
