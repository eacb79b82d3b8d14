import Basics
import Digests
import Testing

@Suite struct DigestTreeGrowthTests {
    @Test(arguments: 0...10, [1, 7, 1_000])
    func `growth in slices, with changes between them, ends in the tree built afresh with more leaves`(leafBits: Int, entries: Int) {
        var pair = TreeAndModel(leafBits: leafBits, seed: UInt64(leafBits) + 100)
        for _ in 0..<300 { pair.change() }
        let expected = max(leafBits + 1, DigestTree.leafBits(forEntries: UInt64(pair.model.entries.count)))
        pair.tree.beginGrowth()
        var slices = 0
        while pair.tree.isGrowing {
            if slices.isMultiple(of: 1 + slices / 50) { pair.change() }
            #expect(pair.grow(entries: entries) == true)
            if slices.isMultiple(of: 37) { #expect(pair.agree) }
            slices += 1
        }
        #expect(pair.tree.leafBits == expected)
        #expect(pair.tree == pair.model.tree(leafBits: expected))
        for _ in 0..<50 { pair.change() }
        #expect(pair.agree)
    }

    @Test(arguments: [0, 2, 4]) func `one growth makes as many leaves as the entries ask for, and all rows between`(leafBits: Int) {
        var pair = TreeAndModel(leafBits: leafBits, seed: 3)
        for _ in 0..<20_000 { pair.change() }
        #expect(pair.tree.wantsGrowth)
        pair.tree.beginGrowth()
        while pair.tree.isGrowing { #expect(pair.grow(entries: 500) == true) }
        #expect(pair.tree.leafBits == DigestTree.leafBits(forEntries: UInt64(pair.model.entries.count)))
        #expect(pair.tree.leafBits > leafBits + 4)
        #expect(pair.tree == pair.model.tree(leafBits: pair.tree.leafBits))
    }

    @Test func `a tree that grows whenever it wants to stays between 12 and 24 entries a leaf and never loses one`() {
        var pair = TreeAndModel(leafBits: 0, seed: 11)
        for _ in 1...2_000 {
            pair.change()
            let count = UInt64(pair.model.entries.count)
            #expect(pair.tree.wantsGrowth == (count > 24 << UInt64(pair.tree.leafBits)))
            guard pair.tree.wantsGrowth else { continue }
            pair.tree.beginGrowth()
            while pair.tree.isGrowing { #expect(pair.grow(entries: 10) == true) }
        }
        #expect(pair.tree == pair.model.tree(leafBits: pair.tree.leafBits))
    }

    @Test func `a slice has about as many entries as asked for, however full the leaves are, and ends with an old leaf at the latest`() throws {
        var tree = DigestTree(leafBits: 1)
        for number in 0..<10_000 as Range<UInt64> { tree.add(1, at: Token(rawValue: number &* (UInt64.max / 10_000))) }
        #expect(tree.growing(entries: 10) == nil)
        tree.beginGrowth()
        let range = try #require(tree.growing(entries: 10))
        #expect(range.lowerBound == Token(rawValue: 0) && range.upperBound.rawValue / (UInt64.max / 10_000) == 10)
        #expect(tree.growing(entries: 9_000)?.upperBound == Token(rawValue: .max >> 1))
    }

    @Test func `during growth a token's leaf is a new one where all of that has been counted and an old one elsewhere`() throws {
        var tree = DigestTree(leafBits: 1)
        let (left, right) = (Token(rawValue: 5), Token(rawValue: .max))
        tree.add(1, at: left)
        tree.beginGrowth()
        tree.count(1, at: left)
        #expect(tree.advanceGrowth(past: Token(rawValue: .max >> 2)) == true)
        tree.add(2, at: left)
        tree.add(4, at: right)
        #expect(tree.leaf(containing: left).range == Token(rawValue: 0)...Token(rawValue: .max >> 2))
        #expect(tree.leaf(containing: left).digest == Digest(entries: 2, sum: 3))
        #expect(tree.leaf(containing: Token(rawValue: .max >> 1)).range == Token(rawValue: 0)...Token(rawValue: .max >> 1))
        #expect(tree.leaf(containing: right).range == Token(rawValue: 1 << 63)...Token(rawValue: .max))
        #expect(tree.leaf(containing: right).digest == Digest(entries: 1, sum: 4))
        #expect(tree.leafBits == 1)
    }

    @Test(arguments: [[], [11], [10, 0]] as [[Fingerprint]])
    func `entries that do not add up to the old leaf are refused`(counted: [Fingerprint]) {
        var tree = DigestTree(leafBits: 2)
        tree.add(10, at: Token(rawValue: 1))
        tree.beginGrowth()
        for fingerprint in counted { tree.count(fingerprint, at: Token(rawValue: 1)) }
        #expect(tree.advanceGrowth(past: Token(rawValue: .max >> 2)) == false)
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

    @Test func `growth begins once, and counting needs one`() async {
        await #expect(processExitsWith: .failure) {
            var tree = DigestTree(leafBits: 0)
            tree.beginGrowth()
            tree.beginGrowth()
        }
        await #expect(processExitsWith: .failure) {
            var tree = DigestTree(leafBits: 0)
            tree.count(1, at: Token(rawValue: 0))
        }
        await #expect(processExitsWith: .failure) {
            var tree = DigestTree(leafBits: 0)
            _ = tree.advanceGrowth(past: Token(rawValue: .max))
        }
    }
}
