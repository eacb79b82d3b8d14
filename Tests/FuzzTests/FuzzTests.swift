import Basics
import Foundation
import FuzzTargets
import TestSupport
import Testing

/// What `deploy/fuzz.sh` does for minutes, in a second for each target and the same in every run.
@Suite struct FuzzTests {
    private static let mutantsPerSeed = 600

    @Test(arguments: FuzzTarget.allCases)
    func `every kept input passes its check`(target: FuzzTarget) throws {
        let corpus = Corpus(target)
        for name in try corpus.names() {
            #expect(throws: Never.self, "\(target)/\(name)") { try target.check(corpus.read(name)) }
        }
    }

    @Test(arguments: FuzzTarget.allCases, seeds(4))
    func `changed inputs pass the check as well`(target: FuzzTarget, seed: UInt64) throws {
        let corpus = Corpus(target)
        let inputs = try corpus.names().map(corpus.read)
        var random = SplitMix64(seed: seed)
        for index in 0..<Self.mutantsPerSeed {
            let input = Mutation.mutant(of: inputs, using: &random)
            #expect(throws: Never.self, "\(target), seed \(seed), mutant \(index): \(input)") { try target.check(input) }
        }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `inputs as long and as dense as may come pass the check`(target: FuzzTarget) throws {
        for input in try target.denseInputs(byteCount: FuzzTarget.greatestByteCount) {
            #expect(throws: Never.self, "\(target)/\(input.name)") { try target.check(input.bytes) }
        }
    }

    /// Set `HEARSAY_RECORD_CORPUS` to write them anew, after a change of a format.
    @Test(arguments: FuzzTarget.allCases)
    func `the kept seeds are what programs of today write`(target: FuzzTarget) throws {
        let (corpus, seeds) = (Corpus(target), try target.seedInputs())
        if getenv("HEARSAY_RECORD_CORPUS") != nil {
            for seed in seeds { try corpus.write(seed.bytes, as: seed.name) }
        }
        for seed in seeds { #expect(try corpus.read(seed.name) == seed.bytes, "\(target)/\(seed.name)") }
    }
}
