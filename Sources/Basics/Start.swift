/// One start of a process on a store. A store counts its starts, and draws a nonce at each.
///
/// Of two starts with one replica id the greater is the later one; two with the same count and different nonces are of copies of one store.
package struct Start: Hashable, Sendable {
    package let counter: UInt64
    package let nonce: UInt64

    package init(counter: UInt64, nonce: UInt64) { (self.counter, self.nonce) = (counter, nonce) }

    /// What is known of a member that has not been heard of.
    package static let none = Start(counter: 0, nonce: 0)
}

extension Start: Comparable {
    package static func < (left: Self, right: Self) -> Bool { (left.counter, left.nonce) < (right.counter, right.nonce) }
}
