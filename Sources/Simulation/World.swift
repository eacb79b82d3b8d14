import Basics
import Digests
import Membership
import Node
import Storage

/// A cluster in one thread: replicas and storage as in production, with network, disks, clocks and generators in their place.
///
/// One seed draws everything, from one generator for each purpose, so that leaving one kind of fault out does not change the others. First the
/// nodes found their cluster; then clients write while messages are lost, repeated and held up, nodes are cut off, killed and lose their power; then
/// everything works again, and all must come to hold the same data.
package final class World {
    enum Event {
        case write
        case connect(from: Int, incarnation: Int, PeerAddress)
        case deliver(connection: Int, toSide: Int, [UInt8])
        case reset(connection: Int)
        case wake(node: Int, incarnation: Int)
        case append(node: Int, incarnation: Int)
        case sync(node: Int, incarnation: Int)
        case drain(node: Int, incarnation: Int)
        case load(node: Int, incarnation: Int)
        case readLog(node: Int, incarnation: Int, link: UInt64, number: UInt16, LogRead)
        case partition, rejoin
        case kill, cutPower, resetOne
        case restart(node: Int)
    }

    package let plan: WorldPlan
    package internal(set) var counts = FaultCounts()
    /// Changes with everything that happens: two runs of one seed end with the same.
    package private(set) var logDigest: UInt64 = 0
    package private(set) var events = 0
    package private(set) var now = Instant(nanoseconds: 1_000_000_000)
    let nodes: [SimulatedNode]
    private var queue = EventQueue<Event>()
    /// All that there were, by id, and those that are.
    private var connections: [SimulatedConnection] = []
    private var open: [SimulatedConnection] = []
    var partition: Partition
    private var hasFaults = false
    private var wakes: [Instant?]
    private var network: SplitMix64
    private var disks: SplitMix64
    private var load: SplitMix64
    private var operators: SplitMix64
    private var identities: SplitMix64

    package init(seed: UInt64, plan: WorldPlan) throws {
        var seeds = SplitMix64(seed: seed)
        self.plan = plan
        (self.network, self.disks, self.load) = (SplitMix64(seed: seeds.next()), SplitMix64(seed: seeds.next()), SplitMix64(seed: seeds.next()))
        (self.operators, self.identities) = (SplitMix64(seed: seeds.next()), SplitMix64(seed: seeds.next()))
        var clocks = SplitMix64(seed: seeds.next())
        let offset = plan.greatestClockOffset.wholeNanoseconds / 1_000_000
        let addresses = try (0..<plan.allNodes).map { try PeerAddress(host: "node\($0)", port: 7_380) }
        self.nodes = try (0..<plan.allNodes).map { index in
            var store = StoreConfiguration()
            (store.tableEntries, store.segmentBytes, store.tableAge) = (plan.tableEntries, 20_000, .seconds(5))
            store.logCapBytes = plan.logCapBytes
            var peers = PeerConfiguration()
            (peers.name, peers.advertised, peers.seeds) = (try MemberName("node\(index)"), addresses[index], Array(addresses[..<plan.nodes]))
            peers.expected = index < plan.nodes ? plan.nodes : 0
            var settings = ReplicaConfiguration()
            settings.bootstrapBytesPerSecond = plan.bootstrapBytesPerSecond
            let clockOffset = Int64.random(in: -offset...offset, using: &clocks)
            return SimulatedNode(index: index, clockOffset: clockOffset, configuration: store, settings: settings, peers: peers)
        }
        self.partition = Partition(nodes: plan.allNodes)
        self.wakes = Array(repeating: nil, count: plan.allNodes)
        for node in self.nodes.prefix(plan.nodes) { try self.start(node) }
    }

    // MARK: Phases

    /// Runs until every node serves clients.
    package func found() throws {
        let deadline = self.now + .seconds(120)
        while !self.nodes.prefix(self.plan.nodes).allSatisfy({ $0.replica?.isServing ?? false }) {
            guard self.now < deadline else { throw Violation("after 120 s not all nodes serve") }
            guard try self.step() else { throw Violation("nothing happens any more") }
        }
    }

    /// Writes and faults.
    package func disturb() throws {
        self.hasFaults = true
        let end = self.now + self.plan.length
        func some(_ count: Int, _ event: Event, _ random: inout SplitMix64) {
            for _ in 0..<count { self.queue.add(event, at: self.moment(until: end, &random)) }
        }
        some(self.plan.operations, .write, &self.load)
        some(self.plan.partitions, .partition, &self.operators)
        some(self.plan.kills, .kill, &self.operators)
        some(self.plan.powerCuts, .cutPower, &self.operators)
        some(self.plan.resets, .resetOne, &self.operators)
        for joiner in self.plan.nodes..<self.plan.allNodes { some(1, .restart(node: joiner), &self.operators) }
        while let next = self.queue.next, next <= end { _ = try self.step() }
    }

    private func moment(until end: Instant, _ random: inout SplitMix64) -> Instant {
        Instant(nanoseconds: UInt64.random(in: self.now.nanoseconds...end.nanoseconds, using: &random))
    }

    /// Everything works from now on.
    package func heal() throws {
        self.hasFaults = false
        self.partition = Partition(nodes: self.plan.allNodes)
        for node in self.nodes where node.replica == nil { try self.start(node) }
    }

    /// Runs until all hold the same.
    ///
    /// - Returns: how long it took.
    package func converge(within limit: Duration) throws -> Duration {
        let start = self.now
        while true {
            let slice = self.now + .milliseconds(500)
            while let next = self.queue.next, next <= slice { _ = try self.step() }
            self.now = max(self.now, slice)
            if try self.hasConverged() { return self.now.since(start) }
            guard self.now.since(start) < limit else { throw Violation("after \(limit) the nodes hold different data: \(try self.difference())") }
        }
    }

    // MARK: Events

    var nextEvent: Instant? { self.queue.next }

    func advance(to instant: Instant) { self.now = max(self.now, instant) }

    /// - Returns: false where nothing is planned.
    func step() throws -> Bool {
        guard let (at, event) = self.queue.removeFirst() else { return false }
        self.now = max(self.now, at)
        self.events += 1
        self.note(event)
        try self.happen(event)
        return true
    }

    private func happen(_ event: Event) throws {
        switch event {
        case .write: try self.write()
        case .connect(let from, let incarnation, let address): try self.connect(from, incarnation, address)
        case .deliver(let connection, let side, let bytes): try self.deliver(bytes, on: self.connections[connection], side)
        case .reset(let connection): try self.close(self.connections[connection])
        case .wake(let index, let incarnation):
            guard self.nodes[index].incarnation == incarnation else { return }
            self.wakes[index] = nil
            try self.turn(self.nodes[index]) { _ in }
        case .append(let index, let incarnation):
            guard self.nodes[index].incarnation == incarnation else { return }
            try self.nodes[index].append()
            self.plan(.sync(node: index, incarnation: incarnation), in: self.syncTime())
        case .sync(let index, let incarnation):
            guard self.nodes[index].incarnation == incarnation else { return }
            try self.turn(self.nodes[index]) { _ in try self.nodes[index].sync() }
        case .drain(let index, let incarnation):
            guard self.nodes[index].incarnation == incarnation else { return }
            try self.stepDrain(self.nodes[index])
        case .load(let index, let incarnation):
            guard self.nodes[index].incarnation == incarnation else { return }
            try self.stepLoad(self.nodes[index])
        case .readLog(let index, let incarnation, let link, let number, let read):
            guard self.nodes[index].incarnation == incarnation else { return }
            let records = self.nodes[index].run(read)
            self.counts.logReads += 1
            try self.turn(self.nodes[index]) { $0.logWasRead(link: link, number: number, records, at: self.now) }
        case .partition: self.cut()
        case .rejoin: self.partition = Partition(nodes: self.plan.allNodes)
        case .kill, .cutPower: try self.crash(event)
        case .resetOne:
            guard let connection = self.open.randomElement(using: &self.operators) else { return }
            self.counts.resets += 1
            try self.close(connection)
        case .restart(let index): if self.nodes[index].replica == nil { try self.start(self.nodes[index]) }
        }
    }

    private func plan(_ event: Event, in delay: Duration) { self.queue.add(event, at: self.now + delay) }

    private func stepDrain(_ node: SimulatedNode) throws {
        var goesOn = false
        try self.turn(node) { _ in goesOn = try node.stepDrain(at: self.now) }
        if goesOn {
            self.plan(.drain(node: node.index, incarnation: node.incarnation), in: .microseconds(Int.random(in: 10...5_000, using: &self.disks)))
        } else {
            self.counts.drains += 1
        }
    }

    private func stepLoad(_ node: SimulatedNode) throws {
        var goesOn = false
        try self.turn(node) { _ in goesOn = try node.stepLoad(at: self.now) }
        if goesOn { self.plan(.load(node: node.index, incarnation: node.incarnation), in: self.syncTime()) } else { self.counts.loads += 1 }
    }

    /// One sync in twenty is slow, as on a disk that others use.
    private func syncTime() -> Duration {
        self.disks.next() % 20 == 0
            ? .milliseconds(Int.random(in: 5...300, using: &self.disks)) : .microseconds(Int.random(in: 50...3_000, using: &self.disks))
    }

    private func readTime() -> Duration { .microseconds(Int.random(in: 20...2_000, using: &self.disks)) }

    private func write() throws {
        let node = self.nodes[Int.random(in: 0..<self.plan.allNodes, using: &self.load)]
        let key = Array("key\(Int.random(in: 0..<self.plan.keys, using: &self.load))".utf8)
        let value = (0..<Int.random(in: 0...40, using: &self.load)).map { _ in UInt8.random(in: 0...255, using: &self.load) }
        let isDelete = self.load.next() % 4 == 0
        guard node.replica?.isServing == true else { return }
        try self.turn(node) { _ in try node.execute(isDelete ? [Array("DEL".utf8), key] : [Array("SET".utf8), key, value], at: self.now) }
    }

    private func cut() {
        self.counts.partitions += 1
        self.partition = Partition(Partition.Kind.allCases.randomElement(using: &self.operators)!, nodes: self.plan.allNodes, using: &self.operators)
        self.plan(.rejoin, in: .milliseconds(Int.random(in: 500...8_000, using: &self.operators)))
    }

    private func crash(_ event: Event) throws {
        var node = self.nodes[Int.random(in: 0..<self.plan.allNodes, using: &self.operators)]
        if case .cutPower = event, Int.random(in: 0..<10, using: &self.operators) > 0 {
            // Rarely has a node unsynced bytes just then, and those are what a power cut is about: waits for one that has.
            guard let dirty = self.nodes.filter({ $0.hasUnsynced }).randomElement(using: &self.operators) else {
                return self.plan(.cutPower, in: .milliseconds(3))
            }
            node = dirty
        }
        guard node.replica != nil else { return }
        if case .kill = event {
            self.counts.kills += 1
            try self.end(node, cutsPower: false)
        } else {
            self.counts.powerCuts += 1
            try self.end(node, cutsPower: true)
        }
        self.plan(.restart(node: node.index), in: .milliseconds(Int.random(in: 10...6_000, using: &self.operators)))
    }

    /// A node's process ends without warning.
    func end(_ node: SimulatedNode, cutsPower: Bool) throws {
        self.countBootstraps(of: node)
        if cutsPower { node.cutPower(using: &self.disks) } else { node.kill() }
        for connection in self.open where connection.nodes.contains(node.index) {
            connection.links[connection.side(of: node.index)] = nil
            try self.close(connection)
        }
    }

    func countBootstraps(of node: SimulatedNode) {
        guard let (begun, resumed) = node.replica?.bootstraps else { return }
        self.counts.bootstraps += begun
        self.counts.resumedBootstraps += resumed
    }

    func start(_ node: SimulatedNode) throws {
        let torn = node.tornTails
        try node.start(at: self.now, using: &self.identities)
        self.counts.restarts += node.incarnation > 1 ? 1 : 0
        self.counts.tornTails += node.tornTails - torn
        self.wakes[node.index] = nil
        try self.turn(node) { _ in }
    }

    // MARK: Turns

    /// One tick of a node's core loop.
    func turn(_ node: SimulatedNode, _ body: (Replica) throws -> Void) throws {
        guard let replica = node.replica else { return }
        let (moment, wasJoining) = (node.moment(at: self.now), replica.isJoining)
        replica.beginTick(at: self.now)
        try body(replica)
        try replica.tendPeers(at: moment)
        for connection in self.open where connection.nodes.contains(node.index) {
            try self.takeInput(of: connection, connection.side(of: node.index), replica, moment)
        }
        if replica.wantsTending { try replica.tendDigest(at: self.now) }
        for action in replica.endTick(at: self.now) {
            switch action {
            case .append(let batch):
                if !node.hasUnwritten { self.plan(.append(node: node.index, incarnation: node.incarnation), in: .microseconds(20)) }
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
        try self.pump(node, replica, moment)
        if let failure = replica.peerFailure { throw failure }
        try self.serve(node, replica)
        self.planWake(node, replica)
        if wasJoining { try self.checkJoiner(node, replica) }
    }

    private func pump(_ node: SimulatedNode, _ replica: Replica, _ moment: Replica.Moment) throws {
        for connection in self.open {
            let side = connection.side(of: node.index)
            guard connection.nodes[side] == node.index, let link = connection.links[side] else { continue }
            while let bytes = try replica.nextOutput(link, at: moment) { self.send(bytes, on: connection, to: 1 - side) }
        }
    }

    private func serve(_ node: SimulatedNode, _ replica: Replica) throws {
        for request in replica.takePeerRequests() {
            switch request {
            case .dial(let address): self.plan(.connect(from: node.index, incarnation: node.incarnation, address), in: self.delay())
            case .tell: break
            case .readLog(let link, let number, let read):
                self.plan(.readLog(node: node.index, incarnation: node.incarnation, link: link, number: number, read), in: self.readTime())
            case .close(let id, _):
                let connection = self.open.first { $0.nodes.contains(node.index) && $0.links[$0.side(of: node.index)]?.id == id }
                // Behind what is on its way: a refusal is heard.
                if let connection { self.queue.add(.reset(connection: connection.id), at: connection.lastArrival.max()! + .microseconds(1)) }
            }
        }
    }

    private func planWake(_ node: SimulatedNode, _ replica: Replica) {
        var deadlines = [replica.store.deadline, replica.peerDeadline].compactMap(\.self)
        if replica.wantsPeerTick || replica.wantsTending { deadlines.append(self.now + .milliseconds(1)) }
        guard let earliest = deadlines.min() else { return }
        let at = max(earliest, self.now + .milliseconds(1))
        if let planned = self.wakes[node.index], planned <= at { return }
        self.wakes[node.index] = at
        self.queue.add(.wake(node: node.index, incarnation: node.incarnation), at: at)
    }

    // MARK: Network

    private func delay() -> Duration {
        guard self.hasFaults, self.plan.greatestDelay > .milliseconds(1) else {
            return .microseconds(Int.random(in: 50...1_000, using: &self.network))
        }
        let delay = self.plan.greatestDelay * Double.random(in: 0.001...1, using: &self.network)
        if delay > .milliseconds(100) { self.counts.delayed += 1 }
        return delay
    }

    private func send(_ bytes: [UInt8], on connection: SimulatedConnection, to side: Int) {
        var copies = 1
        if self.hasFaults {
            let draw = Int.random(in: 0..<1_000, using: &self.network)
            if draw < self.plan.lossPerThousand {
                copies = 0
                self.counts.lost += 1
            } else if draw >= 1_000 - self.plan.duplicationPerThousand {
                copies = 2
                self.counts.duplicated += 1
            }
        }
        for _ in 0..<copies {
            let at = max(self.now + self.delay(), connection.lastArrival[side] + .microseconds(1))
            connection.lastArrival[side] = at
            self.queue.add(.deliver(connection: connection.id, toSide: side, bytes), at: at)
        }
    }

    private func connect(_ from: Int, _ incarnation: Int, _ address: PeerAddress) throws {
        guard self.nodes[from].incarnation == incarnation, self.nodes[from].replica != nil else { return }
        let target = Int(address.host.dropFirst(4))!
        guard self.nodes[target].replica != nil, self.partition.passes(from: from, to: target), self.partition.passes(from: target, to: from) else {
            return try self.turn(self.nodes[from]) { $0.dialFailed(address, at: self.now) }
        }
        let connection = SimulatedConnection(id: self.connections.count, from: from, to: target)
        self.connections.append(connection)
        self.open.append(connection)
        try self.turn(self.nodes[from]) { connection.links[0] = $0.linkOpened(dialed: address, at: self.now) }
        if target != from || connection.links[1] == nil {
            try self.turn(self.nodes[target]) { connection.links[1] = $0.linkOpened(dialed: nil, at: self.now) }
        }
    }

    private func deliver(_ bytes: [UInt8], on connection: SimulatedConnection, _ side: Int) throws {
        let (from, to) = (connection.nodes[1 - side], connection.nodes[side])
        guard connection.isOpen, self.partition.passes(from: from, to: to) else { return }
        connection.input[side] += bytes
        try self.turn(self.nodes[to]) { _ in }
    }

    private func takeInput(of connection: SimulatedConnection, _ side: Int, _ replica: Replica, _ moment: Replica.Moment) throws {
        guard let link = connection.links[side], !connection.input[side].isEmpty else { return }
        let consumed = try connection.input[side].withUnsafeBytes { bytes throws(StoreError) in try replica.received(bytes, on: link, at: moment) }
        connection.input[side].removeFirst(min(consumed, connection.input[side].count))
    }

    private func close(_ connection: SimulatedConnection) throws {
        guard connection.isOpen else { return }
        connection.isOpen = false
        self.open.removeAll { $0 === connection }
        for side in 0...1 {
            guard let link = connection.links[side] else { continue }
            connection.links[side] = nil
            try self.turn(self.nodes[connection.nodes[side]]) { $0.linkClosed(link, at: self.now) }
        }
    }

    // MARK: The log

    private func note(_ event: Event) {
        var words: [UInt64] = [self.logDigest, self.now.nanoseconds]
        switch event {
        case .write: words.append(1)
        case .connect(let from, _, let address): words += [2, UInt64(from), UInt64(address.host.utf8.last!)]
        case .deliver(let connection, let side, let bytes):
            words += [3, UInt64(connection), UInt64(side), bytes.withUnsafeBytes { checksum(of: $0, seed: 0) }]
        case .reset(let connection): words += [4, UInt64(connection)]
        case .wake(let node, _): words += [5, UInt64(node)]
        case .append(let node, _): words += [6, UInt64(node)]
        case .sync(let node, _): words += [7, UInt64(node)]
        case .drain(let node, _): words += [8, UInt64(node)]
        case .partition: words.append(9)
        case .rejoin: words.append(10)
        case .kill: words.append(11)
        case .cutPower: words.append(12)
        case .resetOne: words.append(13)
        case .restart(let node): words += [14, UInt64(node)]
        case .readLog(let node, _, let link, let number, let read):
            words += [15, UInt64(node), link, UInt64(number), read.block.start, read.block.end]
        case .load(let node, _): words += [16, UInt64(node)]
        }
        self.logDigest = words.withUnsafeBytes { checksum(of: $0, seed: 0) }
    }
}
