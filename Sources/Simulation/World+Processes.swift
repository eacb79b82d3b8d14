import Basics
import Membership
import Node
import Storage

/// What misfortune and operators do, and what the threads of a node do.
extension World {
    private func member(_ index: Int) -> SimulatedNode { self.nodes[index % self.plan.allNodes] }

    func perform(_ action: Step.Action) throws {
        switch action {
        case .operate(let client, let node, let operation):
            try self.operate(Attempt(number: self.nextNumber(), client: client, node: node % self.plan.allNodes, operation: operation))
        case .partition(let kind, let order, let duration):
            var random = SplitMix64(seed: order)
            self.partitions += 1
            self.counts[.partition] += 1
            self.network.partition = Partition(kind, nodes: self.plan.allNodes, using: &random)
            self.plan(.rejoin(partition: self.partitions), in: duration)
        case .reset(let choice):
            let ends = self.nodes.flatMap(\.ends)
            guard !ends.isEmpty else { return }
            self.counts[.reset] += 1
            self.reset(ends[Int(choice % UInt64(ends.count))].connection)
        case .appear(let index): try self.restart(self.member(index))
        case .kill(let index, let down): try self.crash(self.member(index), .kill, down: down)
        case .cutPower(let index, let down, let waits): try self.cutPower(index, down, waits: waits)
        case .pause(let index, let duration):
            self.counts[.pause] += 1
            self.member(index).pause(at: self.now, for: duration)
        case .failSync(let index, let down):
            self.member(index).downAfterFailure = down
            self.member(index).failNextSync()
        case .fillDisk(let index, let freeBytes, let duration):
            self.counts[.fullDisk] += 1
            self.member(index).fill(freeBytes: freeBytes)
            self.plan(.makeRoom(node: self.member(index).index), in: duration)
        case .slowDisk(let index, let duration):
            self.counts[.slowDisk] += 1
            self.member(index).slowUntil = self.now + duration
        case .flipBit(let index, let inLog, let choice, let down): try self.flipBit(self.member(index), inLog: inLog, choice: choice, down: down)
        case .stepClock(let index, let milliseconds):
            self.counts[.clockStep] += 1
            self.member(index).clock.step(milliseconds: milliseconds)
        case .freezeClock(let index, let duration):
            self.counts[.clockFreeze] += 1
            self.member(index).clock.freeze(at: self.now, for: duration)
        case .leapClock(let index, let milliseconds, let duration):
            self.counts[.clockLeap] += 1
            self.member(index).clock.step(milliseconds: milliseconds)
            self.plan(.happen(.endLeap(node: index, milliseconds: milliseconds)), in: duration)
        case .endLeap(let index, let milliseconds): self.member(index).clock.step(milliseconds: -milliseconds)
        case .join, .wipe, .snapshot, .restore, .copy, .leave, .remove, .expel, .replace, .fence, .confine: try self.operateMembership(action)
        }
    }

    private func cutPower(_ index: Int, _ down: Duration, waits: Bool) throws {
        guard waits else { return try self.crash(self.member(index), .powerCut, down: down) }
        // Rarely has a node unsynced bytes just then, and those are what a power cut is about: waits for one that has.
        let order = (0..<self.plan.allNodes).map { self.member(index + $0) }
        guard let dirty = order.first(where: { $0.hasUnsynced }) else {
            if !self.isHealed { self.plan(.happen(.cutPower(node: index, down: down, waits: true)), in: .milliseconds(3)) }
            return
        }
        try self.crash(dirty, .powerCut, down: down)
    }

    /// A process ends without warning, with its machine where the power goes.
    func crash(_ node: SimulatedNode, _ fault: Fault, down: Duration) throws {
        guard node.replica != nil else { return }
        self.counts[fault] += 1
        self.willEnd(node)
        let interrupted = node.pending.map(\.attempt)
        self.closeAll(of: node, tellsOthers: fault == .kill)
        if fault == .kill { node.kill() } else { try self.excuse(node.cutPower(using: &self.disks), of: node) }
        node.endPause(at: self.now)
        for attempt in interrupted { self.retry(attempt) }
        self.plan(.restart(node: node.index), in: down)
    }

    /// Acknowledged writes went with the power: at `interval` those may that came since the sync was asked for that is due or under way, 100 ms
    /// before it begins (I4). How long it then takes, on a slow disk or in a process that is paused, is not the node's to say.
    private func excuse(_ lost: [SimulatedNode.Acknowledged], of node: SimulatedNode) throws {
        for write in lost {
            guard self.plan.durability == .interval, write.at >= node.syncPlannedAt else {
                throw Violation(
                    .acknowledgedKept, "node \(node.index): \(write.version) was acknowledged \(self.now.since(write.at)) ago and not synced")
            }
            self.counts[.lostUnsynced] += 1
        }
    }

    func restart(_ node: SimulatedNode) throws {
        guard node.replica == nil, !node.isRetired else { return }
        try self.start(node)
    }

    func start(_ node: SimulatedNode) throws {
        let torn = node.tornTails
        do throws(StoreError) {
            try node.start(at: self.now, using: &self.identities)
        } catch {
            if case .damagedLog = error, node.hasRotted { return try self.startWithoutLog(node) }
            guard error.isDiskFull else { throw error }
            return self.plan(.restart(node: node.index), in: .seconds(1))
        }
        self.counts[.restarts] += node.incarnation > 1 ? 1 : 0
        // They may have become durable a moment before the process ended.
        self.floors.join(node.replica!.store.floors)
        node.collectedThrough = node.replica!.store.collectedThrough
        self.collectedThrough = max(self.collectedThrough, node.collectedThrough)
        self.noteGivenUp(by: node)
        self.counts[.lostEntries] += node.replica!.store.counters.damagedEntries
        self.counts[.tornLogs] += node.tornTails - torn
        for write in node.takeRecovered() { try self.note(write, of: node) }
        try self.turn(node) { _ in }
        try self.check(node)
    }

    // MARK: Rot

    private func flipBit(_ node: SimulatedNode, inLog: Bool, choice: UInt64, down: Duration) throws {
        guard node.replica != nil, self.canSpare(node) else { return }
        try self.crash(node, .kill, down: down)
        if inLog {
            guard node.flipBitInLog(choice: choice) else { return }
            node.forgetPositions()  // Any of them may be in the batch that is damaged, or behind it.
            self.excuseUnreplicated(of: node)
        } else {
            guard let (key, stamp) = node.flipBitInBase(choice: choice) else { return }
            // With it goes what it had overwritten.
            self.rotted[key] = max(self.rotted[key] ?? stamp, stamp)
            node.forgetPositions { $0.version.key == key && $0.version.stamp <= stamp }
            self.excuseUnreplicated(of: node) { $0.version.key == key && $0.version.stamp <= stamp }
        }
        self.counts[.bitFlip] += 1
    }

    /// An operator reads that synced bytes of the log are damaged, and has the node go on with what can be read (I7a).
    private func startWithoutLog(_ node: SimulatedNode) throws {
        self.counts[.damagedLogs] += 1
        self.excuseUnreplicated(of: node)
        node.forgetPositions()
        node.dropsDamagedLog = true
        defer { node.dropsDamagedLog = false }
        try self.start(node)
    }

    // MARK: Threads

    static let syncInterval = Duration.milliseconds(100)

    /// One sync in twenty is slow, as on a disk that others use.
    private func syncTime(of node: SimulatedNode) -> Duration {
        if node.slowUntil > self.now { return .milliseconds(Int.random(in: 100...3_000, using: &self.disks)) }
        return self.disks.next() % 20 == 0
            ? .milliseconds(Int.random(in: 5...300, using: &self.disks)) : .microseconds(Int.random(in: 50...3_000, using: &self.disks))
    }

    func append(_ node: SimulatedNode) throws {
        let origin: UInt64?
        do throws(DiskError) { origin = try node.append() } catch { return try self.diskFailed(node) }
        if let origin {
            var refused: [SimulatedNode.Pending] = []
            try self.turn(node) { _ in refused = try node.appendFailed(from: origin, at: self.now) }
            for pending in refused {
                if pending.write != nil { self.refuse(pending.attempt) }
                node.endWait(of: pending.attempt)
                self.retry(pending.attempt)
            }
        }
        guard !node.isSyncPlanned || self.plan.durability == .always else { return try self.answer(node) }
        (node.isSyncPlanned, node.syncPlannedAt) = (true, self.now)
        let pause = self.plan.durability == .always ? Duration.zero : Self.syncInterval
        self.plan(.sync(node: node.index, incarnation: node.incarnation), in: pause + self.syncTime(of: node))
        try self.answer(node)
    }

    func sync(_ node: SimulatedNode) throws {
        node.isSyncPlanned = false
        do {
            try self.turn(node) { _ in try node.sync() }
        } catch let error as DiskError {
            guard error.operation == .sync || error.operation == .syncFolder else { throw error }
            return try self.diskFailed(node)
        }
        for write in node.takeDurable() { try self.note(write, of: node) }
        try self.answer(node)
    }

    /// A sync that has failed ends the process (I7). The machine is started again too: nobody knows what its memory still holds.
    private func diskFailed(_ node: SimulatedNode) throws { try self.crash(node, .failedSync, down: node.downAfterFailure) }

    func stepLoad(_ node: SimulatedNode) throws {
        var state = SimulatedNode.DrainState.ended
        try self.turn(node) { _ in state = try node.stepLoad(at: self.now) }
        switch state {
        case .goesOn: self.plan(.load(node: node.index, incarnation: node.incarnation), in: self.syncTime(of: node))
        case .waitsForRoom: self.plan(.load(node: node.index, incarnation: node.incarnation), in: .seconds(1))
        case .ended: self.counts[.loads] += 1
        }
    }

    /// Before a process ends, and at the end of a history.
    func willEnd(_ node: SimulatedNode) {
        self.excuseGivenUp(by: node)
        self.countStamps(of: node)
        guard let replica = node.replica else { return }
        let (begun, resumed) = replica.bootstraps
        self.counts[.drops] += replica.store.counters.droppedTombstones
        self.counts[.expiredDrops] += replica.store.counters.droppedExpired
        self.counts[.trimmed] += replica.store.counters.trimmed
        self.counts[.adoptions] += replica.store.counters.adoptions
        self.counts[.reentered] += replica.salvageCounts.reentered
        self.counts[.salvaged] += replica.salvageCounts.salvaged
        self.counts[.knownRemoved] += replica.store.counters.knownRemoved
        self.counts[.bootstraps] += begun
        self.counts[.resumedBootstraps] += resumed
    }

    func stepDrain(_ node: SimulatedNode) throws {
        var state = SimulatedNode.DrainState.ended
        try self.turn(node) { _ in state = try node.stepDrain(at: self.now) }
        switch state {
        case .goesOn:
            self.plan(.drain(node: node.index, incarnation: node.incarnation), in: .microseconds(Int.random(in: 10...5_000, using: &self.disks)))
        case .waitsForRoom: self.plan(.drain(node: node.index, incarnation: node.incarnation), in: .seconds(1))
        case .ended: self.counts[.drains] += 1
        }
    }
}
