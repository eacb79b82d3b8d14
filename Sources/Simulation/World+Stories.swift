import Basics
import Storage

/// Histories that a test tells itself.
extension World {
    /// Founds a cluster without faults.
    package static func calm(
        seed: UInt64, nodes: Int, joiners: Int = 0, logCapBytes: Int = 1 << 30, bootstrapBytesPerSecond: Int = 0, clocklessNodes: Int = 0
    ) throws -> World {
        var plan = WorldPlan(seed: seed, nodes: nodes)
        for fault in Fault.allCases { plan.leaveOut(fault) }
        (plan.logCapBytes, plan.durability, plan.keys) = (logCapBytes, .always, 1_000)
        (plan.joiners, plan.bootstrapBytesPerSecond, plan.clocklessNodes) = (joiners, bootstrapBytesPerSecond, clocklessNodes)
        let world = try World(seed: seed, plan: plan)
        try world.found()
        return world
    }

    /// Nothing passes between two nodes any more; what they say to each other is lost.
    package func cutApart(_ one: Int, _ other: Int) { self.network.partition.cutApart(one, other) }

    /// What one node says to another takes so much longer from now on.
    package func lag(from: Int, to: Int, by lag: Duration) { self.network.setLag(from: from, to: to, lag) }

    /// Adds a node that is down, on a copy of what another has on its disk now; the number of it is the next one. Of a partition it knows nothing.
    package func addCopy(of index: Int) throws {
        _ = try self.addCopy(of: self.nodes[index])
        self.endCuts()
    }

    /// Everything passes again.
    package func joinTogether() { self.network.partition = Partition(nodes: self.plan.allNodes) }

    package func run(for duration: Duration) throws { try self.run(until: self.now + duration) }

    /// A client's SET on one node.
    package func set(_ key: String, to value: String, on node: Int) throws {
        try self.turn(self.nodes[node]) { _ in
            _ = try self.nodes[node].execute([Array("SET".utf8), Array(key.utf8), Array(value.utf8)], client: 0, at: self.now)
        }
    }

    /// A client's SET with a time to live.
    package func set(_ key: String, to value: String, forMilliseconds milliseconds: Int, on node: Int) throws {
        let words = ["SET", key, value, "PX", "\(milliseconds)"].map { Array($0.utf8) }
        try self.turn(self.nodes[node]) { _ in _ = try self.nodes[node].execute(words, client: 0, at: self.now) }
    }

    /// What a client is shown that asks a node for a key now; nil for nothing.
    package func read(_ key: String, on node: Int) throws -> String? {
        let (node, key) = (self.nodes[node], Array(key.utf8))
        return try node.read(key, at: node.moment(at: self.now)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A node's wall clock is set to another time.
    package func stepClock(of node: Int, milliseconds: Int) { self.nodes[node].clock.step(milliseconds: milliseconds) }

    /// Starts a node that is down, or that has never run.
    package func start(_ index: Int) throws { try self.start(self.nodes[index]) }

    /// The process of a node ends without warning, for good unless it is started.
    package func kill(_ index: Int) {
        self.closeAll(of: self.nodes[index], tellsOthers: true)
        self.nodes[index].kill()
    }

    /// Whether a node answers clients.
    package func isServing(_ index: Int) -> Bool { self.nodes[index].replica?.isServing ?? false }

    /// What a node has got as a joiner since it was started.
    package func bootstraps(of index: Int) -> (begun: Int, resumed: Int) { self.nodes[index].replica?.bootstraps ?? (0, 0) }

    /// How many records a node has given to joiners since it was started, and to how many of them it gives now.
    package func given(by index: Int) -> (entries: Int, joiners: Int) { self.nodes[index].replica?.given ?? (0, 0) }

    /// How often a node asked others' logs, and with what success, and how many sessions it had.
    package func mendings(of node: Int) -> (catchUps: Int, refused: Int, sessions: Int) { self.nodes[node].replica?.mendings ?? (0, 0, 0) }

    /// The process of a node ends, a bit of what its base has of a key becomes another, and it is started again.
    ///
    /// - Returns: false where its base has nothing of the key.
    package func rot(_ key: String, on index: Int) throws -> Bool {
        self.kill(index)
        defer { try? self.start(index) }
        return self.nodes[index].flipBitInBase(of: Array(key.utf8), choice: 1)
    }

    /// The process of a node ends, its base loses what it has of a key without a trace, and it is started again.
    ///
    /// - Returns: false where its base has nothing of the key.
    package func lose(_ key: String, on index: Int) throws -> Bool {
        self.kill(index)
        defer { try? self.start(index) }
        guard let (key, stamp) = self.nodes[index].loseFromBase(Array(key.utf8)) else { return false }
        self.rotted[key] = stamp
        return true
    }

    /// How many sessions a node has now, and how many entries it has given in them.
    package func openSessions(of node: Int) -> (count: Int, given: Int) { self.nodes[node].replica?.openSessions ?? (0, 0) }

    /// What a node holds of a key; nil where nothing.
    package func value(of key: String, on node: Int) throws -> String? {
        try self.nodes[node].entries()[Array(key.utf8)].map { String(decoding: $0.payload ?? [], as: UTF8.self) }
    }

    /// How many tombstones a node holds, and how many its base has.
    package func tombstones(of node: Int) -> (held: Int, stored: Int) {
        guard let store = self.nodes[node].replica?.store else { return (0, 0) }
        return (store.tombstones, Int(clamping: (try? store.baseStatistics().tombstones) ?? 0))
    }

    /// How many entries with a deadline a node holds, how many its base has, and how many have been dropped by this process.
    package func expiring(of node: Int) -> (held: Int, stored: Int, dropped: Int) {
        guard let store = self.nodes[node].replica?.store else { return (0, 0, 0) }
        return (store.expiringKeys, Int(clamping: (try? store.baseStatistics().expiring) ?? 0), store.counters.droppedExpired)
    }

    /// How many entries a node holds whose values have left.
    package func withoutValues(on node: Int) throws -> Int { try self.nodes[node].entries().values.count { $0.payload == nil } }

    /// Of how many replicas a node has dropped tombstones.
    /// How many replicas the contexts of a key's siblings name.
    package func namedReplicas(of key: String, on node: Int) throws -> Int {
        let siblings = try self.nodes[node].entry(of: Array(key.utf8))?.siblings ?? []
        return Set(siblings.flatMap { ($0.version.context?.entries ?? []).map(\.replica) }).count
    }

    package func floorCount(of node: Int) -> Int { self.nodes[node].replica?.store.floors.floors.count ?? 0 }
}
