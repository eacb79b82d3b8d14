import Basics

extension WorldPlan {
    /// Empty nodes join while others write, slowly enough that either side's crash, a cut, or a change of the member that gives comes in the
    /// middle.
    mutating func add(joiners: Int, seed: UInt64) {
        guard joiners > 0 else { return }
        // Apart from what every plan draws, so that both can change.
        var random = SplitMix64(seed: ~seed)
        self.joiners = joiners
        self.keys = 1 << Int.random(in: 5...8, using: &random)
        self.length = .seconds(Int.random(in: 15...30, using: &random))
        self.bootstrapBytesPerSecond = Int.random(in: 500...10_000, using: &random)
        self[.kill] = Int.random(in: 0...6, using: &random)
        self[.powerCut] = Int.random(in: 0...4, using: &random)
        self[.partition] = Int.random(in: 0...4, using: &random)
    }
}
