import Basics
import Glibc
import Simulation
import Testing

/// Seeded histories of five nodes: the very code of production, on simulated disks, clocks and network.
@Suite struct ConvergenceTests {
    /// `HEARSAY_SEEDS` times as many in the soak.
    private static let histories = 1_000 * (getenv("HEARSAY_SEEDS").flatMap { Int(String(cString: $0)) } ?? 1)
    /// The greatest number of histories that run at a time.
    private static let workers = 2

    /// What all histories together have met.
    private struct Totals {
        var unequal = 0
        var counts = Counts()
        var mostRounds = 0

        mutating func add(_ outcome: World.Outcome) {
            self.unequal += outcome.wasUnequal ? 1 : 0
            self.counts.add(outcome.counts)
            self.mostRounds = max(self.mostRounds, outcome.healing.rounds)
        }
    }

    @Test
    func `whatever goes wrong, all nodes come to hold the same data, and no acknowledged write is lost (I1, I2, I4, I5, I6, I9, I10, I11, I17, I26)`()
        async throws
    {
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
        #expect(totals.unequal * 10 >= Self.histories * 9, "in \(totals.unequal) of \(Self.histories) histories there was something to heal")
        for fault in Fault.allCases where ![.offset, .drift].contains(fault) {  // They do not happen, they last.
            #expect(totals.counts[fault] >= 100, "\(fault.rawValue): \(totals.counts[fault])")
        }
        // JoiningTests demands the one; a node among five that knows the others' clocks writes nothing that they refuse, and ClockTests has those.
        for happening in Happening.allCases where ![.resumedBootstraps, .farStamps].contains(happening) {
            // Few stores that are given up have something that nobody can judge.
            #expect(totals.counts[happening] >= (happening == .salvaged ? 30 : 100), "\(happening.rawValue): \(totals.counts[happening])")
        }
        // What deletes are safe from has to have been tried: dropping, taking over, fences, amnesia, holds, damage, expiry, siblings.
        for happening in [Happening.drops, .adoptions, .returns, .renewals, .holds, .lostEntries, .expirations, .emptied, .concurrent, .trimmed] {
            let histories = totals.counts.histories(with: happening)
            #expect(histories * 100 >= Self.histories, "\(happening.rawValue): in \(histories) of \(Self.histories) histories")
        }
        for check in CheckName.allCases where check != .liveness {
            #expect(totals.counts[check] >= Self.histories, "\(check.rawValue): looked at \(totals.counts[check]) times")
        }
        print("\(Self.histories) histories, \(totals.unequal) with something to heal, at most \(totals.mostRounds) rounds: \(totals.counts)")
    }

    private static func run(seed: UInt64) -> World.Outcome? {
        let recipe = Recipe(seed: seed)
        do { return try World.run(recipe) } catch {
            Issue.record("\(error)\nhearsay simulate \(recipe)")
            return nil
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the same seed gives the same history, event by event`(seed: UInt64) throws {
        #expect(try World.run(seed: seed) == World.run(seed: seed))
    }

    @Test func `different seeds give different histories`() throws {
        #expect(try World.run(seed: 1, operations: 50).logDigest != World.run(seed: 2, operations: 50).logDigest)
    }

    @Test func `a history with another number of nodes has its own bound of rounds`() throws {
        for nodes in [2, 3, 7] { _ = try World.run(Recipe(seed: 11, nodes: nodes, operations: 200)) }
    }
}
