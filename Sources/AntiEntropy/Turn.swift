import Digests
import Versioning

/// What one side of a session says in its turn, gathered while the other's is heard and worked off from the front.
///
/// - Bound: each list ends at `RepairSession.maximumPlaces`.
struct Turn: Sendable {
    var mustAccept = false
    /// Nodes of ours that are empty, by depth in the order in which they were met.
    var askNodes = NodeLists()
    /// Nodes that differ: their children's sums, or at the leaves' depth their entries, are shown.
    var showNodes = NodeList(depth: 0)
    /// How many of these have been said.
    var shown = NodePlace()
    var childDepth = 0
    /// Places of entries that we lack.
    var wantPlaces = NodeLists()
    var stampPlaces = NodeLists()
    var stamps: [Stamp] = []
    /// How many of these have been said.
    var stamped = 0
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

    /// The whole token space was asked for.
    var asksForAll: Bool { self.askNodes.first?.depth == 0 }

    /// Whether all nodes that differ have been shown.
    var hasShown: Bool { self.shown.passed == self.showNodes.count }

    mutating func show(_ nodes: NodeList, childDepth: Int) { (self.showNodes, self.childDepth) = (nodes, childDepth) }

    /// The peer has asked for more than any honest one does.
    var isTooLong: Bool {
        self.giveNodes.count > RepairSession.maximumPlaces || self.givePlaces.count > 2 * RepairSession.maximumPlaces
    }
}
