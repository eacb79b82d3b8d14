import Basics
import Digests
import Node
import Storage

/// Something that must hold does not.
package struct Violation: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

extension World {
    /// Whether all nodes hold the same data: every entry, not only their digests (I2).
    package func hasConverged() throws -> Bool {
        guard self.nodes.allSatisfy({ $0.replica?.isServing ?? false }) else { return false }
        let first = try self.nodes[0].entries()
        return try self.nodes.dropFirst().allSatisfy { try $0.entries() == first }
    }

    func difference() throws -> String {
        let all = try self.nodes.map { try $0.entries() }
        let keys = Set(all.flatMap(\.keys)).sorted { $0.lexicographicallyPrecedes($1) }
        let differing = keys.filter { key in Set(all.map { "\(String(describing: $0[key]?.header))" }).count > 1 }
        guard let key = differing.first else { return "none" }
        let versions = all.map { $0[key].map { "\($0.header.stamp)" } ?? "nothing" }
        return "\(differing.count) keys, the first \(String(decoding: key, as: UTF8.self)): \(versions.joined(separator: ", "))"
    }

    /// What must hold once all hold the same.
    package func check() throws {
        try self.checkAcknowledged()
        for node in self.nodes {
            try Self.checkDigest(of: node)
        }
    }

    /// No acknowledged write is lost: each is there, or a greater one of its key is (I4).
    private func checkAcknowledged() throws {
        let entries = try self.nodes[0].entries()
        for node in self.nodes {
            for write in node.acknowledged {
                guard let stored = entries[write.key] else {
                    throw Violation("\(String(decoding: write.key, as: UTF8.self)): the acknowledged write \(write.stamp) is gone")
                }
                guard stored.header.stamp >= write.stamp else {
                    throw Violation("\(String(decoding: write.key, as: UTF8.self)): \(stored.header.stamp) is there, \(write.stamp) was acknowledged")
                }
            }
        }
    }

    /// The digest equals that of a scan (I17).
    private static func checkDigest(of node: SimulatedNode) throws {
        let store = node.replica!.store
        guard try store.fold(budget: .max) else { return }
        let recount = try store.recount(from: Token(rawValue: 0), budget: .max)
        guard let recount, recount.mismatch == nil, recount.damaged == 0 else {
            throw Violation("node \(node.index): the digest differs from a scan")
        }
    }

    /// A node that joins has applied nothing but what its bootstrap stored (I24); once it has joined it has all that it says it has seen (I26).
    func checkJoiner(_ node: SimulatedNode, _ replica: Replica) throws {
        guard !replica.isJoining else {
            guard replica.store.seen.isEmpty, replica.store.live.count == 0 else {
                throw Violation("node \(node.index) joins, and has seen \(replica.store.seen), \(replica.store.live.count) entries in its table")
            }
            return
        }
        self.counts.joins += 1
        let entries = try node.entries()
        for write in self.nodes.flatMap(\.acknowledged) where replica.store.seen.covers(write.dot) {
            guard let stored = entries[write.key], stored.header.stamp >= write.stamp else {
                throw Violation(
                    "node \(node.index) has joined and seen \(write.dot), but of \(String(decoding: write.key, as: UTF8.self)) it has \(String(describing: entries[write.key]?.header.stamp)), not \(write.stamp)"
                )
            }
        }
    }

    /// So many writes were acknowledged.
    package var acknowledgedWrites: Int { self.nodes.reduce(0) { $0 + $1.acknowledged.count } }
}
