import Membership
import Node
import Storage

/// All that `hearsay node` can be told.
package struct NodeOptions: Sendable {
    package var folder: String
    /// The address and port that clients connect to; port 0 for any that is free.
    package var host = "127.0.0.1"
    package var port = 7_379
    package var store = StoreConfiguration()
    package var replica = ReplicaConfiguration()
    package var dropsDamagedLog = false
    /// A store that is damaged beyond single entries is put aside, and everything comes again from the other members.
    package var rebuilds = false
    package var allowsInsecureListen = false
    /// Where other nodes connect; nil where none can.
    package var peerHost: String?
    package var peerPort = 7_380
    package var peers = PeerConfiguration()

    /// True where the node is part of a set, or may become so.
    package var hasPeers: Bool { self.peerHost != nil || self.peers.awaitsOthers }

    package init(folder: String) { self.folder = folder }

    /// Files that the node itself keeps open: log, LMDB, epoll, the listener, and some for what comes and goes.
    static let reservedFiles = 64

    /// Checks what belongs together.
    package func validate() throws(NodeFailure) {
        try self.validateRebuild()
        if !Self.isLoopback(self.host), self.replica.password == nil, !self.allowsInsecureListen {
            throw NodeFailure(
                .refused,
                "refusing to listen on \(self.host) without a password: add --password-file FILE, or --insecure-listen to let everybody in")
        }
        if let peerHost, !Self.isLoopback(peerHost), !self.allowsInsecureListen {
            throw NodeFailure(
                .refused,
                "refusing to listen for peers on \(peerHost): whoever reaches that port can join; add --insecure-listen if the network keeps others out"
            )
        }
        if self.peers.expected > 1, self.peers.seeds.isEmpty, self.peerHost == nil {
            throw NodeFailure(.usage, "--expect \(self.peers.expected) without --peer-listen or --seed: no other node can be met")
        }
    }

    /// What a node needs that may lose what it has: somebody to get it from, and the name whose place it takes.
    private func validateRebuild() throws(NodeFailure) {
        guard self.rebuilds else { return }
        let own = [self.peers.advertised, self.peerHost.flatMap { try? PeerAddress(host: $0, port: UInt16(clamping: self.peerPort)) }]
        guard self.peers.seeds.contains(where: { !own.contains($0) }) else {
            throw NodeFailure(
                .usage, "--rebuild without another node's address in --seed: there is nobody to get the data from. Without members put back a backup")
        }
        guard self.peers.name != nil else {
            throw NodeFailure(
                .usage, "--rebuild without --name: it takes the name by which the members know this node, which HEARSAY MEMBERS on any of them tells")
        }
    }

    private static func isLoopback(_ host: String) -> Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}
