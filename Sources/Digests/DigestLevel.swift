/// The digests of all token ranges of one size, from left to right: a row of a digest tree.
struct DigestLevel: Equatable, Sendable {
    /// The number of leading token bits that choose a node.
    let depth: Int

    private var nodes: [Digest]

    /// A row of all 2^depth nodes, each empty.
    init(depth: Int) {
        (self.depth, self.nodes) = (depth, Array(repeating: .empty, count: 1 << depth))
    }

    /// A row with no nodes so far and room for all, which `extend` fills from the left. Room that is never touched costs neither time nor memory.
    init(toBeFilledAtDepth depth: Int) {
        (self.depth, self.nodes) = (depth, [])
        self.nodes.reserveCapacity(1 << depth)
    }

    subscript(index: Int) -> Digest { self.nodes[index] }

    /// The digest of several neighbours together.
    subscript(range: Range<Int>) -> Digest {
        self.nodes[range].reduce(.empty, +)
    }

    /// Makes room for the node that holds the token, and for all before it.
    mutating func extend(toHold token: Token) {
        let missing = self.index(of: token) + 1 - self.nodes.count
        if missing > 0 { self.nodes.append(contentsOf: repeatElement(.empty, count: missing)) }
    }

    /// Adds a difference to the node that holds the token, if that is present.
    @inline(__always)
    mutating func add(_ difference: Digest, at token: Token) {
        let index = self.index(of: token)
        if index < self.nodes.count { self.nodes[index] = self.nodes[index] + difference }
    }

    @inline(__always)
    func index(of token: Token) -> Int {
        Int(truncatingIfNeeded: token.rawValue >> UInt64(64 - self.depth))
    }

    /// The tokens of a node.
    func tokens(of index: Int) -> ClosedRange<Token> {
        let lower = UInt64(index) << UInt64(64 - self.depth)
        return Token(rawValue: lower)...Token(rawValue: lower | UInt64.max >> UInt64(self.depth))
    }
}
