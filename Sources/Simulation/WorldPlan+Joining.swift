import Basics

extension WorldPlan {
    /// Draws a plan in which empty nodes join while others write, slowly enough that either side's crash, a cut, or a change of the member that
    /// gives comes in the middle.
    package static func joining(seed: UInt64, operations: Int = 600) -> WorldPlan {
        var plan = WorldPlan(seed: seed, nodes: 3, operations: operations)
        // Apart from what every plan draws, so that both can change.
        var random = SplitMix64(seed: ~seed)
        plan.joiners = 2
        plan.keys = 1 << Int.random(in: 5...8, using: &random)
        plan.length = .seconds(Int.random(in: 15...30, using: &random))
        plan.bootstrapBytesPerSecond = Int.random(in: 500...10_000, using: &random)
        plan.kills = Int.random(in: 0...6, using: &random)
        plan.powerCuts = Int.random(in: 0...4, using: &random)
        plan.partitions = Int.random(in: 0...4, using: &random)
        return plan
    }
}
