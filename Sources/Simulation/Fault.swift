/// The kinds of faults that a history can have, by the names that leave them out.
package enum Fault: String, CaseIterable, Sendable {
    // The network.
    case loss, duplication, delay, split, stall, partition, reset
    // Processes.
    case kill, pause
    case powerCut = "power-cut"
    // Disks.
    case failedSync = "failed-sync"
    case fullDisk = "full-disk"
    case slowDisk = "slow-disk"
    case bitFlip = "bit-flip"
    // Clocks.
    case offset, drift
    case clockStep = "clock-step"
    case clockFreeze = "clock-freeze"
    // Operators.
    case join, wipe, restore, copy, leave, remove, replace
    // Clocks that are wrong by more than others take, and put right again; a machine that has none. Behind the others, whose scripts stay as they were.
    case clockLeap = "clock-leap"
    case noClock = "no-clock"
    case fence
    /// No fault: some keys keep concurrent writes beside each other, so many in a hundred of what clients do with them is about that.
    case siblings
    /// Nor this: so many in a hundred of the writes of siblings are about deadlines. Without it clients let no siblings expire.
    case siblingDeadlines = "sibling-deadlines"
}

/// What else is counted, so that a suite in which it never happens does not pass.
package enum Happening: String, CaseIterable, Sendable {
    case restarts, drains, sessions, retries, loads, bootstraps
    case resumedBootstraps = "bootstraps resumed"
    case exclusions = "members that found themselves replaced or removed"
    case contests = "processes that met another with their id"
    case renewals = "new replica ids"
    case returns = "nodes that gave up their store to come back"
    case exports = "versions that they took along"
    case reentered = "of these written again"
    case salvaged = "of these kept aside"
    case joined = "joiners that came to have everything"
    case tornLogs = "torn logs"
    case lostEntries = "entries lost to damage"
    case damagedLogs = "damaged logs put aside"
    case drops = "tombstones dropped"
    case expiredDrops = "expired entries dropped"
    case adoptions = "floors taken over from others"
    case knownRemoved = "versions known to have been removed"
    case halfOpen = "half-open connections"
    case logReads = "blocks of logs read for peers"
    case catchUps = "catch-ups"
    case refusedCatchUps = "catch-ups refused"
    case refusedWrites = "writes answered with an error"
    case lostUnsynced = "acknowledged writes lost with the power, as `interval` allows"
    case waits = "WAITs that counted a member"
    case modifications = "values read, changed and written back"
    case holds = "versions held until their time"
    case stampRefusals = "versions refused for their stamps"
    case farStamps = "nodes emptied because nobody takes their stamps"
    case expirations = "entries found expired"
    case emptied = "of these without their values"
    case siblingWrites = "writes beside or in the place of siblings"
    case concurrent = "keys with several siblings at the end"
    case trimmed = "siblings from beside which deletes, or what had expired, were dropped"
}

/// How often everything happened.
package struct Counts: Equatable, Sendable {
    private var faults = [Int](repeating: 0, count: Fault.allCases.count)
    private var happenings = [Int](repeating: 0, count: Happening.allCases.count)
    private var checks = [Int](repeating: 0, count: CheckName.allCases.count)
    /// In how many histories it happened, of those that were added.
    private var histories = [Int](repeating: 0, count: Happening.allCases.count)

    package init() {}

    package subscript(_ fault: Fault) -> Int {
        get { self.faults[Fault.allCases.firstIndex(of: fault)!] }
        set { self.faults[Fault.allCases.firstIndex(of: fault)!] = newValue }
    }

    package subscript(_ happening: Happening) -> Int {
        get { self.happenings[Happening.allCases.firstIndex(of: happening)!] }
        set { self.happenings[Happening.allCases.firstIndex(of: happening)!] = newValue }
    }

    /// How often something was looked at.
    package subscript(_ check: CheckName) -> Int {
        get { self.checks[CheckName.allCases.firstIndex(of: check)!] }
        set { self.checks[CheckName.allCases.firstIndex(of: check)!] = newValue }
    }

    /// In how many histories something happened.
    package func histories(with happening: Happening) -> Int { self.histories[Happening.allCases.firstIndex(of: happening)!] }

    /// Adds what a history has met.
    package mutating func add(_ other: Counts) {
        for index in self.histories.indices where other.happenings[index] > 0 { self.histories[index] += 1 }
        for index in self.faults.indices { self.faults[index] += other.faults[index] }
        for index in self.happenings.indices { self.happenings[index] += other.happenings[index] }
        for index in self.checks.indices { self.checks[index] += other.checks[index] }
    }
}

extension Counts: CustomStringConvertible {
    package var description: String {
        let faults = Fault.allCases.filter { self[$0] > 0 }.map { "\($0.rawValue) \(self[$0])" }
        let happenings = Happening.allCases.filter { self[$0] > 0 }.map { happening in
            let histories = self.histories(with: happening)
            return "\(happening.rawValue) \(self[happening])\(histories > 0 ? " in \(histories) of them" : "")"
        }
        let checks = CheckName.allCases.filter { self[$0] > 0 }.map { "\($0.rawValue) \(self[$0])" }
        return
            "faults: \(faults.joined(separator: ", ")); happened: \(happenings.joined(separator: ", ")); checked: \(checks.joined(separator: ", "))"
    }
}
