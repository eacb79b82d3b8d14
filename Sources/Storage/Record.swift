import Basics
import Digests
import Versioning

/// How an entry's versions merge, for as long as the key holds that kind. Stored as one byte.
package enum Kind: UInt8, Sendable {
    /// Last write wins, by stamp.
    case register = 1
    /// Concurrent writes stand beside each other. The payload is an encoded `Siblings`.
    case siblings = 2
}

/// What a version says besides key and value.
package struct VersionHeader: Equatable, Sendable {
    package var dot: Dot
    package var stamp: Stamp
    package var kind: Kind
    package var isTombstone: Bool
    /// The last moment at which the entry is readable, in milliseconds since 1970; 0 where it always is.
    package var expiryMilliseconds: UInt64

    package init(dot: Dot, stamp: Stamp, kind: Kind = .register, isTombstone: Bool = false, expiryMilliseconds: UInt64 = 0) {
        (self.dot, self.stamp, self.kind) = (dot, stamp, kind)
        (self.isTombstone, self.expiryMilliseconds) = (isTombstone, expiryMilliseconds)
    }
}

/// The layout of one entry, the same bytes in the log, in the table and, but for frame and key, as LMDB's value. Little endian.
///
///     frame    0  u32 length of the whole record, this field included
///              4  u8  record type (1 entry)      5  u8 how it is replayed: `FrameFlags`
///              6  u16 key length
///     key      8  ...
///     header   0  u64 checksum: XXH3-64 of all that follows in header and payload, seeded by the key's token
///              8  u8 flags    9  u8 kind    10  u16 0    12  u32 payload length
///             16  dot: replica id 16 B      32  u64 sequence
///             40  u64 stamp: milliseconds << 16 | counter
///             48  u64 expiry, where the flag says so
///              …  stamp's replica id 16 B, where it is not the dot's
///     payload  …  the value, or in its place, where that has left: u64 XXH3-64 of the header, seeded by the key's token
///
/// The value of an entry that has expired may leave before the entry does, which digest, merges and floors still need: such a record is *header-only*. Its
/// length alone says so, as the header has to stay what the fingerprint was made of; so values no longer than what takes their place stay.
///
/// The fingerprint is hashed over key length, key and header, which lie side by side; with the length in front and the flags
/// naming the optional fields that encoding is injective. The checksum stands for the value in it.
package enum RecordLayout {
    package static let frameByteCount = 8
    /// Where the fingerprint's encoding begins: the key length.
    static let keyLengthOffset = 6
    static let minimumHeaderByteCount = 48
    package static let maximumHeaderByteCount = 72
    /// The longest key, in bytes. LMDB's keys end at 511, and the token takes eight of them.
    package static let maximumKeyByteCount = 500
    /// The checksum of a header without its value.
    static let headerSumByteCount = 8
    /// The longest value that a record can carry, whatever a node's own limit: a record and its batch stay below 1 GiB.
    package static let maximumPayloadByteCount = 512 << 20

    enum Flags {
        static let tombstone: UInt8 = 1
        static let expiry: UInt8 = 2
        static let stampReplica: UInt8 = 4
        static let known: UInt8 = 7
    }

    static func headerByteCount(flags: UInt8) -> Int {
        var count = Self.minimumHeaderByteCount
        if flags & Flags.expiry != 0 { count += 8 }
        if flags & Flags.stampReplica != 0 { count += ReplicaID.byteCount }
        return count
    }

    static func flags(of header: VersionHeader) -> UInt8 {
        var flags: UInt8 = 0
        if header.isTombstone { flags |= Flags.tombstone }
        if header.expiryMilliseconds != 0 { flags |= Flags.expiry }
        if header.stamp.replica != header.dot.replica { flags |= Flags.stampReplica }
        return flags
    }

    /// The length of a whole record.
    package static func byteCount(of header: VersionHeader, keyByteCount: Int, payloadByteCount: Int) -> Int {
        Self.frameByteCount + keyByteCount + Self.headerByteCount(flags: Self.flags(of: header)) + payloadByteCount
    }

    /// The bytes of a record.
    static func frame(_ header: VersionHeader, key: UnsafeRawBufferPointer, token: Token, payload: [UInt8]) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: Self.byteCount(of: header, keyByteCount: key.count, payloadByteCount: payload.count))
        frame.withUnsafeMutableBytes { frame in
            Self.encode(header, key: key, token: token, payloadByteCount: payload.count, into: frame) { $0.copyBytes(from: payload) }
        }
        return frame
    }

    /// Writes a record. `target` has the length that `byteCount` gave; `fill` writes the payload.
    static func encode(
        _ header: VersionHeader, key: UnsafeRawBufferPointer, token: Token, payloadByteCount: Int, into target: UnsafeMutableRawBufferPointer,
        fill: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        precondition(key.count <= Self.maximumKeyByteCount && payloadByteCount <= Self.maximumPayloadByteCount)
        let flags = Self.flags(of: header)
        let base = target.baseAddress!
        base.store(UInt32(target.count), at: 0)
        base.store(RecordType.entry.rawValue, at: 4)
        base.store(FrameFlags.none, at: 5)
        base.store(UInt16(key.count), at: 6)
        if !key.isEmpty { (base + Self.frameByteCount).copyMemory(from: key.baseAddress!, byteCount: key.count) }
        let start = Self.frameByteCount + key.count
        let body = base + start
        body.store(flags, at: 8)
        body.store(header.kind.rawValue, at: 9)
        body.store(UInt16(0), at: 10)
        body.store(UInt32(payloadByteCount), at: 12)
        body.store(header.dot.replica, at: 16)
        body.store(header.dot.sequence, at: 32)
        body.store(header.stamp.time, at: 40)
        var end = Self.minimumHeaderByteCount
        if flags & Flags.expiry != 0 {
            body.store(header.expiryMilliseconds, at: end)
            end += 8
        }
        if flags & Flags.stampReplica != 0 {
            body.store(header.stamp.replica, at: end)
            end += ReplicaID.byteCount
        }
        precondition(start + end + payloadByteCount == target.count, "record of \(target.count) bytes, laid out as \(start + end + payloadByteCount)")
        if payloadByteCount > 0 { fill(UnsafeMutableRawBufferPointer(start: body + end, count: payloadByteCount)) }
        let sum = checksum(of: UnsafeRawBufferPointer(start: body + 8, count: end + payloadByteCount - 8), seed: token.rawValue)
        body.store(sum, at: 0)
    }
}

/// What a log record is. Types that this version does not know make the store refuse to open, as a newer program wrote it.
package enum RecordType: UInt8, Sendable {
    case entry = 1
    /// A piece of state besides the entries: `ControlRecord`.
    case control = 2
    /// What a peer had seen and this node has then too: an encoded `Seen` behind the frame.
    case seen = 3
}

/// How an entry's record is replayed. Outside checksum and fingerprint: a peer gets the record without.
package enum FrameFlags {
    package static let none: UInt8 = 0
    /// The version lost when it came: only its dot counts. A table that held it would hide the newer one below.
    static let superseded: UInt8 = 1
    /// The version came in a repair session: its dot does not count (I26).
    package static let uncounted: UInt8 = 2
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    func store(_ value: some FixedWidthInteger, at offset: Int) {
        self.storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value).self)
    }

    /// Ids are stored most significant byte first, so that bytes and numbers order alike.
    @inline(__always)
    func store(_ id: ReplicaID, at offset: Int) {
        self.storeBytes(of: id.high.bigEndian, toByteOffset: offset, as: UInt64.self)
        self.storeBytes(of: id.low.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
    }
}

extension UnsafeRawPointer {
    @inline(__always)
    func integer<Integer: FixedWidthInteger & BitwiseCopyable>(_ type: Integer.Type = Integer.self, at offset: Int) -> Integer {
        Integer(littleEndian: self.loadUnaligned(fromByteOffset: offset, as: type))
    }

    @inline(__always)
    func replicaID(at offset: Int) -> ReplicaID {
        ReplicaID(
            high: UInt64(bigEndian: self.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
            low: UInt64(bigEndian: self.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
    }
}
