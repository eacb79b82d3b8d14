import Basics
import Digests

/// The roster as one node sees it: the other members, and who the node is among them.
///
/// - Invariant: `members` are the active ones without the node itself, ascending by replica id.
package struct MemberTable: Equatable, Sendable {
    package private(set) var ownReplica: ReplicaID
    package let ownName: MemberName
    package private(set) var roster: Roster
    /// The encoding of the roster, which is told more often than it changes: equal where all of it is.
    package private(set) var encodedRoster: [UInt8]
    /// Of that encoding.
    package private(set) var rosterHash: UInt64
    package private(set) var members: [Member]

    package init(ownReplica: ReplicaID, ownName: MemberName, roster: Roster = Roster()) {
        (self.ownReplica, self.ownName, self.roster) = (ownReplica, ownName, roster)
        self.members = roster.active.filter { $0.replica != ownReplica }
        self.encodedRoster = roster.encoded
        self.rosterHash = self.encodedRoster.withUnsafeBytes { checksum(of: $0, seed: 0) }
    }

    /// Reads what a peer has sent, which nearly always is the same roster.
    package func roster(decoding bytes: [UInt8]) throws(MalformedMembership) -> Roster {
        if bytes == self.encodedRoster { return self.roster }
        return try bytes.span.bytes.withUnsafeBytes { bytes throws(MalformedMembership) in try Roster(decoding: bytes) }
    }

    /// What has become of this node; nil where the roster has never had it.
    package var ownStatus: Roster.Status? { self.roster[self.ownReplica]?.status }

    /// Changes the roster.
    ///
    /// - Returns: what `body` does.
    package mutating func change<Result>(_ body: (inout Roster) throws(RosterRefusal) -> Result) throws(RosterRefusal) -> Result {
        let before = self.roster
        defer { if self.roster != before { self.moved(to: self.ownReplica, roster: self.roster) } }
        return try body(&self.roster)
    }

    /// The node has another id from now on.
    package mutating func moved(to replica: ReplicaID, roster: Roster) {
        self = MemberTable(ownReplica: replica, ownName: self.ownName, roster: roster)
    }

    package subscript(replica: ReplicaID) -> Member? { self.members.first { $0.replica == replica } }

    package subscript(name: MemberName) -> Member? { self.members.first { $0.name == name } }

    /// Where the other members can be dialled, ascending, each address once.
    package var addresses: [PeerAddress] {
        let sorted = self.members.compactMap(\.address).sorted()
        return sorted.indices.filter { $0 == 0 || sorted[$0] != sorted[$0 - 1] }.map { sorted[$0] }
    }
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
