import Basics
import Digests
import Testing

@Suite struct DigestTreeGrowthTests {
    @Test(arguments: 0...10)
    func `growth in slices, with changes between them, ends in the tree built afresh with twice the leaves`(leafBits: Int) {
        var pair = TreeAndModel(leafBits: leafBits, seed: UInt64(leafBits) + 100)
        for _ in 0..<150 { pair.change() }
        pair.tree.beginGrowth()
        var slices = 0
        while pair.tree.growing != nil {
            for _ in 0..<(leafBits < 6 ? 5 : 1) { pair.change() }
            #expect(pair.split() == true)
            if slices.isMultiple(of: 37) { #expect(pair.agree) }
            slices += 1
        }
        #expect(slices == 1 << leafBits)
        #expect(pair.tree.leafBits == leafBits + 1)
        #expect(pair.tree == pair.model.tree(leafBits: leafBits + 1))
        for _ in 0..<50 { pair.change() }
        #expect(pair.agree)
    }

    @Test func `a tree that grows whenever it wants to stays between 12 and 24 entries a leaf and never loses one`() {
        var tree = DigestTree(leafBits: 0)
        var model = NaiveTree()
        var generator = SplitMix64(seed: 11)
        for count in 1...2_000 as ClosedRange<UInt64> {
            let (token, fingerprint) = (Token(rawValue: generator.next()), Fingerprint.random(in: 0 ... .max, using: &generator))
            model.add(fingerprint, at: token)
            tree.add(fingerprint, at: token)
            #expect(tree.wantsGrowth == (count > 24 << UInt64(tree.leafBits)))
            guard tree.wantsGrowth else { continue }
            tree.beginGrowth()
            let halves = model.digests(depth: tree.leafBits + 1)
            for index in stride(from: 0, to: halves.count, by: 2) { #expect(tree.split(lower: halves[index], upper: halves[index + 1]) == true) }
            #expect(tree.growing == nil)
        }
        #expect(tree.leafBits == DigestTree.leafBits(forEntries: 2_000))
        #expect(tree == model.tree(leafBits: tree.leafBits))
    }

    @Test func `the ranges to split are the old leaves from left to right`() {
        var tree = DigestTree(leafBits: 2)
        #expect(tree.growing == nil)
        tree.beginGrowth()
        for index in 0..<4 as Range<UInt64> {
            #expect(tree.growing == Token(rawValue: index << 62)...Token(rawValue: index << 62 | UInt64.max >> 2))
            #expect(tree.split(lower: .empty, upper: .empty) == true)
        }
        #expect(tree.growing == nil)
        #expect(tree == DigestTree(leafBits: 3))
    }

    @Test func `during growth a token's leaf is a new one where the split has passed and an old one elsewhere`() {
        var tree = DigestTree(leafBits: 1)
        let (left, right) = (Token(rawValue: 5), Token(rawValue: .max))
        tree.add(1, at: left)
        tree.beginGrowth()
        #expect(tree.split(lower: Digest(entries: 1, sum: 1), upper: .empty) == true)
        tree.add(2, at: left)
        tree.add(4, at: right)
        #expect(tree.leaf(containing: left).range == Token(rawValue: 0)...Token(rawValue: .max >> 2))
        #expect(tree.leaf(containing: left).digest == Digest(entries: 2, sum: 3))
        #expect(tree.leaf(containing: right).range == Token(rawValue: 1 << 63)...Token(rawValue: .max))
        #expect(tree.leaf(containing: right).digest == Digest(entries: 1, sum: 4))
        #expect(tree.leafBits == 1)
    }

    @Test func `halves that do not add up to the leaf are refused and change nothing`() {
        var tree = DigestTree(leafBits: 2)
        tree.add(10, at: Token(rawValue: 1))
        tree.beginGrowth()
        let before = tree
        #expect(tree.split(lower: .empty, upper: .empty) == false)
        #expect(tree.split(lower: Digest(entries: 1, sum: 11), upper: .empty) == false)
        #expect(tree.split(lower: Digest(entries: 2, sum: 10), upper: .empty) == false)
        #expect(tree.split(lower: Digest(entries: 1, sum: 10), upper: Digest(entries: 1, sum: 0)) == false)
        #expect(tree == before)
        #expect(tree.split(lower: .empty, upper: Digest(entries: 1, sum: 10)) == true)
    }

    @Test func `no growth is wanted while one is under way, nor by a tree whose count has fallen below zero`() {
        var tree = DigestTree(leafBits: 0)
        tree.apply(sum: 1, entries: 25, at: Token(rawValue: 0))
        #expect(tree.wantsGrowth)
        tree.beginGrowth()
        #expect(!tree.wantsGrowth)
        var negative = DigestTree(leafBits: 0)
        negative.subtract(1, at: Token(rawValue: 0))
        #expect(!negative.wantsGrowth)
    }

    @Test func `growth begins once, and a split needs one`() async {
        await #expect(processExitsWith: .failure) {
            var tree = DigestTree(leafBits: 0)
            tree.beginGrowth()
            tree.beginGrowth()
        }
        await #expect(processExitsWith: .failure) {
            var tree = DigestTree(leafBits: 0)
            _ = tree.split(lower: .empty, upper: .empty)
        }
    }
}
