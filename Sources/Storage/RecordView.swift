import Basics
import Digests
import Versioning

/// An entry as it lies in memory: a key beside a header and a payload. Layout: `RecordLayout`.
///
/// - Invariant: the bytes have been checked (`init?(frame:)`, `init?(key:value:)`) or were written by `RecordLayout.encode`.
/// - Lifetime: the owner of the bytes says how long they stay: a chunk for as long as its table, LMDB's map until the reader is renewed.
package struct RecordView {
    package let key: UnsafeRawBufferPointer
    /// Header and payload: LMDB's value.
    package let value: UnsafeRawBufferPointer
    /// True where the key length lies before the key and the header behind it, as in a log record.
    private let isContiguous: Bool

    /// A record that this process encoded or has checked already.
    init(trustedFrame start: UnsafeRawPointer) {
        let total = Int(start.integer(UInt32.self, at: 0))
        let keyByteCount = Int(start.integer(UInt16.self, at: RecordLayout.keyLengthOffset))
        let valueStart = RecordLayout.frameByteCount + keyByteCount
        self.key = UnsafeRawBufferPointer(start: start + RecordLayout.frameByteCount, count: keyByteCount)
        self.value = UnsafeRawBufferPointer(start: start + valueStart, count: total - valueStart)
        self.isContiguous = true
    }

    /// Reads a log record's bytes, of the length that its frame gives; nil where the lengths inside contradict each other.
    init?(frame: UnsafeRawBufferPointer) {
        guard frame.count >= RecordLayout.frameByteCount, let start = frame.baseAddress,
            start.integer(UInt32.self, at: 0) == frame.count, start.integer(UInt8.self, at: 4) == RecordType.entry.rawValue
        else { return nil }
        let keyByteCount = Int(start.integer(UInt16.self, at: RecordLayout.keyLengthOffset))
        guard keyByteCount <= RecordLayout.maximumKeyByteCount, RecordLayout.frameByteCount + keyByteCount <= frame.count else { return nil }
        self.init(trustedFrame: start)
        guard self.isWellFormed else { return nil }
    }

    /// Reads a log record's bytes of which the value may be missing.
    init?(headerFrame frame: UnsafeRawBufferPointer) {
        guard frame.count >= RecordLayout.frameByteCount, let start = frame.baseAddress,
            start.integer(UInt32.self, at: 0) == frame.count, start.integer(UInt8.self, at: 4) == RecordType.entry.rawValue
        else { return nil }
        let keyByteCount = Int(start.integer(UInt16.self, at: RecordLayout.keyLengthOffset))
        guard keyByteCount <= RecordLayout.maximumKeyByteCount, RecordLayout.frameByteCount + keyByteCount <= frame.count else { return nil }
        self.init(trustedFrame: start)
        guard self.hasHeader, self.value.count >= self.headerByteCount else { return nil }
    }

    /// Reads an entry of LMDB; nil where the lengths inside contradict each other.
    init?(key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        (self.key, self.value, self.isContiguous) = (key, value, false)
        guard self.isWellFormed else { return nil }
    }

    /// False where the bytes are too few for a header, or say what this program does not know.
    private var hasHeader: Bool {
        self.value.count >= RecordLayout.minimumHeaderByteCount && self.flags & ~RecordLayout.Flags.known == 0
            && Kind(rawValue: self.header.integer(UInt8.self, at: 9)) != nil
    }

    private var isWellFormed: Bool {
        guard self.hasHeader else { return false }
        return self.headerByteCount + self.payloadByteCount == self.value.count || self.isHeaderOnly
    }

    /// The length of the value as it was written.
    private var payloadByteCount: Int { Int(self.header.integer(UInt32.self, at: 12)) }

    /// True where the value has left, as this had expired: it is read by nobody any more, whatever a clock says.
    @inline(__always)
    package var isHeaderOnly: Bool {
        self.isExpiring && self.mayLoseValue && self.value.count == self.headerByteCount + RecordLayout.headerSumByteCount
    }

    private var mayLoseValue: Bool { self.payloadByteCount > RecordLayout.headerSumByteCount }

    @inline(__always)
    private var header: UnsafeRawPointer { self.value.baseAddress! }
    @inline(__always)
    private var flags: UInt8 { self.header.integer(UInt8.self, at: 8) }
    private var headerByteCount: Int { RecordLayout.headerByteCount(flags: self.flags) }

    package var isTombstone: Bool { self.flags & RecordLayout.Flags.tombstone != 0 }
    package var kind: Kind { Kind(rawValue: self.header.integer(UInt8.self, at: 9))! }
    package var dot: Dot { Dot(replica: self.header.replicaID(at: 16), sequence: self.header.integer(at: 32)) }
    package var stampTime: UInt64 { self.header.integer(at: 40) }

    package var stamp: Stamp {
        guard self.flags & RecordLayout.Flags.stampReplica != 0 else { return Stamp(time: self.stampTime, replica: self.header.replicaID(at: 16)) }
        return Stamp(time: self.stampTime, replica: self.header.replicaID(at: self.headerByteCount - ReplicaID.byteCount))
    }

    package var expiryMilliseconds: UInt64 {
        self.flags & RecordLayout.Flags.expiry != 0 ? self.header.integer(at: RecordLayout.minimumHeaderByteCount) : 0
    }

    /// True where there is a value to be read: no delete, and no deadline that has passed by this clock. The deadline's own millisecond belongs to the
    /// entry still, as in Redis.
    ///
    /// Nothing else about an expired entry changes: it is in digests and sessions what it was (I27).
    package func isReadable(at wall: WallTime) -> Bool {
        if self.flags & (RecordLayout.Flags.tombstone | RecordLayout.Flags.expiry) == 0 { return true }
        return !self.isTombstone && !self.isExpired(at: wall)
    }

    /// True where a deadline has passed by this clock, or had by that of a node where the value has left since.
    package func isExpired(at wall: WallTime) -> Bool {
        self.flags & RecordLayout.Flags.expiry != 0 && (wall.milliseconds > self.expiryMilliseconds || self.isHeaderOnly)
    }

    /// A value that will expire, or has: what INFO counts as `expires`.
    @inline(__always)
    var isExpiring: Bool { self.flags & (RecordLayout.Flags.tombstone | RecordLayout.Flags.expiry) == RecordLayout.Flags.expiry }

    /// True of what may be dropped some day: a delete, or a value with a deadline.
    @inline(__always)
    var mayBeDropped: Bool { self.flags & (RecordLayout.Flags.tombstone | RecordLayout.Flags.expiry) != 0 }

    /// False where an optional field says what leaving it out says too: one version has one encoding, and so one fingerprint.
    var isCanonical: Bool {
        let flags = self.flags
        return (flags & RecordLayout.Flags.expiry == 0 || self.expiryMilliseconds != 0)
            && (flags & RecordLayout.Flags.stampReplica == 0 || self.stamp.replica != self.dot.replica)
            && self.header.integer(UInt16.self, at: 10) == 0
    }

    package var versionHeader: VersionHeader {
        VersionHeader(
            dot: self.dot, stamp: self.stamp, kind: self.kind, isTombstone: self.isTombstone, expiryMilliseconds: self.expiryMilliseconds)
    }

    /// The value's bytes; empty for a tombstone, and where the value has left.
    package var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self.isHeaderOnly ? self.value[..<0] : self.value[self.headerByteCount...])
    }

    /// All but the value.
    package var headerBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.value[..<self.headerByteCount]) }

    /// Stands for all that was written, the value included, also where that has left.
    package var checksum: UInt64 { self.header.integer(at: 0) }

    /// True where header and payload are what was written under this token; of a record that is header-only where the header is.
    func isIntact(token: Token) -> Bool {
        if self.isHeaderOnly { return self.headerSum(token: token) == self.header.integer(UInt64.self, at: self.headerByteCount) }
        return Digests.checksum(of: UnsafeRawBufferPointer(rebasing: self.value[8...]), seed: token.rawValue) == self.checksum
    }

    private func headerSum(token: Token) -> UInt64 { Digests.checksum(of: self.headerBytes, seed: token.rawValue) }

    /// What of the record stays in LMDB when its value leaves; nil where the value stays, as siblings do, among whose values their contexts are.
    func headerOnlyValue(token: Token) -> [UInt8]? {
        guard self.kind == .register, self.isExpiring, self.mayLoseValue, !self.isHeaderOnly else { return nil }
        return [UInt8](self.headerBytes) + withUnsafeBytes(of: self.headerSum(token: token).littleEndian) { [UInt8]($0) }
    }

    /// True where both are the same write of the same key.
    func isSameVersion(as other: RecordView) -> Bool {
        self.dot == other.dot && self.stampTime == other.stampTime && self.checksum == other.checksum
    }

    /// The entry's part of every digest that covers it.
    package func fingerprint(under key: DigestKey) -> Fingerprint {
        let byteCount = 2 + self.key.count + self.headerByteCount
        if self.isContiguous {
            return key.fingerprint(of: UnsafeRawBufferPointer(start: self.key.baseAddress! - 2, count: byteCount))
        }
        return withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { scratch in
            scratch.baseAddress!.store(UInt16(self.key.count), at: 0)
            if !self.key.isEmpty { (scratch.baseAddress! + 2).copyMemory(from: self.key.baseAddress!, byteCount: self.key.count) }
            (scratch.baseAddress! + 2 + self.key.count).copyMemory(from: self.header, byteCount: self.headerByteCount)
            return key.fingerprint(of: UnsafeRawBufferPointer(scratch))
        }
    }
}

extension RecordView {
    /// The total order of versions of one key: the greater one wins, whatever the order of arrival.
    ///
    /// Stamp (milliseconds, counter, replica id), then tombstone over value, then dot, then XXH3-64 of the bytes, then the bytes.
    /// All behind the stamp is for what honest writers never produce, and decides it the same way everywhere.
    package func precedes(_ other: RecordView) -> Bool {
        if self.stamp != other.stamp { return self.stamp < other.stamp }
        if self.isTombstone != other.isTombstone { return other.isTombstone }
        if self.dot != other.dot { return self.dot < other.dot }
        if self.checksum != other.checksum { return self.checksum < other.checksum }
        if self.isHeaderOnly || other.isHeaderOnly { return false }  // It is the same.
        return self.value.lexicographicallyPrecedes(other.value)
    }
}
