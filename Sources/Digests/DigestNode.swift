/// A range of tokens: all whose first `depth` bits are `index`. The nodes of a digest tree are such ranges, and so is, at great depth, the
/// place of a single entry.
package struct DigestNode: Hashable, Sendable {
    /// 0, the whole token space, to 64, a single token.
    package let depth: Int
    /// Below 2^depth.
    package let index: UInt64

    package static let maximumDepth = 64
    package static let root = DigestNode(depth: 0, index: 0)

    /// - Precondition: `depth` is 0...`maximumDepth` and `index` below 2^depth.
    package init(depth: Int, index: UInt64) {
        precondition((0...Self.maximumDepth).contains(depth) && (depth == 64 || index >> UInt64(depth) == 0), "no node \(index) at depth \(depth)")
        (self.depth, self.index) = (depth, index)
    }

    /// The node of that depth that holds a token.
    package init(depth: Int, containing token: Token) {
        self.init(depth: depth, index: depth == 0 ? 0 : token.rawValue >> UInt64(64 - depth))
    }

    /// Its tokens, from first to last.
    package var tokens: ClosedRange<Token> {
        guard self.depth > 0 else { return Token(rawValue: 0)...Token(rawValue: .max) }
        let lower = self.index << UInt64(64 - self.depth)
        return Token(rawValue: lower)...Token(rawValue: lower | (self.depth == 64 ? 0 : UInt64.max >> UInt64(self.depth)))
    }

    /// The indexes of the nodes of a greater depth that it consists of.
    ///
    /// - Precondition: `depth` is at least the node's own and less than 64 bits deeper.
    package func indexes(atDepth depth: Int) -> Range<UInt64> {
        precondition(depth >= self.depth && depth < 64, "\(self) has no nodes at depth \(depth)")
        let bits = UInt64(depth - self.depth)
        return self.index << bits..<(self.index + 1) << bits
    }
}

extension DigestNode: CustomStringConvertible {
    package var description: String { "\(String(self.index, radix: 16))/\(self.depth)" }
}
