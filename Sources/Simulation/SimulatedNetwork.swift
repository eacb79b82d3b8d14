import Basics
import Node

/// One connection between two nodes: what is sent on it arrives in order. One that has lost something breaks in the end, as TCP's do.
final class SimulatedConnection {
    let id: Int
    /// The dialling side is 0.
    let nodes: (Int, Int)
    /// What each side's replica has; nil where that side is closed, of which the other may not know yet.
    var links: (PeerLink?, PeerLink?) = (nil, nil)
    /// Bytes that a side has received and its replica has not taken.
    var input: ([UInt8], [UInt8]) = ([], [])
    /// When the last bytes towards each side arrive.
    var lastArrival = (Instant(nanoseconds: 0), Instant(nanoseconds: 0))
    /// Something that was sent will never arrive.
    var hasLost = false

    init(id: Int, from: Int, to: Int) { (self.id, self.nodes) = (id, (from, to)) }

    func node(of side: Int) -> Int { side == 0 ? self.nodes.0 : self.nodes.1 }
    func link(of side: Int) -> PeerLink? { side == 0 ? self.links.0 : self.links.1 }
    func setLink(_ link: PeerLink?, of side: Int) { if side == 0 { self.links.0 = link } else { self.links.1 = link } }
    func arrival(at side: Int) -> Instant { side == 0 ? self.lastArrival.0 : self.lastArrival.1 }
    func setArrival(_ at: Instant, at side: Int) { if side == 0 { self.lastArrival.0 = at } else { self.lastArrival.1 = at } }

    var isOpen: Bool { self.links.0 != nil || self.links.1 != nil }

    func receive(_ bytes: [UInt8], at side: Int) {
        if side == 0 { Self.receive(bytes, into: &self.input.0) } else { Self.receive(bytes, into: &self.input.1) }
    }

    /// Where nothing waits, as nearly always, the bytes need not be copied.
    private static func receive(_ bytes: [UInt8], into input: inout [UInt8]) { if input.isEmpty { input = bytes } else { input += bytes } }

    func inputCount(of side: Int) -> Int { side == 0 ? self.input.0.count : self.input.1.count }

    /// Gives a side's replica what has come, and keeps what it does not take.
    func takeInput(of side: Int, _ body: (UnsafeRawBufferPointer) throws -> Int) rethrows {
        if side == 0 { try Self.take(&self.input.0, body) } else { try Self.take(&self.input.1, body) }
    }

    private static func take(_ input: inout [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Int) rethrows {
        let consumed = try input.withUnsafeBytes(body)
        if consumed >= input.count { input = [] } else { input.removeFirst(consumed) }
    }
}

/// One side of a connection.
struct ConnectionEnd {
    let connection: SimulatedConnection
    let side: Int
}

/// What becomes of messages: drawn for each by one generator.
struct SimulatedNetwork {
    private let plan: WorldPlan
    private var random: SplitMix64
    /// For each direction between two nodes how many messages in a thousand are lost.
    private var losses: [[Int]]
    /// False before the disturbance and after the healing: messages then only take a moment.
    var hasFaults = false
    var partition: Partition
    /// So much longer messages from one node to another take, where a story says so.
    private var lags: [[Duration]]

    /// The fate of one message: nothing arrives, or it does once or twice, whole or in pieces, each after so long.
    struct Fate {
        var copies = 1
        var pieces = 1
        var stall = Duration.zero
    }

    init(_ plan: WorldPlan, seed: UInt64) {
        (self.plan, self.random, self.partition) = (plan, SplitMix64(seed: seed), Partition(nodes: plan.nodes))
        (self.losses, self.lags) = ([], [])
        for _ in 0..<plan.nodes { self.addNode() }
    }

    /// Both directions of a link lose their own share of messages, and two thirds of the links very little.
    mutating func addNode() {
        func draw() -> Int {
            let (most, isBad) = (self.plan.lossPerThousand, self.random.next() % 3 == 0)
            let share = Double.random(in: 0...1, using: &self.random)
            return most == 0 ? 0 : max(1, Int(Double(isBad ? most : min(most, 20)) * share))
        }
        for index in self.losses.indices { self.losses[index].append(draw()) }
        self.losses.append((0...self.losses.count).map { _ in draw() })
        for index in self.lags.indices { self.lags[index].append(.zero) }
        self.lags.append(Array(repeating: .zero, count: self.lags.count + 1))
    }

    func lag(from: Int, to: Int) -> Duration { self.lags[from][to] }
    mutating func setLag(from: Int, to: Int, _ lag: Duration) { self.lags[from][to] = lag }

    mutating func delay(_ counts: inout Counts) -> Duration {
        guard self.hasFaults, self.plan.greatestDelay > WorldPlan.leastDelay else {
            return .microseconds(Int.random(in: 50...1_000, using: &self.random))
        }
        let greatest = self.plan.greatestDelay.wholeNanoseconds
        let delay = Int64.random(in: greatest / 1_000...greatest, using: &self.random)
        if delay > 100_000_000 { counts[.delay] += 1 }
        return .nanoseconds(delay)
    }

    mutating func fate(from: Int, to: Int, _ counts: inout Counts) -> Fate {
        var fate = Fate()
        guard self.hasFaults else { return fate }
        let (loss, split, stall) = (self.draw(), self.draw(), self.draw())
        if loss < self.losses[from][to] {
            fate.copies = 0
            counts[.loss] += 1
            return fate
        }
        if loss >= 1_000 - self.plan.duplicationPerThousand {
            fate.copies = 2
            counts[.duplication] += 1
        } else if split < self.plan.splitPerThousand {
            fate.pieces = 2 + split % 3
            counts[.split] += 1
        }
        if stall < self.plan.stallPerThousand {
            fate.stall = .milliseconds(Int.random(in: 500...5_000, using: &self.random))
            counts[.stall] += 1
        }
        return fate
    }

    private mutating func draw() -> Int { Int.random(in: 0..<1_000, using: &self.random) }

    /// Where to cut a message so that it becomes so many pieces.
    mutating func cuts(of byteCount: Int, pieces: Int) -> [Int] {
        (1..<pieces).map { _ in Int.random(in: 0...byteCount, using: &self.random) }.sorted()
    }
}

/// Which nodes hear each other. Those that it does not know hear all.
struct Partition: Equatable {
    enum Kind: String, CaseIterable { case halves, isolated, ring, bridge, oneWay }

    /// For each node those whose messages do not reach it.
    private var blocked: [[Bool]]

    /// All hear all.
    init(nodes: Int) { self.blocked = Array(repeating: Array(repeating: false, count: nodes), count: nodes) }

    /// Draws a partition of a kind.
    init(_ kind: Kind, nodes: Int, using random: inout SplitMix64) {
        self.init(nodes: nodes)
        let order = (0..<nodes).shuffled(using: &random)
        switch kind {
        case .halves:
            let half = Set(order.prefix(nodes / 2))
            for from in 0..<nodes { for to in 0..<nodes where half.contains(from) != half.contains(to) { self.blocked[to][from] = true } }
        case .isolated:
            for other in 0..<nodes where other != order[0] { (self.blocked[order[0]][other], self.blocked[other][order[0]]) = (true, true) }
        case .ring:
            // Each hears its two neighbours alone.
            for (place, node) in order.enumerated() {
                for (otherPlace, other) in order.enumerated() where ![0, 1, nodes - 1].contains(abs(place - otherPlace)) {
                    self.blocked[node][other] = true
                }
            }
        case .bridge:
            // The first hears and is heard by all; the others are two camps.
            let camp = Set(order.dropFirst().prefix((nodes - 1) / 2))
            for from in order.dropFirst() {
                for to in order.dropFirst() where camp.contains(from) != camp.contains(to) { self.blocked[to][from] = true }
            }
        case .oneWay:
            for other in 0..<nodes where other != order[0] { self.blocked[other][order[0]] = true }
        }
    }

    /// One node hears nobody, and nobody hears it.
    init(nodes: Int, without node: Int) {
        self.init(nodes: nodes)
        for other in 0..<nodes where other != node { self.cutApart(node, other) }
    }

    mutating func cutApart(_ one: Int, _ other: Int) { (self.blocked[one][other], self.blocked[other][one]) = (true, true) }

    func passes(from: Int, to: Int) -> Bool {
        guard from < self.blocked.count, to < self.blocked.count else { return true }
        return !self.blocked[to][from]
    }
}
