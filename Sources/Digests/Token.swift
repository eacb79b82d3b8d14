/// Where a key stands: a keyed 64-bit hash. Entries lie in token order, so neither clients nor key patterns can crowd a range.
package struct Token: RawRepresentable, Hashable, Sendable {
    package static let first = Token(rawValue: 0)
    package static let last = Token(rawValue: .max)

    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

extension Token: Comparable {
    /// Written out because other modules call a derived `==` through its witness table, at several times the cost.
    package static func == (left: Self, right: Self) -> Bool { left.rawValue == right.rawValue }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
