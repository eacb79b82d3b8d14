import Basics

/// A whole history: what a seed draws, from founding to the checks at its end.
extension World {
    /// So long after healing all nodes hold the same: a session that lost a frame is given up after 30 s, and the next one does it.
    package static let convergenceLimit = Duration.seconds(90)

    /// What a history came to.
    package struct Outcome: Sendable {
        /// Nodes held different data when healing began.
        package let wasUnequal: Bool
        package let convergedIn: Duration
        package let counts: FaultCounts
        package let acknowledgedWrites: Int
        package let events: Int
        package let logDigest: UInt64
    }

    /// Runs the history that a seed draws, and checks what must hold at its end.
    package static func run(seed: UInt64, operations: Int = 1_000) throws -> Outcome {
        try self.run(seed: seed, plan: WorldPlan(seed: seed, operations: operations))
    }

    package static func run(seed: UInt64, plan: WorldPlan) throws -> Outcome {
        let world = try World(seed: seed, plan: plan)
        try world.found()
        try world.disturb()
        try world.heal()
        let wasUnequal = try !world.hasConverged()
        let took = try world.converge(within: Self.convergenceLimit)
        try world.check()
        for node in world.nodes { world.countBootstraps(of: node) }
        var counts = world.counts
        for mendings in world.nodes.compactMap(\.replica?.mendings) {
            counts.catchUps += mendings.catchUps
            counts.refusedCatchUps += mendings.refused
            counts.sessions += mendings.sessions
        }
        return Outcome(
            wasUnequal: wasUnequal, convergedIn: took, counts: counts, acknowledgedWrites: world.acknowledgedWrites, events: world.events,
            logDigest: world.logDigest)
    }
}
