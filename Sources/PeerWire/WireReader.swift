import AntiEntropy
import Basics
import Digests
import Versioning

/// Reads the payload of one frame from front to back. What is not there is an error, never a trap.
struct WireReader {
    private let bytes: UnsafeRawBufferPointer
    private let type: UInt8
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer, type: UInt8) { (self.bytes, self.type) = (bytes, type) }

    var malformed: PeerWireError { .malformed(type: self.type) }
    var remaining: Int { self.bytes.count - self.offset }

    mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type) throws(PeerWireError) -> Number {
        let size = MemoryLayout<Number>.size
        guard self.remaining >= size else { throw self.malformed }
        defer { self.offset += size }
        return Number(littleEndian: self.bytes.loadUnaligned(fromByteOffset: self.offset, as: Number.self))
    }

    mutating func bytes(_ count: Int) throws(PeerWireError) -> [UInt8] {
        guard self.remaining >= count else { throw self.malformed }
        defer { self.offset += count }
        return Array(self.bytes[self.offset..<self.offset + count])
    }

    /// All that is left.
    mutating func rest() -> [UInt8] {
        defer { self.offset = self.bytes.count }
        return Array(self.bytes[self.offset...])
    }

    var isAtEnd: Bool { self.remaining == 0 }

    /// Nothing may be left.
    func end() throws(PeerWireError) {
        guard self.remaining == 0 else { throw self.malformed }
    }

    mutating func replica() throws(PeerWireError) -> ReplicaID {
        ReplicaID(high: try self.number(UInt64.self).byteSwapped, low: try self.number(UInt64.self).byteSwapped)
    }

    mutating func start() throws(PeerWireError) -> Start {
        Start(counter: try self.number(UInt64.self), nonce: try self.number(UInt64.self))
    }

    /// Milliseconds since 1970 in 48 bits.
    mutating func wall() throws(PeerWireError) -> WallTime {
        let low = try self.number(UInt32.self)
        return WallTime(milliseconds: UInt64(try self.number(UInt16.self)) << 32 | UInt64(low))
    }

    /// A number, and nothing behind it.
    mutating func lastNumber() throws(PeerWireError) -> UInt64 {
        let number = try self.number(UInt64.self)
        try self.end()
        return number
    }

    mutating func digest() throws(PeerWireError) -> Digest {
        let entries = try self.number(UInt64.self)
        return Digest(entries: entries, sum: try self.number(UInt128.self))
    }

    /// A length in one byte and so much ASCII without control characters.
    mutating func text(maximumBytes: Int) throws(PeerWireError) -> String {
        let count = Int(try self.number(UInt8.self))
        guard count <= maximumBytes else { throw self.malformed }
        let text = try self.bytes(count)
        guard text.allSatisfy({ (0x21..<0x7f).contains($0) }) else { throw self.malformed }
        return String(decoding: text, as: UTF8.self)
    }

    /// One byte that stands for a case, and nothing behind it.
    mutating func choice<Choice: RawRepresentable<UInt8>>(_: Choice.Type) throws(PeerWireError) -> Choice {
        guard let choice = Choice(rawValue: try self.number(UInt8.self)) else { throw self.malformed }
        try self.end()
        return choice
    }

    /// Seven bits a byte, the lowest first; no longer than it needs to be.
    mutating func variable() throws(PeerWireError) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<10 {
            let byte = try self.number(UInt8.self)
            if index == 9, byte > 1 { throw self.malformed }
            value |= UInt64(byte & 0x7f) << UInt64(7 * index)
            if byte & 0x80 == 0 {
                guard byte != 0 || index == 0 else { throw self.malformed }
                return value
            }
        }
        throw self.malformed
    }

    /// A number of things that there can be in memory.
    mutating func count() throws(PeerWireError) -> Int {
        let value = try self.variable()
        guard value <= PeerWire.maximumCount else { throw self.malformed }
        return Int(value)
    }

    /// So many numbers, each of which passes a check, as they lie there: in a small message there are many.
    mutating func packed(_ count: Int, check: (UInt64) -> Bool) throws(PeerWireError) -> PackedNumbers {
        let start = self.offset
        for _ in 0..<count {
            guard check(try self.variable()) else { throw self.malformed }
        }
        return PackedNumbers(checked: Array(self.bytes[start..<self.offset]), count: count)
    }

    mutating func nodes() throws(PeerWireError) -> NodeList {
        let depth = Int(try self.number(UInt8.self))
        let count = Int(try self.number(UInt16.self))
        guard depth <= DigestNode.maximumDepth else { throw self.malformed }
        var last: UInt64?
        let gaps = try self.packed(count) { gap in
            var index = gap
            if let last {
                let (sum, overflow) = last.addingReportingOverflow(gap)
                let (next, carry) = sum.addingReportingOverflow(1)
                guard !overflow, !carry else { return false }
                index = next
            }
            last = index
            return depth == DigestNode.maximumDepth || index >> UInt64(depth) == 0
        }
        return NodeList(depth: depth, checkedGaps: gaps, last: last)
    }

    mutating func lastNodes() throws(PeerWireError) -> NodeList {
        let nodes = try self.nodes()
        try self.end()
        return nodes
    }

    /// The last field of its frame: a flag, and where it is set the rest.
    mutating func optionalSeen() throws(PeerWireError) -> Seen? {
        switch try self.number(UInt8.self) {
        case 0:
            try self.end()
            return nil
        case 1: return try self.restAsSeen()
        default: throw self.malformed
        }
    }

    /// - Parameter count: its bytes.
    mutating func clearance(_ count: Int) throws(PeerWireError) -> Clearance {
        guard self.remaining >= count else { throw self.malformed }
        defer { self.offset += count }
        do throws(MalformedClearance) {
            return try Clearance(decoding: UnsafeRawBufferPointer(rebasing: self.bytes[self.offset..<self.offset + count]))
        } catch { throw self.malformed }
    }

    mutating func restAsSeen() throws(PeerWireError) -> Seen {
        defer { self.offset = self.bytes.count }
        do throws(SeenError) {
            return try Seen(decoding: UnsafeRawBufferPointer(rebasing: self.bytes[self.offset...]))
        } catch { throw self.malformed }
    }
}

extension [UInt8] {
    mutating func append(_ number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { self.append(contentsOf: $0) }
    }

    mutating func store(_ number: UInt32, at offset: Int) {
        for byte in 0..<4 { self[offset + byte] = UInt8(truncatingIfNeeded: number >> UInt32(8 * byte)) }
    }

    mutating func append(_ replica: ReplicaID) {
        self.append(replica.high.byteSwapped)
        self.append(replica.low.byteSwapped)
    }

    mutating func append(_ start: Start) {
        self.append(start.counter)
        self.append(start.nonce)
    }

    /// As much as 48 bits hold: what a clock says beyond is as wrong.
    mutating func append(_ wall: WallTime) {
        let milliseconds = Swift.min(wall.milliseconds, Stamp.maximumMilliseconds)
        self.append(UInt32(truncatingIfNeeded: milliseconds))
        self.append(UInt16(truncatingIfNeeded: milliseconds >> 32))
    }

    mutating func append(_ digest: Digest) {
        self.append(digest.entries)
        self.append(digest.sum)
    }

    mutating func append(_ seen: Seen?) {
        self.append(seen == nil ? UInt8(0) : 1)
        seen?.encode(into: &self)
    }

    mutating func append(_ list: NodeList) {
        self.append(UInt8(list.depth))
        self.append(UInt16(list.count))
        self.append(contentsOf: list.gaps.bytes)
    }
}
