import Basics
import Benchmark
import Digests

/// What the digest costs a write: hashing its key and its record, and adding the difference to one path of the tree. The figures are for one.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(metrics: [.wallClock, .throughput], scalingFactor: .kilo, maxDuration: .seconds(3))

    Benchmark("token of a 16 B key") { benchmark in
        var generator = SplitMix64(seed: 1)
        let key = DigestKey(using: &generator)
        var bytes = [UInt8](repeating: 107, count: 16)
        var sum: UInt64 = 0
        for index in benchmark.scaledIterations {
            bytes[15] = UInt8(truncatingIfNeeded: index)
            sum &+= bytes.withUnsafeBytes { key.token(of: $0) }.rawValue
        }
        blackHole(sum)
    }

    // Key length, key and header of a record with a 16 B key.
    Benchmark("fingerprint of a 66 B encoding") { benchmark in
        var generator = SplitMix64(seed: 1)
        let key = DigestKey(using: &generator)
        var bytes = [UInt8](repeating: 107, count: 66)
        var sum: Fingerprint = 0
        for index in benchmark.scaledIterations {
            bytes[65] = UInt8(truncatingIfNeeded: index)
            sum &+= bytes.withUnsafeBytes { key.fingerprint(of: $0) }
        }
        blackHole(sum)
    }

    for entries: UInt64 in [1_000_000, 10_000_000] {
        Benchmark("tree update, \(entries) entries") { benchmark, box in
            var generator = SplitMix64(seed: 2)
            for _ in benchmark.scaledIterations {
                let sum = UInt128(generator.next())
                box.tree.apply(sum: sum, entries: 1, at: Token(rawValue: generator.next()))
            }
            blackHole(box.tree.root.entries)
        } setup: {
            TreeBox(leafBits: DigestTree.leafBits(forEntries: entries))
        }
    }
}

/// Keeps one tree, of megabytes, for all iterations.
private final class TreeBox {
    var tree: DigestTree

    init(leafBits: Int) { self.tree = DigestTree(leafBits: leafBits) }
}
