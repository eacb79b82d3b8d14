import Basics
import Digests
import Storage
import Versioning

/// What is looked at, by the names that failures and planted faults are told by.
package enum CheckName: String, CaseIterable, Sendable {
    /// Nodes found their cluster, and nothing that happens ends a process but what must.
    case liveness
    case convergence
    case oneRoster = "one-roster"
    case acknowledgedKept = "acknowledged-kept"
    case refusedStayAway = "refused-stay-away"
    case nothingUndurableLeaves = "nothing-undurable-leaves"
    case oneContentPerDot = "one-content-per-dot"
    case oneProcessPerID = "one-process-per-id"
    case stampsIncrease = "stamps-increase"
    case readsComeBefore = "reads-come-before"
    case seenWithData = "seen-with-data"
    case digestEqualsScan = "digest-equals-scan"
    case waitsTellTruth = "waits-tell-truth"
    case boundedMemory = "bounded-memory"
    case readingsFollowDeadlines = "readings-follow-deadlines"
    case joinersApplyNothing = "joiners-apply-nothing"
    case joinersCount = "joiners-count"
    case clockBound = "clock-bound"
    case dropsFollowDeadlines = "drops-follow-deadlines"
    case siblingsAreConcurrent = "siblings-are-the-concurrent-writes"
}

/// Something that must hold does not.
package struct Violation: Error, CustomStringConvertible {
    package let check: CheckName
    package let text: String

    package init(_ check: CheckName, _ text: String) { (self.check, self.text) = (check, text) }

    package var description: String { "\(self.check.rawValue): \(self.text)" }
}

/// Something that must hold of a node at any time, or of a world at its end.
protocol Check: Sendable {
    var name: CheckName { get }
    /// Whether it has to hold while faults go on.
    var holdsAlways: Bool { get }
    /// Whether it is about data alone: where all nodes hold the same, one of them answers for all.
    var isOfData: Bool { get }
    func check(_ node: SimulatedNode, in world: World) throws
}

extension Check {
    var isOfData: Bool { false }
}

extension World {
    static let nodeChecks: [any Check] = [
        JoinersApplyNothing(), JoinersCount(), SeenWithData(), DigestEqualsScan(), BoundedMemory(), OneProcessPerID(), AcknowledgedKept(),
        RefusedStayAway(), ClockBound(), ReadingsFollowDeadlines(), SiblingsAreConcurrent(), SiblingsKept(),
    ]
}

extension World {
    /// Whether some node has dropped a version of a key that is as great as a stamp, or greater.
    func wasDropped(key: Int, atLeast stamp: Stamp) -> Bool {
        self.ledger.wasDropped(key: key, atLeast: stamp, self.floors, expired: self.collectedThrough)
    }

    /// Whether a sibling that named a write has been dropped.
    func hasDropped(whatReplaced dot: Dot, ofKey key: Int) -> Bool {
        self.ledger.versions(ofKey: key).contains { other in
            other.version.context?.covers(dot) ?? false && other.version.mayBeDropped(expired: self.collectedThrough) && self.floors.covers(other.dot)
        }
    }
}

/// What a node says it has seen is in its data, or was overwritten by what is (I26): of each key it has the greatest version that `seen` covers, or a
/// greater one.
struct SeenWithData: Check {
    let name = CheckName.seenWithData
    let holdsAlways = true

    func check(_ node: SimulatedNode, in world: World) throws {
        let replica = node.replica!
        guard !replica.store.hasDamage else { return }  // It says so, and offers nothing of it to anybody.
        let greatest = world.ledger.greatest(coveredBy: replica.store.seen, besides: world.rotted, keys: world.plan.keys)
        for (key, greatest) in greatest.enumerated() {
            guard let (dot, version) = greatest else { continue }
            let stored = try node.version(of: Attempt.key(key))
            // Dropped, here or by who told of it.
            if stored == nil, version.mayBeDropped(expired: world.collectedThrough), world.floors.covers(dot) { continue }
            // A delete may have come in a session that broke, so that its writer's id was settled without it.
            if stored == nil, world.wasDropped(key: key, atLeast: version.stamp) { continue }
            // A delete goes from beside siblings that are older, and so does what has expired.
            if version.context != nil, version.mayBeDropped(expired: world.collectedThrough), world.floors.covers(dot) { continue }
            // So does one of which this node has seen only what it had replaced, as its writer's id was settled without it.
            if version.context != nil, world.hasDropped(whatReplaced: dot, ofKey: key) { continue }
            guard let stored, stored.stamp >= version.stamp else {
                throw Violation(self.name, "node \(node.index) has seen \(version), and has \(stored.map { "\($0.stamp)" } ?? "nothing")")
            }
        }
    }
}

/// The digest equals that of a scan (I17).
struct DigestEqualsScan: Check {
    let name = CheckName.digestEqualsScan
    let holdsAlways = true

    func check(_ node: SimulatedNode, in world: World) throws {
        let store = node.replica!.store
        guard try store.fold(budget: .max), let recount = try store.recount(from: Token(rawValue: 0), budget: .max) else { return }
        guard recount.mismatch == nil, recount.damaged == 0 else {
            throw Violation(self.name, "node \(node.index): the digest differs from a scan of \(recount.entries) entries")
        }
    }
}

/// A node that joins has applied nothing but what its bootstrap stored (I24).
struct JoinersApplyNothing: Check {
    let name = CheckName.joinersApplyNothing
    let holdsAlways = true

    func check(_ node: SimulatedNode, in world: World) throws {
        let replica = node.replica!
        guard replica.isJoining, !replica.store.seen.isEmpty || replica.store.live.count > 0 else { return }
        throw Violation(
            self.name, "node \(node.index) joins, and has seen \(replica.store.seen), \(replica.store.live.count) entries in its table")
    }
}

/// Who is given anything is on the giver's list of members: it counts from before its first range was read (I22a, I28).
struct JoinersCount: Check {
    let name = CheckName.joinersCount
    let holdsAlways = true

    func check(_ node: SimulatedNode, in world: World) throws {
        let replica = node.replica!
        for link in replica.peerLinks {
            guard let joiner = link.joiner, replica.roster?[joiner] == nil else { continue }
            throw Violation(self.name, "node \(node.index) gives to \(link.peerName ?? "a node"), which is not on its list of members")
        }
    }
}

/// What waits in a node stays within its bounds.
struct BoundedMemory: Check {
    let name = CheckName.boundedMemory
    let holdsAlways = true

    func check(_ node: SimulatedNode, in world: World) throws {
        let load = node.replica!.greatestPeerLoad
        guard load <= 1 else { throw Violation(self.name, "node \(node.index): what waits for a peer or came from one takes \(load) of its bound") }
        for end in node.ends where end.connection.inputCount(of: end.side) > World.maximumInputBytes {
            throw Violation(self.name, "node \(node.index): \(end.connection.inputCount(of: end.side)) bytes from a peer are not taken")
        }
    }
}

/// No two processes that take writes have one id (I20).
struct OneProcessPerID: Check {
    let name = CheckName.oneProcessPerID
    let holdsAlways = false

    func check(_ node: SimulatedNode, in world: World) throws {
        for other in world.nodes[..<node.index] where other.replica?.store.identity.replica == node.replica!.store.identity.replica {
            throw Violation(self.name, "nodes \(other.index) and \(node.index) both are \(node.replica!.store.identity.replica)")
        }
    }
}

/// No acknowledged write is lost: each is there, or a greater one of its key is (I4).
struct AcknowledgedKept: Check {
    let name = CheckName.acknowledgedKept
    let holdsAlways = false
    let isOfData = true

    func check(_ node: SimulatedNode, in world: World) throws {
        let entries = try node.entries()
        for origin in world.nodes {
            for write in origin.acknowledged where !write.isExcused && write.version.context == nil {
                let stored = entries[Attempt.key(write.version.key)]?.header.stamp
                if stored == nil, world.wasDropped(key: write.version.key, atLeast: write.version.stamp) { continue }
                if stored == nil, world.isMoot(write.version) { continue }
                guard let stored, stored >= write.version.stamp else {
                    if world.isKeptAside(write.version) { continue }
                    throw Violation(
                        self.name,
                        "\(write.version), acknowledged by node \(origin.index), is gone; node \(node.index) has \(stored.map { "\($0)" } ?? "nothing")"
                    )
                }
            }
        }
    }
}

/// What a client was told has failed never appears (I5).
struct RefusedStayAway: Check {
    let name = CheckName.refusedStayAway
    let holdsAlways = false
    let isOfData = true

    func check(_ node: SimulatedNode, in world: World) throws {
        for (key, entry) in try node.entries() {
            for number in entry.numbers where world.ledger.isRefused(number) {
                throw Violation(
                    self.name, "node \(node.index) has write \(number) of \(String(decoding: key, as: UTF8.self)), which was answered with an error")
            }
        }
    }
}
