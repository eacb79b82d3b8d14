import Basics
import CLMDB
import Digests
import Versioning

/// Looks at every row of a base as LMDB finds it: order, token, checksum, and that deletes are listed.
///
/// A row whose checksum fits its token is what was written, and stands where it belongs. One of which only the key has rotted stands there too, and one
/// that has rotted in header or value has its key's token: these are single entries, whose places are known. Where the token has rotted nothing says
/// what stands where it should, and where rows are out of order a lookup passes by others than the one that moved: then it is the file that is damaged.
struct RowCheck: ~Copyable {
    /// The least that LMDB stores a row in, in bytes: its own head, a token and a header. A file has no more rows than fit.
    static let minimumByteCount = 8 + 8 + RecordLayout.minimumHeaderByteCount
    private static let stepRows = 1_024
    private static let stepBytes = 1 << 20

    /// Nil where the checkpoint that has it is lost: no token can be told to be right.
    private let key: DigestKey?
    /// What these cover has been dropped, and counts for nothing.
    private let drops: Drops
    private let wall: WallTime
    private let limit: UInt64
    private(set) var counts: BaseCounts
    private let report: (BaseCheckEvent) -> Void
    private let dotKey = DotKey()
    private let expirationKey = ExpirationKey()
    private var rows: UInt64 = 0
    private var bytes = 0

    init(key: DigestKey?, drops: Drops, wall: WallTime, limit: UInt64, counts: BaseCounts, report: @escaping (BaseCheckEvent) -> Void) {
        (self.key, self.drops, self.wall, self.limit, self.counts, self.report) = (key, drops, wall, limit, counts, report)
    }

    mutating func run(_ reading: BaseReading, _ databases: BaseReading.Databases) throws(StoreError) {
        try self.forEachRow(of: "entries", in: reading, databases.entries) { check, key, value throws(StoreError) in
            guard let record = check.take(key, value) else { return }
            try check.look(for: record, key, in: reading, databases)
        }
        try self.forEachRow(of: "tombstones", in: reading, databases.tombstones) { check, key, value in
            let entry = BaseEntry(value, UnsafeRawBufferPointer(start: nil, count: 0))
            let isOfKey = check.key.map { $0.token(of: entry.key) == entry.token } ?? true
            if key.count != DotKey.byteCount || value.count < 8 || !isOfKey {
                check.report(.damagedEntry("the list of tombstones names \(describe(value)), which no entry is called"))
            }
        }
        try self.checkDeadlines(reading, databases)
        guard let exports = databases.exports else { return }
        try self.forEachRow(of: "exports", in: reading, exports) { check, key, value throws(StoreError) in
            guard let digestKey = check.key else { return }
            let isIntact = try Export(rowKey: key, rowValue: value)?.withRecord(under: digestKey) { _, _ in true } ?? false
            if !isIntact { check.report(.damagedEntry("a version that was taken along from former data is not what was written")) }
        }
    }

    /// Visits rows that ascend; the first one that does not ends the walk, as there is no telling what was passed by.
    private mutating func forEachRow(
        of name: String, in reading: BaseReading, _ database: MDB_dbi,
        _ body: (inout RowCheck, UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        var last: UnsafeRawBufferPointer?
        self.rows = 0
        try reading.forEach(in: database) { key, value throws(StoreError) in
            self.advance(by: key.count + value.count)
            if let last, !last.precedes(key) {
                self.report(.damagedFile("\(name): \(describe(key)) is out of order, behind \(describe(last))"))
                return false
            }
            guard self.rows <= self.limit else {
                self.report(.damagedFile("\(name): there is no end to the rows"))
                return false
            }
            last = key
            try body(&self, key, value)
            return true
        }
    }

    /// Says that it goes on, often enough for a slow disk and large values.
    private mutating func advance(by byteCount: Int) {
        self.rows += 1
        self.bytes += byteCount
        guard self.rows.isMultiple(of: UInt64(Self.stepRows)) || self.bytes >= Self.stepBytes else { return }
        self.bytes = 0
        self.report(.advanced)
    }

    /// Counts a row of `entries`.
    ///
    /// - Returns: what an index has to list; nil where that is nothing.
    private mutating func take(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> RecordView? {
        guard key.count >= 8, key.count <= 8 + RecordLayout.maximumKeyByteCount else {
            self.report(.damagedFile("entries: a row is called \(describe(key))"))
            return nil
        }
        let entry = BaseEntry(key, value)
        let isOfKey = self.key.map { $0.token(of: entry.key) == entry.token } ?? true
        guard entry.isIntact, let record = entry.record else {
            self.report(
                isOfKey
                    ? .damagedEntry("\(describe(key)) does not have its checksum")
                    : .damagedFile("entries: \(describe(key)) has a token that is not its key's"))
            return nil
        }
        guard isOfKey else {
            self.report(.damagedEntry("\(describe(key)) has a key that is not its token's"))
            return nil
        }
        if self.drops.contain(record) { return nil }
        self.counts.entries += 1
        if let digestKey = self.key { self.counts.sum &+= record.fingerprint(under: digestKey) }
        if record.isExpiring {
            self.counts.expiring += 1
            if record.isExpired(at: self.wall) { self.counts.expired += 1 }
        }
        if record.isTombstone { self.counts.tombstones += 1 }
        return record.mayBeDropped || record.kind == .siblings ? record : nil
    }

    /// Looks an entry up in the index that has to list it.
    private func look(
        for record: RecordView, _ key: UnsafeRawBufferPointer, in reading: BaseReading, _ databases: BaseReading.Databases
    ) throws(StoreError) {
        let listed = record.listed
        for dot in listed.tombstones {
            let place = try reading.get(self.dotKey.bytes(dot), from: databases.tombstones)
            guard place?.elementsEqual(key) ?? false else {
                return self.report(.damagedEntry("\(describe(key)) is a delete that the list of tombstones does not have"))
            }
        }
        guard let index = databases.index else { return }
        for expiration in listed.expirations {
            let place = try reading.get(self.expirationKey.bytes(expiration), from: index.deadlines)
            let deadline = try reading.get(self.dotKey.bytes(expiration.dot), from: index.expirations)
            guard let place, place.elementsEqual(key), let deadline, deadline.elementsEqual(ExpirationKey.deadline(expiration)) else {
                return self.report(.damagedEntry("\(describe(key)) expires, and the list of deadlines does not have it"))
            }
        }
    }

    /// Every row of either part of the index of deadlines has its counterpart in the other.
    private mutating func checkDeadlines(_ reading: BaseReading, _ databases: BaseReading.Databases) throws(StoreError) {
        guard let index = databases.index else { return }
        try self.forEachRow(of: LMDBBase.deadlinesName, in: reading, index.deadlines) { check, key, value throws(StoreError) in
            guard let place = ExpiringPlace(key, value), check.isOfKey(place.place) else {
                return check.report(.damagedEntry("the list of deadlines names \(describe(value)), which no entry is called"))
            }
            let deadline = try reading.get(check.dotKey.bytes(place.expiration.dot), from: index.expirations)
            if !(deadline?.elementsEqual(ExpirationKey.deadline(place.expiration)) ?? false) {
                check.report(.damagedEntry("the list of deadlines names \(describe(value)), and by its write another or none"))
            }
        }
        try self.forEachRow(of: LMDBBase.expirationsName, in: reading, index.expirations) { check, key, value throws(StoreError) in
            let expiration = Expiration(key, value)
            let place = try expiration.map { expiration throws(StoreError) in
                try reading.get(check.expirationKey.bytes(expiration), from: index.deadlines)
            }
            if place ?? nil == nil { check.report(.damagedEntry("the list of deadlines by writes names one that has none")) }
        }
    }

    private func isOfKey(_ place: IndexedPlace) -> Bool {
        self.key.map { key in place.key.withUnsafeBytes { key.token(of: $0) == place.token } } ?? true
    }
}

/// A row's key for people: token and key.
private func describe(_ key: UnsafeRawBufferPointer) -> String {
    guard key.count >= 8 else { return "a key of \(key.count) bytes" }
    let token = hexadecimal(UInt64(bigEndian: key.loadUnaligned(as: UInt64.self)))
    return "token \(token) key \(quoted(UnsafeRawBufferPointer(rebasing: key[8...])))"
}

/// A key in quotes, in printable ASCII, a long one cut off.
private func quoted(_ key: UnsafeRawBufferPointer) -> String {
    let longest = 64
    var text = "\""
    for byte in key.prefix(longest) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
        case 0x20...0x7e: text += String(UnicodeScalar(byte))
        default: text += "\\x" + String(byte, radix: 16).leftPadded(to: 2)
        }
    }
    return text + (key.count > longest ? "\"... (\(key.count) bytes)" : "\"")
}

extension String {
    fileprivate func leftPadded(to count: Int) -> String { String(repeating: "0", count: max(0, count - self.count)) + self }
}
