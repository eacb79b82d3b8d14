import Basics
import CLMDB
import Digests
import Versioning

/// Entries and checkpoint in LMDB: memory-mapped, always committed synced.
///
///     entries     token 8 B big endian ‖ key        → header ‖ payload (RecordLayout)
///     tombstones  replica id 16 B ‖ sequence 8 B, big endian → token ‖ key
///     deadlines   deadline 8 B ‖ replica id 16 B ‖ sequence 8 B, big endian → token ‖ key, of entries that expire
///     expirations replica id 16 B ‖ sequence 8 B, big endian → deadline 8 B, of the same
///     exports     cluster id 16 B ‖ replica id 16 B ‖ sequence 8 B, big endian → state ‖ key length ‖ key ‖ header ‖ payload (Export)
///     meta        "checkpoint"                       → Checkpoint
///                 "control-" ‖ name of a control key → its value
///                 "checksum-" ‖ the same name → XXH3-64 of the value, which stores of older programs do not have
package final class LMDBBase: Base {
    private let environment: Environment
    let entries: MDB_dbi
    let tombstones: MDB_dbi
    let index: DeadlineRows
    let exports: MDB_dbi
    let meta: MDB_dbi

    static let checkpointKey = Array("checkpoint".utf8)

    static let entriesName = "entries"
    static let deadlinesName = "deadlines"
    static let expirationsName = "expirations"
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
        let isIndexed = try transaction.has(Self.deadlinesName)
        let index = DeadlineRows(
            deadlines: try transaction.database(Self.deadlinesName, flags: MDB_CREATE),
            expirations: try transaction.database(Self.expirationsName, flags: MDB_CREATE))
        if !isIndexed { try Self.index(entries, in: index, transaction) }
        try transaction.commit()
        (self.environment, self.entries, self.tombstones, self.meta, self.exports) = (environment, entries, tombstones, meta, exports)
        self.index = index
    }

    /// Makes the index of deadlines of a store that an older program wrote.
    private static func index(_ entries: MDB_dbi, in index: DeadlineRows, _ transaction: borrowing WriteTransaction) throws(StoreError) {
        let cursor = try transaction.reader(on: entries)
        var item = try cursor.read(MDB_FIRST, nil)
        while let (key, value) = item {
            for expiration in BaseEntry(key, value).record?.listed.expirations ?? [] { try index.add(expiration, entryKey: key, to: transaction) }
            item = try cursor.read(MDB_NEXT, nil)
        }
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
    static func items(of key: ControlKey, _ value: [UInt8]) -> [(name: [UInt8], value: [UInt8])] {
        [(self.name(of: key), value), (self.checksumName(of: key), value.withUnsafeBytes { self.controlChecksum(of: $0, key) })]
    }

    package func statistics() throws(StoreError) -> BaseStatistics {
        let transaction = try self.environment.readOnly()
        defer { mdb_txn_abort(transaction) }
        return BaseStatistics(
            entries: UInt64(try self.statistics(transaction, self.entries).ms_entries),
            tombstones: UInt64(try self.statistics(transaction, self.tombstones).ms_entries),
            expiring: UInt64(try self.statistics(transaction, self.index.deadlines).ms_entries),
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
struct EntryKey: ~Copyable {
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

    func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [IndexedPlace] {
        try IndexedPlace.tombstones(of: replica, sequences, limit: limit, self.transaction.cursor(on: self.base.tombstones))
    }

    func expiring(behind start: Expiration, through end: Expiration, limit: Int) throws(StoreError) -> [ExpiringPlace] {
        try self.base.index.expiring(behind: start, through: end, limit: limit, self.transaction.cursor(on: self.base.index.deadlines))
    }

    func expirations(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [Expiration] {
        try self.base.index.expirations(of: replica, sequences, limit: limit, self.transaction.cursor(on: self.base.index.expirations))
    }

    func place(of expiration: Expiration) throws(StoreError) -> IndexedPlace? {
        try self.base.index.place(of: expiration, self.transaction.cursor(on: self.base.index.deadlines))
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

/// Runs what can fail on the disk for a caller that fails as a store.
private func onDisk<Result>(_ body: () throws(DiskError) -> Result) throws(StoreError) -> Result {
    do throws(DiskError) { return try body() } catch { throw .disk(error) }
}
