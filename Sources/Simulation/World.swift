import Basics
import Digests
import Membership
import Node
import Storage
import Versioning

/// A cluster in one thread: replicas and storage as in production, with network, disks, clocks and generators in their place.
///
/// One seed draws everything, from one generator for each purpose, so that leaving one kind of fault out does not change the others. First the
/// nodes found their cluster; then a script of what clients, operators and misfortune do is played, while messages are lost, repeated, cut and held
/// up; then everything works again, and all must come to hold the same data.
package final class World {
    /// - Note: What is long and rare is indirect, so that the queue moves little.
    enum Event {
        indirect case operate(Attempt)
        indirect case happen(Step.Action)
        indirect case connect(from: Int, incarnation: Int, PeerAddress)
        case deliver(SimulatedConnection, side: Int, [UInt8])
        /// A side closes its connection, or is told that the other has.
        case hangUp(SimulatedConnection, side: Int, isTold: Bool)
        case wake(node: Int, incarnation: Int)
        case append(node: Int, incarnation: Int)
        case sync(node: Int, incarnation: Int)
        case drain(node: Int, incarnation: Int)
        /// The next step of what a bootstrap stores.
        case load(node: Int, incarnation: Int)
        indirect case readLog(node: Int, incarnation: Int, link: UInt64, number: UInt16, LogRead)
        case rejoin(partition: Int)
        /// The process has asked to be started again on its folder.
        case reopen(node: Int, incarnation: Int)
        case restart(node: Int)
        case makeRoom(node: Int)
        case retire(node: Int)
    }

    package let plan: WorldPlan
    package internal(set) var counts = Counts()
    /// Changes with everything that happens: two runs of one seed end with the same.
    var log = EventLog()
    package private(set) var events = 0
    /// Of these, pieces of messages that arrived.
    package private(set) var arrivals = 0
    package internal(set) var now = Instant(nanoseconds: 1_000_000_000)
    var nodes: [SimulatedNode] = []
    var queue = EventQueue<Event>()
    var network: SimulatedNetwork
    var connectionCount = 0
    /// Counts the partitions, so that the end of an earlier one does not end a later.
    var partitions = 0
    var ledger = Ledger()
    /// The highest that any node has had.
    var floors = Floors()
    /// The latest deadline up to which any node has dropped entries that had expired, in milliseconds since 1970.
    var collectedThrough: UInt64 = 0
    /// The latest deadline up to which any node has had the values of entries leave.
    var passedThrough: UInt64 = 0
    /// Of each key the greatest version that rotted on a disk. Where no other had it, it is gone with what it had overwritten, and counts as seen.
    var rotted: [Int: Stamp] = [:]
    /// Of what nodes took along, what has nothing to do where nothing else is.
    var moot: [Ledger.Version] = []
    /// Numbers clients' attempts.
    var attempts: UInt64 = 0
    /// Faults are over, and clients have gone.
    var isHealed = false
    /// When the last of what was sent during the faults arrives.
    var settledAt = Instant(nanoseconds: 0)
    /// Nodes that will soon be down for good.
    var retirements = 0
    /// Turns until a node is looked at in passing.
    private var untilSample = World.sampleInterval
    var disks: SplitMix64
    var retries: SplitMix64
    var identities: SplitMix64
    private var clocks: SplitMix64

    /// What a node does not take of a peer's bytes waits in the system's buffers, which end.
    static let maximumInputBytes = 16 << 20
    private static let sampleInterval = 500

    package init(seed: UInt64, plan: WorldPlan) throws {
        var seeds = SplitMix64(seed: seed)
        self.plan = plan
        self.network = SimulatedNetwork(plan, seed: seeds.next())
        (self.disks, self.retries) = (SplitMix64(seed: seeds.next()), SplitMix64(seed: seeds.next()))
        (self.identities, self.clocks) = (SplitMix64(seed: seeds.next()), SplitMix64(seed: seeds.next()))
        for _ in 0..<plan.nodes { try self.addNode(expected: plan.nodes) }
        var clockless = SplitMix64(seed: seeds.next())
        for _ in 0..<plan.clocklessNodes {
            self.counts[.noClock] += 1
            self.nodes[Int(clockless.next() % UInt64(plan.nodes))].clock.takeAway()
        }
        for node in self.nodes { try self.start(node) }
        for _ in 0..<plan.joiners { try self.addNode(expected: 0) }
    }

    /// Adds a node that is not started yet.
    ///
    /// - Parameter expected: with how many it founds a cluster; 0 for one that joins.
    @discardableResult
    func addNode(expected: Int, name: MemberName? = nil) throws -> SimulatedNode {
        let index = self.nodes.count
        var store = StoreConfiguration()
        (store.tableEntries, store.segmentBytes, store.tableAge) = (self.plan.tableEntries, 20_000, .seconds(5))
        (store.logCapBytes, store.durability) = (self.plan.logCapBytes, self.plan.durability)
        var peers = PeerConfiguration()
        (peers.name, peers.advertised, peers.expected) = (try name ?? MemberName("node\(index)"), try Self.address(of: index), expected)
        // Of those that join each other too: by then the founders may be gone.
        peers.seeds = try (0..<(expected > 0 ? self.plan.nodes : self.plan.allNodes)).map { try Self.address(of: $0) }
        let clock = NodeClock(self.plan, using: &self.clocks)
        var settings = ReplicaConfiguration()
        settings.bootstrapBytesPerSecond = self.plan.bootstrapBytesPerSecond
        let node = SimulatedNode(index: index, clock: clock, configuration: store, settings: settings, peers: peers, clients: self.plan.clients)
        self.nodes.append(node)
        if index >= self.plan.nodes { self.network.addNode() }
        return node
    }

    static func address(of node: Int) throws -> PeerAddress { try PeerAddress(host: "node\(node)", port: 7_380) }

    /// Those that are not down for good.
    var members: [SimulatedNode] { self.nodes.filter { !$0.isRetired } }

    // MARK: Phases

    /// Runs until every node serves clients.
    package func found() throws {
        let deadline = self.now + .seconds(120)
        while !self.nodes.prefix(self.plan.nodes).allSatisfy({ $0.replica?.isServing ?? false }) {
            guard self.now < deadline else { throw Violation(.liveness, "after 120 s not all nodes serve") }
            guard try self.step() else { throw Violation(.liveness, "nothing happens any more") }
        }
        _ = try self.order(["HEARSAY", "SETTING", "gc.window", "\(self.plan.windowSeconds)"], of: self.nodes[0])
    }

    /// Plays a script, with faults.
    package func disturb(_ script: Script) throws {
        self.network.hasFaults = true
        let start = self.now
        for step in script.steps {
            try self.run(until: start + step.at)
            try self.perform(step.action)
        }
        try self.run(until: start + self.plan.length)
    }

    /// Runs everything that is due, up to a moment.
    func run(until end: Instant) throws {
        while let next = self.queue.next, next <= end { _ = try self.step() }
        self.now = max(self.now, end)
    }

    // MARK: Events

    /// - Returns: false where nothing is planned.
    func step() throws -> Bool {
        guard let (at, event) = self.queue.removeFirst() else { return false }
        self.now = max(self.now, at)
        if let index = event.node, self.nodes[index].pausedUntil > self.now {
            self.queue.add(event, at: self.nodes[index].pausedUntil)
            return true
        }
        self.events += 1
        if case .deliver = event { self.arrivals += 1 }
        self.log.note(event, at: self.now)
        try self.handle(event)
        return true
    }

    private func handle(_ event: Event) throws {
        switch event {
        case .operate(let attempt): try self.operate(attempt)
        case .happen(let action): if !self.isHealed { try self.perform(action) }
        case .connect(let from, let incarnation, let address): try self.connect(from, incarnation, address)
        case .deliver(let connection, let side, let bytes): try self.deliver(bytes, on: connection, side)
        case .hangUp(let connection, let side, let isTold): try self.hangUp(connection, side, isTold: isTold)
        case .wake(let index, let incarnation):
            // One that an earlier one has taken the place of would plan others without end.
            guard let node = self.node(index, incarnation), let wakeAt = node.wakeAt, wakeAt <= self.now else { return }
            node.wakeAt = nil
            try self.turn(node) { _ in }
        case .append(let index, let incarnation): if let node = self.node(index, incarnation) { try self.append(node) }
        case .sync(let index, let incarnation): if let node = self.node(index, incarnation) { try self.sync(node) }
        case .drain(let index, let incarnation): if let node = self.node(index, incarnation) { try self.stepDrain(node) }
        case .load(let index, let incarnation): if let node = self.node(index, incarnation) { try self.stepLoad(node) }
        case .readLog(let index, let incarnation, let link, let number, let read):
            guard let node = self.node(index, incarnation) else { return }
            let records = node.run(read)
            self.counts[.logReads] += 1
            try self.turn(node) { $0.logWasRead(link: link, number: number, records, at: self.now) }
        case .reopen(let index, let incarnation): if let node = self.node(index, incarnation) { try self.reopen(node) }
        case .rejoin(let number): if number == self.partitions { self.network.partition = Partition(nodes: self.plan.allNodes) }
        case .restart(let index): try self.restart(self.nodes[index])
        case .makeRoom(let index): self.nodes[index].makeRoom()
        case .retire(let index): try self.endLeaving(of: self.nodes[index])
        }
    }

    /// A node, if the process is still the one that an event was planned for.
    private func node(_ index: Int, _ incarnation: Int) -> SimulatedNode? {
        let node = self.nodes[index]
        return node.incarnation == incarnation && node.replica != nil ? node : nil
    }

    func plan(_ event: Event, in delay: Duration) { self.queue.add(event, at: self.now + delay) }

    // MARK: Turns

    /// One tick of a node's core loop. A node that belongs to no cluster yet ends where its disk has no room for the first that it must keep.
    func turn(_ node: SimulatedNode, _ body: (Replica) throws -> Void) throws {
        do { try self.tick(node, body) } catch let error as StoreError {
            guard error.isDiskFull, let replica = node.replica, !replica.store.isFounded else { throw error }
            try self.crash(node, .kill, down: .seconds(1))
        }
    }

    private func tick(_ node: SimulatedNode, _ body: (Replica) throws -> Void) throws {
        guard let replica = node.replica else { return }
        let (moment, wasJoining, id) = (node.moment(at: self.now), replica.isJoining, replica.store.identity.replica)
        node.noteReading(moment.wall, at: self.now)
        replica.beginTick(at: moment)
        try body(replica)
        try replica.tendPeers(at: moment)
        for end in node.ends where end.connection.inputCount(of: end.side) > 0 {
            guard let link = end.connection.link(of: end.side) else { continue }
            try end.connection.takeInput(of: end.side) { try replica.received($0, on: link, at: moment) }
        }
        if !node.jobs.isEmpty { try self.advanceJobs(of: node) }
        if replica.wantsTending, self.now >= node.tendAt {
            node.tendAt = self.now + .milliseconds(1)
            try replica.tendDigest(at: self.now)
        }
        for action in replica.endTick(at: self.now) { try self.perform(action, of: node) }
        for end in node.ends {
            guard let link = end.connection.link(of: end.side), link.mayHaveOutput else { continue }
            while let bytes = try replica.nextOutput(link, at: moment) { self.send(bytes, on: end.connection, to: 1 - end.side) }
        }
        if let failure = replica.peerFailure { throw failure }
        self.serve(node, replica)
        self.planWake(node, replica)
        if replica.store.identity.replica != id { self.counts[.renewals] += 1 }
        if node.floorsRevision != replica.store.floorsRevision {
            node.floorsRevision = replica.store.floorsRevision
            self.floors.join(replica.store.floors)
        }
        if replica.store.collectedThrough > node.collectedThrough { try self.noteCollection(of: node, through: replica.store.collectedThrough) }
        if replica.store.passedThrough > self.passedThrough { try self.notePassed(by: node, through: replica.store.passedThrough) }
        if wasJoining, !replica.isJoining {
            self.counts[.joined] += 1
            // Nothing that it was given is shown before its time.
            try self.checkNewestStamp(of: node)
            try self.check(node)
        }
        self.untilSample -= 1
        if self.untilSample <= 0 {
            self.untilSample = Self.sampleInterval
            try self.check(node)
        }
    }

    private func perform(_ action: Store.Action, of node: SimulatedNode) throws {
        switch action {
        case .append(let batch):
            if !node.hasUnwritten { self.plan(.append(node: node.index, incarnation: node.incarnation), in: .microseconds(20)) }
            try self.note(batch, of: node)
            node.take(batch)
        case .drain(let job):
            node.take(job)
            self.plan(.drain(node: node.index, incarnation: node.incarnation), in: .microseconds(100))
        case .load(let job):
            node.take(job)
            self.plan(.load(node: node.index, incarnation: node.incarnation), in: .microseconds(100))
        case .sweep(let position): try node.sweep(through: position)
        }
    }

    private func serve(_ node: SimulatedNode, _ replica: Replica) {
        for request in replica.takePeerRequests() {
            switch request {
            case .dial(let address):
                self.plan(.connect(from: node.index, incarnation: node.incarnation, address), in: self.network.delay(&self.counts))
            case .tell: break
            case .reopen: self.plan(.reopen(node: node.index, incarnation: node.incarnation), in: .milliseconds(1))
            case .readLog(let link, let number, let read):
                let time = Duration.microseconds(Int.random(in: 20...2_000, using: &self.disks))
                self.plan(.readLog(node: node.index, incarnation: node.incarnation, link: link, number: number, read), in: time)
            case .close(let id, _):
                guard let end = node.ends.first(where: { $0.connection.link(of: $0.side)?.id == id }) else { continue }
                self.queue.add(.hangUp(end.connection, side: end.side, isTold: false), at: self.now + .microseconds(1))
            }
        }
    }

    private func planWake(_ node: SimulatedNode, _ replica: Replica) {
        // No sooner than this is any planned.
        let soonest = self.now + .milliseconds(1)
        if let planned = node.wakeAt, planned <= soonest { return }
        var earliest = replica.peerDeadline
        if let deadline = replica.store.deadline { earliest = min(deadline, earliest ?? deadline) }
        if replica.wantsPeerTick || replica.wantsTending { earliest = self.now }
        if !node.jobs.isEmpty { earliest = min(self.now + .milliseconds(20), earliest ?? .init(nanoseconds: .max)) }
        guard let earliest else { return }
        let at = max(earliest, soonest)
        if let planned = node.wakeAt, planned <= at { return }
        node.wakeAt = at
        self.queue.add(.wake(node: node.index, incarnation: node.incarnation), at: at)
    }

    /// Looks at everything that must hold of a node at any time.
    func check(_ node: SimulatedNode) throws {
        guard node.replica != nil else { return }
        for check in Self.nodeChecks where check.holdsAlways {
            self.counts[check.name] += 1
            try check.check(node, in: self)
        }
    }
}

extension World.Event {
    /// Whose process it is for: one that is paused gets it later.
    var node: Int? {
        switch self {
        case .connect(let node, _, _), .wake(let node, _), .append(let node, _), .sync(let node, _), .drain(let node, _), .load(let node, _),
            .readLog(let node, _, _, _, _), .reopen(let node, _):
            node
        case .deliver(let connection, let side, _), .hangUp(let connection, let side, _): connection.node(of: side)
        case .operate, .happen, .rejoin, .restart, .makeRoom, .retire: nil
        }
    }
}
