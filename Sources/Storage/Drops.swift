import Basics
import Versioning

/// A place in the order in which entries expire: by deadline, and those of one deadline by dot, so that of any number that expire at once some come first.
package struct Expiration: Comparable, Sendable {
    package let milliseconds: UInt64
    package let dot: Dot

    package init(milliseconds: UInt64, dot: Dot) { (self.milliseconds, self.dot) = (milliseconds, dot) }

    /// Ahead of all.
    package static let none = Expiration(milliseconds: 0, dot: Dot(replica: ReplicaID(high: 0, low: 0), sequence: 0))

    /// Behind all whose deadline is no later than a moment, in milliseconds since 1970.
    package static func last(at milliseconds: UInt64) -> Expiration {
        Expiration(milliseconds: milliseconds, dot: Dot(replica: ReplicaID(high: .max, low: .max), sequence: .max))
    }

    package static func < (left: Self, right: Self) -> Bool { (left.milliseconds, left.dot) < (right.milliseconds, right.dot) }
}

extension Expiration {
    /// Deadline, both words of the replica id, sequence number; little endian.
    var controlValue: [UInt8] {
        var bytes: [UInt8] = []
        for word in [self.milliseconds, self.dot.replica.high, self.dot.replica.low, self.dot.sequence] { bytes.append(littleEndian: word) }
        return bytes
    }

    /// Nil where the bytes are none.
    init?(controlValue bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self = bytes.withUnsafeBytes { bytes in
            let start = bytes.baseAddress!
            let replica = ReplicaID(high: start.integer(at: 8), low: start.integer(at: 16))
            return Expiration(milliseconds: start.integer(at: 0), dot: Dot(replica: replica, sequence: start.integer(at: 24)))
        }
    }
}

/// A part of the order in which entries expire.
struct ExpirationRange: Sendable {
    let behind: Expiration
    let through: Expiration
}

/// What counts as absent although the base may have it: tombstones at or below a floor, and entries there that had expired when they were looked at.
///
/// That follows from what is durable alone, and not from a clock: a clock that is set back brings nothing back that has left the digest.
///
/// - Invariant: both parts only rise, so what was dropped stays so.
/// - Source: I22c and I27 of the invariants. That the clock's part is a place in an order, and kept, is ours.
struct Drops: Equatable, Sendable {
    /// Up to where, replica by replica.
    var floors = Floors()
    /// Up to where entries with a deadline have been looked at. Those of them that lie above the floors are there until a floor reaches them.
    var expired = Expiration.none

    /// Whether a record was dropped.
    func contain(_ record: RecordView) -> Bool {
        guard record.mayBeDropped, self.floors.covers(record.dot) else { return false }
        guard record.kind == .siblings else { return record.isTombstone || record.expiration.map { $0 <= self.expired } ?? false }
        guard record.isTombstone || record.expiryMilliseconds <= self.expired.milliseconds, let siblings = record.siblings else { return false }
        return siblings.versions.allSatisfy(self.contain) && siblings.beneath.map { self.floors.covers($0.dot) } ?? true
    }

    /// Whether one of several siblings was dropped.
    func contain(_ version: Sibling) -> Bool {
        self.floors.covers(version.dot) && (version.isDelete || version.expiration.map { $0 <= self.expired } ?? false)
    }
}

extension RecordView {
    /// When a value of its own expires; nil for what never does, for a delete, and for siblings, of which each has its own.
    var expiration: Expiration? {
        self.isExpiring && self.kind == .register ? Expiration(milliseconds: self.expiryMilliseconds, dot: self.dot) : nil
    }
}
