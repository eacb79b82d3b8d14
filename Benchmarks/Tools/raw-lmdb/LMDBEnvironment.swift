import CLMDB

/// An LMDB call that failed.
struct LMDBError: Error, CustomStringConvertible {
    let operation: String
    let code: Int32

    var description: String { "LMDB \(self.operation): \(String(cString: mdb_strerror(self.code)))" }
}

/// One environment with one database in it, opened as Hearsay opens its own: a map of 1 TiB, every commit synced.
final class LMDBEnvironment {
    private let environment: OpaquePointer
    private let database: MDB_dbi

    init(folder: String, database name: String) throws {
        var created: OpaquePointer?
        try check(mdb_env_create(&created), "create")
        let environment = created!
        do {
            try check(mdb_env_set_mapsize(environment, 1 << 40), "set map size")
            try check(mdb_env_set_maxdbs(environment, 8), "set database count")
            try check(mdb_env_open(environment, folder, 0, 0o600), "open \(folder)")
            self.database = try Self.transaction(environment) { transaction in
                var database: MDB_dbi = 0
                try check(mdb_dbi_open(transaction, name, UInt32(MDB_CREATE), &database), "open database \(name)")
                return database
            }
        } catch {
            mdb_env_close(environment)
            throw error
        }
        self.environment = environment
    }

    deinit { mdb_env_close(self.environment) }

    /// Puts all keys in one transaction and commits it, synced.
    func put(_ keys: [LMDBKey], value: [UInt8]) throws {
        try Self.transaction(self.environment) { transaction in
            for var key in keys {
                let code = withUnsafeMutableBytes(of: &key) { key in
                    value.withUnsafeBytes { value in
                        var (lmdbKey, lmdbValue) = (MDB_val(UnsafeRawBufferPointer(key)), MDB_val(value))
                        return mdb_put(transaction, self.database, &lmdbKey, &lmdbValue, 0)
                    }
                }
                try check(code, "put")
            }
        }
    }

    /// The key at or behind each given one; those that are not of our length, or behind the last, are left out.
    func keys(near keys: [LMDBKey]) throws -> [LMDBKey] {
        try Self.transaction(self.environment, readOnly: true) { transaction in
            var opened: OpaquePointer?
            try check(mdb_cursor_open(transaction, self.database, &opened), "open cursor")
            defer { mdb_cursor_close(opened) }
            var near: [LMDBKey] = []
            for var key in keys {
                let code = withUnsafeMutableBytes(of: &key) { bytes in
                    var (found, value) = (MDB_val(UnsafeRawBufferPointer(bytes)), MDB_val())
                    let code = mdb_cursor_get(opened, &found, &value, MDB_SET_RANGE)
                    if code == MDB_SUCCESS, let key = LMDBKey(UnsafeRawBufferPointer(start: found.mv_data, count: found.mv_size)) { near.append(key) }
                    return code
                }
                if code != MDB_NOTFOUND { try check(code, "seek") }
            }
            return near
        }
    }

    /// Gets every key in one snapshot and touches its value; returns how many were there.
    func get(_ keys: [LMDBKey]) throws -> Int {
        try Self.transaction(self.environment, readOnly: true) { transaction in
            var (foundCount, touched) = (0, UInt8(0))
            for var key in keys {
                let code = withUnsafeMutableBytes(of: &key) { bytes in
                    var (lmdbKey, value) = (MDB_val(UnsafeRawBufferPointer(bytes)), MDB_val())
                    let code = mdb_get(transaction, self.database, &lmdbKey, &value)
                    if code == MDB_SUCCESS, value.mv_size > 0 { touched ^= value.mv_data.load(fromByteOffset: value.mv_size - 1, as: UInt8.self) }
                    return code
                }
                if code == MDB_NOTFOUND { continue }
                try check(code, "get")
                foundCount += 1
            }
            withExtendedLifetime(touched) {}
            return foundCount
        }
    }

    func entryCount() throws -> Int {
        try Self.transaction(self.environment, readOnly: true) { transaction in
            var statistics = MDB_stat()
            try check(mdb_stat(transaction, self.database, &statistics), "stat")
            return Int(statistics.ms_entries)
        }
    }

    /// Runs the body in a transaction, which is committed if the body returns and aborted if it throws.
    private static func transaction<Result>(
        _ environment: OpaquePointer, readOnly: Bool = false, _ body: (OpaquePointer) throws -> Result
    ) throws -> Result {
        var begun: OpaquePointer?
        try check(mdb_txn_begin(environment, nil, readOnly ? UInt32(MDB_RDONLY) : 0, &begun), "begin")
        let result: Result
        do {
            result = try body(begun!)
        } catch {
            mdb_txn_abort(begun)
            throw error
        }
        try check(mdb_txn_commit(begun), "commit")
        return result
    }
}

private func check(_ code: Int32, _ operation: String) throws {
    if code != MDB_SUCCESS { throw LMDBError(operation: operation, code: code) }
}

extension MDB_val {
    fileprivate init(_ bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}
