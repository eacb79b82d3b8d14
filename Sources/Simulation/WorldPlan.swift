import Basics

/// What goes wrong in a history, and how often: drawn from its seed before it begins.
package struct WorldPlan: Equatable, Sendable {
    package var nodes: Int
    /// Nodes beside these that are started empty while the others write.
    package var joiners = 0
    package var keys: Int
    package var operations: Int
    /// How long the writes and the faults go on.
    package var length: Duration
    /// Per thousand of all messages.
    package var lossPerThousand = 0
    package var duplicationPerThousand = 0
    /// The longest delay of a message; those of one connection keep their order, those of different ones do not.
    package var greatestDelay: Duration
    /// So many of each in a history.
    package var partitions = 0
    package var kills = 0
    package var powerCuts = 0
    package var resets = 0
    /// Each node's wall clock is off by up to so much.
    package var greatestClockOffset: Duration
    package var tableEntries: Int
    /// So much of each node's log is kept for the others: with none, or little, what they lack is found by sessions.
    package var logCapBytes: Int
    /// How fast members give to joiners; 0 for as fast as they can.
    package var bootstrapBytesPerSecond = 0

    /// Founders and joiners.
    package var allNodes: Int { self.nodes + self.joiners }

    /// Draws a plan: each kind of fault is off in a third of the histories.
    package init(seed: UInt64, nodes: Int = 5, operations: Int = 1_000) {
        var random = SplitMix64(seed: seed)
        func some(_ range: ClosedRange<Int>) -> Int { random.next() % 3 == 0 ? 0 : Int.random(in: range, using: &random) }
        self.nodes = nodes
        self.operations = operations
        self.keys = 1 << Int.random(in: 2...8, using: &random)
        self.length = .seconds(Int.random(in: 10...40, using: &random))
        self.lossPerThousand = some(1...100)
        self.duplicationPerThousand = some(1...200)
        self.greatestDelay = .milliseconds(random.next() % 3 == 0 ? 1 : Int.random(in: 1...800, using: &random))
        self.partitions = some(1...3)
        self.kills = some(1...4)
        self.powerCuts = some(1...7)
        self.resets = some(1...10)
        self.greatestClockOffset = .milliseconds(some(1...2_000))
        self.tableEntries = Int.random(in: 8...400, using: &random)
        self.logCapBytes = [0, 30_000, 1 << 30, 1 << 30].randomElement(using: &random)!
    }
}

/// How often each kind of fault happened: a suite that never meets what it is for passes too.
package struct FaultCounts: Equatable, Sendable {
    package var lost = 0
    package var duplicated = 0
    package var delayed = 0
    package var partitions = 0
    package var kills = 0
    package var powerCuts = 0
    package var restarts = 0
    package var tornTails = 0
    package var resets = 0
    package var drains = 0
    /// Jobs of bootstraps that were stored.
    package var loads = 0
    /// Blocks of logs that were read for peers.
    package var logReads = 0
    /// What was asked of peers' logs and came, or did not; and repair sessions. Of processes that were there at the end.
    package var catchUps = 0
    package var refusedCatchUps = 0
    package var sessions = 0
    /// Bootstraps from the first entry on, those that went on behind what was stored, and joiners that came to have everything.
    package var bootstraps = 0
    package var resumedBootstraps = 0
    package var joins = 0

    package init() {}

    package mutating func add(_ other: FaultCounts) {
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.delayed += other.delayed
        self.partitions += other.partitions
        self.kills += other.kills
        self.powerCuts += other.powerCuts
        self.restarts += other.restarts
        self.tornTails += other.tornTails
        self.resets += other.resets
        self.drains += other.drains
        self.loads += other.loads
        self.logReads += other.logReads
        self.catchUps += other.catchUps
        self.refusedCatchUps += other.refusedCatchUps
        self.sessions += other.sessions
        self.bootstraps += other.bootstraps
        self.resumedBootstraps += other.resumedBootstraps
        self.joins += other.joins
    }
}
