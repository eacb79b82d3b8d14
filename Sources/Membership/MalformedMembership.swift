import Basics

/// Why bytes are no offer, member or roster, or a text is no name or host. Whoever reads them names where they came from.
package enum MalformedMembership: Error, Equatable, Sendable {
    /// The bytes end before what their counts announce.
    case truncated
    /// Bytes follow the last field.
    case trailingBytes(count: Int)
    /// An offer is for fewer than two nodes or for more than may found together.
    case founderCount(Int)
    case tooManyMembers(count: Int, limit: Int)
    /// A replica does not follow the one before it.
    case misplacedReplica(ReplicaID)
    /// Two active members of a roster have one name.
    case repeatedName(MemberName)
    /// A status, or what goes with it, is none.
    case status
    case setting
    case nameLength(Int)
    /// A name has a byte that is no letter or digit of ASCII, nor `.`, `_` or `-`.
    case nameByte(UInt8)
    case hostLength(Int)
    /// A host has a byte that is not printable ASCII, or is a space.
    case hostByte(UInt8)
    /// Nobody listens on port 0.
    case portZero
}

extension Slice where Base == UnsafeRawBufferPointer {
    /// Removes a big-endian number from the front.
    mutating func take<Number: FixedWidthInteger>(_: Number.Type) throws(MalformedMembership) -> Number {
        let size = MemoryLayout<Number>.size
        guard self.count >= size else { throw .truncated }
        let number = self.base.loadUnaligned(fromByteOffset: self.startIndex, as: Number.self)
        self = self.dropFirst(size)
        return Number(bigEndian: number)
    }

    /// Removes `count` bytes from the front.
    mutating func take(count: Int) throws(MalformedMembership) -> [UInt8] {
        guard self.count >= count else { throw .truncated }
        defer { self = self.dropFirst(count) }
        return Array(self.prefix(count))
    }

    /// Removes a length of one byte and as many bytes. What is no UTF-8 becomes characters that no name and no host may have.
    mutating func takeText() throws(MalformedMembership) -> String {
        String(decoding: try self.take(count: Int(try self.take(UInt8.self))), as: UTF8.self)
    }

    mutating func takeReplica() throws(MalformedMembership) -> ReplicaID {
        ReplicaID(high: try self.take(UInt64.self), low: try self.take(UInt64.self))
    }

    /// To be called last: what is left was not announced.
    func expectEnd() throws(MalformedMembership) {
        guard self.isEmpty else { throw .trailingBytes(count: self.count) }
    }
}

extension [UInt8] {
    mutating func append(bigEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { self.append(contentsOf: $0) }
    }

    mutating func append(_ replica: ReplicaID) {
        self.append(bigEndian: replica.high)
        self.append(bigEndian: replica.low)
    }
}
