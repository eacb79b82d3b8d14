import Basics

/// Why bytes are no encoding of a `Seen`. Whoever reads them names where they came from.
package enum SeenError: Error, Equatable, Sendable {
    /// The bytes end before what their counts announce.
    case truncated
    /// Bytes follow the last entry.
    case trailingBytes(count: Int)
    case tooManyReplicas(count: Int, limit: Int)
    case tooManyRuns(count: Int, limit: Int)
    /// A replica does not follow the one before it, or nothing of it has been seen.
    case misplacedReplica(ReplicaID)
    /// A run is empty, or touches or precedes what is below it.
    case misplacedRun(ReplicaID)
}

/// The encoding, all numbers big endian:
///
///     count of replicas 2 | for each, ascending: id 16 | watermark 8 | count of runs 1 | for each, ascending: first 8 | last 8
///
/// It is injective: equal values have equal bytes, and the decoder accepts no others.
extension Seen {
    /// Of a replica without runs.
    private static let entryByteCount = 16 + 8 + 1

    /// How long the encoding is: 2 bytes, 25 for each replica, 16 for each run.
    package var encodedByteCount: Int { self.entries.reduce(2) { $0 + Self.entryByteCount + $1.runs.count * Entry.runByteCount } }

    /// Appends the encoding.
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(addingCapacity: self.encodedByteCount) { bytes in
            bytes.append(bigEndian: UInt16(self.entries.count))  // At most `maximumReplicas`.
            for entry in self.entries {
                bytes.append(bigEndian: entry.replica.high)
                bytes.append(bigEndian: entry.replica.low)
                bytes.append(bigEndian: entry.watermark)
                bytes.append(UInt8(entry.runs.count))  // At most `maximumRunsPerReplica`.
                for run in entry.runs {
                    bytes.append(bigEndian: run.lowerBound)
                    bytes.append(bigEndian: run.upperBound)
                }
            }
        }
    }

    /// Reads what `encode` wrote, all of `bytes`; makes room for what they hold, by the bytes that there are and never by a count alone.
    package init(decoding bytes: UnsafeRawBufferPointer) throws(SeenError) {
        var rest = UnreadBytes(bytes)
        let count = Int(try rest.take(UInt16.self))
        guard count <= Seen.maximumReplicas else { throw .tooManyReplicas(count: count, limit: Seen.maximumReplicas) }
        var entries: ContiguousArray<Entry> = []
        entries.reserveCapacity(min(count, rest.count / Self.entryByteCount))
        for _ in 0..<count {
            let entry = try Entry(decoding: &rest)
            if let last = entries.last, entry.replica <= last.replica { throw .misplacedReplica(entry.replica) }
            entries.append(entry)
        }
        guard rest.count == 0 else { throw .trailingBytes(count: rest.count) }
        self.init(checked: entries)
    }
}

extension Seen.Entry {
    fileprivate static let runByteCount = 8 + 8

    fileprivate init(decoding rest: inout UnreadBytes) throws(SeenError) {
        let replica = ReplicaID(high: try rest.take(UInt64.self), low: try rest.take(UInt64.self))
        let watermark = try rest.take(UInt64.self)
        let count = Int(try rest.take(UInt8.self))
        guard count <= Seen.maximumRunsPerReplica else { throw .tooManyRuns(count: count, limit: Seen.maximumRunsPerReplica) }
        var runs: [ClosedRange<UInt64>] = []
        runs.reserveCapacity(min(count, rest.count / Self.runByteCount))
        var below = watermark
        for _ in 0..<count {
            let first = try rest.take(UInt64.self)
            let last = try rest.take(UInt64.self)
            guard first > below, first - 1 > below, last >= first else { throw .misplacedRun(replica) }
            runs.append(first...last)
            below = last
        }
        self.init(replica: replica, watermark: watermark, runs: runs)
        if self.isEmpty { throw .misplacedReplica(replica) }
    }
}

/// What is left of bytes that are read from the front.
private struct UnreadBytes {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var count: Int { self.bytes.count - self.offset }

    /// Removes a big-endian number from the front.
    mutating func take<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type) throws(SeenError) -> Number {
        guard self.count >= MemoryLayout<Number>.size else { throw .truncated }
        defer { self.offset += MemoryLayout<Number>.size }
        return Number(bigEndian: self.bytes.loadUnaligned(fromByteOffset: self.offset, as: Number.self))
    }
}

extension OutputSpan<UInt8> {
    fileprivate mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(bigEndian number: Number) {
        precondition(self.freeCapacity >= MemoryLayout<Number>.size, "\(self.freeCapacity) bytes left")
        self.withUnsafeMutableBufferPointer { bytes, count in
            UnsafeMutableRawBufferPointer(bytes).storeBytes(of: number.bigEndian, toByteOffset: count, as: Number.self)
            count += MemoryLayout<Number>.size
        }
    }
}
