import Basics
import CLMDB
import Digests
import Foundation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// A data.mdb with entries under their own tokens, and what a check says of it.
final class CheckedBase {
    let scratch: ScratchFolder
    var folder: String { self.scratch.path }
    var file: String { self.scratch.path + "/data.mdb" }
    let checkpoint: Checkpoint

    init() throws {
        self.scratch = try ScratchFolder()
        let identity = Identity(cluster: ClusterID(high: 1, low: 2), digestKey: TestRecord.digestKey, replica: TestRecord.replica)
        self.checkpoint = Checkpoint(identity: identity, position: 77, control: [.members: [UInt8]("the members' roster")])
    }

    static func key(_ number: Int) -> [UInt8] { [UInt8]("key-\(number)-") }

    /// Puts keys with values of 40 bytes; every seventh is a tombstone, every fifth has a deadline.
    func fill(_ count: Int) throws {
        let base = try LMDBBase(folder: self.folder)
        let writer = base.makeWriter()
        try writer.begin()
        for number in 0..<count {
            let isTombstone = number % 7 == 6
            let header = TestRecord.header(
                sequence: UInt64(number), time: UInt64(number), isTombstone: isTombstone, expiry: !isTombstone && number % 5 == 4 ? 1_000 : 0)
            try self.put(header, Self.key(number), isTombstone ? [] : [UInt8]("value-\(number)-") + [UInt8](repeating: 0x61, count: 30), with: writer)
        }
        try writer.commit(self.checkpoint)
    }

    func put(_ header: VersionHeader, _ key: [UInt8], _ payload: [UInt8], with writer: any BaseWriter) throws {
        try TestRecord.frame(header, key: key, payload: payload).withRecord { try writer.replace($0!, token: TestRecord.token(of: key)) }
    }

    func report() throws -> BaseReport {
        var report = BaseReport()
        try BaseCheck(folder: self.folder, wall: WallTime(milliseconds: 2_000)) { report.take($0) }.run()
        return report
    }

    /// Changes a byte wherever the file has these bytes: pages that were let go of may have them too.
    func flip(_ bytes: [UInt8], at offset: Int = 0, bit: UInt8 = 0) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: self.file))
        var places: [Int] = []
        var start = data.startIndex
        while let range = data.range(of: Data(bytes), in: start..<data.endIndex) {
            places.append(range.lowerBound)
            start = range.upperBound
        }
        try #require(!places.isEmpty)
        for place in places { data[place + offset] ^= 1 << bit }
        try data.write(to: URL(fileURLWithPath: self.file))
    }

    static func row(_ number: Int) -> [UInt8] {
        withUnsafeBytes(of: TestRecord.token(of: self.key(number)).rawValue.bigEndian) { Array($0) } + self.key(number)
    }

    /// Changes the file through LMDB itself.
    func change(_ name: String, _ body: (OpaquePointer, MDB_dbi) -> Void) throws {
        let environment = try Environment(folder: self.folder)
        var transaction: OpaquePointer?
        var database: MDB_dbi = 0
        #expect(mdb_txn_begin(environment.handle, nil, 0, &transaction) == 0)
        #expect(mdb_dbi_open(transaction, name, 0, &database) == 0)
        body(transaction!, database)
        #expect(mdb_txn_commit(transaction) == 0)
    }

    func put(_ key: [UInt8], _ value: [UInt8], in name: String) throws {
        try self.change(name) { transaction, database in
            key.withUnsafeBytes { key in
                value.withUnsafeBytes { value in
                    var pair = (MDB_val(key), MDB_val(value))
                    #expect(mdb_put(transaction, database, &pair.0, &pair.1, 0) == 0)
                }
            }
        }
    }

    func remove(_ key: [UInt8], from name: String) throws {
        try self.change(name) { transaction, database in
            key.withUnsafeBytes { key in
                var key = MDB_val(key)
                #expect(mdb_del(transaction, database, &key, nil) == 0)
            }
        }
    }
}

@Suite struct BaseCheckTests {
    private let base: CheckedBase

    init() throws { self.base = try CheckedBase() }

    @Test func `an intact base is counted, and nothing of it is changed`() throws {
        try self.base.fill(700)
        let bytes = FileManager.default.contents(atPath: self.base.file)
        let names = Set(try FileManager.default.contentsOfDirectory(atPath: self.base.folder))
        let report = try self.base.report()
        #expect(report.isIntact, "\(report)")
        let counts = try #require(report.counts)
        #expect(counts.entries == 700 && counts.tombstones == 100 && counts.expiring == 120 && counts.expired == 120)
        #expect(counts.identity == CheckpointFacts(cluster: ClusterID(high: 1, low: 2), replica: TestRecord.replica, position: 77, openMarks: 0))
        let reader = try LMDBBase(folder: self.base.folder)
        #expect(try BaseScan(reader, reader.makeReader(), TestRecord.digestKey).tree.root == counts.digest)
        #expect(FileManager.default.contents(atPath: self.base.file) == bytes)
        #expect(Set(try FileManager.default.contentsOfDirectory(atPath: self.base.folder)) == names)
    }

    @Test func `a file that was founded and never written to is intact`() throws {
        _ = try LMDBBase(folder: self.base.folder)
        let report = try self.base.report()
        #expect(report.isIntact && report.counts?.entries == 0, "\(report)")
    }

    @Test func `a value that has rotted is one entry, named by its key`() throws {
        try self.base.fill(50)
        try self.base.flip([UInt8]("value-17-"), at: 3)
        let report = try self.base.report()
        #expect(report.file.isEmpty && report.entries.count == 1 && report.counts?.entries == 49, "\(report)")
        let token = hexadecimal(TestRecord.token(of: CheckedBase.key(17)).rawValue)
        #expect(report.entries.texts == ["token \(token) key \"key-17-\" does not have its checksum"])
    }

    @Test func `an entry whose value has left is counted as before, and one that rots then is named`() throws {
        try self.base.fill(40)
        let before = try self.base.report()
        var left: [UInt8] = []
        do {
            let lmdb = try LMDBBase(folder: self.base.folder)
            let writer = lmdb.makeWriter()
            try writer.begin()
            for number in [4, 9, 14] {
                let key = CheckedBase.key(number)
                let token = TestRecord.token(of: key)
                left = try key.withUnsafeBytes { try #require(try writer.seek(token, key: $0)?.record?.headerOnlyValue(token: token)) }
                try key.withUnsafeBytes { key in try left.withUnsafeBytes { try writer.put(RecordView(key: key, value: $0)!, token: token) } }
            }
            try writer.commit(nil as Checkpoint?)
        }
        let report = try self.base.report()
        #expect(report.isIntact && report.counts?.sum == before.counts?.sum && report.counts?.expired == before.counts?.expired, "\(report)")
        try self.base.flip(left, at: left.count - 1)
        #expect(try self.base.report().entries.count == 1 && self.base.report().file.isEmpty)
    }

    @Test func `a key that has rotted is one entry, as its checksum says that the token is right`() throws {
        try self.base.fill(50)
        try self.base.flip(CheckedBase.row(17), at: 8)
        let report = try self.base.report()
        #expect(report.file.isEmpty && report.entries.count == 1 && report.entries.texts[0].contains("key that is not its token's"), "\(report)")
    }

    @Test(arguments: [0, 7])
    func `a token that has rotted is damage of the file, whether rows are out of order by it or not`(byte: Int) throws {
        try self.base.fill(50)
        try self.base.flip(CheckedBase.row(17), at: byte, bit: byte == 0 ? 7 : 0)
        let report = try self.base.report()
        #expect(!report.file.isEmpty, "\(report)")
    }

    @Test func `a checkpoint that has rotted, or what it says of members, is damage of the file`() throws {
        try self.base.fill(5)
        #expect(try self.base.report().isIntact)
        try self.base.flip([UInt8]("the members' roster"))
        #expect(try self.base.report().file.texts.contains { $0.contains("members") })
        #expect(throws: StoreError.damagedCheckpoint(reason: "checksum of what it says of members")) {
            try LMDBBase(folder: self.base.folder).readCheckpoint()
        }
        try self.base.flip([UInt8]("the members' roster").enumerated().map { $0 == 0 ? $1 ^ 1 : $1 })
        #expect(try self.base.report().isIntact)
        try self.base.flip(TestRecord.digestKey.bytes, at: 100)
        #expect(try self.base.report().file.texts.contains { $0.contains("checkpoint") })
    }

    @Test func `a store whose control values have no checksums yet is read as it is`() throws {
        try self.base.fill(5)
        for key in ControlKey.allCases { try self.base.remove([UInt8]("checksum-\(key)"), from: "meta") }
        #expect(try self.base.report().isIntact)
        #expect(try LMDBBase(folder: self.base.folder).readCheckpoint() == self.base.checkpoint)
    }

    @Test func `entries without a checkpoint are damage of the file`() throws {
        try self.base.fill(5)
        try self.base.remove([UInt8]("checkpoint"), from: "meta")
        #expect(try self.base.report().file.texts.contains { $0.contains("checkpoint") })
    }

    @Test func `another version's checkpoint is told from one whose version has rotted`() throws {
        try self.base.fill(5)
        var bytes = self.base.checkpoint.encode()
        bytes[8] = 2
        try self.base.put([UInt8]("checkpoint"), bytes, in: "meta")
        let damaged = try self.base.report()
        #expect(damaged.otherFormat == nil && !damaged.file.isEmpty)
        var sealed = Array(bytes.dropLast(8))
        sealed.append(littleEndian: sealed.withUnsafeBytes { checksum(of: $0, seed: 0) })
        try self.base.put([UInt8]("checkpoint"), sealed, in: "meta")
        let other = try self.base.report()
        #expect(other.otherFormat == 2 && other.isIntact)
    }

    @Test func `a delete that the list of tombstones does not have is found, and a row of it that names nothing`() throws {
        try self.base.fill(14)
        let dot = Dot(replica: TestRecord.replica, sequence: 6)
        let key = DotKey()
        try self.base.remove(Array(key.bytes(dot)), from: "tombstones")
        let missing = try self.base.report()
        #expect(missing.entries.count == 1 && missing.entries.texts[0].contains("key-6-"), "\(missing)")
        try self.base.put(Array(key.bytes(dot)), CheckedBase.row(6).dropLast(), in: "tombstones")
        #expect(try self.base.report().entries.count == 2)
    }

    @Test func `what expires and the list of deadlines does not have is found, by its deadline and by its write, and a row of it that names nothing`()
        throws
    {
        try self.base.fill(14)
        let expiration = Expiration(milliseconds: 1_000, dot: Dot(replica: TestRecord.replica, sequence: 9))
        let key = ExpirationKey()
        let dotKey = DotKey()
        let (row, dotRow) = (Array(key.bytes(expiration)), Array(dotKey.bytes(expiration.dot)))
        try self.base.remove(row, from: LMDBBase.deadlinesName)
        let unlisted = try self.base.report()
        #expect(unlisted.entries.count == 2 && unlisted.entries.texts[0].contains("key-9-"), "\(unlisted)")
        try self.base.put(row, CheckedBase.row(9).dropLast(), in: LMDBBase.deadlinesName)
        #expect(try self.base.report().entries.count == 2)
        try self.base.put(row, CheckedBase.row(9), in: LMDBBase.deadlinesName)
        #expect(try self.base.report().isIntact)
        try self.base.remove(dotRow, from: LMDBBase.expirationsName)
        #expect(try self.base.report().entries.count == 2)
        try self.base.put(dotRow, [0, 0, 0, 0, 0, 0, 0, 1], in: LMDBBase.expirationsName)
        #expect(try self.base.report().entries.count == 3)
    }

    @Test func `so many findings are told in words, and all are counted`() throws {
        try self.base.fill(100)
        try self.base.flip([UInt8](repeating: 0x61, count: 30), at: 5)
        let report = try self.base.report()
        #expect(report.entries.count == 86 && report.entries.texts.count == Findings.maximumTexts)
    }
}

@Suite struct PageCheckTests {
    @Test(arguments: seeds(6))
    func `a file that LMDB wrote has no findings, whatever was put, replaced and removed`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let checked = try CheckedBase()
        let base = try LMDBBase(folder: checked.folder)
        let writer = base.makeWriter()
        var keys = Set<Int>()
        for round in 0..<30 {
            try writer.begin()
            for _ in 0..<Int.random(in: 0...120, using: &generator) {
                let number = Int.random(in: 0..<600, using: &generator)
                let key = CheckedBase.key(number) + [UInt8](repeating: 0x62, count: number % 480)
                if keys.contains(number), Int.random(in: 0..<3, using: &generator) == 0 {
                    try key.withUnsafeBytes { key in
                        _ = try writer.seek(TestRecord.token(of: Array(key)), key: key)
                        try writer.remove(TestRecord.token(of: Array(key)), key: key)
                    }
                    keys.remove(number)
                } else {
                    let isTombstone = Int.random(in: 0..<4, using: &generator) == 0
                    let header = TestRecord.header(sequence: generator.next(), time: UInt64(round), isTombstone: isTombstone)
                    // Some long values, which get shorter and longer again.
                    let length = Int.random(in: 0..<4, using: &generator) == 0 ? 20_000 : 300
                    let payload = [UInt8](repeating: 1, count: isTombstone ? 0 : Int.random(in: 0...length, using: &generator))
                    try checked.put(header, key, payload, with: writer)
                    keys.insert(number)
                }
            }
            if Int.random(in: 0..<5, using: &generator) == 0 { writer.abort() } else { try writer.commit(checked.checkpoint) }
            keys = try self.keys(in: base)
            let report = try checked.report()
            try #require(report.isIntact, "seed \(seed), round \(round): \(report)")
            #expect(report.counts.map { Int($0.entries) } ?? 0 == keys.count)
        }
    }

    private func keys(in base: LMDBBase) throws -> Set<Int> {
        let reader = try base.makeReader()
        var (keys, next) = (Set<Int>(), try reader.seek(.first))
        while let entry = next {
            keys.insert(Int(String(decoding: entry.key, as: UTF8.self).split(separator: "-")[1])!)
            next = try reader.advance()
        }
        return keys
    }

    private struct Row: Equatable {
        let key: [UInt8]
        let value: [UInt8]
    }

    /// What LMDB makes of the file: every row in its order, and each of them looked up.
    private func rows(_ folder: String) throws -> (rows: [Row], isFound: [Bool]) {
        let reading = try BaseReading(folder: folder)
        let database = try #require(try reading.databases()).entries
        var rows: [Row] = []
        try reading.forEach(in: database) { key, value in
            rows.append(Row(key: Array(key), value: Array(value)))
            return true
        }
        let isFound = try rows.map { row in try row.key.withUnsafeBytes { try reading.get($0, from: database)?.elementsEqual(row.value) ?? false } }
        return (rows, isFound)
    }

    /// What it passes LMDB can read, and reads as before but for the one row that the flip is in.
    @Test(arguments: seeds(3))
    func `no flipped bit that the check passes changes what LMDB finds of any row but its own`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let checked = try CheckedBase()
        try checked.fill(120)
        try checked.fill(60)  // Leaves pages behind that are free.
        let intact = try self.rows(checked.folder).rows
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: checked.file))
        let byteCount = Int(try file.seekToEnd())
        let branches = try self.branches(of: checked.file)
        var found = 0
        for index in 0..<1_200 {
            // The first bytes of a page are its head and the places of its rows, the last ones rows, and few pages are branches.
            let page = index % 2 == 0 ? Int.random(in: 0..<byteCount / 4_096, using: &generator) : branches.randomElement(using: &generator)!
            let part = [0..<64, 3_900..<4_096, 0..<4_096].randomElement(using: &generator)!
            let offset = page * 4_096 + Int.random(in: part, using: &generator)
            let bit = UInt8.random(in: 0..<8, using: &generator)
            let byte = try self.exchange(file, offset) { $0 ^ 1 << bit }
            defer { _ = try? self.exchange(file, offset) { _ in byte } }
            var damages = 0
            let mapped = try MappedFile(path: checked.file)
            var check = PageCheck(mapped.bytes) { _ in damages += 1 }
            check.run()
            guard damages == 0 else {
                found += 1
                continue
            }
            guard let now = try? self.rows(checked.folder) else {
                // A database of another name: what opens the file finds that.
                #expect(try !checked.report().file.isEmpty, "seed \(seed): bit \(bit) of byte \(offset)")
                continue
            }
            let changed = zip(now.rows, intact).count { $0 != $1 }
            #expect(now.rows.count == intact.count && changed <= 1, "seed \(seed): bit \(bit) of byte \(offset)")
            // One whose key has rotted may stand where no lookup of it comes by; which is for the check of rows to find.
            #expect(now.isFound.count { !$0 } <= changed, "seed \(seed): bit \(bit) of byte \(offset)")
        }
        #expect(found > 100, "so many flips of heads must have been found")
    }

    /// The pages that lead to others.
    private func branches(of path: String) throws -> [Int] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let pages = (2..<data.count / 4_096).filter { data[$0 * 4_096 + 10] == 1 }
        try #require(!pages.isEmpty)
        return pages
    }

    private func exchange(_ file: FileHandle, _ offset: Int, _ body: (UInt8) -> UInt8) throws -> UInt8 {
        try file.seek(toOffset: UInt64(offset))
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: UInt64(offset))
        try file.write(contentsOf: [body(byte)])
        return byte
    }

    @Test(arguments: seeds(4))
    func `a file of any bytes, and one that is cut off anywhere, is found and never trapped on`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let checked = try CheckedBase()
        try checked.fill(300)
        let intact = Array(try Data(contentsOf: URL(fileURLWithPath: checked.file)))
        func damages(_ bytes: [UInt8]) -> Int {
            var damages = 0
            bytes.withUnsafeBytes {
                var check = PageCheck($0) { _ in damages += 1 }
                check.run()
            }
            return damages
        }
        #expect(damages(intact) == 0)
        for _ in 0..<200 {
            #expect(damages(Array(intact.prefix(Int.random(in: 0..<intact.count, using: &generator)))) > 0)
            var bytes = intact
            // Whatever was written over: pages of noise, and pages in the place of others.
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let (to, from) = (
                    Int.random(in: 0..<bytes.count / 4_096, using: &generator), Int.random(in: 0..<bytes.count / 4_096, using: &generator)
                )
                let page = (0..<4_096).map {
                    Bool.random(using: &generator) ? bytes[from * 4_096 + $0] : UInt8.random(in: 0...255, using: &generator)
                }
                bytes.replaceSubrange(to * 4_096..<(to + 1) * 4_096, with: page)
            }
            _ = damages(bytes)
        }
    }
}
