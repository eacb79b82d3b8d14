import Basics

/// Floors and settled replicas as one piece of durable state, which members tell each other.
package struct Clearance: Equatable, Sendable {
    package var floors = Floors()
    package var settled = Settled()

    package init() {}

    package var isEmpty: Bool { self.floors.isEmpty && self.settled.ids.isEmpty }
}

/// Why bytes are no `Clearance`.
package struct MalformedClearance: Error, Equatable, Sendable {
    package init() {}
}

/// The encoding, all numbers little endian:
///
///     version 1 (1) | stamp time 8 | count of floors 2 | for each: id 16, sequence 8 | count of confirmed 2 | for each: id 16, sequence 8
///     | count of settled 2 | for each: id 16 | what was settled, as `Seen` encodes it
///
/// Ids ascend. It is injective: equal values have equal bytes, and the decoder accepts no others.
extension Clearance {
    private static let version: UInt8 = 1

    package var encoded: [UInt8] {
        var bytes: [UInt8] = [Self.version]
        bytes.append(little: self.floors.stampTime)
        for entries in [self.floors.floors, self.floors.confirmed] {
            bytes.append(little: UInt16(entries.count))
            for entry in entries {
                bytes.append(little: entry.replica)
                bytes.append(little: entry.sequence)
            }
        }
        bytes.append(little: UInt16(self.settled.ids.count))
        for id in self.settled.ids { bytes.append(little: id) }
        self.settled.writes.encode(into: &bytes)
        return bytes
    }

    package init(decoding bytes: UnsafeRawBufferPointer) throws(MalformedClearance) {
        var rest = bytes[...]
        guard try rest.take(UInt8.self) == Self.version else { throw MalformedClearance() }
        let stampTime = try rest.take(UInt64.self)
        self.init()
        var last: ReplicaID?
        for _ in 0..<Int(try rest.take(UInt16.self)) {
            let (replica, sequence) = (try rest.takeReplica(behind: &last), try rest.take(UInt64.self))
            guard self.floors.raise(replica, to: sequence, stampTime: stampTime) else { throw MalformedClearance() }
        }
        guard self.floors.stampTime == stampTime else { throw MalformedClearance() }  // Nothing dropped has no stamp.
        last = nil
        for _ in 0..<Int(try rest.take(UInt16.self)) {
            let (replica, sequence) = (try rest.takeReplica(behind: &last), try rest.take(UInt64.self))
            guard sequence > 0, self.floors.confirmed.count < Seen.maximumReplicas else { throw MalformedClearance() }
            self.floors.confirm(replica, through: sequence)
        }
        last = nil
        var ids: [ReplicaID] = []
        for _ in 0..<Int(try rest.take(UInt16.self)) { ids.append(try rest.takeReplica(behind: &last)) }
        guard ids.count <= Seen.maximumReplicas, let writes = try? Seen(decoding: UnsafeRawBufferPointer(rebasing: rest)),
            writes.replicas.allSatisfy({ ids.contains($0) })
        else { throw MalformedClearance() }
        for id in ids { self.settled.settle(id, with: writes) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(little number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { self.append(contentsOf: $0) }
    }

    fileprivate mutating func append(little replica: ReplicaID) {
        self.append(little: replica.high)
        self.append(little: replica.low)
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    fileprivate mutating func take<Number: FixedWidthInteger>(_: Number.Type) throws(MalformedClearance) -> Number {
        let size = MemoryLayout<Number>.size
        guard self.count >= size else { throw MalformedClearance() }
        let number = self.base.loadUnaligned(fromByteOffset: self.startIndex, as: Number.self)
        self = self.dropFirst(size)
        return Number(littleEndian: number)
    }

    /// - Parameter last: the one before, which it must follow.
    fileprivate mutating func takeReplica(behind last: inout ReplicaID?) throws(MalformedClearance) -> ReplicaID {
        let replica = ReplicaID(high: try self.take(UInt64.self), low: try self.take(UInt64.self))
        if let last, replica <= last { throw MalformedClearance() }
        last = replica
        return replica
    }
}
