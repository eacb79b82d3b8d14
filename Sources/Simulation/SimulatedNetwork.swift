import Basics
import Node

/// One connection between two nodes: what is sent on it arrives in order, or the connection breaks.
final class SimulatedConnection {
    let id: Int
    /// The dialling side is 0.
    let nodes: [Int]
    var links: [PeerLink?] = [nil, nil]
    /// Bytes that a side has received and its replica has not taken.
    var input: [[UInt8]] = [[], []]
    /// When the last bytes towards each side arrive.
    var lastArrival = [Instant(nanoseconds: 0), Instant(nanoseconds: 0)]
    var isOpen = true

    init(id: Int, from: Int, to: Int) { (self.id, self.nodes) = (id, [from, to]) }

    func side(of node: Int) -> Int { self.nodes[0] == node ? 0 : 1 }
}

/// Which nodes hear each other.
struct Partition: Equatable {
    enum Kind: CaseIterable { case halves, isolated, bridge, oneWay }

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

    mutating func cutApart(_ one: Int, _ other: Int) { (self.blocked[one][other], self.blocked[other][one]) = (true, true) }

    func passes(from: Int, to: Int) -> Bool { !self.blocked[to][from] }
}
