import Basics

/// A keyed 128-bit hash of one entry: its key and all that tells its versions apart.
package typealias Fingerprint = UInt128

/// What a set of entries amounts to: how many there are, and the sum of their fingerprints modulo 2^128.
///
/// Digests form a group: the order of additions does not matter, and the digest of a range is the sum of those of its parts, so a part is the whole
/// less the other parts. Both numbers wrap. A remainder computed from a peer's digests may thus be a nonsense digest, which differs from ours, but
/// never a trap.
///
/// - Source: Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing: Incrementality at Reduced Cost" (EUROCRYPT 1997), AdHASH. XXH3 in
///   place of a cryptographic hash, so this finds accidents and not forgeries.
package struct Digest: Equatable, Sendable {
    package var entries: UInt64

    /// The sum in halves: a `UInt128` is aligned to 16 bytes, which would make a digest take 32 bytes in the rows of a tree instead of 24.
    private var (high, low): (UInt64, UInt64)

    package init(entries: UInt64, sum: UInt128) {
        self.entries = entries
        (self.high, self.low) = (UInt64(truncatingIfNeeded: sum >> 64), UInt64(truncatingIfNeeded: sum))
    }

    package var sum: UInt128 {
        get { UInt128(self.high) << 64 | UInt128(self.low) }
        set { (self.high, self.low) = (UInt64(truncatingIfNeeded: newValue >> 64), UInt64(truncatingIfNeeded: newValue)) }
    }

    /// The digest of no entries.
    package static let empty = Digest(entries: 0, sum: 0)

    /// Counts in one entry.
    package mutating func add(_ fingerprint: Fingerprint) {
        self.entries &+= 1
        self.sum &+= fingerprint
    }

    /// Takes out one entry that was counted in.
    package mutating func subtract(_ fingerprint: Fingerprint) {
        self.entries &-= 1
        self.sum &-= fingerprint
    }

    package static func + (left: Self, right: Self) -> Self {
        Digest(entries: left.entries &+ right.entries, sum: left.sum &+ right.sum)
    }

    package static func - (left: Self, right: Self) -> Self {
        Digest(entries: left.entries &- right.entries, sum: left.sum &- right.sum)
    }
}

extension Digest: CustomStringConvertible {
    /// The entries in decimal, a colon, the sum as 32 lower-case hexadecimal digits.
    package var description: String {
        "\(self.entries):" + hexadecimal(self.high) + hexadecimal(self.low)
    }
}
