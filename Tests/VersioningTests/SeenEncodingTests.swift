import Basics
import Testing
import Versioning

private func encoded(_ seen: Seen) -> [UInt8] {
    var bytes: [UInt8] = []
    seen.encode(into: &bytes)
    return bytes
}

private func decoded(_ bytes: [UInt8]) throws(SeenError) -> Seen {
    // A copy, so that the address sanitizer sees a read beyond the end.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return try Seen(decoding: UnsafeRawBufferPointer(copy))
}

/// The encoding of a `Seen` of given entries, right or wrong.
private func encoding(of entries: [(replica: UInt64, watermark: UInt64, runs: [(UInt64, UInt64)])]) -> [UInt8] {
    func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }
    return entries.reduce(into: bytes(UInt16(entries.count))) { result, entry in
        result += bytes(UInt64(0)) + bytes(entry.replica) + bytes(entry.watermark) + [UInt8(entry.runs.count)]
        for run in entry.runs { result += bytes(run.0) + bytes(run.1) }
    }
}

private func random(using generator: inout SplitMix64) -> Seen {
    var seen = Seen()
    for _ in 0..<Int.random(in: 0...4, using: &generator) {
        let replica = ReplicaID(using: &generator)
        for _ in 0..<Int.random(in: 0...60, using: &generator) {
            _ = seen.insert(Dot(replica: replica, sequence: .random(in: 1...70, using: &generator)))
        }
    }
    return seen
}

@Suite struct SeenEncodingTests {
    @Test func `the encoding is the documented one`() throws {
        var seen = Seen()
        for sequence in [1, 2, 4, 5] as [UInt64] { _ = seen.insert(Dot(replica: ReplicaID(high: 0, low: 7), sequence: sequence)) }
        let bytes = encoding(of: [(7, 2, [(4, 5)])])
        #expect(encoded(seen) == bytes)
        #expect(try decoded(bytes) == seen)
        #expect(encoded(Seen()) == [0, 0])
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `what is encoded is decoded, and every truncation or extension is refused`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let seen = random(using: &generator)
        let bytes = encoded(seen)
        #expect(try decoded(bytes) == seen)
        for count in 0..<bytes.count { #expect(throws: SeenError.truncated) { try decoded(Array(bytes[..<count])) } }
        #expect(throws: SeenError.trailingBytes(count: 1)) { try decoded(bytes + [0]) }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `altered bytes are refused, or are the encoding of what they decode to`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let bytes = encoded(random(using: &generator))
        for _ in 0..<200 {
            var altered = bytes
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                altered[Int.random(in: altered.indices, using: &generator)] = [0, 1, 255, UInt8.random(in: 0...255, using: &generator)]
                    .randomElement(using: &generator)!
            }
            if let seen = try? decoded(altered) { #expect(encoded(seen) == altered) }
        }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `random bytes never trap`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let count = Int.random(in: 0...300, using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) >> UInt8.random(in: 0...8, using: &generator) }
            if count >= 2 { bytes[0] = 0 }
            if let seen = try? decoded(bytes) { #expect(encoded(seen) == bytes) }
        }
    }

    @Test func `replicas out of order, repeated or with nothing seen are refused`() {
        #expect(throws: SeenError.misplacedReplica(ReplicaID(high: 0, low: 2))) { try decoded(encoding(of: [(3, 1, []), (2, 1, [])])) }
        #expect(throws: SeenError.misplacedReplica(ReplicaID(high: 0, low: 3))) { try decoded(encoding(of: [(3, 1, []), (3, 1, [])])) }
        #expect(throws: SeenError.misplacedReplica(ReplicaID(high: 0, low: 3))) { try decoded(encoding(of: [(3, 0, [])])) }
    }

    @Test(
        arguments: [
            (5, [(6, 7)]), (5, [(5, 7)]), (5, [(0, 7)]), (5, [(8, 7)]), (0, [(1, 7)]), (0, [(3, 4), (5, 6)]), (0, [(3, 4), (4, 6)]),
            (0, [(6, 7), (3, 4)]), (.max, [(.max, .max)]), (.max - 1, [(.max, .max)]), (0, [(3, .max), (0, 1)]),
        ] as [(UInt64, [(UInt64, UInt64)])])
    func `runs that are empty, touch or precede what is below them are refused`(watermark: UInt64, runs: [(UInt64, UInt64)]) {
        #expect(throws: SeenError.misplacedRun(ReplicaID(high: 0, low: 3))) { try decoded(encoding(of: [(3, watermark, runs)])) }
    }

    @Test func `the highest numbers are read as they are`() throws {
        let bytes = encoding(of: [(3, .max - 2, [(.max, .max)]), (4, .max, [])])
        #expect(encoded(try decoded(bytes)) == bytes)
    }

    @Test(arguments: [Seen.maximumRunsPerReplica - 1, Seen.maximumRunsPerReplica])
    func `as many runs as the bound allows are read`(count: Int) throws {
        let bytes = encoding(of: [(3, 0, (1...UInt64(count)).map { (2 * $0, 2 * $0) })])
        #expect(encoded(try decoded(bytes)) == bytes)
    }

    @Test func `one run more is refused`() {
        let limit = Seen.maximumRunsPerReplica
        #expect(throws: SeenError.tooManyRuns(count: limit + 1, limit: limit)) {
            try decoded(encoding(of: [(3, 0, (1...UInt64(limit + 1)).map { (2 * $0, 2 * $0) })]))
        }
    }

    @Test(arguments: [Seen.maximumReplicas - 1, Seen.maximumReplicas])
    func `as many replicas as the bound allows are read`(count: Int) throws {
        let bytes = encoding(of: (1...UInt64(count)).map { ($0, 1, []) })
        #expect(encoded(try decoded(bytes)) == bytes)
    }

    @Test func `one replica more is refused`() {
        let limit = Seen.maximumReplicas
        #expect(throws: SeenError.tooManyReplicas(count: limit + 1, limit: limit)) {
            try decoded(encoding(of: (1...UInt64(limit + 1)).map { ($0, 1, []) }))
        }
    }
}
