import Membership

/// What an operator decides about a node's part in its cluster.
package struct PeerConfiguration: Sendable {
    /// Nil for the beginning of the replica id.
    package var name: MemberName?
    /// Where peers dial this node; nil where nobody can.
    package var advertised: PeerAddress?
    /// Whom to ask first. Without any the node founds a cluster of its own.
    package var seeds: [PeerAddress] = []
    /// With how many others to found a cluster, this node included; 0 for none.
    package var expected = 0

    package init() {}

    /// True where another node must be heard of before anything is written.
    package var awaitsOthers: Bool { !self.seeds.isEmpty || self.expected > 1 }
}
