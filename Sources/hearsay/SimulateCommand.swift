import ArgumentParser
import Simulation

/// `hearsay simulate`: whole clusters in one thread, for finding faults.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run seeded histories of a simulated cluster and check what must hold.",
        discussion: """
            Five nodes, the code that `hearsay node` runs, on simulated disks, clocks and network: messages are lost, repeated and held up, \
            nodes are cut off, killed and lose their power. Then all must come to hold the same data, with no acknowledged write lost. The \
            same seed gives the same history, which the digest at the end of its line tells.

            Exit codes: 0 all held, 1 a history showed a fault.
            """)

    @Option(help: "The seed of the first history.")
    var seed: UInt64 = 1

    @Option(help: "How many histories, each with the next seed.")
    var count: UInt64 = 1

    @Option(help: "Writes in each.")
    var operations = 1_000

    func validate() throws {
        guard self.count > 0, self.seed <= .max - self.count else { throw ValidationError("--count takes a number from 1.") }
        guard (1...10_000_000).contains(self.operations) else { throw ValidationError("--operations takes a number from 1 to 10000000.") }
    }

    func run() throws {
        var failures = 0
        let (clock, started) = (ContinuousClock(), ContinuousClock.now)
        for seed in self.seed..<self.seed + self.count {
            do {
                let outcome = try World.run(seed: seed, operations: self.operations)
                print(
                    "seed \(seed): \(outcome.acknowledgedWrites) writes, \(outcome.events) events, healed in \(outcome.convergedIn), digest \(outcome.logDigest)"
                )
            } catch {
                failures += 1
                print("seed \(seed): FAILED: \(error)")
            }
        }
        let seconds = (clock.now - started) / .seconds(1)
        print("\(self.count) histories, \(failures) failed, \((Double(self.count) / seconds * 10).rounded() / 10) a second")
        if failures > 0 { throw ExitCode(1) }
    }
}
