import Basics
import Digests
import Versioning

@testable import Storage

/// Encoded records for tests that look below `Store`.
struct TestRecord {
    static let replica = ReplicaID(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8888)
    static let otherReplica = ReplicaID(high: 0x1111_2222_3333_4444, low: 0x5555_6666_7777_8889)

    static let digestKey: DigestKey = {
        var generator = SplitMix64(seed: 7)
        return DigestKey(using: &generator)
    }()

    static func header(
        sequence: UInt64 = 1, time: UInt64 = 1, isTombstone: Bool = false, expiry: UInt64 = 0, dotReplica: ReplicaID = Self.replica,
        stampReplica: ReplicaID = Self.replica
    ) -> VersionHeader {
        VersionHeader(
            dot: Dot(replica: dotReplica, sequence: sequence), stamp: Stamp(time: time, replica: stampReplica), isTombstone: isTombstone,
            expiryMilliseconds: expiry)
    }

    static func token(of key: [UInt8]) -> Token { key.withUnsafeBytes { Self.digestKey.token(of: $0) } }

    /// The bytes of a log record.
    static func frame(_ header: VersionHeader, key: [UInt8], token: Token? = nil, payload: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: RecordLayout.byteCount(of: header, keyByteCount: key.count, payloadByteCount: payload.count))
        bytes.withUnsafeMutableBytes { target in
            key.withUnsafeBytes { key in
                RecordLayout.encode(
                    header, key: key, token: token ?? Self.digestKey.token(of: key), payloadByteCount: payload.count, into: target
                ) { $0.copyBytes(from: payload) }
            }
        }
        return bytes
    }

    /// A slot for a table, with the chunk that holds its record.
    static func slot(
        _ header: VersionHeader, key: [UInt8], token: Token? = nil, payload: [UInt8] = [], position: LogPosition = 0, fold: Table.Fold = .below
    ) -> (slot: Table.Slot, chunk: Chunk) {
        let token = token ?? Self.token(of: key)
        let frame = Self.frame(header, key: key, token: token, payload: payload)
        let chunk = Chunk(capacity: frame.count)
        chunk.start.copyMemory(from: frame, byteCount: frame.count)
        let record = RecordPointer(address: UnsafeRawPointer(chunk.start))
        return (Table.Slot(token: token, record: record, position: position, fold: fold), chunk)
    }

    /// A table of the given records, in that order.
    static func table(_ records: [(key: [UInt8], header: VersionHeader, payload: [UInt8])], fold: Table.Fold = .below) -> Table {
        records.reduce(into: Table()) { table, record in
            let (slot, chunk) = Self.slot(record.header, key: record.key, payload: record.payload, fold: fold)
            table.put(slot, chunk: chunk)
        }
    }
}

extension [UInt8] {
    /// The bytes of a text.
    init(_ text: String) { self = Array(text.utf8) }

    /// The record in these bytes, where there is one. The view is valid during the call.
    func withRecord<Result>(_ body: (RecordView?) throws -> Result) rethrows -> Result {
        try self.withUnsafeBytes { try body(RecordView(frame: $0)) }
    }
}

extension BaseWriter {
    /// Stores a version in place of whatever its key has.
    func replace(_ record: RecordView, token: Token) throws(StoreError) {
        _ = try self.seek(token, key: record.key)
        try self.put(record, token: token)
    }
}
