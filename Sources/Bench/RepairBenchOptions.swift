/// What a run of the repair bench is to measure. `validate()` names the bounds.
package struct RepairBenchOptions: Equatable, Sendable {
    /// Which keys differ.
    package enum Pattern: String, CaseIterable, Equatable, Sendable {
        /// New keys with random numbers, half of them on each side.
        case uniform
        /// New keys with one prefix and numbers in sequence, half on each side. Tokens are keyed hashes, so no client can bring entries close
        /// together in token order; keys that look alike are all it can do.
        case clustered
        /// New keys with random numbers, all on the first node.
        case onesided
        /// Keys that both have are written again, half on each side, none on both.
        case updates
    }

    /// How the nodes find what differs.
    package enum Method: String, CaseIterable, Equatable, Sendable {
        /// As they see fit.
        case auto
        /// From their logs; a comparison of digests fails the run.
        case log
        /// By their digest trees: the logs are not kept.
        case tree
    }

    package static let keyRange = 1...100_000_000
    package static let differRange = 1...10_000_000
    /// Up to what a node takes by default.
    package static let valueByteRange = 0...16 * 1024 * 1024
    package static let repeatRange = 1...100

    /// Entries that both nodes have at the beginning.
    package var keys = 1_000_000
    /// Entries of which only one node has the newest version when the two are brought together.
    package var differ = 10_000
    package var valueBytes = 100
    package var pattern = Pattern.uniform
    package var method = Method.auto
    /// Runs without a delay, and as many with one; medians are reported.
    package var repeatCount = 3
    /// Every key and value follows from it; tokens do not, as each cluster draws its own digest key.
    package var seed: UInt64 = 1
    /// Where a folder for both stores is made.
    package var folder = "/tmp"

    package init() {}

    /// Throws `BenchError.invalidOption` for the first option outside its bounds.
    package func validate() throws(BenchError) {
        try Self.check("keys", self.keys, in: Self.keyRange)
        try Self.check("differ", self.differ, in: Self.differRange)
        try Self.check("value-bytes", self.valueBytes, in: Self.valueByteRange)
        try Self.check("repeat", self.repeatCount, in: Self.repeatRange)
        guard self.pattern != .updates || self.differ <= self.keys else {
            throw .invalidOption(name: "differ", reason: "cannot exceed --keys with --pattern updates")
        }
        guard !self.folder.isEmpty else { throw .invalidOption(name: "folder", reason: "must not be empty") }
    }

    private static func check(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws(BenchError) {
        guard range.contains(value) else {
            throw .invalidOption(name: name, reason: "must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
    }
}
