import Basics

/// The members of the cluster that a node knows, without itself.
///
/// - Invariant: `members` ascend by replica id; no two have one name. This node's own id is not among them.
/// - Bound: `maximumMembers`. Every operation is one pass.
package struct MemberTable: Equatable, Sendable {
    package static let maximumMembers = 1_024

    package let ownReplica: ReplicaID
    package let ownName: MemberName
    package private(set) var members: [Member] = []

    package init(ownReplica: ReplicaID, ownName: MemberName) {
        (self.ownReplica, self.ownName) = (ownReplica, ownName)
    }

    /// Takes in what is said of a member: one that is new, or another name or address of one that is known.
    ///
    /// - Parameter isConnected: whether the holder of a name that comes with another replica id is connected. If not, it is replaced, as by a
    ///   wiped node that returns under its name. A third node may still speak of the old one: for what was not heard from the member
    ///   itself, answer true, or the two replace each other in turn.
    /// - Returns: whether anything has changed.
    package mutating func learn(_ member: Member, isConnected: (ReplicaID) -> Bool) throws(MemberRefusal) -> Bool {
        guard member.replica != self.ownReplica else { return false }  // We know better.
        guard member.name != self.ownName else { throw .nameTaken(member.name, by: self.ownReplica) }
        let known = self[member.replica]
        guard known != member else { return false }
        let holder = self.members.firstIndex { $0.name == member.name && $0.replica != member.replica }
        if let holder {
            guard !isConnected(self.members[holder].replica) else { throw .nameTaken(member.name, by: self.members[holder].replica) }
        } else if known == nil, self.members.count >= Self.maximumMembers {
            throw .tableFull(limit: Self.maximumMembers)
        }
        if let holder { self.members.remove(at: holder) }
        let index = self.members.firstIndex { $0.replica >= member.replica } ?? self.members.endIndex
        if known == nil { self.members.insert(member, at: index) } else { self.members[index] = member }
        return true
    }

    package subscript(replica: ReplicaID) -> Member? { self.members.first { $0.replica == replica } }

    package subscript(name: MemberName) -> Member? { self.members.first { $0.name == name } }

    /// Where the known members can be dialled, ascending, each address once.
    package var addresses: [PeerAddress] {
        let sorted = self.members.compactMap(\.address).sorted()
        return sorted.indices.filter { $0 == 0 || sorted[$0] != sorted[$0 - 1] }.map { sorted[$0] }
    }
}

/// Why a member was not taken into a table. The table is as it was.
package enum MemberRefusal: Error, Equatable, Sendable {
    case nameTaken(MemberName, by: ReplicaID)
    case tableFull(limit: Int)
}

// MARK: - Commands name members

/// Whom a text names.
package enum MemberMatch: Equatable, Sendable {
    case member(Member)
    case ourselves
    case unknown
    /// The ids that begin like that, ascending; our own may be one.
    case ambiguous([ReplicaID])
}

extension MemberTable {
    /// Looks for a name, then for the id that begins with `text`, in hexadecimal digits of either case.
    ///
    /// A whole name goes before the ids that begin like it, so that a member can always be named.
    package func find(_ text: String) -> MemberMatch {
        if text == self.ownName.text { return .ourselves }
        if let member = self.members.first(where: { $0.name.text == text }) { return .member(member) }
        guard !text.isEmpty else { return .unknown }
        let prefix = text.lowercased()
        let ids = (self.members.map(\.replica) + [self.ownReplica]).sorted().filter { $0.description.hasPrefix(prefix) }
        guard let id = ids.first else { return .unknown }
        guard ids.count == 1 else { return .ambiguous(ids) }
        return self[id].map { .member($0) } ?? .ourselves
    }
}

// MARK: - Encoding

/// The encoding: count of members 2, big endian | each member, ascending by id. At most 347,138 bytes.
///
/// It is injective for a given node: equal tables have equal bytes, and the decoder accepts no others.
extension MemberTable {
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(bigEndian: UInt16(self.members.count))  // At most `maximumMembers`.
        for member in self.members { member.encode(into: &bytes) }
    }

    /// Reads what `encode` wrote, all of `bytes`. A member may have the name that this node has been given since: the others know.
    package init(decoding bytes: UnsafeRawBufferPointer, ownReplica: ReplicaID, ownName: MemberName) throws(MalformedMembership) {
        self.init(ownReplica: ownReplica, ownName: ownName)
        var rest = bytes[...]
        let count = Int(try rest.take(UInt16.self))
        guard count <= Self.maximumMembers else { throw .tooManyMembers(count: count, limit: Self.maximumMembers) }
        var names: Set<MemberName> = []
        for _ in 0..<count {
            let member = try Member(taking: &rest)
            if member.replica == ownReplica { throw .misplacedReplica(member.replica) }
            if let last = self.members.last, member.replica <= last.replica { throw .misplacedReplica(member.replica) }
            guard names.insert(member.name).inserted else { throw .repeatedName(member.name) }
            self.members.append(member)
        }
        try rest.expectEnd()
    }
}
