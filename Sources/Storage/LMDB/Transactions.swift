import CLMDB

/// A write transaction: ends exactly once, by `commit`, or aborts when it goes.
struct WriteTransaction: ~Copyable {
    /// Nil once LMDB has taken it back.
    private var ending: OpaquePointer?
    private let environment: Environment

    init(_ environment: Environment) throws(StoreError) {
        var begun: OpaquePointer?
        try environment.check(mdb_txn_begin(environment.handle, nil, 0, &begun), "begin")
        (self.ending, self.environment) = (begun, environment)
    }

    deinit {
        if let ending { mdb_txn_abort(ending) }
    }

    private var handle: OpaquePointer { self.ending! }

    /// Makes the transaction's changes durable. LMDB frees the handle whether it succeeds or not.
    consuming func commit() throws(StoreError) {
        let handle = self.handle
        self.ending = nil
        try self.environment.check(mdb_txn_commit(handle), "commit")
    }

    /// True where the environment holds no database and no entry.
    func isEnvironmentEmpty() throws(StoreError) -> Bool {
        var unnamed: MDB_dbi = 0
        try self.environment.check(mdb_dbi_open(self.handle, nil, 0, &unnamed), "open the unnamed database")
        return try self.entryCount(of: unnamed) == 0
    }

    /// - Throws: `foreign` where the database is not there and the flags do not ask to create it.
    func database(_ name: String, flags: Int32) throws(StoreError) -> MDB_dbi {
        var database: MDB_dbi = 0
        let code = mdb_dbi_open(self.handle, name, UInt32(flags), &database)
        if code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE {
            throw .foreign(reason: "the LMDB file in the data folder was not written by Hearsay: it has no database \(name)")
        }
        try self.environment.check(code, "open database \(name)")
        return database
    }

    /// Whether there is a database of this name.
    func has(_ name: String) throws(StoreError) -> Bool {
        var database: MDB_dbi = 0
        let code = mdb_dbi_open(self.handle, name, 0, &database)
        if code == MDB_NOTFOUND { return false }
        try self.environment.check(code, "open database \(name)")
        return true
    }

    func get(_ key: UnsafeRawBufferPointer, from database: MDB_dbi) throws(StoreError) -> UnsafeRawBufferPointer? {
        var (key, value) = (MDB_val(key), MDB_val())
        let code = mdb_get(self.handle, database, &key, &value)
        if code == MDB_NOTFOUND { return nil }
        try self.environment.check(code, "get")
        return value.bytes
    }

    func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, in database: MDB_dbi) throws(StoreError) {
        var (key, value) = (MDB_val(key), MDB_val(value))
        try self.environment.check(mdb_put(self.handle, database, &key, &value, 0), "put")
    }

    /// Removes a key; one that is not there is fine.
    func remove(_ key: UnsafeRawBufferPointer, from database: MDB_dbi) throws(StoreError) {
        var key = MDB_val(key)
        let code = mdb_del(self.handle, database, &key, nil)
        if code != MDB_NOTFOUND { try self.environment.check(code, "delete") }
    }

    /// Takes everything out of a database.
    func empty(_ database: MDB_dbi) throws(StoreError) { try self.environment.check(mdb_drop(self.handle, database, 0), "empty") }

    func cursor(on database: MDB_dbi) throws(StoreError) -> WriteCursor { WriteCursor(try Cursor(self.handle, database, self.environment)) }

    /// A place in a database that is read. It must go before the transaction ends.
    func reader(on database: MDB_dbi) throws(StoreError) -> Cursor { try Cursor(self.handle, database, self.environment) }

    func entryCount(of database: MDB_dbi) throws(StoreError) -> UInt64 { UInt64(try self.statistics(of: database).ms_entries) }

    func leafPages(of database: MDB_dbi) throws(StoreError) -> Int { Int(try self.statistics(of: database).ms_leaf_pages) }

    private func statistics(of database: MDB_dbi) throws(StoreError) -> MDB_stat {
        var statistics = MDB_stat()
        try self.environment.check(mdb_stat(self.handle, database, &statistics), "stat")
        return statistics
    }
}

/// A place in a database.
///
/// It must go before the transaction ends.
struct Cursor: ~Copyable {
    fileprivate let handle: OpaquePointer
    fileprivate let environment: Environment

    fileprivate init(_ transaction: OpaquePointer, _ database: MDB_dbi, _ environment: Environment) throws(StoreError) {
        var opened: OpaquePointer?
        try environment.check(mdb_cursor_open(transaction, database, &opened), "open cursor")
        (self.handle, self.environment) = (opened!, environment)
    }

    deinit { mdb_cursor_close(self.handle) }

    /// Moves the cursor and reads there; nil where there is nothing. A lookup near the last one stays on its page.
    func read(_ operation: MDB_cursor_op, _ key: UnsafeRawBufferPointer?) throws(StoreError) -> (
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    )? {
        var (found, value) = (key.map { MDB_val($0) } ?? MDB_val(), MDB_val())
        let code = mdb_cursor_get(self.handle, &found, &value, operation)
        if code == MDB_NOTFOUND { return nil }
        try self.environment.check(code, "read")
        return (found.bytes, value.bytes)
    }
}

/// A place in a database that a write transaction reads and changes.
struct WriteCursor: ~Copyable {
    private let place: Cursor

    fileprivate init(_ place: consuming Cursor) { self.place = place }

    /// Moves to a key; nil where it is not there.
    func seek(_ key: UnsafeRawBufferPointer) throws(StoreError) -> UnsafeRawBufferPointer? { try self.place.read(MDB_SET, key)?.value }

    /// Moves to the first key from one on; nil where there is none.
    func seek(from key: UnsafeRawBufferPointer) throws(StoreError) -> (key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer)? {
        try self.place.read(MDB_SET_RANGE, key)
    }

    /// Removes what the cursor stands on.
    func remove() throws(StoreError) { try self.place.environment.check(mdb_cursor_del(self.place.handle, 0), "delete") }

    /// Stores a value behind all others, without a search.
    ///
    /// - Returns: false where the key is not greater than all others.
    func append(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(StoreError) -> Bool {
        let code = self.put(key, value, flags: MDB_APPEND)
        if code == MDB_KEYEXIST { return false }
        try self.place.environment.check(code, "append")
        return true
    }

    /// Stores a value: in place where the cursor stands on the key, which saves LMDB a second search.
    func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, isOnKey: Bool) throws(StoreError) {
        try self.place.environment.check(self.put(key, value, flags: isOnKey ? MDB_CURRENT : 0), "put")
    }

    private func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, flags: Int32) -> Int32 {
        var (key, value) = (MDB_val(key), MDB_val(value))
        return mdb_cursor_put(self.place.handle, &key, &value, UInt32(flags))
    }
}

/// A read transaction that can be reset and renewed, with one cursor. It must not outlive the environment.
struct ReadTransaction: ~Copyable {
    private let handle: OpaquePointer
    private let cursor: Cursor
    private let environment: Environment
    private var isOpen = true

    init(_ environment: Environment, cursorOn database: MDB_dbi) throws(StoreError) {
        var begun: OpaquePointer?
        try environment.check(mdb_txn_begin(environment.handle, nil, UInt32(MDB_RDONLY), &begun), "begin")
        let cursor: Cursor
        do throws(StoreError) { cursor = try Cursor(begun!, database, environment) } catch {
            mdb_txn_abort(begun!)
            throw error
        }
        (self.handle, self.environment) = (begun!, environment)
        self.cursor = cursor
    }

    // A cursor that only reads may go behind its transaction.
    deinit { mdb_txn_abort(self.handle) }

    /// Takes the newest snapshot if none is held.
    mutating func open() throws(StoreError) {
        guard !self.isOpen else { return }
        try self.environment.check(mdb_txn_renew(self.handle), "renew")
        try self.environment.check(mdb_cursor_renew(self.handle, self.cursor.handle), "renew cursor")
        self.isOpen = true
    }

    /// Lets go of the snapshot and of all views into it.
    mutating func reset() {
        guard self.isOpen else { return }
        mdb_txn_reset(self.handle)
        self.isOpen = false
    }

    /// A second cursor, for what the first one is not for. It must go before the snapshot does.
    func cursor(on database: MDB_dbi) throws(StoreError) -> Cursor {
        precondition(self.isOpen, "read without a snapshot")
        return try Cursor(self.handle, database, self.environment)
    }

    /// Moves the cursor and reads there; nil where there is nothing. A lookup near the last one stays on its page.
    func read(_ operation: MDB_cursor_op, _ key: UnsafeRawBufferPointer?) throws(StoreError) -> (
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    )? {
        precondition(self.isOpen, "read without a snapshot")
        return try self.cursor.read(operation, key)
    }
}
