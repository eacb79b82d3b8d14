import ArgumentParser
import Simulation

/// `hearsay simulate`: whole clusters in one thread, for finding faults.
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run seeded histories of a simulated cluster and check what must hold.",
        discussion: """
            Five nodes, the code that `hearsay node` runs, on simulated disks, clocks and network: messages are lost, repeated, cut and held up, \
            nodes are cut off, killed, paused and lose their power, disks fill up, fail, and are exchanged for empty, older or copied ones, clocks are wrong, step and stop, members come and go. Then all must come to hold the \
            same data, with no acknowledged write lost. The same options give the same history, which the digest at the end of its line tells.

            A history that shows a fault is made short, told as a story, and named by the options that replay it.

            Exit codes: 0 all held, 1 a history showed a fault.
            """)

    @Option(help: "The seed of the first history.")
    var seed: UInt64 = 1

    @Option(help: "How many histories, each with the next seed.")
    var count: UInt64 = 1

    @Option(help: "Nodes that a history begins with.")
    var nodes = 5

    @Option(help: "Empty nodes that join meanwhile, slowly.")
    var joiners = 0

    @Option(help: "What clients do in each history: so many writes, deletes and changes.")
    var operations = 1_000

    @Option(
        help: ArgumentHelp(
            "Kinds of faults to leave out, with commas: \(Fault.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "kinds"))
    var without = ""

    @Option(help: "Play with fewer nodes than the history was drawn with.")
    var useNodes: Int?

    @Option(help: "Play with fewer keys.")
    var useKeys: Int?

    @Option(help: "Play only these steps of a history, as numbers and ranges with commas.")
    var steps: String?

    @Flag(help: "Tell each history as a story.")
    var story = false

    @Flag(inversion: .prefixedNo, help: "Make a history that shows a fault short.")
    var shrink = true

    @Flag(help: "End with the first history that shows a fault.")
    var stop = false

    func validate() throws {
        guard self.count > 0, self.seed <= .max - self.count else { throw ValidationError("--count takes a number from 1.") }
        guard (1...10_000_000).contains(self.operations) else { throw ValidationError("--operations takes a number from 1 to 10000000.") }
        guard (2...7).contains(self.nodes), (2...7).contains(self.useNodes ?? 2) else { throw ValidationError("Nodes are from 2 to 7.") }
        guard (1...256).contains(self.useKeys ?? 1) else { throw ValidationError("--use-keys takes a number from 1 to 256.") }
        guard (0...2).contains(self.joiners) else { throw ValidationError("--joiners takes a number from 0 to 2.") }
        _ = try self.recipe(seed: self.seed)
    }

    private func recipe(seed: UInt64) throws -> Recipe {
        var recipe = Recipe(seed: seed, nodes: self.nodes, operations: self.operations)
        recipe.joiners = self.joiners
        do {
            recipe.without = try Recipe.faults(self.without)
            recipe.steps = try self.steps.map { try Recipe.ranges($0) }
        } catch { throw ValidationError("\(error)") }
        (recipe.nodesUsed, recipe.keysUsed) = (self.useNodes, self.useKeys)
        return recipe
    }

    func run() throws {
        var (failures, counts, mostRounds) = (0, Counts(), 0)
        let (clock, started) = (ContinuousClock(), ContinuousClock.now)
        var played: UInt64 = 0
        for seed in self.seed..<self.seed + self.count where !(self.stop && failures > 0) {
            played += 1
            let recipe = try self.recipe(seed: seed)
            if self.story { print(recipe.story) }
            do {
                let outcome = try World.run(recipe)
                counts.add(outcome.counts)
                mostRounds = max(mostRounds, outcome.healing.rounds)
                print(
                    "seed \(seed): \(outcome.acknowledgedWrites) writes, \(outcome.events) events, whole in \(outcome.healing.whole), "
                        + "equal \(outcome.healing.rounds) rounds later, digest \(outcome.logDigest)")
            } catch let violation as Violation {
                failures += 1
                self.report(violation, of: recipe)
            }
        }
        let seconds = (clock.now - started) / .seconds(1)
        print("\(counts)")
        print(
            "\(played) histories, \(failures) failed, at most \(mostRounds) rounds to equal data, \((Double(played) / seconds * 10).rounded() / 10) a second"
        )
        if failures > 0 { throw ExitCode(1) }
    }

    private func report(_ violation: Violation, of recipe: Recipe) {
        print("seed \(recipe.seed): FAILED: \(violation)")
        print("  again: hearsay simulate \(recipe)")
        guard self.shrink else { return }
        var shrinker = Shrinker(recipe, violation)
        shrinker.shrink()
        print("  shorter, after \(shrinker.runs) runs: hearsay simulate \(shrinker.recipe)")
        print(shrinker.recipe.story)
        print("  FAILED: \(shrinker.violation)")
    }
}
