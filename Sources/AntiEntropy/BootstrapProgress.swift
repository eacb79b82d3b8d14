import Basics
import Digests
import Versioning

/// One start of one replica: what a member gives reflects what it had seen before only as long as it is this one (I24).
package struct ReplicaStart: Equatable, Sendable {
    package var replica: ReplicaID
    package var start: Start

    package init(replica: ReplicaID, start: Start) { (self.replica, self.start) = (replica, start) }
}

/// How far a joiner has got, as it keeps it beside its entries: in one transaction with those that it counts.
///
/// - Invariant: everything that `donor` had up to `place` when `capture` was taken is stored, or newer versions are.
package struct BootstrapProgress: Equatable, Sendable {
    package let donor: ReplicaStart
    package let capture: BootstrapCapture
    /// Nil while nothing is stored.
    package private(set) var place: BootstrapPlace?
    /// What has come from this donor.
    package private(set) var entries: UInt64 = 0
    package private(set) var bytes: UInt64 = 0
    /// All that there was is stored.
    package private(set) var isWhole = false

    package init(donor: ReplicaStart, capture: BootstrapCapture) { (self.donor, self.capture) = (donor, capture) }

    package mutating func stored(entries: Int, bytes: Int, through place: BootstrapPlace?, isLast: Bool) {
        precondition(!self.isWhole, "stored behind the end of \(self)")
        self.entries += UInt64(entries)
        self.bytes += UInt64(bytes)
        self.place = place ?? self.place
        self.isWhole = isLast
    }

    /// The part of all entries that is stored: tokens are spread evenly.
    package var share: Double { self.isWhole ? 1 : self.place.map { Double($0.token.rawValue) / 0x1p64 } ?? 0 }
}

/// Why bytes are no encoding of a `BootstrapProgress`.
package enum UnreadableProgress: Error, Equatable, Sendable {
    case truncated
    case otherFormat(UInt8)
    /// The bytes are not those that were written.
    case damaged
    case seen(SeenError)
}

/// The encoding, all numbers big endian:
///
///     format 2 | flags 1 | donor 16, its start: counter 8, nonce 8 | entries: of the donor 8, that came 8 | bytes that came 8
///     | token 8, length of key 2, key | length of clearance 4, clearance | seen | XXH3-64 of all before 8
extension BootstrapProgress {
    private static let format: UInt8 = 2
    private static let checksumByteCount = 8

    private enum Flags {
        static let place: UInt8 = 1
        static let whole: UInt8 = 2
    }

    package var encoded: [UInt8] {
        var bytes = [Self.format, (self.place == nil ? 0 : Flags.place) | (self.isWhole ? Flags.whole : 0)]
        for number in [
            self.donor.replica.high, self.donor.replica.low, self.donor.start.counter, self.donor.start.nonce, self.capture.entries, self.entries,
            self.bytes,
            self.place?.token.rawValue ?? 0,
        ] { bytes.append(bigEndian: number) }
        bytes.append(bigEndian: UInt16(self.place?.key.count ?? 0))  // At most `BootstrapPlace.maximumKeyBytes`.
        bytes += self.place?.key ?? []
        let clearance = self.capture.clearance.encoded
        bytes.append(bigEndian: UInt32(clearance.count))
        bytes += clearance
        self.capture.seen.encode(into: &bytes)
        bytes.append(bigEndian: bytes.withUnsafeBytes { checksum(of: $0, seed: 0) })
        return bytes
    }

    package init(decoding bytes: UnsafeRawBufferPointer) throws(UnreadableProgress) {
        guard let format = bytes.first else { throw .truncated }
        guard format == Self.format else { throw .otherFormat(format) }
        let end = bytes.count - Self.checksumByteCount
        guard end >= 0 else { throw .truncated }
        var rest = UnsafeRawBufferPointer(rebasing: bytes[end...])[...]
        let content = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        guard try rest.take(UInt64.self) == checksum(of: content, seed: 0) else { throw .damaged }
        rest = content.dropFirst()
        let flags = try rest.take(UInt8.self)
        self.donor = ReplicaStart(
            replica: ReplicaID(high: try rest.take(UInt64.self), low: try rest.take(UInt64.self)),
            start: Start(counter: try rest.take(UInt64.self), nonce: try rest.take(UInt64.self)))
        let expected = try rest.take(UInt64.self)
        (self.entries, self.bytes) = (try rest.take(UInt64.self), try rest.take(UInt64.self))
        let token = Token(rawValue: try rest.take(UInt64.self))
        let keyByteCount = Int(try rest.take(UInt16.self))
        guard rest.count >= keyByteCount else { throw .truncated }
        if flags & Flags.place != 0 { self.place = BootstrapPlace(token: token, key: Array(rest.prefix(keyByteCount))) }
        self.isWhole = flags & Flags.whole != 0
        rest = rest.dropFirst(keyByteCount)
        let clearanceByteCount = Int(try rest.take(UInt32.self))
        guard rest.count >= clearanceByteCount else { throw .truncated }
        guard let clearance = try? Clearance(decoding: UnsafeRawBufferPointer(rebasing: rest.prefix(clearanceByteCount))) else { throw .damaged }
        do throws(SeenError) {
            let seen = try Seen(decoding: UnsafeRawBufferPointer(rebasing: rest.dropFirst(clearanceByteCount)))
            self.capture = BootstrapCapture(seen: seen, entries: expected, clearance: clearance)
        } catch { throw .seen(error) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { self.append(contentsOf: $0) }
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    /// Removes a big-endian number from the front.
    fileprivate mutating func take<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type) throws(UnreadableProgress) -> Number {
        let size = MemoryLayout<Number>.size
        guard self.count >= size else { throw .truncated }
        let number = self.base.loadUnaligned(fromByteOffset: self.startIndex, as: Number.self)
        self = self.dropFirst(size)
        return Number(bigEndian: number)
    }
}
