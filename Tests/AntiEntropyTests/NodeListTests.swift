import Basics
import Digests
import TestSupport
import Testing

@testable import AntiEntropy

struct NodeListTests {
    @Test(arguments: [[], [0], [0, 1, 2], [5, 300, 70_000], [.max], [0, .max], [.max - 1, .max]] as [[UInt64]])
    func `a list gives the indexes that it was made of`(indexes: [UInt64]) {
        let list = NodeList(depth: 64, indexes: indexes)
        #expect(Array(list) == indexes)
        #expect(list.count == indexes.count && list.isEmpty == indexes.isEmpty)
    }

    @Test(arguments: seeds(100))
    func `indexes in no order, as peers that mean harm list them, come out as they were put in`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let indexes = (0..<50).map { _ in random.next() >> (random.next() % 64) }
        #expect(Array(NodeList(depth: 64, indexes: indexes)) == indexes)
    }

    @Test func `a list of neighbours takes a byte for each`() {
        let list = NodeList(depth: 26, indexes: 1_000_000..<1_060_000)
        #expect(list.gaps.bytes.count == 60_000 + 2)  // The first has three.
    }

    @Test(arguments: [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (UInt64.max >> 1, 9), (UInt64.max, 10)] as [(UInt64, Int)])
    func `a number takes a byte for each seven bits, and one where it is 0`(number: UInt64, byteCount: Int) {
        let numbers = PackedNumbers([number, 1])
        #expect(numbers.bytes.count == byteCount + 1)
        #expect(Array(numbers) == [number, 1])
    }

    @Test(arguments: seeds(200))
    func `lists of several depths are worked off in the order in which they came, as nodes or in parts of one depth`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var (lists, expected) = (NodeLists(), [DigestNode]())
        for _ in 0..<60 {
            switch random.next() % 5 {
            case 0:
                let node = DigestNode(depth: 10 + Int(random.next() % 2), index: random.next() % 1_024)
                lists.append(node)
                expected.append(node)
            case 1:
                let list = NodeList(depth: 10 + Int(random.next() % 2), indexes: (0..<random.next() % 6).map { _ in random.next() % 1_024 })
                lists.append(list)
                expected += list.map { DigestNode(depth: list.depth, index: $0) }
            case 2 where !expected.isEmpty:
                lists.removeFirst()
                expected.removeFirst()
            case 3:
                let limit = Int.random(in: 1...8, using: &random)
                let part = expected.prefix { $0.depth == expected.first?.depth }.prefix(limit)
                #expect(lists.removeFirst(limit) == (part.isEmpty ? nil : NodeList(depth: part[0].depth, indexes: part.map(\.index))))
                expected.removeFirst(part.count)
            default: break
            }
            #expect(lists.first == expected.first)
            #expect(lists.count == expected.count && lists.isEmpty == expected.isEmpty)
        }
    }
}
