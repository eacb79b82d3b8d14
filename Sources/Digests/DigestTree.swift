/// A Merkle tree over token ranges whose nodes are sums: each is the digest of all entries in its range.
///
///     depth 0         root
///     depth 4         16 nodes
///     ...             rows at each multiple of 4
///     leafBits        2^leafBits leaves, of 12 to 24 entries on average
///
/// Because digests add up, a write touches one path by a difference, and a node of a depth between two rows is the sum of at most 8 nodes of the
/// next row. The leaves become more as entries come, in slices, while updates go on: see `DigestTree+Growth.swift`.
///
/// - Invariant: every node is the sum of the nodes below it, growing or not. Sums wrap; subtracting an entry that was never added shows as digests
///   that differ from those of a scan (I17), not as a trap.
/// - Complexity: an update is O(leafBits / 4) without allocation, the root O(1). Memory: 24 bytes a leaf, and a 16th to a half of that for the rows
///   above.
/// - Source: Merkle, "A Digital Signature Based on a Conventional Encryption Function" (CRYPTO 1987), and DeCandia et al., "Dynamo" (SOSP 2007),
///   §4.7. Sums in place of hashes of hashes are ours, so the tree is only as good against forgery as `Digest`.
package struct DigestTree: Equatable, Sendable {
    /// The average number of entries in a leaf between two growths.
    package static let entriesPerLeaf: ClosedRange<UInt64> = 12...24

    /// 67,108,864 leaves, for 1,600,000,000 entries; with more the leaves get larger.
    package static let maximumLeafBits = 26

    /// The number of children of an inner node is 2 to this power.
    static let bitsPerLevel = 4

    /// The digest of all entries.
    package private(set) var root = Digest.empty

    /// The rows between root and leaves: depths 4, 8, ... below `leafBits`.
    var inner: [DigestLevel]

    /// The leaves; during growth the old ones.
    var leaves: DigestLevel

    /// The rows to come, while they are being filled.
    var growth: Growth?

    // Asked for in every tick, from another module: as fields they are read without a copy of the tree.

    /// The leaves are being made more.
    package internal(set) var isGrowing = false
    /// With more entries than these the leaves should become more, if they can.
    package internal(set) var mostEntries: UInt64

    /// An empty tree.
    ///
    /// - Precondition: `leafBits` is 0...`maximumLeafBits`.
    package init(leafBits: Int) {
        precondition((0...DigestTree.maximumLeafBits).contains(leafBits), "a digest tree has no 2^\(leafBits) leaves")
        self.inner = stride(from: DigestTree.bitsPerLevel, to: leafBits, by: DigestTree.bitsPerLevel).map(DigestLevel.init(depth:))
        self.leaves = DigestLevel(depth: leafBits)
        self.mostEntries = DigestTree.mostEntries(leafBits: leafBits)
    }

    static func mostEntries(leafBits: Int) -> UInt64 { DigestTree.entriesPerLeaf.upperBound << UInt64(leafBits) }

    /// The smallest number of bits with which that many entries do not exceed `entriesPerLeaf`.
    package static func leafBits(forEntries entries: UInt64) -> Int {
        var bits = 0
        while bits < DigestTree.maximumLeafBits, entries > DigestTree.entriesPerLeaf.upperBound << UInt64(bits) { bits += 1 }
        return bits
    }

    /// The depth of the leaves; during growth of the old ones.
    package var leafBits: Int { self.leaves.depth }

    /// Counts in one entry.
    package mutating func add(_ fingerprint: Fingerprint, at token: Token) {
        self.apply(sum: fingerprint, entries: 1, at: token)
    }

    /// Takes out one entry that was counted in.
    package mutating func subtract(_ fingerprint: Fingerprint, at token: Token) {
        self.apply(sum: 0 &- fingerprint, entries: -1, at: token)
    }

    /// Adds a difference to the path of one token: new fingerprints less old ones modulo 2^128, and entries come less entries gone.
    package mutating func apply(sum: UInt128, entries: Int, at token: Token) {
        let difference = Digest(entries: UInt64(truncatingIfNeeded: entries), sum: sum)
        self.root = self.root + difference
        for level in self.inner.indices { self.inner[level].add(difference, at: token) }
        self.leaves.add(difference, at: token)
        self.growth?.apply(difference, at: token)
    }

    /// The leaf that holds the token; during growth the new one where it has been filled.
    package func leaf(containing token: Token) -> (range: ClosedRange<Token>, digest: Digest) {
        if let grown = self.growth?.leaf(containing: token) { return grown }
        let index = self.leaves.index(of: token)
        return (self.leaves.tokens(of: index), self.leaves[index])
    }

    /// The digest of the tokens whose first `depth` bits are `index`.
    ///
    /// - Precondition: `depth` is 0...`leafBits` and `index` below 2^depth.
    package func digest(depth: Int, index: Int) -> Digest {
        precondition(
            (0...self.leafBits).contains(depth) && (0..<1 << depth).contains(index), "no node \(index) at depth \(depth) of \(self.leafBits)")
        if depth == 0 { return self.root }
        let row = (depth - 1) / DigestTree.bitsPerLevel
        let level = row < self.inner.count ? self.inner[row] : self.leaves
        let width = 1 << (level.depth - depth)
        return level[index * width..<(index + 1) * width]
    }
}
