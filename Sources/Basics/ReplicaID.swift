/// The name of one incarnation of a store: 128 random bits, drawn when the store is founded and never used again.
///
/// A wiped, restored or copied store gets a new one, so a (replica id, sequence number) pair names one write for ever.
@usableFromInline
package struct ReplicaID: Hashable, Sendable {
    /// The number of bytes of the encoded form.
    package static let byteCount = 16

    @usableFromInline package let high: UInt64
    @usableFromInline package let low: UInt64

    @inlinable
    package init(high: UInt64, low: UInt64) {
        (self.high, self.low) = (high, low)
    }

    /// Draws an id. The generator decides how unlikely a collision is: production passes the system's, tests a seeded one.
    package init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }
}

extension ReplicaID: Comparable {
    /// Written out, as a derived `==` is not inlinable.
    @inlinable
    package static func == (left: Self, right: Self) -> Bool { left.high == right.high && left.low == right.low }

    /// Unsigned order of the 128 bits, the same on every node: it breaks ties between stamps.
    @inlinable
    package static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension ReplicaID: CustomStringConvertible {
    /// 32 lower-case hexadecimal digits.
    @usableFromInline package var description: String {
        hexadecimal(self.high) + hexadecimal(self.low)
    }
}

/// The name of one cluster: 128 random bits drawn by the node that founds it, learned by every node that joins, never changed.
@usableFromInline
package struct ClusterID: Hashable, Sendable, CustomStringConvertible {
    /// The number of bytes of the encoded form.
    package static let byteCount = 16

    @usableFromInline package let high: UInt64
    @usableFromInline package let low: UInt64

    @inlinable
    package init(high: UInt64, low: UInt64) {
        (self.high, self.low) = (high, low)
    }

    package init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }

    /// What a store has that belongs to no cluster yet.
    package static let none = ClusterID(high: 0, low: 0)

    package var isNone: Bool { self == .none }

    /// 32 lower-case hexadecimal digits.
    @usableFromInline package var description: String {
        hexadecimal(self.high) + hexadecimal(self.low)
    }
}

extension ClusterID: Comparable {
    /// Of two clusters without entries the lesser one takes in the other's nodes.
    @inlinable
    package static func < (left: Self, right: Self) -> Bool { (left.high, left.low) < (right.high, right.low) }
}

/// 16 lower-case hexadecimal digits, leading zeros kept.
package func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
