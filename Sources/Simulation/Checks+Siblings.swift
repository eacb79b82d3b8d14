import Basics
import Storage
import Versioning

/// What a node shows of a key's siblings are exactly the writes that nobody had seen who wrote later, of all that it has seen itself: none more, which
/// would be back, and none less (I14).
struct SiblingsAreConcurrent: Check {
    let name = CheckName.siblingsAreConcurrent
    let holdsAlways = true

    func check(_ node: SimulatedNode, in world: World) throws {
        guard world.plan[.siblings] > 0, let store = node.replica?.store, !store.hasDamage else { return }
        for key in stride(from: 0, to: world.plan.keys, by: 2) {
            let all = world.ledger.versions(ofKey: key)
            let known = all.filter { store.seen.covers($0.dot) }
            guard known.contains(where: { $0.version.context != nil }) else { continue }
            // A session that broke may have brought what its writer's id was settled without: it has done its work, and gone, where a floor has passed it.
            let passed = all.filter { !store.seen.covers($0.dot) && world.floors.covers($0.dot) }
            try self.check(key, known, passed, try node.entry(of: Attempt.key(key)), node, in: world)
        }
    }

    private typealias Versions = [(dot: Dot, version: Ledger.Version)]

    private func check(
        _ key: Int, _ known: Versions, _ passed: Versions, _ entry: SimulatedNode.Entry?, _ node: SimulatedNode, in world: World
    ) throws {
        let stored = entry?.siblings ?? []
        for (dot, version) in stored where !version.isTombstone {
            if let later = known.first(where: { $0.version.context?.covers(dot) ?? false && !world.mayHaveRotted($0.version) }) {
                throw Violation(self.name, "node \(node.index) shows \(dot) of key\(key), which \(later.version) has replaced")
            }
        }
        let floor = (known + passed).filter { $0.version.context == nil }.map(\.version.stamp).max()
        let later = (known + passed + stored).compactMap(\.version.context)
        for (dot, version) in known where version.context != nil && !version.isTombstone {
            if later.contains(where: { $0.covers(dot) }) || stored.contains(where: { $0.dot == dot }) { continue }
            if let floor, version.stamp <= floor { continue }
            if let register = entry.flatMap({ $0.header.kind == .register ? $0.header.stamp : $0.beneath }), version.stamp <= register { continue }
            if let lost = world.rotted[key], version.stamp <= lost { continue }
            if entry == nil, world.wasDropped(key: key, atLeast: version.stamp) { continue }
            if version.mayBeDropped(expired: world.collectedThrough), world.floors.covers(dot) { continue }
            throw Violation(self.name, "node \(node.index) has seen \(version), which nobody has replaced, and does not show it")
        }
        world.counts[.concurrent] += stored.count { !$0.version.isTombstone } > 1 ? 1 : 0
    }
}

/// No acknowledged write of a sibling is lost: each is there, or a later one had seen it, or a register is newer (I4, I14). What an acknowledged delete had
/// seen is not back.
struct SiblingsKept: Check {
    let name = CheckName.acknowledgedKept
    let holdsAlways = false
    let isOfData = true

    func check(_ node: SimulatedNode, in world: World) throws {
        guard world.plan[.siblings] > 0 else { return }
        let entries = try node.entries()
        for origin in world.nodes {
            for write in origin.acknowledged where !write.isExcused && write.version.context != nil {
                try self.check(write, entries[Attempt.key(write.version.key)], by: origin, node, in: world)
            }
        }
    }

    private func check(
        _ write: SimulatedNode.Acknowledged, _ entry: SimulatedNode.Entry?, by origin: SimulatedNode, _ node: SimulatedNode, in world: World
    ) throws {
        let (version, stored) = (write.version, entry?.siblings ?? [])
        // What a fenced node alone had written is an operator's to decide on, and has replaced nothing.
        if world.isKeptAside(version) || world.isMoot(version) { return }
        if let back = stored.first(where: { !$0.version.isTombstone && version.context!.covers($0.dot) }) {
            throw Violation(
                self.name, "\(version), acknowledged by node \(origin.index), had replaced \(back.dot) at \(back.version.stamp), which is there again"
            )
        }
        // Written again it has another dot, and the same stamp.
        guard !version.isTombstone, !stored.contains(where: { $0.version.stamp == version.stamp }) else { return }
        let all = world.ledger.versions(ofKey: version.key)
        let dots = all.filter { $0.version.stamp == version.stamp }.map(\.dot)
        if all.contains(where: { other in dots.contains { other.version.context?.covers($0) ?? false } }) { return }
        if all.contains(where: { $0.version.context == nil && $0.version.stamp >= version.stamp }) { return }
        if version.mayBeDropped(expired: world.collectedThrough), dots.contains(where: world.floors.covers) { return }
        throw Violation(self.name, "\(version), acknowledged by node \(origin.index), is gone, and nobody had replaced it")
    }
}

extension World {
    /// Whether a version may be nowhere any more, as what had it was damaged.
    fileprivate func mayHaveRotted(_ version: Ledger.Version) -> Bool { self.rotted[version.key].map { version.stamp <= $0 } ?? false }
}

extension SimulatedNode {
    /// What it has of one key.
    func entry(of key: [UInt8]) throws(StoreError) -> Entry? {
        let store = self.replica!.store
        return try key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            guard case .record(let record, _, _) = try store.find(store.token(of: key), key: key) else { return nil }
            return Entry(header: record.versionHeader, checksum: record.checksum, payload: record.isHeaderOnly ? nil : Array(record.payload))
        }
    }
}
