import Basics

/// What people call a node, such as `n2`.
///
/// - Invariant: 1 to 64 bytes, each a letter or digit of ASCII, `.`, `_` or `-`.
package struct MemberName: Hashable, Sendable {
    package static let maximumBytes = 64

    package let text: String

    package init(_ text: String) throws(MalformedMembership) {
        guard (1...Self.maximumBytes).contains(text.utf8.count) else { throw .nameLength(text.utf8.count) }
        if let wrong = text.utf8.first(where: { !Self.allows($0) }) { throw .nameByte(wrong) }
        self.text = text
    }

    /// What a node is called that nobody has named: the first eight digits of its id.
    package init(startOf replica: ReplicaID) { self.text = String(replica.description.prefix(8)) }

    private static func allows(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension MemberName: Comparable {
    package static func < (left: Self, right: Self) -> Bool { left.text.utf8.lexicographicallyPrecedes(right.text.utf8) }
}

extension MemberName: CustomStringConvertible {
    package var description: String { self.text }
}

/// A node of a cluster as it describes itself.
package struct Member: Equatable, Sendable {
    package let replica: ReplicaID
    package let name: MemberName
    /// The start at which it said so: of two descriptions of a member that of the later start counts.
    package let start: Start
    /// Where it can be dialled; nil where nobody can, and it dials itself.
    package let address: PeerAddress?

    package init(replica: ReplicaID, name: MemberName, address: PeerAddress?, start: Start) {
        (self.replica, self.name, self.address, self.start) = (replica, name, address, start)
    }

    /// A member of which only the id is known.
    package init(unheardOf replica: ReplicaID) {
        self.init(replica: replica, name: MemberName(startOf: replica), address: nil, start: .none)
    }

    /// Whether this description counts for more than another of the same member: a total order, so that all keep the same one.
    func supersedes(_ other: Member) -> Bool {
        if self.start != other.start { return self.start > other.start }
        if self.name != other.name { return self.name > other.name }
        switch (self.address, other.address) {
        case (let own?, let others?): return own > others
        case (let own, let others): return own != nil && others == nil
        }
    }
}

/// The encoding, all numbers big endian:
///
///     id 16 | start: counter 8, nonce 8 | length of name 1 | name | length of host 1, 0 for no address | host | port 2, where there is a host
///
/// It is injective: equal members have equal bytes, and the decoder accepts no others. At most 355 bytes.
extension Member {
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(self.replica)
        bytes.append(bigEndian: self.start.counter)
        bytes.append(bigEndian: self.start.nonce)
        bytes.append(UInt8(self.name.text.utf8.count))  // At most `maximumBytes`.
        bytes.append(contentsOf: self.name.text.utf8)
        guard let address = self.address else { return bytes.append(0) }
        bytes.append(UInt8(address.host.utf8.count))  // At most `maximumHostBytes`.
        bytes.append(contentsOf: address.host.utf8)
        bytes.append(bigEndian: address.port)
    }

    /// Reads what `encode` wrote, all of `bytes`.
    package init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedMembership) {
        var rest = bytes[...]
        try self.init(taking: &rest)
        try rest.expectEnd()
    }

    /// Removes a member from the front.
    init(taking rest: inout Slice<UnsafeRawBufferPointer>) throws(MalformedMembership) {
        let replica = try rest.takeReplica()
        let start = Start(counter: try rest.take(UInt64.self), nonce: try rest.take(UInt64.self))
        let name = try MemberName(try rest.takeText())
        let host = try rest.takeText()
        let address = host.isEmpty ? nil : try PeerAddress(host: host, port: try rest.take(UInt16.self))
        self.init(replica: replica, name: name, address: address, start: start)
    }
}
