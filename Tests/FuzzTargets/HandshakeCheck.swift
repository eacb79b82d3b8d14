import Basics
import Digests
import Membership
import PeerWire
import Storage
import Versioning

/// Whoever connects to a node may say anything, hello or not: it ends that link at most, what the node held stays, and all that it
/// answers can be read.
///
/// The first byte of an input says what the node is, the rest are frames. A length that leads beyond the input means all that is left.
enum HandshakeCheck {
    /// A node to connect to: without a cluster and waiting for one other, a member with some entries, or one that has just joined; the one that was
    /// dialled, or that dials.
    static func part(_ choice: UInt8) -> LoneNode.Part {
        let joins = choice & 4 != 0
        return LoneNode.Part(name: "subject", seed: 1, keys: choice & 1 == 0 || joins ? nil : 1...20, dials: choice & 2 != 0, joins: joins)
    }

    static func run(_ input: UnsafeRawBufferPointer) throws {
        try self.checkDecoders(input)
        guard let choice = input.first else { return }
        let node = try LoneNode(self.part(choice))
        var reader = FrameReader()
        try self.checkReadable(node.greeting, &reader)
        for frame in frames(UnsafeRawBufferPointer(rebasing: input.dropFirst())) where !node.isClosed {
            let (output, taken) = try frame.withUnsafeBytes { try Pieces.withExactCopy($0) { try node.receive($0) } }
            try require(taken == frame.count, "\(taken) of a frame of \(frame.count) bytes were taken: \(frame)")
            try self.checkReadable(output, &reader)
        }
        try self.checkReadable(try node.waitLong(), &reader)
        try self.checkStore(node)
    }

    /// The frames in which an input lies, each with a length that is true.
    static func frames(_ input: UnsafeRawBufferPointer) -> [[UInt8]] {
        var (frames, rest) = ([[UInt8]](), input[...])
        while rest.count > PeerWire.lengthByteCount {
            let length = Int(UInt32(littleEndian: input.loadUnaligned(fromByteOffset: rest.startIndex, as: UInt32.self)))
            let body = rest.dropFirst(PeerWire.lengthByteCount)
            let count = min(length, body.count)
            frames.append(withUnsafeBytes(of: UInt32(count).littleEndian) { Array($0) } + body.prefix(count))
            rest = body.dropFirst(count)
        }
        return frames
    }

    private static func checkReadable(_ output: [UInt8], _ reader: inout FrameReader) throws {
        var offset = 0
        while offset < output.count {
            let consumed = try output.withUnsafeBytes { try reader.next(in: UnsafeRawBufferPointer(rebasing: $0[offset...])).consumed }
            try require(consumed > 0, "an answer is cut short: \(output[offset...])")
            offset += consumed
        }
    }

    /// Nothing that the node held is gone or older, and its digest is that of its entries.
    private static func checkStore(_ node: LoneNode) throws {
        let store = node.replica.store
        // It may have taken another since: whoever connects may say what shows that its store is an older copy.
        let id = store.formerReplica ?? store.identity.replica
        for key in node.part.keys.map(Array.init) ?? [] {
            let stamp = try withUnsafeBytes(of: key) { bytes -> Stamp? in
                guard case .record(let record, _, _) = try store.find(store.token(of: bytes), key: bytes) else { return nil }
                return record.stamp
            }
            let written = node.part.stampedAt + UInt64(key)
            try require(stamp.map { $0.milliseconds >= written } ?? false, "key \(key) has \(stamp as Any) and was written at \(written)")
            try require(store.seen.covers(Dot(replica: id, sequence: UInt64(key))), "\(store.seen) lacks the node's write \(key)")
        }
        if node.replica.isJoining { try require(store.seen.isEmpty && store.live.count == 0, "it joins, and has seen \(store.seen)") }
        // The next job may wait for a tick.
        guard !store.isLoading else { return }
        guard try store.fold(budget: .max), let recount = try store.recount(from: .first, budget: .max) else {
            throw FuzzFailure(description: "the digest cannot be had")
        }
        try require(recount.mismatch == nil && recount.damaged == 0, "\(recount)")
    }
}

// MARK: What the messages carry

extension HandshakeCheck {
    /// Offers, members and rosters: what reads has one encoding, the one that was read.
    private static func checkDecoders(_ input: UnsafeRawBufferPointer) throws {
        try Pieces.withExactCopy(input) { bytes in
            try self.check(bytes, "offer", { try Offer(decoding: $0) }) { $0.encode(into: &$1) }
            try self.check(bytes, "member", { try Member(decoding: $0) }) { $0.encode(into: &$1) }
            try self.check(bytes, "roster", { try Roster(decoding: $0) }) { $0.encode(into: &$1) }
            try self.check(bytes, "seen", { try Seen(decoding: $0) }) { $0.encode(into: &$1) }
            try self.check(bytes, "clearance", { try Clearance(decoding: $0) }) { $1 += $0.encoded }
        }
    }

    private static func check<Value: Equatable>(
        _ bytes: UnsafeRawBufferPointer, _ name: StaticString, _ decode: (UnsafeRawBufferPointer) throws -> Value,
        _ encode: (Value, inout [UInt8]) -> Void
    ) throws {
        guard let value = try HeapMeter.bound(name, inputBytes: bytes.count, { try? decode(bytes) }) else { return }
        var encoded: [UInt8] = []
        encode(value, &encoded)
        try require(encoded.elementsEqual(bytes), "\(name) \(value) was read from \(Array(bytes)) and is written as \(encoded)")
    }
}
