import Basics
import Glibc
import Simulation
import Testing

/// Seeded histories of five nodes: the very code of production, on simulated disks and a simulated network.
@Suite struct ConvergenceTests {
    /// `HEARSAY_SEEDS` times as many in the soak.
    private static let histories = 500 * (getenv("HEARSAY_SEEDS").flatMap { Int(String(cString: $0)) } ?? 1)
    /// The greatest number of histories that run at a time.
    private static let workers = 2

    /// What all histories together have met.
    private struct Totals {
        var unequal = 0
        var counts = FaultCounts()
        var longest = Duration.zero

        mutating func add(_ outcome: World.Outcome) {
            self.unequal += outcome.wasUnequal ? 1 : 0
            self.counts.add(outcome.counts)
            self.longest = max(self.longest, outcome.convergedIn)
        }
    }

    @Test func `whatever goes wrong, all nodes come to hold the same data, and no acknowledged write is lost (I1, I2, I4, I17)`() async throws {
        var (totals, next) = (Totals(), UInt64(1))
        await withTaskGroup(of: World.Outcome?.self) { group in
            func startNext() {
                guard next <= Self.histories else { return }
                let seed = next
                next += 1
                group.addTask { Self.run(seed: seed) }
            }
            for _ in 0..<Self.workers { startNext() }
            while let outcome = await group.next() {
                if let outcome { totals.add(outcome) }
                startNext()
            }
        }
        let counts = totals.counts
        #expect(totals.unequal * 10 >= Self.histories * 9, "in \(totals.unequal) of \(Self.histories) histories there was something to heal")
        for (name, count) in [
            ("lost messages", counts.lost), ("repeated messages", counts.duplicated), ("long delays", counts.delayed),
            ("partitions", counts.partitions), ("kills", counts.kills), ("power cuts", counts.powerCuts), ("restarts", counts.restarts),
            ("torn logs", counts.tornTails), ("resets", counts.resets), ("drains", counts.drains),
            ("blocks of logs read for peers", counts.logReads), ("catch-ups", counts.catchUps), ("catch-ups refused", counts.refusedCatchUps),
            ("sessions", counts.sessions),
        ] { #expect(count >= 100, "\(name): \(count)") }
        print("\(Self.histories) histories, \(totals.unequal) with something to heal, the longest healing \(totals.longest): \(counts)")
    }

    private static func run(seed: UInt64) -> World.Outcome? {
        do { return try World.run(seed: seed) } catch {
            Issue.record("seed \(seed): \(error)")
            return nil
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the same seed gives the same history, event by event`(seed: UInt64) throws {
        let (first, second) = (try World.run(seed: seed), try World.run(seed: seed))
        #expect(first.logDigest == second.logDigest && first.events == second.events)
    }

    @Test func `different seeds give different histories`() throws {
        #expect(try World.run(seed: 1, operations: 50).logDigest != World.run(seed: 2, operations: 50).logDigest)
    }
}
