import Basics
import Digests

/// Entries by token, whose digests are computed from scratch: what a digest tree must agree with.
struct NaiveTree {
    private(set) var entries: [(token: Token, fingerprint: Fingerprint)] = []

    mutating func add(_ fingerprint: Fingerprint, at token: Token) {
        self.entries.append((token, fingerprint))
    }

    mutating func removeEntry(at index: Int) -> (token: Token, fingerprint: Fingerprint) {
        self.entries.remove(at: index)
    }

    func digest(of range: ClosedRange<Token>) -> Digest {
        self.entries.reduce(into: .empty) { digest, entry in
            if range.contains(entry.token) { digest.add(entry.fingerprint) }
        }
    }

    /// The digests of all nodes of one depth, from left to right.
    func digests(depth: Int) -> [Digest] {
        self.entries.reduce(into: Array(repeating: .empty, count: 1 << depth)) { digests, entry in
            digests[Int(entry.token.rawValue >> UInt64(64 - depth))].add(entry.fingerprint)
        }
    }

    /// A tree to which every entry was added in one go.
    func tree(leafBits: Int) -> DigestTree {
        self.entries.reduce(into: DigestTree(leafBits: leafBits)) { $0.add($1.fingerprint, at: $1.token) }
    }
}

/// A tree and its model, changed together at random.
struct TreeAndModel {
    var tree: DigestTree
    var model = NaiveTree()
    var generator: SplitMix64

    init(leafBits: Int, seed: UInt64) {
        (self.tree, self.generator) = (DigestTree(leafBits: leafBits), SplitMix64(seed: seed))
    }

    /// Adds an entry, removes one, or replaces the fingerprint of one by a difference.
    mutating func change() {
        let index = self.model.entries.indices.randomElement(using: &self.generator)
        switch (UInt64.random(in: 0..<6, using: &self.generator), index) {
        case (0, .some(let index)):
            let entry = self.model.removeEntry(at: index)
            self.tree.subtract(entry.fingerprint, at: entry.token)
        case (1, .some(let index)):
            let old = self.model.removeEntry(at: index)
            let fingerprint = Fingerprint.random(in: 0 ... .max, using: &self.generator)
            self.model.add(fingerprint, at: old.token)
            self.tree.apply(sum: fingerprint &- old.fingerprint, entries: 0, at: old.token)
        default:
            let (token, fingerprint) = (self.token(), Fingerprint.random(in: 0 ... .max, using: &self.generator))
            self.model.add(fingerprint, at: token)
            self.tree.add(fingerprint, at: token)
        }
    }

    /// Any token, now and then one at an edge of a range of some depth.
    private mutating func token() -> Token {
        let token = self.generator.next()
        let low = UInt64.max >> UInt64.random(in: 0...12, using: &self.generator)
        switch UInt64.random(in: 0..<6, using: &self.generator) {
        case 0: return Token(rawValue: token | low)
        case 1: return Token(rawValue: token & ~low)
        default: return Token(rawValue: token)
        }
    }

    /// Counts in the next entries, about so many, as the model has them.
    mutating func grow(entries: Int) -> Bool {
        guard let range = self.tree.growing(entries: entries) else { return false }
        for entry in self.model.entries where range.contains(entry.token) { self.tree.count(entry.fingerprint, at: entry.token) }
        return self.tree.advanceGrowth(past: range.upperBound)
    }

    /// Whether the tree agrees with the model at every node of every depth.
    var agree: Bool {
        (0...self.tree.leafBits).allSatisfy { depth in
            self.model.digests(depth: depth) == (0..<1 << depth).map { self.tree.digest(depth: depth, index: $0) }
        }
    }
}
