import Basics

/// A whole history: what a recipe tells, from founding to the checks at its end.
extension World {
    /// What a history came to.
    package struct Outcome: Equatable, Sendable {
        /// Nodes held different data when healing began.
        package let wasUnequal: Bool
        package let healing: Healing
        package let counts: Counts
        package let acknowledgedWrites: Int
        package let events: Int
        package let logDigest: UInt64
    }

    /// Runs the history that a seed draws, and checks what must hold.
    package static func run(seed: UInt64, operations: Int = 1_000) throws -> Outcome {
        try self.run(Recipe(seed: seed, operations: operations))
    }

    /// - Throws: a `Violation`; nothing else.
    package static func run(_ recipe: Recipe) throws -> Outcome {
        do {
            return try self.play(recipe)
        } catch let violation as Violation {
            throw violation
        } catch {
            throw Violation(.liveness, "a process ended: \(error)")
        }
    }

    /// What fails in a history; nil where nothing does.
    package static func violation(of recipe: Recipe) -> Violation? {
        do {
            _ = try self.run(recipe)
            return nil
        } catch let violation as Violation {
            return violation
        } catch { preconditionFailure("\(error) is no violation") }
    }

    private static func play(_ recipe: Recipe) throws -> Outcome {
        let (plan, script) = recipe.draw()
        let world = try World(seed: recipe.seed, plan: plan)
        try world.found()
        try world.disturb(script)
        try world.heal()
        let wasUnequal = try !world.holdSameData()
        let healing = try world.converge()
        try world.check()
        for node in world.nodes { world.willEnd(node) }
        for mendings in world.nodes.compactMap(\.replica?.mendings) {
            world.counts[.catchUps] += mendings.catchUps
            world.counts[.refusedCatchUps] += mendings.refused
            world.counts[.sessions] += mendings.sessions
        }
        return Outcome(
            wasUnequal: wasUnequal, healing: healing, counts: world.counts, acknowledgedWrites: world.acknowledgedWrites, events: world.events,
            logDigest: world.log.digest)
    }
}
