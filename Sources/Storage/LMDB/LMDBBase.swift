import Basics
import CLMDB
import Digests
import Versioning

/// Entries and checkpoint in LMDB: memory-mapped, always committed synced.
///
///     entries     token 8 B big endian ‖ key        → header ‖ payload (RecordLayout)
///     tombstones  replica id 16 B ‖ sequence 8 B, big endian → token ‖ key
///     exports     cluster id 16 B ‖ replica id 16 B ‖ sequence 8 B, big endian → state ‖ key length ‖ key ‖ header ‖ payload (Export)
///     meta        "checkpoint"                       → Checkpoint
///                 "control-" ‖ name of a control key → its value
///                 "checksum-" ‖ the same name → XXH3-64 of the value, which stores of older programs do not have
package final class LMDBBase: Base {
    private let environment: Environment
    fileprivate let entries: MDB_dbi
    fileprivate let tombstones: MDB_dbi
    fileprivate let exports: MDB_dbi
    fileprivate let meta: MDB_dbi

    static let checkpointKey = Array("checkpoint".utf8)

    static let entriesName = "entries"
    private static let fileName = "data.mdb"
    private static let foundingName = "data.new"

    /// Opens or creates the environment in an existing folder.
    package init(folder: String) throws(StoreError) {
        try Self.found(in: folder)
        let environment = try Environment(folder: folder)
        let transaction = try WriteTransaction(environment)
        // Where there is anything already our databases must be among it: nothing is created beside another program's data.
        let flags = try transaction.isEnvironmentEmpty() ? MDB_CREATE : 0
        let entries = try transaction.database(Self.entriesName, flags: flags)
        let tombstones = try transaction.database("tombstones", flags: flags)
        let meta = try transaction.database("meta", flags: flags)
        let exports = try transaction.database("exports", flags: MDB_CREATE)  // Stores of older programs have none.
        try transaction.commit()
        (self.environment, self.entries, self.tombstones, self.meta, self.exports) = (environment, entries, tombstones, meta, exports)
    }

    /// Makes the file under another name where there is none, and gives it its own once it is durable: LMDB's first pages can tear, and
    /// LMDB never syncs the folder that has the file's name. A power cut leaves no file or a whole one.
    private static func found(in folder: String) throws(StoreError) {
        let disk = PosixDisk(folder: folder)
        let names = try onDisk { () throws(DiskError) in try disk.fileNames() }
        if !names.contains(self.fileName) {
            let lockName = self.foundingName + "-lock"
            try onDisk { () throws(DiskError) in
                for name in [self.foundingName, lockName] where names.contains(name) { try disk.remove(name) }
            }
            // Without databases: those are made where a foreign file would be noticed.
            _ = try Environment(file: "\(folder)/\(self.foundingName)")
            try onDisk { () throws(DiskError) in
                try disk.open(self.foundingName).sync()
                try disk.remove(lockName)
                try disk.rename(self.foundingName, to: self.fileName)
            }
        }
        try onDisk { () throws(DiskError) in try disk.syncFolder() }
    }

    package func makeReader() throws(StoreError) -> any BaseReader {
        LMDBReader(self, try ReadTransaction(self.environment, cursorOn: self.entries), leaves: try self.makePrefetch())
    }

    fileprivate func makePrefetch() throws(StoreError) -> LeafPrefetch {
        let transaction = try self.environment.readOnly()
        defer { mdb_txn_abort(transaction) }
        let statistics = try self.statistics(transaction, self.entries)
        return LeafPrefetch(leafPages: Int(statistics.ms_leaf_pages), pageByteCount: Int(statistics.ms_psize))
    }

    package func makeWriter() -> any BaseWriter { LMDBWriter(base: self, environment: self.environment) }

    package func readCheckpoint() throws(StoreError) -> Checkpoint? {
        let transaction = try WriteTransaction(self.environment)
        return try Self.checkpoint { key throws(StoreError) in
            try transaction.get(key, from: self.meta)
        } isEmpty: { () throws(StoreError) in
            try transaction.entryCount(of: self.entries) == 0
        }
    }

    /// Reads a checkpoint from the items of `meta`.
    ///
    /// - Returns: nil where there is none yet.
    static func checkpoint(
        from get: (UnsafeRawBufferPointer) throws(StoreError) -> UnsafeRawBufferPointer?, isEmpty: () throws(StoreError) -> Bool
    ) throws(StoreError) -> Checkpoint? {
        guard let bytes = try Self.checkpointKey.span.bytes.withUnsafeBytes({ key throws(StoreError) in try get(key) }) else {
            // An environment with entries and no checkpoint was written by something else.
            guard try isEmpty() else { throw .foreign(reason: "the LMDB file in the data folder has no Hearsay checkpoint") }
            return nil
        }
        var checkpoint = try Checkpoint(decoding: bytes)
        for key in ControlKey.allCases {
            let value = try Self.name(of: key).span.bytes.withUnsafeBytes { name throws(StoreError) in try get(name) }
            let sum = try Self.checksumName(of: key).span.bytes.withUnsafeBytes { name throws(StoreError) in try get(name) }
            let isIntact = sum.map { $0.elementsEqual(Self.controlChecksum(of: value, key)) } ?? true
            guard isIntact else { throw .damagedCheckpoint(reason: "checksum of what it says of \(key)") }
            checkpoint.control[key] = value.flatMap { $0.isEmpty ? nil : Array($0) }
        }
        return checkpoint
    }

    /// Under what a control value lies in `meta`.
    fileprivate static func name(of key: ControlKey) -> [UInt8] { Array("control-\(key)".utf8) }
    private static func checksumName(of key: ControlKey) -> [UInt8] { Array("checksum-\(key)".utf8) }

    private static func controlChecksum(of value: UnsafeRawBufferPointer?, _ key: ControlKey) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: checksum(of: value ?? UnsafeRawBufferPointer(start: nil, count: 0), seed: UInt64(key.rawValue)))
        return bytes
    }

    /// What a control value takes in `meta`: a roster or a mark that has rotted would be believed otherwise, and told to all members.
    fileprivate static func items(of key: ControlKey, _ value: [UInt8]) -> [(name: [UInt8], value: [UInt8])] {
        [(self.name(of: key), value), (self.checksumName(of: key), value.withUnsafeBytes { self.controlChecksum(of: $0, key) })]
    }

    package func statistics() throws(StoreError) -> BaseStatistics {
        let transaction = try self.environment.readOnly()
        defer { mdb_txn_abort(transaction) }
        return BaseStatistics(
            entries: UInt64(try self.statistics(transaction, self.entries).ms_entries),
            tombstones: UInt64(try self.statistics(transaction, self.tombstones).ms_entries),
            exports: UInt64(try self.statistics(transaction, self.exports).ms_entries), usedBytes: try self.environment.usedBytes(),
            readers: try self.environment.readerCount())
    }

    private func statistics(_ transaction: OpaquePointer, _ database: MDB_dbi) throws(StoreError) -> MDB_stat {
        var statistics = MDB_stat()
        try self.environment.check(mdb_stat(transaction, database, &statistics), "stat")
        return statistics
    }
}

extension Environment {
    fileprivate func readOnly() throws(StoreError) -> OpaquePointer {
        var begun: OpaquePointer?
        try self.check(mdb_txn_begin(self.handle, nil, UInt32(MDB_RDONLY), &begun), "begin")
        return begun!
    }
}

/// Room for LMDB's longest key: token ‖ key.
private struct EntryKey: ~Copyable {
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 + RecordLayout.maximumKeyByteCount, alignment: 8)

    deinit { self.buffer.deallocate() }

    /// The bytes are valid until the next call.
    func bytes(_ token: Token, _ key: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        precondition(key.count <= RecordLayout.maximumKeyByteCount, "key of \(key.count) bytes")
        let start = self.buffer.baseAddress!
        start.storeBytes(of: token.rawValue.bigEndian, as: UInt64.self)
        if !key.isEmpty { (start + 8).copyMemory(from: key.baseAddress!, byteCount: key.count) }
        return UnsafeRawBufferPointer(start: start, count: 8 + key.count)
    }
}

extension BaseEntry {
    /// Reads a key and a value of the `entries` database.
    package init(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        let token = Token(rawValue: key.count >= 8 ? UInt64(bigEndian: key.loadUnaligned(as: UInt64.self)) : 0)
        let rest = UnsafeRawBufferPointer(rebasing: key[min(8, key.count)...])
        self.init(token: token, key: rest, record: RecordView(key: rest, value: value))
    }
}

private final class LMDBReader: BaseReader {
    private let base: LMDBBase
    private var transaction: ReadTransaction
    private var leaves: LeafPrefetch
    private let key = EntryKey()
    private let dotKey = DotKey()
    /// Takes what a prefetch has read.
    private var touched: UInt64 = 0

    init(_ base: LMDBBase, _ transaction: consuming ReadTransaction, leaves: LeafPrefetch) {
        self.base = base
        self.transaction = transaction
        self.leaves = leaves
    }

    func open() throws(StoreError) { try self.transaction.open() }
    func reset() { self.transaction.reset() }

    func find(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) -> BaseEntry? {
        guard let found = try self.transaction.read(MDB_SET_KEY, self.key.bytes(token, key)) else { return nil }
        self.leaves.note(token, at: found.value.baseAddress)
        return BaseEntry(found.key, found.value)
    }

    func baseChanged() throws(StoreError) {
        let leaves = try self.base.makePrefetch()
        if leaves.placeCount != self.leaves.placeCount { self.leaves = leaves }
    }

    func prefetch(_ tokens: UnsafeBufferPointer<Token>) { self.touched &+= self.leaves.touch(tokens) }

    func seek(_ token: Token) throws(StoreError) -> BaseEntry? {
        try self.transaction.read(MDB_SET_RANGE, self.key.bytes(token, UnsafeRawBufferPointer(start: nil, count: 0))).map {
            BaseEntry($0.key, $0.value)
        }
    }

    func advance() throws(StoreError) -> BaseEntry? {
        try self.transaction.read(MDB_NEXT, nil).map { BaseEntry($0.key, $0.value) }
    }

    func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [TombstonePlace] {
        var places: [TombstonePlace] = []
        let cursor = try self.transaction.cursor(on: self.base.tombstones)
        var item = try cursor.read(MDB_SET_RANGE, self.dotKey.bytes(Dot(replica: replica, sequence: sequences.lowerBound)))
        while let (key, value) = item, places.count < limit, let place = TombstonePlace(key, value), place.dot.replica == replica,
            place.dot.sequence <= sequences.upperBound
        {
            places.append(place)
            item = try cursor.read(MDB_NEXT, nil)
        }
        return places
    }

    func exports(behind place: ExportPlace?, limit: Int) throws(StoreError) -> [Export] {
        var exports: [Export] = []
        let cursor = try self.transaction.cursor(on: self.base.exports)
        let start = place?.rowKey ?? []
        var item = try start.span.bytes.withUnsafeBytes { start throws(StoreError) in
            try start.isEmpty ? cursor.read(MDB_FIRST, nil) : cursor.read(MDB_SET_RANGE, start)
        }
        while let (key, value) = item, exports.count < limit {
            // What cannot be read is as good as not there: it stays for whoever looks at the file.
            if let export = Export(rowKey: key, rowValue: value), export.place != place { exports.append(export) }
            item = try cursor.read(MDB_NEXT, nil)
        }
        return exports
    }
}

private final class LMDBWriter: BaseWriter {
    private let base: LMDBBase
    private let environment: Environment
    private var transaction: WriteTransaction?
    private var cursor: WriteCursor?
    private(set) var entryPages = 0
    private let key = EntryKey()
    private let dotKey = DotKey()
    /// What the last `seek` found: whether the cursor stands on the key, and the dot of the tombstone there.
    private var isOnKey = false
    private var tombstone: Dot?

    init(base: LMDBBase, environment: Environment) {
        (self.base, self.environment) = (base, environment)
    }

    func begin() throws(StoreError) {
        precondition(self.transaction == nil, "a transaction is open")
        let transaction = try WriteTransaction(self.environment)
        self.entryPages = try transaction.leafPages(of: self.base.entries)
        self.cursor = try transaction.cursor(on: self.base.entries)
        self.transaction = consume transaction
    }

    func seek(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) -> BaseEntry? {
        let entryKey = self.key.bytes(token, key)
        let entry = try self.cursor!.seek(entryKey).map { BaseEntry(entryKey, $0) }
        (self.isOnKey, self.tombstone) = (entry != nil, nil)
        if let record = entry?.record, record.isTombstone { self.tombstone = record.dot }
        return entry
    }

    func put(_ record: RecordView, token: Token) throws(StoreError) {
        let entryKey = self.key.bytes(token, record.key)
        try self.cursor!.put(entryKey, record.value, isOnKey: self.isOnKey)
        if let tombstone { try self.transaction!.remove(self.dotKey.bytes(tombstone), from: self.base.tombstones) }
        if record.isTombstone { try self.transaction!.put(self.dotKey.bytes(record.dot), entryKey, in: self.base.tombstones) }
    }

    func firstTombstone(of replica: ReplicaID, through sequence: UInt64) throws(StoreError) -> TombstonePlace? {
        let cursor = try self.transaction!.cursor(on: self.base.tombstones)
        guard let (key, value) = try cursor.seek(from: self.dotKey.bytes(Dot(replica: replica, sequence: 0))),
            let place = TombstonePlace(key, value), place.dot.replica == replica, place.dot.sequence <= sequence
        else { return nil }
        return place
    }

    func forgetTombstone(_ dot: Dot) throws(StoreError) { try self.transaction!.remove(self.dotKey.bytes(dot), from: self.base.tombstones) }

    func keep(_ export: Export) throws(StoreError) {
        let (key, value) = (export.rowKey, export.rowValue)
        try key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            try value.span.bytes.withUnsafeBytes { value throws(StoreError) in try self.transaction!.put(key, value, in: self.base.exports) }
        }
    }

    func removeExport(at place: ExportPlace) throws(StoreError) {
        try place.rowKey.span.bytes.withUnsafeBytes { key throws(StoreError) in try self.transaction!.remove(key, from: self.base.exports) }
    }

    func removeAll() throws(StoreError) {
        for database in [self.base.entries, self.base.tombstones] { try self.transaction!.empty(database) }
    }

    func remove(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) {
        precondition(self.isOnKey, "nothing to remove at \(token)")
        try self.cursor!.remove()
        self.isOnKey = false
        if let tombstone { try self.transaction!.remove(self.dotKey.bytes(tombstone), from: self.base.tombstones) }
    }

    func append(_ record: RecordView, token: Token) throws(StoreError) -> Bool {
        let entryKey = self.key.bytes(token, record.key)
        guard try self.cursor!.append(entryKey, record.value) else { return false }
        if record.isTombstone { try self.transaction!.put(self.dotKey.bytes(record.dot), entryKey, in: self.base.tombstones) }
        return true
    }

    func commit(_ control: [ControlKey: [UInt8]]) throws(StoreError) {
        for key in ControlKey.allCases {
            guard let bytes = control[key] else { continue }
            for item in LMDBBase.items(of: key, bytes) { try self.putMeta(item.name, item.value) }
        }
        try self.commit(nil as Checkpoint?)
    }

    private func putMeta(_ name: [UInt8], _ value: [UInt8]) throws(StoreError) {
        try name.span.bytes.withUnsafeBytes { name throws(StoreError) in
            try value.span.bytes.withUnsafeBytes { value throws(StoreError) in try self.transaction!.put(name, value, in: self.base.meta) }
        }
    }

    func commit(_ checkpoint: Checkpoint?) throws(StoreError) {
        self.cursor = nil  // LMDB asks for cursors to go before their transaction.
        precondition(self.transaction != nil, "commit without a transaction")
        if let checkpoint {
            try self.putMeta(LMDBBase.checkpointKey, checkpoint.encode())
            for key in ControlKey.allCases {
                for item in LMDBBase.items(of: key, checkpoint.control[key] ?? []) { try self.putMeta(item.name, item.value) }
            }
        }
        try self.transaction.take()!.commit()
    }

    func abort() {
        self.cursor = nil
        self.transaction = nil
    }
}

/// Room for a dot as a key of the `tombstones` database.
struct DotKey: ~Copyable {
    static let byteCount = ReplicaID.byteCount + 8

    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.byteCount, alignment: 8)

    deinit { self.buffer.deallocate() }

    /// The bytes are valid until the next call.
    func bytes(_ dot: Dot) -> UnsafeRawBufferPointer {
        let start = self.buffer.baseAddress!
        start.store(dot.replica, at: 0)
        start.storeBytes(of: dot.sequence.bigEndian, toByteOffset: ReplicaID.byteCount, as: UInt64.self)
        return UnsafeRawBufferPointer(self.buffer)
    }
}

extension TombstonePlace {
    /// Reads a key and a value of the `tombstones` database; nil where they are none.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard key.count == ReplicaID.byteCount + 8, value.count >= 8 else { return nil }
        let sequence = UInt64(bigEndian: key.loadUnaligned(fromByteOffset: ReplicaID.byteCount, as: UInt64.self))
        self.init(
            dot: Dot(replica: key.baseAddress!.replicaID(at: 0), sequence: sequence),
            token: Token(rawValue: UInt64(bigEndian: value.loadUnaligned(as: UInt64.self))), key: Array(value[8...]))
    }
}

/// Runs what can fail on the disk for a caller that fails as a store.
private func onDisk<Result>(_ body: () throws(DiskError) -> Result) throws(StoreError) -> Result {
    do throws(DiskError) { return try body() } catch { throw .disk(error) }
}
