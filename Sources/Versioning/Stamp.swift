import Basics

/// A moment of a hybrid logical clock and the replica that issued it: the order of last-write-wins.
///
/// The time is one number, `milliseconds << 16 | counter`, so comparing it compares both and a counter that overflows carries into the milliseconds.
/// 48 bits of milliseconds since 1970 last until the year 10889.
/// - Source: Kulkarni et al., "Logical Physical Clocks" (OPODIS 2014), §3; the replica as tie-break is Lamport's.
@usableFromInline
package struct Stamp: Hashable, Sendable {
    /// The number of low bits of `time` that hold the counter.
    package static let counterBits = 16

    /// The greatest milliseconds that a stamp can hold: 2^48 - 1.
    package static let maximumMilliseconds = UInt64.max >> UInt64(Stamp.counterBits)

    @usableFromInline package let time: UInt64
    @usableFromInline package let replica: ReplicaID

    @inlinable
    package init(time: UInt64, replica: ReplicaID) {
        (self.time, self.replica) = (time, replica)
    }

    /// Milliseconds beyond 48 bits become the greatest that 48 bits hold, so nothing a peer or a clock says can trap here.
    package init(milliseconds: UInt64, counter: UInt16, replica: ReplicaID) {
        let milliseconds = min(milliseconds, Stamp.maximumMilliseconds)
        self.init(time: milliseconds << UInt64(Stamp.counterBits) | UInt64(counter), replica: replica)
    }

    /// Milliseconds since 1970, as the issuing clock believed or was led to believe.
    package var milliseconds: UInt64 { self.time >> UInt64(Stamp.counterBits) }

    /// Tells apart the stamps of one millisecond.
    package var counter: UInt16 { UInt16(truncatingIfNeeded: self.time) }
}

extension Stamp: Comparable {
    /// Written out, as a derived `==` is not inlinable.
    @inlinable
    package static func == (left: Self, right: Self) -> Bool {
        left.time == right.time && left.replica == right.replica
    }

    /// By time, then by replica; two stamps that one replica issued are never equal (I9).
    @inlinable
    package static func < (left: Self, right: Self) -> Bool {
        left.time == right.time ? left.replica < right.replica : left.time < right.time
    }
}

extension Stamp: CustomStringConvertible {
    /// Milliseconds, a full stop, the counter, an at sign, the replica's 32 digits.
    @usableFromInline package var description: String { "\(self.milliseconds).\(self.counter)@\(self.replica)" }
}
