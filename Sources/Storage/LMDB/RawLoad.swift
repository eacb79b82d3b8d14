import CLMDB

/// What LMDB alone does with all entries of a store: one sorted, synced load into an empty file, to set beside the rate of a bootstrap.
///
/// It is here because only this module knows LMDB. Whoever measures keeps the time.
package struct RawLoad: Sendable {
    /// Keys and values, one behind the other.
    private var bytes: [UInt8] = []
    private var lengths: [(key: Int, value: Int)] = []

    /// Reads all entries.
    ///
    /// - Parameter folder: of the base of a node that has stopped.
    package init(folder: String) throws(StoreError) {
        let environment = try Environment(folder: folder)
        let transaction = try WriteTransaction(environment)
        let database = try transaction.database(LMDBBase.entriesName, flags: 0)
        try transaction.commit()
        let reading = try ReadTransaction(environment, cursorOn: database)
        var found = try reading.read(MDB_FIRST, nil)
        while let (key, value) = found {
            self.bytes.append(contentsOf: key)
            self.bytes.append(contentsOf: value)
            self.lengths.append((key.count, value.count))
            found = try reading.read(MDB_NEXT, nil)
        }
    }

    package var entries: Int { self.lengths.count }

    /// Puts all of them into a new file in an existing empty folder, in LMDB's order, in one transaction, synced at its end.
    package func load(into folder: String) throws(StoreError) {
        let environment = try Environment(folder: folder)
        let transaction = try WriteTransaction(environment)
        let database = try transaction.database(LMDBBase.entriesName, flags: MDB_CREATE)
        try self.bytes.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
            var offset = 0
            for length in self.lengths {
                let key = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length.key])
                let value = UnsafeRawBufferPointer(rebasing: bytes[offset + length.key..<offset + length.key + length.value])
                try transaction.put(key, value, in: database)
                offset += length.key + length.value
            }
        }
        try transaction.commit()
    }
}
