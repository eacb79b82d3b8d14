import Basics

/// The name of one write: the replica that took it and that replica's sequence number, which starts at 1 and has no gaps.
///
/// A sequence number of 0 names no write; `Seen` treats it as seen already, so that one from outside has no effect.
@usableFromInline
package struct Dot: Hashable, Sendable {
    @usableFromInline package let replica: ReplicaID
    @usableFromInline package let sequence: UInt64

    @inlinable
    package init(replica: ReplicaID, sequence: UInt64) {
        (self.replica, self.sequence) = (replica, sequence)
    }
}

extension Dot: Comparable {
    /// Written out, as a derived `==` is not inlinable.
    @inlinable
    package static func == (left: Self, right: Self) -> Bool {
        left.sequence == right.sequence && left.replica == right.replica
    }

    /// By replica, then by sequence number: the writes of one replica stand together, in the order in which it took them.
    @inlinable
    package static func < (left: Self, right: Self) -> Bool {
        (left.replica, left.sequence) < (right.replica, right.sequence)
    }
}

extension Dot: CustomStringConvertible {
    /// The replica's 32 digits, a slash, the sequence number.
    @usableFromInline package var description: String { "\(self.replica)/\(self.sequence)" }
}
