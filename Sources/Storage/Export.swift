import Basics
import Digests
import Versioning

/// A version that a node took along when it gave up its store for that of the others (I24): the member that let it has not seen it.
///
/// Exports lie in the base beside the entries, by cluster and dot, and are nothing that the store holds: no lookup, digest or peer sees them. Once the
/// node has everything that the others have, each is decided.
package struct Export: Equatable, Sendable {
    package enum State: UInt8, Sendable {
        case undecided
        /// Nothing tells whether it was deleted elsewhere: an operator decides.
        case salvaged
    }

    /// Where it belongs.
    package let cluster: ClusterID
    package let dot: Dot
    package var state: State
    package let key: [UInt8]
    /// Header and payload, as `RecordLayout` has them.
    package let value: [UInt8]

    package init(cluster: ClusterID, dot: Dot, state: State, key: [UInt8], value: [UInt8]) {
        (self.cluster, self.dot, self.state, self.key, self.value) = (cluster, dot, state, key, value)
    }

    init(_ record: RecordView, of cluster: ClusterID) {
        self.init(cluster: cluster, dot: record.dot, state: .undecided, key: Array(record.key), value: Array(record.value))
    }

    /// Shows the version; nil where the bytes are not what was written.
    package func withRecord<Result>(
        under digestKey: DigestKey, _ body: (RecordView, Token) throws(StoreError) -> Result
    ) throws(StoreError) -> Result? {
        try self.withUnverifiedRecord { record throws(StoreError) -> Result? in
            let token = digestKey.token(of: record.key)
            guard record.isIntact(token: token) else { return nil }
            return try body(record, token)
        } ?? nil
    }

    /// Shows what may not be the version; nil where the bytes are none.
    package func withUnverifiedRecord<Result>(_ body: (RecordView) throws(StoreError) -> Result) throws(StoreError) -> Result? {
        try self.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            try self.value.span.bytes.withUnsafeBytes { value throws(StoreError) in
                guard let record = RecordView(key: key, value: value), record.dot == self.dot else { return nil }
                return try body(record)
            }
        }
    }

    var place: ExportPlace { ExportPlace(cluster: self.cluster, dot: self.dot) }

    // MARK: As a row of the base

    /// Big endian: cluster id 16 | replica id 16 | sequence 8.
    var rowKey: [UInt8] { self.place.rowKey }

    /// State 1 | key length 2, big endian | key | header and payload.
    var rowValue: [UInt8] {
        var bytes: [UInt8] = [self.state.rawValue, UInt8(self.key.count >> 8), UInt8(self.key.count & 0xff)]
        bytes += self.key
        bytes += self.value
        return bytes
    }

    /// Nil where the bytes are none.
    init?(rowKey: UnsafeRawBufferPointer, rowValue: UnsafeRawBufferPointer) {
        guard rowKey.count == ExportPlace.byteCount, rowValue.count >= 3, let state = State(rawValue: rowValue[0]) else { return nil }
        let start = rowKey.baseAddress!
        let cluster = start.replicaID(at: 0)
        let sequence = UInt64(bigEndian: start.loadUnaligned(fromByteOffset: 2 * ReplicaID.byteCount, as: UInt64.self))
        let end = 3 + Int(rowValue[1]) << 8 + Int(rowValue[2])
        guard end <= rowValue.count else { return nil }
        self.init(
            cluster: ClusterID(high: cluster.high, low: cluster.low), dot: Dot(replica: start.replicaID(at: ReplicaID.byteCount), sequence: sequence),
            state: state, key: Array(rowValue[3..<end]), value: Array(rowValue[end...]))
    }
}

/// Where an export lies among the others.
package struct ExportPlace: Equatable, Sendable {
    static let byteCount = 2 * ReplicaID.byteCount + 8

    package let cluster: ClusterID
    package let dot: Dot

    package init(cluster: ClusterID, dot: Dot) { (self.cluster, self.dot) = (cluster, dot) }

    var rowKey: [UInt8] {
        var bytes: [UInt8] = []
        for word in [self.cluster.high, self.cluster.low, self.dot.replica.high, self.dot.replica.low, self.dot.sequence] {
            withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }
}

/// How many exports there are.
package struct ExportCounts: Equatable, Sendable {
    package var undecided = 0
    package var salvaged = 0
    /// The greatest sequence number of each replica among them at the start: an older copy of its store may be about to write under those again.
    private var greatest: [ReplicaID: UInt64] = [:]

    package init() {}

    package func greatest(of replica: ReplicaID) -> UInt64 { self.greatest[replica] ?? 0 }

    mutating func note(_ dot: Dot) { self.greatest[dot.replica] = max(self.greatest(of: dot.replica), dot.sequence) }

    mutating func count(_ state: Export.State, by change: Int = 1) {
        switch state {
        case .undecided: self.undecided += change
        case .salvaged: self.salvaged += change
        }
    }
}
