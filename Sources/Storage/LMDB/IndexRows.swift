import Basics
import CLMDB
import Digests
import Versioning

/// Room for a dot as a key of the `tombstones` and `expirations` databases.
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

extension IndexedPlace {
    /// Reads a key and a value of the `tombstones` database; nil where they are none.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard let dot = Dot(rowKey: key), value.count >= 8 else { return nil }
        self.init(
            dot: dot, token: Token(rawValue: UInt64(bigEndian: value.loadUnaligned(as: UInt64.self))), key: Array(value[8...]))
    }
}

extension IndexedPlace {
    /// Rows of the `tombstones` database, as one transaction sees it.
    static func tombstones(
        of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int, _ cursor: borrowing Cursor
    ) throws(StoreError) -> [IndexedPlace] {
        try cursor.rows(of: replica, sequences, limit: limit) { IndexedPlace($0, $1).map { (row: $0, dot: $0.dot) } }
    }
}

extension Cursor {
    /// The rows of a database that has dots for keys, ascending, no more than so many.
    ///
    /// - Parameter read: a row and its dot; nil ends the walk.
    fileprivate func rows<Row>(
        of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int,
        _ read: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> (row: Row, dot: Dot)?
    ) throws(StoreError) -> [Row] {
        var rows: [Row] = []
        let key = DotKey()
        var item = try self.read(MDB_SET_RANGE, key.bytes(Dot(replica: replica, sequence: sequences.lowerBound)))
        while let (key, value) = item, rows.count < limit, let (row, dot) = read(key, value), dot.replica == replica,
            dot.sequence <= sequences.upperBound
        {
            rows.append(row)
            item = try self.read(MDB_NEXT, nil)
        }
        return rows
    }
}

/// Room for a place in the order of deadlines as a key of the `deadlines` database.
struct ExpirationKey: ~Copyable {
    static let byteCount = 8 + DotKey.byteCount

    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.byteCount, alignment: 8)

    deinit { self.buffer.deallocate() }

    /// The value of the `expirations` database.
    static func deadline(_ expiration: Expiration) -> [UInt8] { withUnsafeBytes(of: expiration.milliseconds.bigEndian) { Array($0) } }

    /// The bytes are valid until the next call.
    func bytes(_ expiration: Expiration) -> UnsafeRawBufferPointer {
        let start = self.buffer.baseAddress!
        start.storeBytes(of: expiration.milliseconds.bigEndian, as: UInt64.self)
        start.store(expiration.dot.replica, at: 8)
        start.storeBytes(of: expiration.dot.sequence.bigEndian, toByteOffset: 8 + ReplicaID.byteCount, as: UInt64.self)
        return UnsafeRawBufferPointer(self.buffer)
    }
}

extension Dot {
    /// Reads a key of the `tombstones` and `expirations` databases; nil where it is none.
    init?(rowKey key: UnsafeRawBufferPointer) {
        guard key.count == DotKey.byteCount else { return nil }
        let sequence = UInt64(bigEndian: key.loadUnaligned(fromByteOffset: ReplicaID.byteCount, as: UInt64.self))
        self.init(replica: key.baseAddress!.replicaID(at: 0), sequence: sequence)
    }
}

extension ExpiringPlace {
    /// Reads a key and a value of the `deadlines` database; nil where they are none.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard key.count == ExpirationKey.byteCount, let place = IndexedPlace(UnsafeRawBufferPointer(rebasing: key[8...]), value) else { return nil }
        self.init(milliseconds: UInt64(bigEndian: key.loadUnaligned(as: UInt64.self)), place: place)
    }
}

extension Expiration {
    /// Reads a key and a value of the `expirations` database; nil where they are none.
    init?(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        guard let dot = Dot(rowKey: key), value.count == 8 else { return nil }
        self.init(milliseconds: UInt64(bigEndian: value.loadUnaligned(as: UInt64.self)), dot: dot)
    }
}

/// Both databases of the index of deadlines, as one transaction sees them.
struct DeadlineRows {
    let deadlines: MDB_dbi
    let expirations: MDB_dbi

    func expiring(
        behind start: Expiration, through end: Expiration, limit: Int, _ cursor: borrowing Cursor
    ) throws(StoreError) -> [ExpiringPlace] {
        var places: [ExpiringPlace] = []
        let key = ExpirationKey()
        var item = try cursor.read(MDB_SET_RANGE, key.bytes(start))
        while let (key, value) = item, places.count < limit, let place = ExpiringPlace(key, value), place.expiration <= end {
            if start < place.expiration { places.append(place) }
            item = try cursor.read(MDB_NEXT, nil)
        }
        return places
    }

    func expirations(
        of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int, _ cursor: borrowing Cursor
    ) throws(StoreError) -> [Expiration] {
        try cursor.rows(of: replica, sequences, limit: limit) { Expiration($0, $1).map { (row: $0, dot: $0.dot) } }
    }

    func place(of expiration: Expiration, _ cursor: borrowing Cursor) throws(StoreError) -> IndexedPlace? {
        let key = ExpirationKey()
        return try cursor.read(MDB_SET_KEY, key.bytes(expiration)).flatMap { ExpiringPlace($0.key, $0.value)?.place }
    }

    func add(_ expiration: Expiration, entryKey: UnsafeRawBufferPointer, to transaction: borrowing WriteTransaction) throws(StoreError) {
        let key = ExpirationKey()
        let dotKey = DotKey()
        let bytes = key.bytes(expiration)
        try transaction.put(bytes, entryKey, in: self.deadlines)
        try transaction.put(dotKey.bytes(expiration.dot), UnsafeRawBufferPointer(rebasing: bytes[..<8]), in: self.expirations)
    }

    func remove(_ expiration: Expiration, from transaction: borrowing WriteTransaction) throws(StoreError) {
        let key = ExpirationKey()
        let dotKey = DotKey()
        try transaction.remove(key.bytes(expiration), from: self.deadlines)
        try transaction.remove(dotKey.bytes(expiration.dot), from: self.expirations)
    }
}
