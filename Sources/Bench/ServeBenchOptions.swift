/// What a load run asks of a node, and what it expects. `validate()` names the bounds.
package struct ServeBenchOptions: Equatable, Sendable {
    /// When the measured part ends.
    package enum Limit: Equatable, Sendable {
        case requests(Int)
        case seconds(Int)
    }

    package static let clientRange = 1...10_000
    package static let pipelineRange = 1...10_000
    package static let idleClientRange = 0...60_000
    /// The key's number has twelve digits.
    package static let keyRange = 1...1_000_000_000_000
    package static let requestRange = 1...1_000_000_000_000
    package static let secondRange = 1...86_400
    package static let valueByteRange = 0...64 * 1024 * 1024
    package static let patienceSecondRange = 1...3_600
    package static let ttlSecondRange = 1...1_000_000_000
    /// A node takes keys of up to 500 bytes; twelve of them are the number.
    package static let longestKeyPrefixBytes = 488
    /// The most memory that the requests of all connections together take.
    package static let requestMemoryBytes = 1024 * 1024 * 1024

    package var host = "127.0.0.1"
    package var port = 7379
    /// Sent as `AUTH` on every connection.
    package var password: [UInt8]?
    /// Connections that send requests.
    package var clients = 50
    /// Requests that each connection sends in one write; the next ones follow when all of them are answered.
    package var pipeline = 1
    package var limit = Limit.requests(1_000_000)
    /// The size of the key space. Keys are drawn uniformly from it.
    package var keys = 1_000_000
    package var keyPrefix = "key:"
    package var valueBytes = 100
    /// So long what is set lives, in seconds; nil for ever.
    package var ttlSeconds: Int?
    /// The share of requests that are GETs: 0 only sets, 1 only gets.
    package var getShare = 0.5
    /// Every key, kind and value of a run follows from it.
    package var seed: UInt64 = 1
    /// Write every key once before measuring.
    package var load = false
    /// The share of GETs that must find a value; nil expects 1 after a load and nothing otherwise.
    package var expectedHitRate: Double?
    /// Error replies are counted but do not make the run a failure.
    package var allowErrors = false
    /// Further connections that are opened, answered once, and then stay silent.
    package var idleClients = 0
    /// Ask `HEARSAY DIGEST` on a connection of its own this often.
    package var digestEvery: Duration?
    /// The run is given up after this long without any reply.
    package var patienceSeconds = 60

    package init() {}

    /// The expected hit rate with its default filled in.
    var hitRateFloor: Double? { self.expectedHitRate ?? (self.load ? 1 : nil) }

    /// The connections of the whole run.
    var connectionCount: Int { self.clients + self.idleClients + (self.digestEvery == nil ? 0 : 1) }

    var address: String { "\(self.host):\(self.port)" }

    /// Throws `BenchError.invalidOption` for the first option outside its bounds.
    package func validate() throws(BenchError) {
        try Self.check("clients", self.clients, in: Self.clientRange)
        try Self.check("port", self.port, in: 1...65_535)
        try Self.check("pipeline", self.pipeline, in: Self.pipelineRange)
        try Self.check("keys", self.keys, in: Self.keyRange)
        try Self.check("value-bytes", self.valueBytes, in: Self.valueByteRange)
        try Self.check("idle-clients", self.idleClients, in: Self.idleClientRange)
        try Self.check("patience", self.patienceSeconds, in: Self.patienceSecondRange)
        switch self.limit {
        case .requests(let count): try Self.check("requests", count, in: Self.requestRange)
        case .seconds(let count): try Self.check("seconds", count, in: Self.secondRange)
        }
        if let ttlSeconds { try Self.check("ttl-seconds", ttlSeconds, in: Self.ttlSecondRange) }
        try Self.check("get-share", self.getShare, in: 0...1)
        if let rate = self.expectedHitRate { try Self.check("expect-hits", rate, in: 0...1) }
        if let interval = self.digestEvery { try Self.check("digest-every", interval, in: .milliseconds(10) ... .seconds(3_600)) }
        guard self.keyPrefix.utf8.count <= Self.longestKeyPrefixBytes else {
            throw .invalidOption(name: "key-prefix", reason: "must be at most \(Self.longestKeyPrefixBytes) bytes")
        }
        // Every factor is bounded above, so the product fits: 10^4 × 10^4 × 2^26.
        let requestBytes = RequestBatch(keyPrefix: self.keyPrefix, valueBytes: self.valueBytes, timeToLive: self.ttlSeconds).longestRequestBytes
        guard self.clients * self.pipeline * requestBytes <= Self.requestMemoryBytes else {
            throw .invalidOption(
                name: "pipeline", reason: "clients × pipeline × request exceeds \(Self.requestMemoryBytes) bytes of requests in flight")
        }
    }

    private static func check<Value: Comparable>(_ name: String, _ value: Value, in range: ClosedRange<Value>) throws(BenchError) {
        guard range.contains(value) else {
            throw .invalidOption(name: name, reason: "must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
    }
}
