import Basics
import Membership
import TestSupport
import Testing

/// Links all nodes and lets everything under way end, in random order and without faults.
private func heal(_ world: inout FoundingWorld) throws -> Int {
    var stepCount = 0
    while let step = world.progress.randomElement(using: &world.generator) {
        try world.take(step)
        stepCount += 1
        if stepCount > 10_000 { break }
    }
    return stepCount
}

/// What may hold at any moment: nodes that share a member have founded one cluster, and members are of founded clusters.
private func isSafe(_ world: FoundingWorld) -> Bool {
    for (index, left) in world.founded.enumerated() {
        for right in world.founded[(index + 1)...] where left.members.contains(where: right.lists) { return false }
    }
    return world.nodes.allSatisfy { node in node.cluster.map { world.founded.contains($0) && $0.lists(node.replica) } ?? true }
}

@Suite struct FoundingModelTests {
    @Test(arguments: [2, 3, 5], seeds(150))
    func `n nodes found exactly one cluster and all adopt it, whatever happened before they are all up`(count: Int, seed: UInt64) throws {
        var world = try FoundingWorld(seed: seed, nodeCount: count, expected: count)
        let faultShare = Double.random(in: 0...0.6, using: &world.generator)
        for _ in 0..<Int.random(in: 0...80, using: &world.generator) {
            let isFault = Double.random(in: 0..<1, using: &world.generator) < faultShare
            if let step = (isFault ? world.faults : world.progress).randomElement(using: &world.generator) { try world.take(step) }
            #expect(isSafe(world) && world.founded.count <= 1)
        }
        let underWay = world.messages.count
        let stepCount = try heal(&world)
        // Links, n stores and the founding, an offer and an answer for each link, and what was under way with an answer for each.
        #expect(stepCount <= count * (count - 1) / 2 + count + 1 + 4 * (count - 1) + 2 * underWay, "\(underWay) messages were under way")
        try #require(world.founded.count == 1 && isSafe(world))
        #expect(world.nodes.allSatisfy { $0.cluster == world.founded[0] && $0.disk == world.founded[0] })
    }

    /// Every order of up to eight steps, three faults among them; each end is then healed.
    @Test func `two nodes found exactly one cluster in every short history`() throws {
        var historyCount = 0
        func explore(_ world: FoundingWorld, depth: Int, faults: Int) throws {
            historyCount += 1
            var healed = world
            _ = try heal(&healed)
            let isRight = isSafe(world) && healed.founded.count == 1 && healed.nodes.allSatisfy { $0.cluster == healed.founded.first }
            if !isRight { Issue.record("after \(historyCount) histories: \(world.founded.count), \(healed.founded.count) founded") }
            guard depth > 0, isRight else { return }
            for (steps, cost) in [(world.progress, 0), (world.faults, 1)] where faults >= cost {
                for step in steps {
                    var next = world
                    try next.take(step)
                    try explore(next, depth: depth - 1, faults: faults - cost)
                }
            }
        }
        try explore(try FoundingWorld(seed: 5, nodeCount: 2, expected: 2), depth: 8, faults: 3)
        #expect(historyCount > 10_000)
    }

    @Test(arguments: seeds(400))
    func `with more nodes than expected, or some that were emptied, no node is in two founded clusters`(seed: UInt64) throws {
        var world = try crowd(seed: seed)
        _ = try heal(&world)
        #expect(isSafe(world))
    }

    @Test func `among those, offers are refused, taken over and founded`() throws {
        var (refusals, takeOvers, foundings, blocked) = (0, 0, 0, 0)
        for seed in 1...400 as ClosedRange<UInt64> {
            var world = try crowd(seed: seed)
            _ = try heal(&world)
            refusals += world.refusalCount
            takeOvers += world.takeOverCount
            foundings += world.founded.count
            for node in world.nodes { if case .blocked = node.founding.situation { blocked += 1 } }
        }
        #expect(refusals > 100 && takeOvers > 10 && foundings > 100 && blocked > 10, "\(refusals), \(takeOvers), \(foundings), \(blocked)")
    }

    /// A run of one to three nodes more than are expected, checked after every step. How often links come and go, and how much else happens
    /// meanwhile, is the seed's: a node proposes only while it has met exactly as many as are expected.
    private func crowd(seed: UInt64) throws -> FoundingWorld {
        var generator = SplitMix64(seed: seed)
        let expected = [2, 2, 3, 4].randomElement(using: &generator)!
        var world = try FoundingWorld(
            seed: seed, nodeCount: expected + Int.random(in: 1...3, using: &generator), expected: expected)
        let (linkShare, faultShare) = (Double.random(in: 0...0.5, using: &generator), Double.random(in: 0...0.5, using: &generator))
        for _ in 0..<150 {
            let chance = Double.random(in: 0..<1, using: &generator)
            var choices = world.progress.filter { if case .link = $0 { chance < linkShare } else { chance >= linkShare } }
            if chance > 1 - faultShare { choices = world.faults }
            if chance > 0.99 { choices = world.nodes.indices.filter { world.nodes[$0].cluster == nil }.map { .wipe($0) } }
            guard let step = choices.randomElement(using: &generator) else { continue }
            try world.take(step)
            #expect(isSafe(world))
        }
        return world
    }
}
