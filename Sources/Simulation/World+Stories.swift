import Basics
import Storage

/// Histories that a test tells itself.
extension World {
    /// Founds a cluster without faults.
    package static func calm(seed: UInt64, nodes: Int, logCapBytes: Int = 1 << 30) throws -> World {
        var plan = WorldPlan(seed: seed, nodes: nodes)
        for fault in Fault.allCases { plan.leaveOut(fault) }
        (plan.logCapBytes, plan.durability) = (logCapBytes, .always)
        let world = try World(seed: seed, plan: plan)
        try world.found()
        return world
    }

    /// Nothing passes between two nodes any more; what they say to each other is lost.
    package func cutApart(_ one: Int, _ other: Int) { self.network.partition.cutApart(one, other) }

    package func run(for duration: Duration) throws { try self.run(until: self.now + duration) }

    /// A client's SET on one node.
    package func set(_ key: String, to value: String, on node: Int) throws {
        try self.turn(self.nodes[node]) { _ in
            _ = try self.nodes[node].execute([Array("SET".utf8), Array(key.utf8), Array(value.utf8)], client: 0, at: self.now)
        }
    }

    /// How often a node asked others' logs, and with what success, and how many sessions it had.
    package func mendings(of node: Int) -> (catchUps: Int, refused: Int, sessions: Int) { self.nodes[node].replica?.mendings ?? (0, 0, 0) }

    /// What a node holds of a key; nil where nothing.
    package func value(of key: String, on node: Int) throws -> String? {
        try self.nodes[node].entries()[Array(key.utf8)].map { String(decoding: $0.payload, as: UTF8.self) }
    }
}
