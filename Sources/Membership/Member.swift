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

    private static func allows(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

extension MemberName: CustomStringConvertible {
    package var description: String { self.text }
}

/// A node of a cluster as the others know it.
package struct Member: Equatable, Sendable {
    package let replica: ReplicaID
    package let name: MemberName
    /// Where it can be dialled; nil where nobody can, and it dials itself.
    package let address: PeerAddress?

    package init(replica: ReplicaID, name: MemberName, address: PeerAddress?) {
        (self.replica, self.name, self.address) = (replica, name, address)
    }
}

/// The encoding, all numbers big endian:
///
///     id 16 | length of name 1 | name | length of host 1, 0 for no address | host | port 2, where there is a host
///
/// It is injective: equal members have equal bytes, and the decoder accepts no others. At most 339 bytes.
extension Member {
    package func encode(into bytes: inout [UInt8]) {
        bytes.append(self.replica)
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
        let name = try MemberName(try rest.takeText())
        let host = try rest.takeText()
        let address = host.isEmpty ? nil : try PeerAddress(host: host, port: try rest.take(UInt16.self))
        self.init(replica: replica, name: name, address: address)
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    /// Removes a length of one byte and as many bytes. What is no UTF-8 becomes characters that neither a name nor a host may have.
    fileprivate mutating func takeText() throws(MalformedMembership) -> String {
        String(decoding: try self.take(count: Int(try self.take(UInt8.self))), as: UTF8.self)
    }
}
