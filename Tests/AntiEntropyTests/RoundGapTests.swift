import AntiEntropy
import Basics
import TestSupport
import Testing

@Suite("Rounds")
struct RoundGapTests {
    @Test("with the same peer are never further apart than the schedule says, which is what silence is judged by", arguments: seeds(20))
    func gaps(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int.random(in: 1...40, using: &random)
        let peers = (1...UInt64(count)).map { ReplicaID(high: 0, low: $0) }
        let interval = Duration.milliseconds(Int.random(in: 10...60_000, using: &random))
        let start = Instant(nanoseconds: 0)
        var schedule = RoundSchedule(interval: interval, fanout: Int.random(in: 1...5, using: &random), seed: random.next(), at: start)
        var last = peers.map { _ in start }
        var longest = Duration.zero
        for round in 0..<1_000 {
            let now = schedule.deadline
            for peer in schedule.begin(among: peers, at: now) {
                let index = Int(peer.low) - 1
                longest = max(longest, now.since(last[index]))
                last[index] = now
            }
            // What changes now and then brings rounds nearer together, never further apart.
            if round.isMultiple(of: 50) { schedule.noticedChange(at: now) }
        }
        #expect(longest <= schedule.longestGap(among: count), "\(count) peers")
    }
}
