import Basics
import CLMDB

/// What LMDB alone does with records like those of a store: plain puts in synced transactions, to set beside the rate of a repair.
///
/// It is here because only this module knows LMDB. Whoever measures keeps the time.
///
/// - Note: It spoils the store: what it puts is read by nobody. For a folder that is thrown away.
package final class RawPuts {
    /// A key and a value as the store keeps them.
    package struct Record: Sendable {
        fileprivate let key: [UInt8]
        fileprivate let value: [UInt8]
    }

    private let environment: Environment
    private let database: MDB_dbi

    /// - Parameter folder: of the base of a node that has stopped.
    package init(folder: String) throws(StoreError) {
        self.environment = try Environment(folder: folder)
        let transaction = try WriteTransaction(self.environment)
        self.database = try transaction.database(LMDBBase.entriesName, flags: 0)
        try transaction.commit()
    }

    /// Draws records of the store, spread evenly.
    ///
    /// - Parameter areNew: whether they get other tokens, random as those of new keys, so that puts add them; otherwise puts replace them.
    /// - Returns: so many, in random order; none where the store is empty.
    package func draw(_ count: Int, areNew: Bool, using generator: inout SplitMix64) throws(StoreError) -> [Record] {
        let transaction = try ReadTransaction(self.environment, cursorOn: self.database)
        var records: [Record] = []
        for _ in 0..<count {
            let token = generator.next()
            let place = withUnsafeBytes(of: token.bigEndian) { Array($0) }
            var found = try place.span.bytes.withUnsafeBytes { place throws(StoreError) in try transaction.read(MDB_SET_RANGE, place) }
            if found == nil { found = try transaction.read(MDB_FIRST, nil) }
            guard let found else { return [] }
            let key = areNew ? place + found.key.dropFirst(place.count) : Array(found.key)
            records.append(Record(key: key, value: Array(found.value)))
        }
        return records
    }

    /// The order in which LMDB keeps them.
    package static func sorted(_ records: [Record]) -> [Record] { records.sorted { $0.key.lexicographicallyPrecedes($1.key) } }

    /// Puts the records in one transaction, synced at its end.
    package func put(_ records: some Sequence<Record>) throws(StoreError) {
        let transaction = try WriteTransaction(self.environment)
        for record in records {
            try record.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
                try record.value.span.bytes.withUnsafeBytes { value throws(StoreError) in try transaction.put(key, value, in: self.database) }
            }
        }
        try transaction.commit()
    }
}
