import Basics

/// The encoding, the payload of a record. Numbers without a size are of 7 bits a byte, the lowest first, and no longer than they must be; others are
/// little endian. A replica stands for its place among the ids.
///
///     count of ids | ids 16 each, ascending, all that are used and no others
///     1 where a register was beneath, 2 where that was a tombstone, else 0
///       register: stamp's time 8 | stamp's replica | dot's replica | dot's sequence
///     count of versions | for each, ascending by dot:
///       replica | sequence | stamp's time 8 | 0 for a value, 1 for a delete, 2 more where the stamp's replica is not the dot's, 4 more for a deadline
///       the stamp's replica and the deadline 8, where that says so
///       count of replicas in the context | for each: replica | through | count beyond | each as what is added to the one below
///       for a value its length and bytes
///
/// It is injective: equal values have equal bytes, and the decoder takes no others.
extension Siblings {
    package var encoded: [UInt8] {
        var ids = Set(self.versions.flatMap { [$0.dot.replica, $0.stamp.replica] })
        for version in self.versions { ids.formUnion(version.context.entries.map(\.replica)) }
        if let beneath { ids.formUnion([beneath.stamp.replica, beneath.dot.replica]) }
        var writer = Writer(ids: ids.sorted())
        writer.bytes.reserveCapacity(64 + self.versions.reduce(0) { $0 + 64 + ($1.value?.count ?? 0) })
        writer.appendIDs()
        writer.bytes.append(self.beneath.map { $0.isTombstone ? 2 : 1 } ?? 0)
        if let beneath {
            writer.append(fixed: beneath.stamp.time)
            writer.append(beneath.stamp.replica)
            writer.append(beneath.dot)
        }
        writer.append(UInt64(self.versions.count))
        for version in self.versions { writer.append(version) }
        return writer.bytes
    }

    /// One version alone, to tell it from another.
    static func encoded(_ version: Sibling) -> [UInt8] { Siblings(checked: [version], beneath: nil).encoded }

    /// Reads what `encoded` gave, all of `bytes`; nil where it is not what that gives. The versions' values lie in `bytes`.
    package init?(decoding bytes: UnsafeRawBufferPointer) {
        var reader = Reader(bytes)
        do throws(Malformed) {
            try reader.takeIDs()
            let beneath = try reader.takeRegister()
            let count = try reader.takeNumber()
            var versions: [Sibling] = []
            for _ in 0..<count {
                let version = try reader.takeVersion()
                guard versions.last.map({ $0.dot < version.dot }) ?? true, version.stamp > beneath?.stamp ?? .least else { return nil }
                versions.append(version)
            }
            guard reader.isAtEnd, !versions.isEmpty, reader.hasUsedAllIDs else { return nil }
            let contexts = versions.map(\.context).filter { !$0.isEmpty }
            guard !versions.contains(where: { version in contexts.contains { $0.covers(version.dot) } }) else { return nil }
            self.init(checked: versions, beneath: beneath)
        } catch { return nil }
    }
}

/// The encoding alone: the ids, as above, and for each: replica | through | count beyond | each as what is added to the one below.
extension CausalContext {
    package var encoded: [UInt8] {
        var writer = Writer(ids: self.entries.map(\.replica))
        writer.appendIDs()
        writer.append(self)
        return writer.bytes
    }

    /// Reads what `encoded` gave, all of `bytes`; nil where it is not what that gives.
    package init?(decoding bytes: UnsafeRawBufferPointer) {
        var reader = Reader(bytes)
        do throws(Malformed) {
            try reader.takeIDs()
            self = try reader.takeContext()
            guard reader.isAtEnd, reader.hasUsedAllIDs else { return nil }
        } catch { return nil }
    }
}

extension Stamp {
    fileprivate static let least = Stamp(time: 0, replica: ReplicaID(high: 0, low: 0))
}

private struct Malformed: Error {}

private struct Writer {
    let ids: [ReplicaID]
    var bytes: [UInt8] = []

    init(ids: [ReplicaID]) { self.ids = ids }

    mutating func appendIDs() {
        self.append(UInt64(self.ids.count))
        for id in self.ids {
            for word in [id.high, id.low] { withUnsafeBytes(of: word.bigEndian) { self.bytes.append(contentsOf: $0) } }
        }
    }

    mutating func append(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            self.bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        self.bytes.append(UInt8(rest))
    }

    mutating func append(fixed number: UInt64) { withUnsafeBytes(of: number.littleEndian) { self.bytes.append(contentsOf: $0) } }

    mutating func append(_ replica: ReplicaID) {
        var (low, high) = (0, self.ids.count)
        while low < high {
            let middle = (low + high) / 2
            if self.ids[middle] < replica { low = middle + 1 } else { high = middle }
        }
        self.append(UInt64(low))
    }

    mutating func append(_ dot: Dot) {
        self.append(dot.replica)
        self.append(dot.sequence)
    }

    mutating func append(_ version: Sibling) {
        self.append(version.dot)
        self.append(fixed: version.stamp.time)
        let isAgain = version.stamp.replica != version.dot.replica
        let expires = version.expiryMilliseconds != 0
        self.bytes.append((version.isDelete ? 1 : 0) + (isAgain ? 2 : 0) + (expires ? 4 : 0))
        if isAgain { self.append(version.stamp.replica) }
        if expires { self.append(fixed: version.expiryMilliseconds) }
        self.append(version.context)
        guard let value = version.value else { return }
        self.append(UInt64(value.count))
        self.bytes.append(contentsOf: value)
    }

    mutating func append(_ context: CausalContext) {
        self.append(UInt64(context.entries.count))
        for entry in context.entries {
            self.append(entry.replica)
            self.append(entry.through)
            self.append(UInt64(entry.beyond.count))
            var below = entry.through
            for sequence in entry.beyond {
                self.append(sequence - below)
                below = sequence
            }
        }
    }
}

private struct Reader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0
    private var ids: [ReplicaID] = []
    private var isUsed: [Bool] = []

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { self.offset == self.bytes.count }
    var hasUsedAllIDs: Bool { self.isUsed.allSatisfy(\.self) }

    mutating func takeIDs() throws(Malformed) {
        let count = try self.takeCount(ofAtLeast: ReplicaID.byteCount)
        for _ in 0..<count {
            let id = ReplicaID(high: try self.takeWord().byteSwapped, low: try self.takeWord().byteSwapped)
            if let last = self.ids.last, id <= last { throw Malformed() }
            self.ids.append(id)
        }
        self.isUsed = Array(repeating: false, count: count)
    }

    mutating func takeRegister() throws(Malformed) -> Siblings.Register? {
        let flag = try self.takeByte()
        guard flag > 0 else { return nil }
        guard flag <= 2 else { throw Malformed() }
        let stamp = Stamp(time: try self.takeWord(), replica: try self.takeReplica())
        return Siblings.Register(stamp: stamp, isTombstone: flag == 2, dot: try self.takeDot())
    }

    mutating func takeVersion() throws(Malformed) -> Sibling {
        let (dot, time, flags) = (try self.takeDot(), try self.takeWord(), try self.takeByte())
        guard flags <= 7, flags & 5 != 5 else { throw Malformed() }
        let stamp = Stamp(time: time, replica: flags & 2 == 0 ? dot.replica : try self.takeReplica())
        guard flags & 2 == 0 || stamp.replica != dot.replica else { throw Malformed() }
        let expiryMilliseconds = flags & 4 == 0 ? 0 : try self.takeWord()
        guard flags & 4 == 0 || expiryMilliseconds > 0 else { throw Malformed() }
        let context = try self.takeContext()
        guard flags & 1 == 0 else { return Sibling(dot: dot, stamp: stamp, context: context, value: nil) }
        let count = try self.takeCount(ofAtLeast: 1)
        defer { self.offset += count }
        let value = UnsafeRawBufferPointer(rebasing: self.bytes[self.offset..<self.offset + count])
        return Sibling(dot: dot, stamp: stamp, context: context, value: value, expiryMilliseconds: expiryMilliseconds)
    }

    mutating func takeContext() throws(Malformed) -> CausalContext {
        var entries: [CausalContext.Entry] = []
        for _ in 0..<(try self.takeCount(ofAtLeast: 3)) {
            let (replica, through) = (try self.takeReplica(), try self.takeNumber())
            var (beyond, below): ([UInt64], UInt64) = ([], through)
            for _ in 0..<(try self.takeCount(ofAtLeast: 1)) {
                let (next, overflow) = below.addingReportingOverflow(try self.takeNumber())
                if overflow { throw Malformed() }
                beyond.append(next)
                below = next
            }
            entries.append(CausalContext.Entry(replica: replica, through: through, beyond: beyond))
        }
        guard let context = CausalContext(entries: entries) else { throw Malformed() }
        return context
    }

    private mutating func takeDot() throws(Malformed) -> Dot {
        let dot = Dot(replica: try self.takeReplica(), sequence: try self.takeNumber())
        guard dot.sequence > 0 else { throw Malformed() }
        return dot
    }

    private mutating func takeReplica() throws(Malformed) -> ReplicaID {
        guard let index = Int(exactly: try self.takeNumber()), index < self.ids.count else { throw Malformed() }
        self.isUsed[index] = true
        return self.ids[index]
    }

    /// A count of things of which each takes some bytes that follow.
    private mutating func takeCount(ofAtLeast byteCount: Int) throws(Malformed) -> Int {
        guard let count = Int(exactly: try self.takeNumber()), count <= (self.bytes.count - self.offset) / byteCount else { throw Malformed() }
        return count
    }

    mutating func takeNumber() throws(Malformed) -> UInt64 {
        var (number, shift): (UInt64, UInt64) = (0, 0)
        while true {
            let byte = try self.takeByte()
            let bits = UInt64(byte & 0x7f)
            guard shift < 63 || (shift == 63 && bits <= 1) else { throw Malformed() }
            number |= bits << shift
            if byte < 0x80 {
                guard byte != 0 || shift == 0 else { throw Malformed() }  // Longer than it must be.
                return number
            }
            shift += 7
        }
    }

    private mutating func takeByte() throws(Malformed) -> UInt8 {
        guard self.offset < self.bytes.count else { throw Malformed() }
        defer { self.offset += 1 }
        return self.bytes[self.offset]
    }

    private mutating func takeWord() throws(Malformed) -> UInt64 {
        guard self.bytes.count - self.offset >= 8 else { throw Malformed() }
        defer { self.offset += 8 }
        return UInt64(littleEndian: self.bytes.loadUnaligned(fromByteOffset: self.offset, as: UInt64.self))
    }
}
