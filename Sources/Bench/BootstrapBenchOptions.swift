/// What a run of the bootstrap bench is to measure. `validate()` names the bounds.
package struct BootstrapBenchOptions: Equatable, Sendable {
    package static let keyRange = 1...100_000_000
    /// Up to what a node takes by default.
    package static let valueByteRange = 0...16 * 1024 * 1024
    package static let rateRange = 0...1 << 50
    package static let repeatRange = 1...100
    package static let clientRange = 1...1_000
    package static let secondRange = 1...3_600

    /// Entries that the member has.
    package var keys = 1_000_000
    package var valueBytes = 100
    /// What the member gives at most, in bytes a second; 0 for as fast as it can.
    package var bytesPerSecond = 0
    /// Bootstraps while nobody else asks anything; the median is reported.
    package var repeatCount = 3
    /// Clients of the member, each with one request at a time, half of them SETs …
    package var clients = 4
    /// … for so long without a bootstrap, and as long with one after the other.
    package var seconds = 10
    package var seed: UInt64 = 1
    /// Where a folder for the stores is made.
    package var folder = "/tmp"

    package init() {}

    /// Throws `BenchError.invalidOption` for the first option outside its bounds.
    package func validate() throws(BenchError) {
        try Self.check("keys", self.keys, in: Self.keyRange)
        try Self.check("value-bytes", self.valueBytes, in: Self.valueByteRange)
        try Self.check("rate", self.bytesPerSecond, in: Self.rateRange)
        try Self.check("repeat", self.repeatCount, in: Self.repeatRange)
        try Self.check("clients", self.clients, in: Self.clientRange)
        try Self.check("seconds", self.seconds, in: Self.secondRange)
        guard !self.folder.isEmpty else { throw .invalidOption(name: "folder", reason: "must not be empty") }
    }

    private static func check(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws(BenchError) {
        guard range.contains(value) else {
            throw .invalidOption(name: name, reason: "must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
    }
}
