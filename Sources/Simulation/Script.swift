import Basics

/// One thing that a client, an operator or misfortune does, decided before the history begins.
package struct Step: Equatable, Sendable {
    /// From the beginning of the disturbance.
    package let at: Duration
    let action: Action
    /// Where it stands in the whole script, whatever is left of that.
    package internal(set) var number = 0

    enum Action: Equatable, Sendable {
        case operate(client: Int, node: Int, Operation)
        case partition(Partition.Kind, order: UInt64, for: Duration)
        /// Of all connections that are open then, the one that this number falls on.
        case reset(choice: UInt64)
        case kill(node: Int, down: Duration)
        /// Where `waits`, of the first node from this one on that has bytes not yet synced.
        case cutPower(node: Int, down: Duration, waits: Bool)
        case pause(node: Int, for: Duration)
        case failSync(node: Int, down: Duration)
        case fillDisk(node: Int, freeBytes: Int, for: Duration)
        case slowDisk(node: Int, for: Duration)
        /// The node is killed, and a bit of what it stores is another when it comes back.
        case flipBit(node: Int, inLog: Bool, choice: UInt64, down: Duration)
        case stepClock(node: Int, milliseconds: Int)
        case freezeClock(node: Int, for: Duration)
        /// Somebody sets a clock ahead by more than others take, and puts it right after a while.
        case leapClock(node: Int, milliseconds: Int, for: Duration)
        /// The second half of that.
        case endLeap(node: Int, milliseconds: Int)
        /// A node that has never run is started.
        case appear(node: Int)
        /// A new node, of a new name, that knows some of the others.
        case join
        /// The disk is empty afterwards; the node comes back under its old name.
        case wipe(node: Int, down: Duration)
        /// Remembers what the disk holds.
        case snapshot(node: Int)
        /// The disk holds what it held at the last snapshot.
        case restore(node: Int, down: Duration)
        /// A second process runs for a while on a copy of the node's folder.
        case copy(node: Int, for: Duration)
        case leave(node: Int)
        /// One node is told to remove another, which is down for good.
        case remove(node: Int, by: Int)
        /// The second half of that.
        case expel(node: Int, by: Int)
        /// A node is away for a while, down or unreachable, and another is told to fence it.
        case fence(node: Int, by: Int, isDown: Bool, for: Duration)
        /// The second half of that.
        case confine(node: Int, by: Int)
        /// A node is down for good, and an empty one comes under its name.
        case replace(node: Int, down: Duration)
    }

    /// What a client does.
    struct Operation: Equatable, Sendable {
        enum Kind: Equatable, Sendable {
            case set, delete
            /// GET, then SET of a value made of what came.
            case modify
            /// SET, then WAIT for so many members.
            case setAndWait(members: Int)
            /// SET with a time to live.
            case setExpiring(milliseconds: Int)
            /// PEXPIRE.
            case expire(milliseconds: Int)
            case persist
            /// VSET, without a context; with a time to live where there is one.
            case setSibling(milliseconds: Int?)
            /// VGET, then VSET of another value with the context that came; with a time to live where there is one.
            case modifySiblings(milliseconds: Int?)
            /// VGET, then VDEL with the context that came.
            case deleteSiblings
        }

        let kind: Kind
        let key: Int
        /// Bytes of the value behind the eight that number it.
        let padding: Int
    }

    /// The kind of fault that it is; nil for what clients do.
    package var fault: Fault? {
        switch self.action {
        case .operate, .appear: nil
        case .partition: .partition
        case .reset: .reset
        case .kill: .kill
        case .cutPower: .powerCut
        case .pause: .pause
        case .failSync: .failedSync
        case .fillDisk: .fullDisk
        case .slowDisk: .slowDisk
        case .flipBit: .bitFlip
        case .stepClock: .clockStep
        case .freezeClock: .clockFreeze
        case .leapClock, .endLeap: .clockLeap
        case .join: .join
        case .wipe: .wipe
        case .snapshot, .restore: .restore
        case .copy: .copy
        case .leave: .leave
        case .remove, .expel: .remove
        case .replace: .replace
        case .fence, .confine: .fence
        }
    }
}

/// Everything that clients, operators and misfortune do in a history, in order of time.
package struct Script: Equatable, Sendable {
    package internal(set) var steps: [Step] = []

    /// Nothing.
    package init() {}

    /// Draws what a plan asks for: what clients do from one generator, each kind of fault from one of its own, so that leaving one out does not
    /// change the others.
    package init(_ plan: WorldPlan, seed: UInt64) {
        var seeds = SplitMix64(seed: seed)
        var load = SplitMix64(seed: seeds.next())
        for _ in 0..<plan.operations { self.steps.append(Self.drawOperation(plan, using: &load)) }
        for fault in Fault.allCases where fault != .siblings && fault != .siblingDeadlines {
            var random = SplitMix64(seed: seeds.next())
            for _ in 0..<plan[fault] { self.draw(fault, plan, using: &random) }
        }
        var random = SplitMix64(seed: seeds.next())
        for joiner in plan.nodes..<plan.allNodes {
            self.steps.append(Step(at: Self.moment(plan, using: &random), action: .appear(node: joiner)))
        }
        random = SplitMix64(seed: seeds.next())
        self.limitLives(using: &random)
        random = SplitMix64(seed: seeds.next())
        self.keepSiblings(percent: plan[.siblings], using: &random)
        random = SplitMix64(seed: seeds.next())
        self.limitSiblings(percent: plan[.siblingDeadlines], using: &random)
        // Sorted by time, and by the order of drawing where that is equal.
        let order = self.steps.indices.sorted { (self.steps[$0].at, $0) < (self.steps[$1].at, $1) }
        self.steps = order.map { self.steps[$0] }
        for index in self.steps.indices { self.steps[index].number = index }
    }

    private static func moment(_ plan: WorldPlan, using random: inout SplitMix64) -> Duration {
        .nanoseconds(Int64.random(in: 0...plan.length.wholeNanoseconds, using: &random))
    }

    private static func drawOperation(_ plan: WorldPlan, using random: inout SplitMix64) -> Step {
        let at = Self.moment(plan, using: &random)
        let (client, node) = (Int.random(in: 0..<plan.clients, using: &random), Int.random(in: 0..<plan.allNodes, using: &random))
        let kind: Step.Operation.Kind =
            switch random.next() % 100 {
            case 0..<22: .delete
            case 22..<32: .modify
            case 32..<34: .setAndWait(members: 1 + Int(random.next() % 2))
            default: .set
            }
        let (key, padding) = (Int.random(in: 0..<plan.keys, using: &random), Int.random(in: 0...32, using: &random))
        return Step(at: at, action: .operate(client: client, node: node, Step.Operation(kind: kind, key: key, padding: padding)))
    }

    /// Some of what was to be set is to live shortly, or gets a deadline, or loses it: from a generator of its own, so that all else stays as it was drawn.
    private mutating func limitLives(using random: inout SplitMix64) {
        for index in self.steps.indices {
            guard case .operate(let client, let node, let operation) = self.steps[index].action, operation.kind == .set else { continue }
            let (choice, milliseconds) = (random.next() % 100, Int.random(in: 1...4_000, using: &random))
            let kind: Step.Operation.Kind =
                switch choice {
                case 0..<6: .setExpiring(milliseconds: milliseconds)
                case 6..<10: .expire(milliseconds: milliseconds)
                case 10..<12: .persist
                default: .set
                }
            let limited = Step.Operation(kind: kind, key: operation.key, padding: operation.padding)
            self.steps[index] = Step(at: self.steps[index].at, action: .operate(client: client, node: node, limited))
        }
    }

    /// Of what is done with every second key much is about siblings; what is left is done to keys that have some.
    private mutating func keepSiblings(percent: Int, using random: inout SplitMix64) {
        for index in self.steps.indices {
            guard case .operate(let client, let node, let operation) = self.steps[index].action, operation.key % 2 == 0 else { continue }
            let (isKept, choice) = (Int(random.next() % 100) >= percent, random.next() % 100)
            if isKept { continue }
            let kind: Step.Operation.Kind =
                switch choice {
                case 0..<25: .setSibling(milliseconds: nil)
                case 25..<75: .modifySiblings(milliseconds: nil)
                default: .deleteSiblings
                }
            let changed = Step.Operation(kind: kind, key: operation.key, padding: operation.padding)
            self.steps[index] = Step(at: self.steps[index].at, action: .operate(client: client, node: node, changed))
        }
    }

    /// Some siblings are to live shortly, or get a deadline, or lose it.
    private mutating func limitSiblings(percent: Int, using random: inout SplitMix64) {
        for index in self.steps.indices {
            guard case .operate(let client, let node, let operation) = self.steps[index].action else { continue }
            let kind: Step.Operation.Kind
            let (isKept, choice) = (Int(random.next() % 100) >= percent, random.next() % 100)
            let milliseconds = Int.random(in: 1...4_000, using: &random)
            switch (operation.kind, choice) {
            case (.setSibling, 0..<60): kind = .setSibling(milliseconds: milliseconds)
            case (.modifySiblings, 0..<60): kind = .modifySiblings(milliseconds: milliseconds)
            case (.setSibling, 60..<90), (.modifySiblings, 60..<90): kind = .expire(milliseconds: milliseconds)
            case (.setSibling, _), (.modifySiblings, _): kind = .persist
            default: continue
            }
            if isKept { continue }
            let limited = Step.Operation(kind: kind, key: operation.key, padding: operation.padding)
            self.steps[index] = Step(at: self.steps[index].at, action: .operate(client: client, node: node, limited))
        }
    }

    private mutating func draw(_ fault: Fault, _ plan: WorldPlan, using random: inout SplitMix64) {
        let (at, node) = (Self.moment(plan, using: &random), Int.random(in: 0..<plan.allNodes, using: &random))
        func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(Int.random(in: range, using: &random)) }
        func other() -> Int { (node + 1 + Int(random.next() % UInt64(max(1, plan.allNodes - 1)))) % plan.allNodes }
        func add(_ action: Step.Action) { self.steps.append(Step(at: at, action: action)) }
        switch fault {
        case .loss, .duplication, .delay, .split, .stall, .offset, .drift, .noClock, .siblings, .siblingDeadlines:
            preconditionFailure("\(fault) is a rate")
        case .partition:
            add(.partition(Partition.Kind.allCases.randomElement(using: &random)!, order: random.next(), for: milliseconds(500...8_000)))
        case .reset: add(.reset(choice: random.next()))
        case .kill: add(.kill(node: node, down: milliseconds(10...6_000)))
        case .powerCut: add(.cutPower(node: node, down: milliseconds(10...6_000), waits: random.next() % 10 > 0))
        case .pause: add(.pause(node: node, for: milliseconds(20...5_000)))
        case .failedSync: add(.failSync(node: node, down: milliseconds(10...6_000)))
        case .fullDisk: add(.fillDisk(node: node, freeBytes: Int.random(in: 0...2_000, using: &random), for: milliseconds(100...6_000)))
        case .slowDisk: add(.slowDisk(node: node, for: milliseconds(500...5_000)))
        case .bitFlip:
            add(.flipBit(node: node, inLog: random.next() % 3 == 0, choice: random.next(), down: milliseconds(10...2_000)))
        case .clockStep: add(.stepClock(node: node, milliseconds: Int.random(in: -5_000...5_000, using: &random)))
        case .clockFreeze: add(.freezeClock(node: node, for: milliseconds(100...10_000)))
        case .clockLeap:
            add(.leapClock(node: node, milliseconds: Int.random(in: 660_000...3_600_000, using: &random), for: milliseconds(500...8_000)))
        case .join: add(.join)
        case .wipe: add(.wipe(node: node, down: milliseconds(10...6_000)))
        case .restore:
            add(.snapshot(node: node))
            let later = at + (plan.length - at) * Double.random(in: 0...1, using: &random)
            self.steps.append(Step(at: later, action: .restore(node: node, down: milliseconds(10...6_000))))
        case .copy: add(.copy(node: node, for: milliseconds(500...8_000)))
        case .leave: add(.leave(node: node))
        case .remove: add(.remove(node: node, by: other()))
        case .fence: add(.fence(node: node, by: other(), isDown: random.next() % 3 == 0, for: milliseconds(1_500...6_000)))
        case .replace: add(.replace(node: node, down: milliseconds(10...6_000)))
        }
    }
}

extension Script {
    /// What is for a key beyond falls on another.
    mutating func limit(keys: Int) {
        for index in self.steps.indices {
            guard case .operate(let client, let node, let operation) = self.steps[index].action else { continue }
            let fewer = Step.Operation(kind: operation.kind, key: operation.key % keys, padding: operation.padding)
            self.steps[index] = Step(at: self.steps[index].at, action: .operate(client: client, node: node, fewer), number: self.steps[index].number)
        }
    }
}
