import Basics
import Membership

/// Nodes that found together over a network that loses links and delays, repeats and drops messages, on disks that lose what was not synced.
///
/// Messages may arrive in any order, also after their link is gone.
struct FoundingWorld {
    struct Node {
        var replica: ReplicaID
        var founding: Founding
        /// The acceptance on disk.
        var disk: Offer?
        var store: Offer?
        /// What `.found` has named, until the identity is durable.
        var identity: Offer?
        /// The cluster that the node is a member of: founded by it, or adopted.
        var cluster: Offer?
    }

    struct Message {
        let isOffer: Bool
        let offer: Offer
        let from: ReplicaID
        let to: ReplicaID
    }

    enum Step: Equatable {
        case link(Int, Int)
        case cut(Int, Int, losesMessages: Bool)
        case deliver(Int), repeatMessage(Int)
        case finishStore(Int), finishFounding(Int)
        /// What is under way, to the disk and to the node, is done later or lost.
        case restart(Int, keepsPending: Bool)
        /// Empties the folder: the node comes back under another id.
        case wipe(Int)
    }

    let expected: Int
    var generator: SplitMix64
    var nodes: [Node] = []
    /// Pairs of node indexes, the smaller first, in the order in which they were linked.
    var links: [[Int]] = []
    var messages: [Message] = []
    /// Every offer that a `.found` has named, once.
    var founded: [Offer] = []
    var takeOverCount = 0
    var refusalCount = 0

    init(seed: UInt64, nodeCount: Int, expected: Int) throws {
        (self.expected, self.generator) = (expected, SplitMix64(seed: seed))
        for _ in 0..<nodeCount {
            let replica = ReplicaID(using: &self.generator)
            let founding = try Founding(replica: replica, expected: expected, accepted: nil, using: &self.generator)
            self.nodes.append(Node(replica: replica, founding: founding))
        }
    }

    /// What can happen next but for faults, in a fixed order.
    var progress: [Step] {
        var steps: [Step] = []
        for left in self.nodes.indices {
            for right in self.nodes.indices where left < right && !self.links.contains([left, right]) { steps.append(.link(left, right)) }
            if self.nodes[left].store != nil { steps.append(.finishStore(left)) }
            if self.nodes[left].identity != nil { steps.append(.finishFounding(left)) }
        }
        return steps + self.messages.indices.map { .deliver($0) }
    }

    var faults: [Step] {
        self.links.flatMap { [.cut($0[0], $0[1], losesMessages: true), .cut($0[0], $0[1], losesMessages: false)] }
            + self.messages.indices.flatMap { [.repeatMessage($0), .deliver($0)] }
            + self.nodes.indices.flatMap { [.restart($0, keepsPending: true), .restart($0, keepsPending: false)] }
    }

    mutating func take(_ step: Step) throws {
        switch step {
        case .link(let left, let right):
            self.links.append([left, right])
            self.greet(left, right)
            self.greet(right, left)
        case .cut(let left, let right, let losesMessages):
            self.links.removeAll { $0 == [left, right] }
            let ends = [self.nodes[left].replica, self.nodes[right].replica]
            if losesMessages { self.messages.removeAll { ends.contains($0.from) && ends.contains($0.to) } }
            self.handle(.lost(self.nodes[right].replica), by: left)
            self.handle(.lost(self.nodes[left].replica), by: right)
        case .deliver(let index): self.deliver(self.messages.remove(at: index))
        case .repeatMessage(let index): self.messages.append(self.messages[index])
        case .finishStore(let index):
            self.nodes[index].disk = self.nodes[index].store
            self.nodes[index].store = nil
            self.handle(.stored, by: index)
        case .finishFounding(let index):
            self.become(self.nodes[index].identity!, index)
            self.nodes[index].identity = nil
        case .restart(let index, let keepsPending): try self.restart(index, keepsPending: keepsPending)
        case .wipe(let index):
            try self.restart(index, keepsPending: false)
            self.nodes[index].replica = ReplicaID(using: &self.generator)
            self.nodes[index].disk = nil
            try self.restart(index, keepsPending: false)
        }
    }

    private func indexes(linkedTo index: Int) -> [Int] {
        self.links.filter { $0.contains(index) }.map { $0[0] == index ? $0[1] : $0[0] }
    }

    /// `node` hears who `peer` is: unfounded, or a member, whose cluster it adopts if that is the one it has accepted.
    private mutating func greet(_ node: Int, _ peer: Int) {
        if let cluster = self.nodes[peer].cluster {
            if self.nodes[node].cluster == nil, self.nodes[node].founding.accepted == cluster { self.become(cluster, node) }
        } else {
            self.handle(.met(self.nodes[peer].replica), by: node)
        }
    }

    /// `node` is a member from here on, and tells those that it is linked with.
    private mutating func become(_ offer: Offer, _ node: Int) {
        self.nodes[node].cluster = offer
        for peer in self.indexes(linkedTo: node) {
            self.handle(.lost(self.nodes[node].replica), by: peer)
            self.greet(peer, node)
        }
    }

    private mutating func restart(_ index: Int, keepsPending: Bool) throws {
        if keepsPending {
            self.nodes[index].disk = self.nodes[index].store ?? self.nodes[index].disk
            self.nodes[index].cluster = self.nodes[index].cluster ?? self.nodes[index].identity
        } else {
            self.messages.removeAll { [$0.from, $0.to].contains(self.nodes[index].replica) }
        }
        self.nodes[index].store = nil
        self.nodes[index].identity = nil
        let peers = self.indexes(linkedTo: index)
        self.links.removeAll { $0.contains(index) }
        for peer in peers { self.handle(.lost(self.nodes[index].replica), by: peer) }
        self.nodes[index].founding = try Founding(
            replica: self.nodes[index].replica, expected: self.expected, accepted: self.nodes[index].disk, using: &self.generator)
    }

    private mutating func deliver(_ message: Message) {
        guard let index = self.nodes.firstIndex(where: { $0.replica == message.to }) else { return }
        if !message.isOffer, message.offer != self.nodes[index].disk { self.refusalCount += 1 }
        self.handle(message.isOffer ? .offered(message.offer, by: message.from) : .answered(message.offer, by: message.from), by: index)
    }

    private mutating func handle(_ event: Founding.Event, by index: Int) {
        guard self.nodes[index].cluster == nil else { return }  // A member: its driver has let go of the founding.
        for action in self.nodes[index].founding.handle(event) {
            switch action {
            case .store(let offer):
                precondition(self.nodes[index].store == nil, "two stores under way")
                if self.nodes[index].disk != nil { self.takeOverCount += 1 }
                self.nodes[index].store = offer
            case .offer(let offer, let peer):
                self.messages.append(Message(isOffer: true, offer: offer, from: self.nodes[index].replica, to: peer))
            case .answer(let offer, let peer):
                self.messages.append(Message(isOffer: false, offer: offer, from: self.nodes[index].replica, to: peer))
            case .found(let offer):
                self.nodes[index].identity = offer
                if !self.founded.contains(offer) { self.founded.append(offer) }
            }
        }
    }
}
