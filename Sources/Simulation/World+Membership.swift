import Basics
import Membership
import Node
import Storage

/// What operators do: nodes join, leave, are removed and replaced, and come back with disks that are not what they were.
extension World {
    /// No more nodes than this in a history.
    private static let maximumNodes = 9
    /// How long a node that was told to leave goes on.
    private static let leavingTime = Duration.seconds(5)

    private func member(_ index: Int) -> SimulatedNode { self.nodes[index % self.plan.allNodes] }

    func operateMembership(_ action: Step.Action) throws {
        switch action {
        case .join: try self.join()
        case .wipe(let index, let down): try self.replaceDisk(of: self.member(index), .wipe, down: down) { $0.wipe() }
        case .snapshot(let index): self.member(index).takeSnapshot()
        case .restore(let index, let down): try self.replaceDisk(of: self.member(index), .restore, down: down) { $0.restore() }
        case .copy(let index, let duration): try self.copy(self.member(index), for: duration)
        case .leave(let index):
            guard self.canSpare(self.member(index)), try self.order(["HEARSAY", "LEAVE"], of: self.member(index)) else { return }
            self.counts[.leave] += 1
            self.planRetirement(of: self.member(index), in: Self.leavingTime)
        case .remove(let index, let by):
            guard self.canSpare(self.member(index)) else { return }
            try self.retire(self.member(index))
            // Once the other has noticed that it is down.
            self.plan(.happen(.expel(node: index, by: by)), in: Self.leavingTime)
        case .expel(let index, let by):
            if try self.order(["HEARSAY", "REMOVE", "node\(self.member(index).index)"], of: self.member(by)) { self.counts[.remove] += 1 }
        case .fence(let index, let by, let isDown, let duration):
            try self.fence(self.member(index), by: by, isDown: isDown, for: duration)
        case .confine(let index, let by): try self.confine(self.member(index), by: self.member(by))
        case .replace(let index, let down): try self.replace(self.member(index), down: down)
        default: preconditionFailure("\(action) is nothing that operators do")
        }
    }

    /// Whether another node holds everything, serves, and goes on doing so. Operators never take the last one away: what is not there any more,
    /// nobody can give to the others.
    func canSpare(_ node: SimulatedNode) -> Bool {
        self.members.contains { other in
            guard other !== node, !other.isLeaving, let replica = other.replica, replica.isServing, !replica.store.hasDamage else { return false }
            let id = replica.store.identity.replica
            return !self.members.contains { $0.replica?.roster?[id].map { $0.status != .active } ?? false }
        }
    }

    /// A node gets an empty disk, and is back at once.
    ///
    /// - Returns: false where it cannot be spared.
    @discardableResult
    func empty(_ node: SimulatedNode) throws -> Bool {
        guard self.canSpare(node) else { return false }
        self.willEnd(node)
        self.closeAll(of: node, tellsOthers: true)
        self.excuseUnreplicated(of: node)
        node.wipe()
        try self.start(node)
        return true
    }

    private func join() throws {
        guard self.nodes.count < Self.maximumNodes else { return }
        self.counts[.join] += 1
        try self.start(self.addNode(expected: 0))
    }

    /// A node goes down, and comes back with another disk.
    private func replaceDisk(of node: SimulatedNode, _ fault: Fault, down: Duration, _ body: (SimulatedNode) -> Void) throws {
        guard !node.isRetired, self.canSpare(node) else { return }
        // Of two stores that are put back at once the one has only the other to learn from that it is old, and writes under its dots again.
        guard fault != .restore || !self.members.contains(where: { $0 !== node && $0.wasRestored && $0.replica?.isServing != true }) else { return }
        self.counts[fault] += 1
        self.willEnd(node)
        self.closeAll(of: node, tellsOthers: false)
        self.excuseUnreplicated(of: node)
        body(node)
        self.plan(.restart(node: node.index), in: down)
    }

    private func copy(_ node: SimulatedNode, for duration: Duration) throws {
        guard self.nodes.count < Self.maximumNodes, !node.isRetired, node.incarnation > 0 else { return }
        self.counts[.copy] += 1
        let twin = try self.addCopy(of: node)
        try self.start(twin)
        self.planRetirement(of: twin, in: duration)
    }

    /// A node that is down, on a copy of what another has on its disk.
    func addCopy(of node: SimulatedNode) throws -> SimulatedNode {
        var peers = node.peerConfiguration
        peers.advertised = try Self.address(of: self.nodes.count)
        let twin = SimulatedNode(index: self.nodes.count, copying: node, peers: peers)
        self.nodes.append(twin)
        self.network.addNode()
        return twin
    }

    private func planRetirement(of node: SimulatedNode, in time: Duration) {
        self.retirements += 1
        node.isLeaving = true
        self.plan(.retire(node: node.index), in: time)
    }

    /// The end of one that was going to be down for good: as soon as it can be spared.
    func endLeaving(of node: SimulatedNode) throws {
        guard node.isRetired || self.canSpare(node) else { return self.plan(.retire(node: node.index), in: .seconds(1)) }
        self.retirements -= 1
        try self.retire(node)
    }

    /// Down for good.
    private func retire(_ node: SimulatedNode) throws {
        guard !node.isRetired else { return }
        self.closeAll(of: node, tellsOthers: true)
        self.excuseUnreplicated(of: node)
        node.kill()
        node.isRetired = true
    }

    private func replace(_ node: SimulatedNode, down: Duration) throws {
        guard self.nodes.count < Self.maximumNodes, !node.isRetired, self.canSpare(node) else { return }
        self.counts[.replace] += 1
        try self.retire(node)
        let successor = try self.addNode(expected: 0, name: node.peerConfiguration.name)
        self.plan(.restart(node: successor.index), in: down)
    }

    /// Has an operator's client execute a command.
    ///
    /// - Returns: false where the node does not, or answers with an error.
    func order(_ words: [String], of node: SimulatedNode) throws -> Bool {
        var isTaken = false
        try self.turn(node) { _ in
            switch try node.execute(words.map { Array($0.utf8) }, client: self.plan.clients, at: self.now) {
            case .answered: isTaken = true
            case .job(let job):
                isTaken = true
                node.jobs.append(SimulatedNode.WaitingJob(job: job, write: nil))
            case .notNow, .error: break
            }
        }
        return isTaken
    }

    /// With a disk goes what is on no other: what its node has written, and what that had of nodes whose disks are gone.
    func excuseUnreplicated(of node: SimulatedNode, where isLost: (SimulatedNode.Acknowledged) -> Bool = { _ in true }) {
        let others = self.nodes.filter { $0 !== node && $0.replica != nil }
        for origin in self.nodes {
            let isThere = origin !== node && !origin.isRetired
            _ = origin.excuse { write in
                isLost(write) && !(isThere && write.position != nil) && !others.contains { $0.hasDurably(write) }
            }
        }
    }
}
