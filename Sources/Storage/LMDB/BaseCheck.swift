import Basics
import CLMDB
import Digests
import Versioning

/// Checks an LMDB file that nobody has open for writing, without changing a byte: its pages first, then every row as LMDB finds it.
///
/// LMDB may be led into anything by a file that is not what was written: it may crash, abort or stand still. So this is for a process of its own, whose
/// death is a finding too.
package struct BaseCheck {
    private let folder: String
    private let wall: WallTime
    private let report: (BaseCheckEvent) -> Void

    /// - Parameters:
    ///   - folder: of data.mdb.
    ///   - wall: which deadlines count as passed.
    ///   - report: gets each event when it happens.
    package init(folder: String, wall: WallTime, report: @escaping (BaseCheckEvent) -> Void) {
        (self.folder, self.wall, self.report) = (folder, wall, report)
    }

    /// - Throws: what keeps it from being read. What is wrong with it is reported.
    package func run() throws(StoreError) {
        let file = try MappedFile(path: "\(self.folder)/data.mdb")
        var pages = PageCheck(file.bytes, report: self.report)
        pages.run()
        var counts = BaseCounts()
        (counts.usedPages, counts.freePages, counts.pageBytes) = (pages.usedPages, pages.freePages, pages.pageByteCount)
        do throws(StoreError) {
            let reading = try BaseReading(folder: self.folder)
            if let databases = try reading.databases() {
                if let version = try reading.otherFormat(in: databases) { return self.report(.otherFormat(version)) }
                try self.walkRows(reading, databases, &counts, limit: UInt64(file.bytes.count / RowCheck.minimumByteCount))
            }
        } catch {
            switch error {
            case .base(_, let code) where isBaseDamage(code): return self.report(.damagedFile(error.description))
            case .foreign, .damagedCheckpoint: return self.report(.damagedFile(error.description))
            case .disk, .base, .baseFull, .damagedLog, .damagedBase, .misplacedRow, .inUse: throw error
            }
        }
        self.report(.finished(counts))
    }

    private func walkRows(
        _ reading: BaseReading, _ databases: BaseReading.Databases, _ counts: inout BaseCounts, limit: UInt64
    ) throws(StoreError) {
        var (key, drops): (DigestKey?, Drops) = (nil, Drops())
        do throws(StoreError) {
            if let checkpoint = try reading.checkpoint(in: databases) {
                let marks = checkpoint.control[.damage].flatMap { DamageMarks(controlValue: $0)?.ranges.count } ?? 0
                counts.identity = CheckpointFacts(
                    cluster: checkpoint.identity.cluster, replica: checkpoint.identity.replica, position: checkpoint.position, openMarks: marks)
                (key, drops) = (checkpoint.identity.digestKey, checkpoint.drops)
            }
        } catch {
            self.report(.damagedFile(error.description))
        }
        var rows = RowCheck(key: key, drops: drops, wall: self.wall, limit: limit, counts: counts, report: self.report)
        try rows.run(reading, databases)
        counts = rows.counts
    }
}

/// A snapshot of an LMDB file, opened for reading and without its lock file: nothing of it changes.
final class BaseReading {
    struct Databases {
        let entries: MDB_dbi
        let tombstones: MDB_dbi
        let meta: MDB_dbi
        /// Nil in stores of older programs, both.
        let index: DeadlineRows?
        let exports: MDB_dbi?
    }

    private let environment: Environment
    private let transaction: OpaquePointer

    init(folder: String) throws(StoreError) {
        let environment = try Environment(reading: folder)
        var begun: OpaquePointer?
        try environment.check(mdb_txn_begin(environment.handle, nil, UInt32(MDB_RDONLY), &begun), "begin")
        (self.environment, self.transaction) = (environment, begun!)
    }

    deinit { mdb_txn_abort(self.transaction) }

    /// Nil where the file holds nothing: it has been made, and never been written to.
    func databases() throws(StoreError) -> Databases? {
        var unnamed: MDB_dbi = 0
        var statistics = MDB_stat()
        try self.environment.check(mdb_dbi_open(self.transaction, nil, 0, &unnamed), "open the unnamed database")
        try self.environment.check(mdb_stat(self.transaction, unnamed, &statistics), "stat")
        guard statistics.ms_entries > 0 else { return nil }
        return Databases(
            entries: try self.open(LMDBBase.entriesName), tombstones: try self.open("tombstones"), meta: try self.open("meta"),
            index: self.openIndex(), exports: try? self.open("exports"))
    }

    private func openIndex() -> DeadlineRows? {
        guard let deadlines = try? self.open(LMDBBase.deadlinesName), let expirations = try? self.open(LMDBBase.expirationsName) else { return nil }
        return DeadlineRows(deadlines: deadlines, expirations: expirations)
    }

    private func open(_ name: String) throws(StoreError) -> MDB_dbi {
        var database: MDB_dbi = 0
        let code = mdb_dbi_open(self.transaction, name, 0, &database)
        if code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE { throw .foreign(reason: "data.mdb has no database \(name)") }
        try self.environment.check(code, "open database \(name)")
        return database
    }

    func get(_ key: UnsafeRawBufferPointer, from database: MDB_dbi) throws(StoreError) -> UnsafeRawBufferPointer? {
        var (key, value) = (MDB_val(key), MDB_val())
        let code = mdb_get(self.transaction, database, &key, &value)
        if code == MDB_NOTFOUND { return nil }
        try self.environment.check(code, "get")
        return value.bytes
    }

    /// The format in which another version of the program has written the store.
    func otherFormat(in databases: Databases) throws(StoreError) -> UInt32? {
        let name = LMDBBase.checkpointKey
        return try name.span.bytes.withUnsafeBytes { key throws(StoreError) in
            try self.get(key, from: databases.meta).flatMap { Checkpoint.otherFormat(of: $0) }
        }
    }

    /// Nil where a first start was ended before it wrote anything.
    func checkpoint(in databases: Databases) throws(StoreError) -> Checkpoint? {
        try LMDBBase.checkpoint { key throws(StoreError) in
            try self.get(key, from: databases.meta)
        } isEmpty: { () throws(StoreError) in
            var statistics = MDB_stat()
            try self.environment.check(mdb_stat(self.transaction, databases.entries, &statistics), "stat")
            return statistics.ms_entries == 0
        }
    }

    /// Visits a database's rows in LMDB's order, for as long as `body` says.
    func forEach(
        in database: MDB_dbi, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(StoreError) -> Bool
    ) throws(StoreError) {
        var cursor: OpaquePointer?
        try self.environment.check(mdb_cursor_open(self.transaction, database, &cursor), "open cursor")
        defer { mdb_cursor_close(cursor!) }
        var (key, value) = (MDB_val(), MDB_val())
        var operation = MDB_FIRST
        while true {
            let code = mdb_cursor_get(cursor!, &key, &value, operation)
            if code == MDB_NOTFOUND { return }
            try self.environment.check(code, "read")
            guard try body(key.bytes, value.bytes) else { return }
            operation = MDB_NEXT
        }
    }
}
