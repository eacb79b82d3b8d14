import Basics
import Membership
import Node
import Storage
import Versioning

/// Members that stay away are fenced, and come back with what only they have (I24).
extension World {
    /// How long it takes an operator to lose patience.
    private static let fencePatience = Duration.seconds(1)

    /// A node is away for a while, down or only unreachable, and another is told to wait for it no longer.
    func fence(_ node: SimulatedNode, by: Int, isDown: Bool, for duration: Duration) throws {
        guard node.replica != nil, !node.isRetired, !node.isLeaving, self.canSpare(node) else { return }
        if isDown {
            try self.crash(node, .kill, down: duration)
        } else {
            self.partitions += 1
            self.network.partition = Partition(nodes: self.plan.allNodes, without: node.index)
            self.plan(.rejoin(partition: self.partitions), in: duration)
            for end in node.ends { self.reset(end.connection) }
        }
        self.plan(.happen(.confine(node: node.index, by: by)), in: Self.fencePatience)
    }

    func confine(_ node: SimulatedNode, by other: SimulatedNode) throws {
        guard self.canSpare(node), try self.order(["HEARSAY", "FENCE", "node\(node.index)"], of: other) else { return }
        self.counts[.fence] += 1
    }

    /// A process ends to start again on what it keeps of its store.
    func reopen(_ node: SimulatedNode) throws {
        guard let store = node.replica?.store, store.control(.returning) != nil else { return }
        self.counts[.returns] += 1
        self.willEnd(node)
        let interrupted = node.pending.map(\.attempt)
        self.closeAll(of: node, tellsOthers: true)
        node.kill()
        node.endPause(at: self.now)
        for attempt in interrupted { self.retry(attempt) }
        try self.start(node)
        self.counts[.exports] += node.exports.count
    }

    /// A process ends whose next one may give up its store, as it is told to. What it leaves behind the member that let it has, and from then on only members
    /// have it: where that member is down for good already, it is gone with its disk.
    func excuseGivenUp(by node: SimulatedNode) {
        guard let store = node.replica?.store, let order = store.control(.returning).flatMap(ReturnOrder.init) else { return }
        self.excuseUnreplicated(of: node) { write in
            // With it goes what it had overwritten.
            let newer = (try? node.version(of: Attempt.key(write.version.key))).flatMap { $0 }.flatMap { $0.stamp >= write.version.stamp ? $0 : nil }
            let dot = node.holds(write) ? write.dot : newer?.dot ?? write.dot
            return order.seen.covers(dot) && !self.members.contains { $0 !== node && $0.known?.seen.covers(dot) ?? false }
        }
    }

    /// A process has started; if it gave up its store for those of others, this is what is left.
    func noteGivenUp(by node: SimulatedNode) {
        guard node.replica?.store.control(.formerMembers) != nil else { return }
        let kept = Set(node.exports.map(\.dot))
        node.forgetPositions { !kept.contains($0.dot) }
        for export in node.exports where export.isMootWhereNothingIs { self.moot.append(export.version) }
    }

    /// Whether a write, or a greater one of its key, is kept aside for an operator, or waits to be decided on.
    func isKeptAside(_ version: Ledger.Version) -> Bool {
        self.nodes.contains { node in node.exports.contains { $0.version.key == version.key && $0.version.stamp >= version.stamp } }
    }

    /// Whether a write had nothing left to do for whoever has nothing of its key.
    func isMoot(_ version: Ledger.Version) -> Bool {
        self.moot.contains { $0.key == version.key && $0.stamp >= version.stamp }
    }
}

extension SimulatedNode {
    /// Exports, decided or not, as its base has them.
    struct Exported {
        let dot: Dot
        let version: Ledger.Version

        /// A delete, and what is read no more once its time is over.
        var isMootWhereNothingIs: Bool { self.version.isTombstone || self.version.expiryMilliseconds > 0 }
    }
}
