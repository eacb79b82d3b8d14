import Basics
import Digests
import Simulation
import Storage
import Versioning

/// Any bytes as entries and checkpoint of LMDB: a start counts what is damaged, and serves only what has its checksum.
///
/// An input is items as LMDB has them: length of the key in two bytes, of the value in four, little endian; key; value. It is read as it is, and
/// once more with the checksums put right.
enum BaseCheck {
    struct Item: Equatable {
        var key: [UInt8]
        var value: [UInt8]
    }

    static let checkpointKey = Array("checkpoint".utf8)
    private static let headByteCount = 6

    static func run(_ input: UnsafeRawBufferPointer) throws {
        let items = self.items(of: input)
        try self.check(items)
        try self.check(items.map(self.resealed))
    }

    /// The items of an input; a length that leads beyond it means all that is left.
    static func items(of input: UnsafeRawBufferPointer) -> [Item] {
        var (items, rest) = ([Item](), input[...])
        while rest.count > Self.headByteCount {
            let start = rest.startIndex
            let keyCount = Int(UInt16(littleEndian: input.loadUnaligned(fromByteOffset: start, as: UInt16.self)))
            let valueCount = Int(UInt32(littleEndian: input.loadUnaligned(fromByteOffset: start + 2, as: UInt32.self)))
            rest = rest.dropFirst(Self.headByteCount)
            let key = rest.prefix(keyCount)
            rest = rest.dropFirst(key.count)
            let value = rest.prefix(valueCount)
            rest = rest.dropFirst(value.count)
            items.append(Item(key: Array(key), value: Array(value)))
        }
        return items
    }

    static func bytes(of items: [Item]) -> [UInt8] {
        items.reduce(into: []) { bytes, item in
            withUnsafeBytes(of: UInt16(item.key.count).littleEndian) { bytes += $0 }
            withUnsafeBytes(of: UInt32(item.value.count).littleEndian) { bytes += $0 }
            bytes += item.key + item.value
        }
    }

    /// With the token that belongs to the key, and the checksum that belongs to the value.
    private static func resealed(_ item: Item) -> Item {
        var item = item
        if item.key == Self.checkpointKey, item.value.count >= 8 {
            let sum = item.value.dropLast(8).withUnsafeBytes { checksum(of: $0, seed: 0) }
            withUnsafeBytes(of: sum.littleEndian) { item.value.replaceSubrange(item.value.count - 8..<item.value.count, with: $0) }
        } else if item.key.count >= 8, item.value.count >= 8 {
            let token = item.key.dropFirst(8).withUnsafeBytes { LoneNode.digestKey.token(of: $0) }
            let sum = item.value.dropFirst(8).withUnsafeBytes { checksum(of: $0, seed: token.rawValue) }
            withUnsafeBytes(of: token.rawValue.bigEndian) { item.key.replaceSubrange(0..<8, with: $0) }
            withUnsafeBytes(of: sum.littleEndian) { item.value.replaceSubrange(0..<8, with: $0) }
        }
        return item
    }

    private static func check(_ items: [Item]) throws {
        for item in items where item.key == Self.checkpointKey { try self.checkCheckpoint(item.value) }
        let entries = items.filter { $0.key != Self.checkpointKey }
        for item in entries { try self.checkEntry(item) }
        try self.checkOpening(entries)
    }

    private static func checkCheckpoint(_ bytes: [UInt8]) throws {
        let read = try bytes.withUnsafeBytes { bytes in
            try Pieces.withExactCopy(bytes) { bytes in
                try HeapMeter.bound("checkpoint", inputBytes: bytes.count) { try? Checkpoint(decoding: bytes) }
            }
        }
        guard let read else { return }
        let again = try? read.encode().withUnsafeBytes { try Checkpoint(decoding: $0) }
        try require(again == read, "\(read) is written and read as \(again as Any)")
    }

    private static func checkEntry(_ item: Item) throws {
        try item.key.withUnsafeBytes { key in
            try item.value.withUnsafeBytes { value in
                try Pieces.withExactCopy(key) { key in
                    try Pieces.withExactCopy(value) { value in
                        let entry = BaseEntry(key, value)
                        try require(entry.record != nil || !entry.isIntact, "\(item) is no record and intact")
                        if let record = entry.record { try RecordCheck.run(record, under: LoneNode.digestKey) }
                    }
                }
            }
        }
    }

    private static func checkOpening(_ items: [Item]) throws {
        var contents = MemoryBase.Contents()
        for item in items.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) where item.key.count >= 8 {
            let token = item.key.withUnsafeBytes { Token(rawValue: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))) }
            let entry = MemoryBase.Entry(token: token, key: Array(item.key.dropFirst(8)), value: item.value)
            if contents.entries.last.map({ $0.token == entry.token && $0.key == entry.key }) != true { contents.entries.append(entry) }
        }
        let identity = Identity(cluster: LoneNode.cluster, digestKey: LoneNode.digestKey, replica: ReplicaID(high: 0, low: 7))
        contents.checkpoint = Checkpoint(identity: identity)
        var generator = SplitMix64(seed: 4)
        let opening = Result {
            try Store.open(disk: SimulatedDisk(), base: MemoryBase(contents), configuration: StoreConfiguration(), using: &generator)
        }
        if case .failure(StoreError.misplacedRow(let token)) = opening {
            return try self.checkMisplaced(Token(rawValue: token), among: contents.entries)
        }
        let (store, report) = try opening.get()
        var damaged = 0
        for entry in contents.entries { damaged += try self.checkLookup(entry, in: store) ? 0 : 1 }
        try require(report.damagedEntries == damaged, "\(report) for \(items), of which \(damaged) are damaged")
        guard try store.fold(budget: .max), let recount = try store.recount(from: .first, budget: .max) else {
            throw FuzzFailure(description: "the digest cannot be had")
        }
        try require(recount.mismatch == nil && recount.damaged == 0, "\(recount), \(damaged) damaged: \(items)")
    }

    /// A start is refused for a row whose token is not its key's, and whose checksum does not say that the token is right.
    private static func checkMisplaced(_ token: Token, among entries: [MemoryBase.Entry]) throws {
        let isMisplaced = entries.contains { entry in
            let own = entry.key.withUnsafeBytes { LoneNode.digestKey.token(of: $0) }
            let row = withUnsafeBytes(of: token.rawValue.bigEndian) { Array($0) } + entry.key
            let isIntact = row.withUnsafeBytes { row in entry.value.withUnsafeBytes { BaseEntry(row, $0).isIntact } }
            return entry.token == token && own != token && !isIntact
        }
        try require(isMisplaced, "refused for a row at \(token) of \(entries)")
    }

    /// An entry is served with its checksum and under its token, or not at all.
    ///
    /// - Returns: false where it is damaged.
    private static func checkLookup(_ entry: MemoryBase.Entry, in store: Store) throws -> Bool {
        try entry.key.withUnsafeBytes { key in
            let isPlaced = store.token(of: key) == entry.token
            switch try store.find(entry.token, key: key) {
            case .nothing: throw FuzzFailure(description: "\(entry) is in the base and is not found")
            case .damaged: return false
            case .record(let record, _, _):
                let sum = entry.value.dropFirst(8).withUnsafeBytes { checksum(of: $0, seed: entry.token.rawValue) }
                try require(
                    record.value.elementsEqual(entry.value)
                        && UInt64(littleEndian: record.value.loadUnaligned(as: UInt64.self)) == sum, "\(entry) is served as \(record.versionHeader)")
                return isPlaced
            }
        }
    }
}
