import Basics
import Digests
import Testing

@Suite struct DigestTreeTests {
    @Test(arguments: 0...13)
    func `every node of every depth is the sum of its entries after random changes`(leafBits: Int) {
        var pair = TreeAndModel(leafBits: leafBits, seed: UInt64(leafBits))
        for _ in 0..<4 {
            for _ in 0..<80 { pair.change() }
            #expect(pair.agree)
            #expect(pair.tree.root == pair.model.digest(of: Token(rawValue: 0)...Token(rawValue: .max)))
        }
    }

    @Test func `an empty tree has the empty digest everywhere`() {
        let tree = DigestTree(leafBits: 6)
        #expect(tree.root.description == "0:00000000000000000000000000000000")
        #expect(tree.leaf(containing: Token(rawValue: 77)).digest == .empty)
        #expect(TreeAndModel(leafBits: 6, seed: 0).agree)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `the order of changes leaves no trace`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        var pair = TreeAndModel(leafBits: Int.random(in: 0...9, using: &generator), seed: seed)
        for _ in 0..<200 { pair.change() }
        var shuffled = DigestTree(leafBits: pair.tree.leafBits)
        for entry in pair.model.entries.shuffled(using: &generator) { shuffled.add(entry.fingerprint, at: entry.token) }
        #expect(shuffled == pair.tree)
    }

    @Test(arguments: [0, 1, 4, 5, 9])
    func `the leaf of a token is the range that holds it, edges included`(leafBits: Int) {
        var tree = DigestTree(leafBits: leafBits)
        let width = UInt64.max >> UInt64(leafBits)
        for index in 0..<UInt64(1) << UInt64(leafBits) {
            let lower = leafBits == 0 ? 0 : index << UInt64(64 - leafBits)
            let range = Token(rawValue: lower)...Token(rawValue: lower + width)
            for token in [range.lowerBound, Token(rawValue: lower + width / 2), range.upperBound] {
                tree.add(7, at: token)
                #expect(tree.leaf(containing: token).range == range)
            }
            #expect(tree.leaf(containing: range.lowerBound).digest == Digest(entries: 3, sum: 21))
        }
    }

    @Test func `as many leaves are chosen as keep 12 to 24 entries in each`() {
        let table: [(entries: UInt64, bits: Int)] = [
            (0, 0), (1, 0), (24, 0), (25, 1), (48, 1), (49, 2), (384, 4), (385, 5), (1_000_000, 16), (10_000_000, 19),
            (24 << 26, 26), (24 << 26 + 1, 26), (.max, 26),
        ]
        for row in table { #expect(DigestTree.leafBits(forEntries: row.entries) == row.bits) }
        for entries in stride(from: 25 as UInt64, through: 5_000_000, by: 9_973) {
            let average = Double(entries) / Double(1 << DigestTree.leafBits(forEntries: entries))
            #expect(average > Double(DigestTree.entriesPerLeaf.lowerBound) && average <= Double(DigestTree.entriesPerLeaf.upperBound))
        }
    }

    @Test func `extreme differences wrap and cancel`() {
        var tree = DigestTree(leafBits: 5)
        let token = Token(rawValue: .max)
        for (sum, entries) in [(UInt128.max, Int.max), (1, Int.min), (.max, -5)] { tree.apply(sum: sum, entries: entries, at: token) }
        #expect(tree.digest(depth: 5, index: 31) == tree.root)
        tree.apply(sum: 1, entries: 6, at: token)
        #expect(tree == DigestTree(leafBits: 5))
    }

    @Test func `more leaves than the maximum, or fewer than one, are refused`() async {
        await #expect(processExitsWith: .failure) { _ = DigestTree(leafBits: DigestTree.maximumLeafBits + 1) }
        await #expect(processExitsWith: .failure) { _ = DigestTree(leafBits: -1) }
    }

    @Test func `a node that is not in the tree is refused`() async {
        await #expect(processExitsWith: .failure) { _ = DigestTree(leafBits: 3).digest(depth: 4, index: 0) }
        await #expect(processExitsWith: .failure) { _ = DigestTree(leafBits: 3).digest(depth: 3, index: 8) }
        await #expect(processExitsWith: .failure) { _ = DigestTree(leafBits: 3).digest(depth: -1, index: 0) }
    }
}
