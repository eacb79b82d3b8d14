/// Doubling the leaves, one at a time from the left, so that the caller may stop after any slice and go on after other work.
///
///     split so far            still to split
///     [ 0 | 1 ][ 2 | 3 ]      [   4   ][   5   ] ...      `grown` holds the halves, `growing` names the next leaf
///
/// Where an entry of a leaf falls is known only to the store, so the caller reads the leaf's entries and says what its halves are. Until all leaves
/// are split the old ones are kept up to date too: they still answer for their depth, and at a multiple of 4 they become an inner row.
extension DigestTree {
    /// Whether the leaves are too full and can be doubled now: there is room and no growth under way.
    package var wantsGrowth: Bool {
        // A count below zero, a bug or damage that a scan will find, must not double the leaves again and again.
        let entries = UInt64(max(0, Int64(bitPattern: self.root.entries)))
        return self.grown == nil && self.leafBits < DigestTree.maximumLeafBits
            && entries > DigestTree.entriesPerLeaf.upperBound << UInt64(self.leafBits)
    }

    /// The tokens of the next leaf to split; nil when no growth is under way.
    package var growing: ClosedRange<Token>? {
        self.grown.map { self.leaves.tokens(of: $0.nodeCount / 2) }
    }

    /// Starts to double the leaves: reserves room, moves nothing.
    ///
    /// - Precondition: No growth is under way, and `leafBits` is below its maximum.
    package mutating func beginGrowth() {
        precondition(self.grown == nil && self.leafBits < DigestTree.maximumLeafBits, "cannot grow from \(self.leafBits) bits")
        self.grown = DigestLevel(toBeFilledAtDepth: self.leafBits + 1)
    }

    /// Splits the leaf of `growing` and moves on to the next; after the last one the new leaves take the place of the old.
    ///
    /// - Parameters: The digests of the lower and the upper half of the range, recomputed from its entries as of all updates applied so far.
    /// - Returns: False, with nothing changed, if the halves do not add up to the leaf: tree and store disagree, which the caller reports.
    /// - Precondition: A growth is under way.
    package mutating func split(lower: Digest, upper: Digest) -> Bool {
        guard let nodeCount = self.grown?.nodeCount else { preconditionFailure("no growth under way at \(self.leafBits) bits") }
        guard lower + upper == self.leaves[nodeCount / 2] else { return false }
        self.grown?.append(lower)
        self.grown?.append(upper)
        if nodeCount + 2 == 2 << self.leafBits { self.finishGrowth() }
        return true
    }

    private mutating func finishGrowth() {
        guard let grown = self.grown else { return }
        if self.leafBits > 0, self.leafBits.isMultiple(of: DigestTree.bitsPerLevel) { self.inner.append(self.leaves) }
        (self.leaves, self.grown) = (grown, nil)
    }
}
