import Basics
import Digests
import Membership

func replica(_ number: UInt64) -> ReplicaID { ReplicaID(high: number, low: 0) }

/// An offer to the given nodes, whose identity is drawn from `seed`.
func offer(_ members: [UInt64], seed: UInt64 = 1) -> Offer {
    var generator = SplitMix64(seed: seed)
    return Offer(cluster: ClusterID(using: &generator), digestKey: DigestKey(using: &generator), members: members.map(replica))
}

/// A member as it describes itself at its first start, or a later one.
func member(_ number: UInt64, _ name: String, _ address: PeerAddress? = nil, start: UInt64 = 1, nonce: UInt64 = 1) throws -> Member {
    Member(replica: replica(number), name: try MemberName(name), address: address, start: Start(counter: start, nonce: nonce))
}

func address(_ host: String, _ port: UInt16 = 7_380) -> PeerAddress { try! PeerAddress(host: host, port: port) }

/// Calls `body` with a copy of the bytes, so that the address sanitizer sees a read beyond the end.
func copied<Result>(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(MalformedMembership) -> Result) throws(MalformedMembership) -> Result {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return try body(UnsafeRawBufferPointer(copy))
}

func encoded(_ offer: Offer) -> [UInt8] {
    var bytes: [UInt8] = []
    offer.encode(into: &bytes)
    return bytes
}

func encoded(_ member: Member) -> [UInt8] {
    var bytes: [UInt8] = []
    member.encode(into: &bytes)
    return bytes
}

func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.bigEndian, Array.init) }

extension [UInt8] {
    /// The same bytes with one to three of them changed.
    func altered(using generator: inout SplitMix64) -> [UInt8] {
        var altered = self
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            altered[Int.random(in: altered.indices, using: &generator)] =
                [0, 1, 2, 64, 65, 255, UInt8.random(in: 0...255, using: &generator)].randomElement(using: &generator)!
        }
        return altered
    }
}
