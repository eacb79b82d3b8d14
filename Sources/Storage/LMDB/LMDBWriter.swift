import Basics
import CLMDB
import Digests
import Versioning

/// The writing side of `LMDBBase`: entries, their indexes and the checkpoint in one transaction.
final class LMDBWriter: BaseWriter {
    private let base: LMDBBase
    private let environment: Environment
    private var transaction: WriteTransaction?
    private var cursor: WriteCursor?
    private(set) var entryPages = 0
    private let key = EntryKey()
    private let dotKey = DotKey()
    /// What the last `seek` found: whether the cursor stands on the key, and how what is there is listed.
    private var isOnKey = false
    private var listing = Listing.none

    /// In which index a version is listed.
    private enum Listing: Equatable {
        case none
        case tombstone(Dot)
        case expiring(Expiration)
        case siblings(Listed)

        init(_ record: RecordView) {
            if record.kind == .siblings {
                self = .siblings(record.listed)
            } else {
                self = record.isTombstone ? .tombstone(record.dot) : record.expiration.map { .expiring($0) } ?? .none
            }
        }
    }

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
        (self.isOnKey, self.listing) = (entry != nil, entry?.record.map { Listing($0) } ?? .none)
        return entry
    }

    func put(_ record: RecordView, token: Token) throws(StoreError) {
        let entryKey = self.key.bytes(token, record.key)
        try self.cursor!.put(entryKey, record.value, isOnKey: self.isOnKey)
        guard Listing(record) != self.listing else { return }
        try self.unlist()
        try self.list(record, entryKey)
    }

    private func list(_ record: RecordView, _ entryKey: UnsafeRawBufferPointer) throws(StoreError) {
        switch Listing(record) {
        case .none: break
        case .tombstone(let dot): try self.transaction!.put(self.dotKey.bytes(dot), entryKey, in: self.base.tombstones)
        case .expiring(let expiration): try self.base.index.add(expiration, entryKey: entryKey, to: self.transaction!)
        case .siblings(let listed):
            for dot in listed.tombstones { try self.transaction!.put(self.dotKey.bytes(dot), entryKey, in: self.base.tombstones) }
            for expiration in listed.expirations { try self.base.index.add(expiration, entryKey: entryKey, to: self.transaction!) }
        }
    }

    /// Takes what the last `seek` found out of its index.
    private func unlist() throws(StoreError) {
        switch self.listing {
        case .none: break
        case .tombstone(let dot): try self.forgetTombstone(dot)
        case .expiring(let expiration): try self.forget(expiration)
        case .siblings(let listed):
            for dot in listed.tombstones { try self.forgetTombstone(dot) }
            for expiration in listed.expirations { try self.forget(expiration) }
        }
    }

    func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [IndexedPlace] {
        try IndexedPlace.tombstones(of: replica, sequences, limit: limit, self.transaction!.reader(on: self.base.tombstones))
    }

    func forgetTombstone(_ dot: Dot) throws(StoreError) { try self.transaction!.remove(self.dotKey.bytes(dot), from: self.base.tombstones) }

    func forget(_ expiration: Expiration) throws(StoreError) { try self.base.index.remove(expiration, from: self.transaction!) }

    func expiring(behind start: Expiration, through end: Expiration, limit: Int) throws(StoreError) -> [ExpiringPlace] {
        try self.base.index.expiring(behind: start, through: end, limit: limit, self.transaction!.reader(on: self.base.index.deadlines))
    }

    func expirations(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [Expiration] {
        try self.base.index.expirations(of: replica, sequences, limit: limit, self.transaction!.reader(on: self.base.index.expirations))
    }

    func place(of expiration: Expiration) throws(StoreError) -> IndexedPlace? {
        try self.base.index.place(of: expiration, self.transaction!.reader(on: self.base.index.deadlines))
    }

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
        let index = self.base.index
        for database in [self.base.entries, self.base.tombstones, index.deadlines, index.expirations] { try self.transaction!.empty(database) }
    }

    func remove(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) {
        precondition(self.isOnKey, "nothing to remove at \(token)")
        try self.cursor!.remove()
        self.isOnKey = false
        try self.unlist()
    }

    func append(_ record: RecordView, token: Token) throws(StoreError) -> Bool {
        let entryKey = self.key.bytes(token, record.key)
        guard try self.cursor!.append(entryKey, record.value) else { return false }
        try self.list(record, entryKey)
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
