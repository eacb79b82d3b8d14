import Basics
import Digests

/// What n empty nodes found a cluster with: its identity, and the list of the n.
///
/// Drawn once by the smallest of them, kept durably by each that accepts it, and sent between them.
///
/// - Invariant: `members` ascend, which also makes them distinct, and are between 2 and `maximumFounders`.
package struct Offer: Equatable, Sendable {
    /// The most nodes that found a cluster together. More can join it once it is founded.
    package static let maximumFounders = 64

    package let cluster: ClusterID
    package let digestKey: DigestKey
    package let members: [ReplicaID]

    /// - Precondition: The members are as the invariant says.
    package init(cluster: ClusterID, digestKey: DigestKey, members: [ReplicaID]) {
        precondition((2...Self.maximumFounders).contains(members.count), "\(members.count) nodes cannot found a cluster")
        precondition(zip(members, members.dropFirst()).allSatisfy { $0 < $1 }, "\(members) are not in order")
        (self.cluster, self.digestKey, self.members) = (cluster, digestKey, members)
    }

    /// The member that drew the offer: the smallest. It alone may found the cluster.
    package var proposer: ReplicaID { self.members[0] }

    package func lists(_ replica: ReplicaID) -> Bool { self.members.contains(replica) }
}

/// The encoding, all numbers big endian:
///
///     count of members 1 | for each, ascending: id 16 | cluster id 16 | digest key 192
///
/// It is injective: equal offers have equal bytes, and the decoder accepts no others. At most 1,233 bytes.
extension Offer {
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(UInt8(self.members.count))  // At most `maximumFounders`.
        for member in self.members { bytes.append(member) }
        bytes.append(bigEndian: self.cluster.high)
        bytes.append(bigEndian: self.cluster.low)
        bytes += self.digestKey.bytes
    }

    /// Reads what `encode` wrote, all of `bytes`.
    package init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedMembership) {
        var rest = bytes[...]
        let count = Int(try rest.take(UInt8.self))
        guard (2...Self.maximumFounders).contains(count) else { throw .founderCount(count) }
        var members: [ReplicaID] = []
        for _ in 0..<count {
            let member = try rest.takeReplica()
            if let last = members.last, member <= last { throw .misplacedReplica(member) }
            members.append(member)
        }
        let cluster = ClusterID(high: try rest.take(UInt64.self), low: try rest.take(UInt64.self))
        let digestKey = DigestKey(bytes: try rest.take(count: DigestKey.byteCount))
        try rest.expectEnd()
        self.init(cluster: cluster, digestKey: digestKey, members: members)
    }
}
