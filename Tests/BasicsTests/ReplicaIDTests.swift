import Basics
import Testing

@Suite struct ReplicaIDTests {
    @Test func `ids are ordered as unsigned numbers of 128 bits`() {
        let ascending = [
            ReplicaID(high: 0, low: 0), ReplicaID(high: 0, low: 1), ReplicaID(high: 0, low: .max), ReplicaID(high: 1, low: 0),
            ReplicaID(high: 1 << 63, low: 0), ReplicaID(high: .max, low: .max),
        ]
        for (index, left) in ascending.enumerated() {
            for (other, right) in ascending.enumerated() { #expect((left < right) == (index < other)) }
        }
    }

    @Test func `an id is written as 32 hexadecimal digits, leading zeros kept`() {
        #expect(ReplicaID(high: 0xab, low: 0xfedc_ba98_7654_3210).description == "00000000000000abfedcba9876543210")
        #expect(ClusterID(high: 0, low: 0).description == String(repeating: "0", count: 32))
        #expect(hexadecimal(.max) == "ffffffffffffffff")
    }

    @Test func `an id is drawn from both halves of the generator's output`() {
        var generator = SplitMix64(seed: 7)
        let first = ReplicaID(using: &generator)
        let second = ReplicaID(using: &generator)
        var again = SplitMix64(seed: 7)
        #expect(first == ReplicaID(using: &again))
        #expect(first.high != first.low)
        #expect(first != second)
    }
}
