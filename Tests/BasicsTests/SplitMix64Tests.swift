import Basics
import Testing

@Suite struct SplitMix64Tests {
    /// The values that Vigna's splitmix64.c (prng.di.unimi.it) gives.
    @Test(
        arguments: [
            (seed: 0, values: [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]),
            (
                seed: 1_234_567,
                values: [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431]
            ),
        ] as [(seed: UInt64, values: [UInt64])])
    func `the generator gives the published values`(seed: UInt64, values: [UInt64]) {
        var generator = SplitMix64(seed: seed)
        #expect(values.map { _ in generator.next() } == values)
    }
}
