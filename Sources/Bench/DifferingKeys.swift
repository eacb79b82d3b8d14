import Basics

/// Draws, for one run after another, the keys that are to differ.
struct DifferingKeys {
    /// One run's keys: what they begin with, and the numbers that follow on each node.
    struct Draw: Equatable, Sendable {
        let prefix: String
        let first: [UInt64]
        let second: [UInt64]
    }

    /// What the keys begin with that both nodes have from the start; their numbers run from 0.
    static let equalPrefix = "key:"
    private static let numberLimit: UInt64 = 1_000_000_000_000

    private let options: RepairBenchOptions
    private var generator: SplitMix64
    /// Drawn in earlier runs, so that a new key is new.
    private var used: Set<UInt64> = []
    private var nextInSequence: UInt64 = 0

    init(_ options: RepairBenchOptions, seed: UInt64) { (self.options, self.generator) = (options, SplitMix64(seed: seed)) }

    mutating func next() -> Draw {
        let count = self.options.differ
        let half = self.options.pattern == .onesided ? count : (count + 1) / 2
        let (prefix, numbers): (String, [UInt64])
        switch self.options.pattern {
        case .uniform, .onesided:
            (prefix, numbers) = ("new:", self.distinct(count, below: Self.numberLimit))
        case .clustered:
            (prefix, numbers) = ("run:", Array(self.nextInSequence..<self.nextInSequence + UInt64(count)))
            self.nextInSequence += UInt64(count)
        case .updates:
            (prefix, numbers) = (Self.equalPrefix, self.sample(count, below: UInt64(self.options.keys)))
        }
        return Draw(prefix: prefix, first: Array(numbers[..<half]), second: Array(numbers[half...]))
    }

    /// So many numbers of very many that were not drawn before.
    private mutating func distinct(_ count: Int, below limit: UInt64) -> [UInt64] {
        (0..<count).map { _ in
            var number = self.generator.next(upperBound: limit)
            while !self.used.insert(number).inserted { number = self.generator.next(upperBound: limit) }
            return number
        }
    }

    /// So many different numbers of perhaps no more: the beginning of a shuffle.
    private mutating func sample(_ count: Int, below limit: UInt64) -> [UInt64] {
        var numbers = Array(0..<limit)
        for index in 0..<count { numbers.swapAt(index, Int.random(in: index..<numbers.count, using: &self.generator)) }
        return Array(numbers.prefix(count))
    }
}
