import Basics
import Digests
import Versioning

/// Who a store is: drawn when it is founded.
package struct Identity: Equatable, Sendable {
    package var cluster: ClusterID
    package var digestKey: DigestKey
    /// This incarnation's id.
    package var replica: ReplicaID

    package init(cluster: ClusterID, digestKey: DigestKey, replica: ReplicaID) {
        (self.cluster, self.digestKey, self.replica) = (cluster, digestKey, replica)
    }

    /// An identity without a cluster: the digest key stands for none, and is replaced by the cluster's before the first write.
    package init(unfoundedUsing generator: inout some RandomNumberGenerator) {
        self.init(cluster: .none, digestKey: DigestKey(using: &generator), replica: ReplicaID(using: &generator))
    }

    package var isFounded: Bool { !self.cluster.isNone }

    /// Founds a cluster of one.
    package init(using generator: inout some RandomNumberGenerator) {
        self.init(cluster: ClusterID(using: &generator), digestKey: DigestKey(using: &generator), replica: ReplicaID(using: &generator))
    }
}

/// All durable state besides the entries, as of one log position. LMDB's `meta` holds it, written in the transaction that completes a drain.
///
/// - Invariant: LMDB holds every version whose batch lies before `position`; replay begins there.
package struct Checkpoint: Equatable, Sendable {
    package var identity: Identity
    package var position: LogPosition
    /// The greatest stamp time in the log before `position`, or in LMDB.
    package var greatestStamp: UInt64
    package var seen: Seen
    /// Values of control keys; in LMDB each is an item of its own beside the checkpoint's.
    package var control: [ControlKey: [UInt8]] = [:]

    package init(
        identity: Identity, position: LogPosition = 0, greatestStamp: UInt64 = 0, seen: Seen = Seen(), control: [ControlKey: [UInt8]] = [:]
    ) {
        (self.identity, self.position, self.greatestStamp, self.seen, self.control) = (identity, position, greatestStamp, seen, control)
    }
}

extension Checkpoint {
    /// What was dropped.
    var drops: Drops {
        Drops(
            floors: self.control[.clearance].flatMap(Clearance.init(controlValue:))?.floors ?? Floors(),
            expired: self.control[.collected].flatMap(Expiration.init(controlValue:)) ?? .none)
    }

    /// The format of the bytes, and with them of the LMDB databases beside them.
    package static let formatVersion: UInt32 = 1
    private static let magic: UInt64 = 0x4d59_4153_5241_4548  // "HEARSAYM", little endian
    private static let fixedByteCount = 8 + 4 + 4 + 16 + 16 + DigestKey.byteCount + 8 + 8

    /// Magic, format, and the fields; XXH3-64 of all of it last.
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: Self.formatVersion)
        bytes.append(littleEndian: UInt32(0))
        for word in [self.identity.cluster.high, self.identity.cluster.low, self.identity.replica.high, self.identity.replica.low] {
            bytes.append(littleEndian: word)
        }
        bytes += self.identity.digestKey.bytes
        bytes.append(littleEndian: self.position)
        bytes.append(littleEndian: self.greatestStamp)
        self.seen.encode(into: &bytes)
        bytes.append(littleEndian: bytes.withUnsafeBytes { checksum(of: $0, seed: 0) })
        return bytes
    }

    package init(decoding bytes: UnsafeRawBufferPointer) throws(StoreError) {
        guard bytes.count >= 12, let start = bytes.baseAddress, start.integer(UInt64.self, at: 0) == Self.magic else {
            throw .foreign(reason: "the LMDB file in the data folder was not written by Hearsay")
        }
        let version = start.integer(UInt32.self, at: 8)
        guard version == Self.formatVersion else {
            throw .foreign(reason: "the store has format \(version); this program reads format \(Self.formatVersion)")
        }
        let end = bytes.count - 8
        guard end >= Self.fixedByteCount,
            checksum(of: UnsafeRawBufferPointer(rebasing: bytes[..<end]), seed: 0) == start.integer(UInt64.self, at: end)
        else { throw .damagedCheckpoint(reason: "checksum of \(bytes.count) bytes") }
        let keyStart = 48
        let rest = keyStart + DigestKey.byteCount
        self.identity = Identity(
            cluster: ClusterID(high: start.integer(at: 16), low: start.integer(at: 24)),
            digestKey: DigestKey(bytes: Array(bytes[keyStart..<rest])),
            replica: ReplicaID(high: start.integer(at: 32), low: start.integer(at: 40)))
        self.position = start.integer(at: rest)
        self.greatestStamp = start.integer(at: rest + 8)
        do throws(SeenError) {
            self.seen = try Seen(decoding: UnsafeRawBufferPointer(rebasing: bytes[(rest + 16)..<end]))
        } catch {
            throw .damagedCheckpoint(reason: "\(error)")
        }
    }
}

extension Checkpoint {
    /// The format of what another version of the program has written; nil for this version's own, and for what is not what was written.
    static func otherFormat(of bytes: UnsafeRawBufferPointer) -> UInt32? {
        guard bytes.count >= Self.fixedByteCount, let start = bytes.baseAddress, start.integer(UInt64.self, at: 0) == Self.magic else { return nil }
        let (version, end) = (start.integer(UInt32.self, at: 8), bytes.count - 8)
        let isIntact = checksum(of: UnsafeRawBufferPointer(rebasing: bytes[..<end]), seed: 0) == start.integer(UInt64.self, at: end)
        return isIntact && version != Self.formatVersion ? version : nil
    }
}

extension [UInt8] {
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { self.append(contentsOf: $0) }
    }
}
