import Digests
import Versioning

/// What one side of a session says in its turn, gathered while the other's is heard and worked off from the front.
///
/// - Bound: each list ends at `RepairSession.maximumPlaces`.
struct Turn: Sendable {
    var mustAccept = false
    /// Nodes of ours that are empty, by depth in the order in which they were met.
    var askNodes: [NodeList] = []
    /// Nodes that differ: their children's sums, or at the leaves' depth their entries, are shown.
    var showNodes = NodeList(depth: 0)
    var childDepth = 0
    /// Places of entries that we lack.
    var wantPlaces: [UInt64] = []
    var stampPlaces: [UInt64] = []
    var stamps: [Stamp] = []
    /// Nodes of which the peer has nothing, or has asked for all.
    var giveNodes = NodeLists()
    /// Where to go on in the first of them.
    var giveFrom: Token?
    /// Places of entries that the peer lacks.
    var givePlaces = NodeLists()
    /// Something was left out.
    var wasCut = false
    /// Something was said that the peer has to answer.
    var hasAsked = false
    /// How many of each list have been said.
    var (shown, wanted, stamped) = (0, 0, 0)

    /// The whole token space was asked for.
    var asksForAll: Bool { self.askNodes.first?.depth == 0 }

    mutating func askAll(_ node: DigestNode) {
        if self.askNodes.last?.depth == node.depth {
            self.askNodes[self.askNodes.count - 1].indexes.append(node.index)
        } else {
            self.askNodes.append(NodeList(depth: node.depth, indexes: [node.index]))
        }
    }

    mutating func show(_ nodes: NodeList, childDepth: Int) { (self.showNodes, self.childDepth) = (nodes, childDepth) }

    /// The peer has asked for more than any honest one does.
    var isTooLong: Bool {
        self.giveNodes.count > RepairSession.maximumPlaces || self.givePlaces.count > 2 * RepairSession.maximumPlaces
    }
}

/// Nodes of several depths, worked off from the front.
struct NodeLists: Sendable {
    private var lists: [NodeList] = []
    private var next = 0
    private(set) var count = 0

    mutating func append(_ list: NodeList) {
        guard !list.isEmpty else { return }
        self.count += list.indexes.count
        if self.lists.last?.depth == list.depth {
            self.lists[self.lists.count - 1].indexes += list.indexes
        } else {
            self.lists.append(list)
        }
    }

    mutating func append(_ node: DigestNode) { self.append(NodeList(depth: node.depth, indexes: [node.index])) }

    var first: DigestNode? {
        guard let list = self.lists.first else { return nil }
        return DigestNode(depth: list.depth, index: list.indexes[self.next])
    }

    mutating func removeFirst() {
        self.next += 1
        self.count -= 1
        guard self.next == self.lists[0].indexes.count else { return }
        self.lists.removeFirst()
        self.next = 0
    }
}
