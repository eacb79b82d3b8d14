/// More leaves for more entries, filled from the left in slices, so that the caller may stop after any slice and go on after other work.
///
///     old leaves    [       0       |       1       ]
///     rows to come  [ 0 | 1 | 2 ...                        filled up to `next`; of old leaf 0 `part` has been counted
///                             ^ next
///
/// Where the entries of a leaf lie is known only to the store, so the caller reads them and counts each in. However full the old leaves are, a slice is
/// as small as the caller likes. Until all are counted the old leaves are kept up to date too: they still answer for their depth, each must add
/// up to what was counted in its place, and at a multiple of 4 they become an inner row.
extension DigestTree {
    /// Rows that are being filled.
    struct Growth: Equatable, Sendable {
        private let oldDepth: Int
        /// Inner rows between the old leaves and the new, then the new leaves.
        private(set) var rows: [DigestLevel]
        /// The entries at all tokens below are counted in.
        private(set) var next: UInt64 = 0
        /// What was counted of the old leaf that `next` lies in.
        private(set) var part = Digest.empty

        init(from oldDepth: Int, to depth: Int) {
            self.oldDepth = oldDepth
            let inner = (oldDepth + 1..<depth).filter { $0.isMultiple(of: DigestTree.bitsPerLevel) }
            self.rows = (inner + [depth]).map(DigestLevel.init(toBeFilledAtDepth:))
        }

        /// The first token of the old leaf that `next` lies in.
        private var oldLeafStart: UInt64 { self.next & ~(UInt64.max >> UInt64(self.oldDepth)) }
        /// The last token of the old leaf that `next` lies in.
        var oldLeafEnd: UInt64 { self.next | UInt64.max >> UInt64(self.oldDepth) }

        /// Takes over a change of what has been counted.
        mutating func apply(_ difference: Digest, at token: Token) {
            guard token.rawValue < self.next else { return }
            for row in self.rows.indices { self.rows[row].add(difference, at: token) }
            if token.rawValue >= self.oldLeafStart { self.part = self.part + difference }
        }

        mutating func count(_ fingerprint: Fingerprint, at token: Token) {
            let digest = Digest(entries: 1, sum: fingerprint)
            for row in self.rows.indices {
                self.rows[row].extend(toHold: token)
                self.rows[row].add(digest, at: token)
            }
            self.part = self.part + digest
        }

        /// All entries up to `last` have been counted.
        mutating func advance(past last: UInt64) {
            for row in self.rows.indices { self.rows[row].extend(toHold: Token(rawValue: last)) }
            if last == self.oldLeafEnd { self.part = .empty }
            self.next = last &+ 1
        }

        /// A new leaf, if all of it has been counted.
        func leaf(containing token: Token) -> (range: ClosedRange<Token>, digest: Digest)? {
            let leaves = self.rows[self.rows.count - 1], index = leaves.index(of: token), range = leaves.tokens(of: index)
            return range.upperBound.rawValue < self.next ? (range, leaves[index]) : nil
        }
    }

    /// Whether the leaves are too full and can become more now: there is room and no growth under way.
    package var wantsGrowth: Bool {
        self.growth == nil && self.leafBits < DigestTree.maximumLeafBits && self.plausibleEntries > self.mostEntries
    }

    /// A count below zero, a bug or damage that a scan will find, must not make the leaves more and more.
    private var plausibleEntries: UInt64 { UInt64(max(0, Int64(bitPattern: self.root.entries))) }

    /// Starts to make the leaves more, as many as the entries ask for and twice as many at least: reserves room, moves nothing.
    ///
    /// - Precondition: No growth is under way, and `leafBits` is below its maximum.
    package mutating func beginGrowth() {
        precondition(self.growth == nil && self.leafBits < DigestTree.maximumLeafBits, "cannot grow from \(self.leafBits) bits")
        let leafBits = max(self.leafBits + 1, DigestTree.leafBits(forEntries: self.plausibleEntries))
        (self.growth, self.isGrowing) = (Growth(from: self.leafBits, to: leafBits), true)
    }

    /// The tokens to count next, which hold about so many entries, if tokens are spread evenly; nil when no growth is under way.
    package func growing(entries: Int) -> ClosedRange<Token>? {
        guard let growth else { return nil }
        let width = UInt64.max / max(1, self.plausibleEntries / UInt64(max(1, entries)))
        let (end, overflow) = growth.next.addingReportingOverflow(width)
        return Token(rawValue: growth.next)...Token(rawValue: overflow ? growth.oldLeafEnd : min(end, growth.oldLeafEnd))
    }

    /// Counts in an entry of the range that `growing` named.
    ///
    /// - Precondition: A growth is under way.
    package mutating func count(_ fingerprint: Fingerprint, at token: Token) {
        precondition(self.growth != nil, "no growth under way at \(self.leafBits) bits")
        self.growth!.count(fingerprint, at: token)
    }

    /// Tells that all entries of the range that `growing` named have been counted, as of all updates applied so far. After the last one the new rows
    /// take their place.
    ///
    /// - Returns: False if what was counted in an old leaf's place does not add up to it: tree and store disagree, which the caller reports. The tree
    ///   must not be used further.
    /// - Precondition: A growth is under way.
    package mutating func advanceGrowth(past last: Token) -> Bool {
        guard let growth else { preconditionFailure("no growth under way at \(self.leafBits) bits") }
        if last.rawValue == growth.oldLeafEnd, growth.part != self.leaves[self.leaves.index(of: last)] { return false }
        self.growth!.advance(past: last.rawValue)
        if last.rawValue == .max { self.finishGrowth() }
        return true
    }

    private mutating func finishGrowth() {
        guard let growth else { return }
        if self.leafBits > 0, self.leafBits.isMultiple(of: DigestTree.bitsPerLevel) { self.inner.append(self.leaves) }
        self.inner.append(contentsOf: growth.rows.dropLast())
        (self.leaves, self.growth, self.isGrowing) = (growth.rows[growth.rows.count - 1], nil, false)
        self.mostEntries = DigestTree.mostEntries(leafBits: self.leafBits)
    }
}
