import Basics
import Testing
import Versioning

/// Random sets of dots over few replicas, and what a `Seen` makes of them.
private struct World {
    var generator: SplitMix64
    let replicas: [ReplicaID]
    let greatest: UInt64

    init(seed: UInt64, greatest: UInt64) {
        var generator = SplitMix64(seed: seed)
        self.replicas = (0..<3).map { _ in ReplicaID(using: &generator) }
        (self.generator, self.greatest) = (generator, greatest)
    }

    /// Dots in random order, each with the same probability, which is drawn first.
    mutating func dots() -> [Dot] {
        let share = Double.random(in: 0...1, using: &self.generator)
        var dots: [Dot] = []
        for replica in self.replicas {
            for sequence in 1...self.greatest where Double.random(in: 0..<1, using: &self.generator) < share {
                dots.append(Dot(replica: replica, sequence: sequence))
            }
        }
        return dots.shuffled(using: &self.generator)
    }

    /// Every dot there can be, one beyond the greatest included.
    var all: [Dot] { self.replicas.flatMap { replica in (1...self.greatest + 1).map { Dot(replica: replica, sequence: $0) } } }
}

private func seen(_ dots: some Sequence<Dot>) -> Seen {
    var seen = Seen()
    for dot in dots { _ = seen.insert(dot) }
    return seen
}

private func joined(_ left: Seen, _ right: Seen) -> Seen {
    var joined = left
    joined.join(right)
    return joined
}

/// Up to 80 sequence numbers, which make 40 runs at most: below the bound, where the laws hold without exception.
@Suite struct SeenLawsTests {
    @Test(arguments: 0..<100 as Range<UInt64>)
    func `seen covers exactly the dots inserted, and says which were new`(seed: UInt64) {
        var world = World(seed: seed, greatest: 80)
        let dots = world.dots() + world.dots()
        var model: Set<Dot> = []
        var seen = Seen()
        for dot in dots { #expect(seen.insert(dot) == model.insert(dot).inserted) }
        for dot in world.all { #expect(seen.covers(dot) == model.contains(dot)) }
        for replica in world.replicas {
            let gap = (1...81 as ClosedRange<UInt64>).first { !model.contains(Dot(replica: replica, sequence: $0)) }
            #expect(seen.watermark(of: replica) + 1 == gap)
        }
        #expect(seen.replicas == Set(model.map(\.replica)).sorted())
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `the order and repetition of insertions leave no trace`(seed: UInt64) {
        var world = World(seed: seed, greatest: 80)
        let dots = world.dots()
        let shuffled = (dots + dots).shuffled(using: &world.generator)
        #expect(seen(dots) == seen(shuffled))
        #expect(seen(dots) == seen(dots.sorted()))
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `any permutation without gaps ends as a watermark and nothing else`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let dots = (1...60 as ClosedRange<UInt64>).map { Dot(replica: own, sequence: $0) }
        #expect(seen(dots.shuffled(using: &generator)).description == "[\(own): 60]")
    }

    @Test func `every permutation of five dots ends in the same state`() {
        var count = 0
        permute([1, 2, 3, 4, 6]) { order in
            count += 1
            #expect(seen(order.map { Dot(replica: own, sequence: $0) }).description == "[\(own): 4, 6...6]")
        }
        #expect(count == 120)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `join commutes, associates, is idempotent and equals inserting the dots of both`(seed: UInt64) {
        var world = World(seed: seed, greatest: 80)
        let (first, second, third) = (world.dots(), world.dots(), world.dots())
        let (a, b, c) = (seen(first), seen(second), seen(third))
        #expect(joined(a, b) == joined(b, a))
        #expect(joined(joined(a, b), c) == joined(a, joined(b, c)))
        #expect(joined(a, a) == a)
        #expect(joined(a, Seen()) == a)
        #expect(joined(Seen(), a) == a)
        #expect(joined(a, b) == seen(first + second))
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `beyond the bound dots are forgotten, but none is covered that was not inserted`(seed: UInt64) {
        var world = World(seed: seed, greatest: 400)
        let (first, second) = (world.dots(), world.dots())
        let union = joined(seen(first), seen(second))
        let model = Set(first + second)
        for dot in world.all where union.covers(dot) { #expect(model.contains(dot)) }
        #expect(joined(union, union) == union)
    }

    private let own = ReplicaID(high: 5, low: 5)

    /// Heap's algorithm.
    private func permute(_ items: [UInt64], _ body: ([UInt64]) -> Void) {
        func go(_ items: inout [UInt64], _ count: Int) {
            guard count > 1 else { return body(items) }
            for index in 0..<count {
                go(&items, count - 1)
                items.swapAt(count.isMultiple(of: 2) ? index : 0, count - 1)
            }
        }
        var items = items
        go(&items, items.count)
    }
}
