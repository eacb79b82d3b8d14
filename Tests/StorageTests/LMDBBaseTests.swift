import Basics
import CLMDB
import Digests
import Foundation
import Simulation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// What only files can do: be foreign, rot, and find no room.
@Suite struct LMDBBaseTests {
    @Test(arguments: [0, 1, 4_096, 100_000])
    func `a file of random bytes is refused as no LMDB file of ours, and kept`(byteCount: Int) throws {
        let folder = try ScratchFolder()
        var generator = SplitMix64(seed: UInt64(byteCount))
        let bytes = Data((0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) })
        let path = folder.path + "/data.mdb"
        try bytes.write(to: URL(fileURLWithPath: path))
        if byteCount == 0 {
            #expect(try LMDBBase(folder: folder.path).readCheckpoint() == nil)
            return
        }
        self.expectForeign { try LMDBBase(folder: folder.path) }
        #expect(FileManager.default.contents(atPath: path) == bytes)
    }

    private func expectForeign(_ body: () throws -> some Any) {
        #expect { try body() } throws: { error in
            if case .foreign = error as? StoreError { true } else { false }
        }
    }

    /// Writes one pair into a database of an LMDB file, without our code; nil names the unnamed one.
    private func writeForeign(_ folder: String, database name: String?, key: String) {
        var environment: OpaquePointer?
        var transaction: OpaquePointer?
        var database: MDB_dbi = 0
        mdb_env_create(&environment)
        mdb_env_set_maxdbs(environment, 4)
        #expect(mdb_env_open(environment, folder, 0, 0o600) == 0)
        #expect(mdb_txn_begin(environment, nil, 0, &transaction) == 0)
        #expect(mdb_dbi_open(transaction, name, UInt32(MDB_CREATE), &database) == 0)
        var bytes = Array(key.utf8)
        bytes.withUnsafeMutableBytes { bytes in
            var pair = (MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress), MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress))
            #expect(mdb_put(transaction, database, &pair.0, &pair.1, 0) == 0)
        }
        #expect(mdb_txn_commit(transaction) == 0)
        mdb_env_close(environment)
    }

    @Test(arguments: [nil, "users"], ["somebody", "entries"])
    func `an LMDB file of another program is refused, and not written to`(database: String?, key: String) throws {
        let folder = try ScratchFolder()
        self.writeForeign(folder.path, database: database, key: key)
        let bytes = FileManager.default.contents(atPath: folder.path + "/data.mdb")
        self.expectForeign { try LMDBBase(folder: folder.path).readCheckpoint() }
        #expect(FileManager.default.contents(atPath: folder.path + "/data.mdb") == bytes)
    }

    @Test func `entries without a checkpoint are another program's`() throws {
        let folder = try ScratchFolder()
        _ = try LMDBBase(folder: folder.path)
        self.writeForeign(folder.path, database: "entries", key: "12345678k")
        self.expectForeign { try LMDBBase(folder: folder.path).readCheckpoint() }
    }

    @Test func `a checkpoint that is none of ours is refused`() throws {
        let folder = try ScratchFolder()
        _ = try LMDBBase(folder: folder.path)
        self.writeForeign(folder.path, database: "meta", key: "checkpoint")
        self.expectForeign { try LMDBBase(folder: folder.path).readCheckpoint() }
    }

    @Test func `a folder that is not there is an error with its cause`() {
        let cause = DiskError(operation: .list, name: "/nowhere/at/all", code: ENOENT, isFull: false)
        #expect(throws: StoreError.disk(cause)) { try LMDBBase(folder: "/nowhere/at/all") }
    }

    @Test func `what was committed is there after the file is opened again`() throws {
        let folder = try ScratchFolder()
        var generator = SplitMix64(seed: 1)
        let checkpoint = Checkpoint(identity: Identity(using: &generator), position: 5)
        for sequence in UInt64(1)...3 {
            let base = try LMDBBase(folder: folder.path)
            #expect(try base.statistics().entries == sequence - 1)
            let writer = base.makeWriter()
            try writer.begin()
            let frame = TestRecord.frame(TestRecord.header(sequence: sequence), key: [UInt8(sequence)], payload: [1])
            try frame.withRecord { try writer.replace($0!, token: TestRecord.token(of: [UInt8(sequence)])) }
            try writer.commit(checkpoint)
            #expect(try base.readCheckpoint() == checkpoint)
        }
    }

    @Test func `a rotten entry is found damaged by lookups and scans, is not served, and heals when it is overwritten (I17)`() throws {
        let folder = try ScratchFolder()
        var generator = SplitMix64(seed: 2)
        let value = [UInt8](repeating: 0x5a, count: 40)
        try self.fill(folder.path, value, using: &generator)
        try self.rot(folder.path + "/data.mdb", value)

        let base = try LMDBBase(folder: folder.path)
        let (store, report) = try Store.open(disk: SimulatedDisk(), base: base, configuration: StoreConfiguration(), using: &generator)
        #expect(report.entries == 2 && report.damagedEntries == 1 && store.counters.damagedEntries == 1)
        try [UInt8(2)].withUnsafeBytes { key in
            let token = store.token(of: key)
            guard case .damaged = try store.find(token, key: key) else { throw StoreError.foreign(reason: "the rotten entry is served") }
            #expect(store.counters.damagedReads == 1)
            #expect(try store.recount(from: Token(rawValue: 0), budget: .max)?.mismatch == nil && store.hasDamage)
            let header = VersionHeader(
                dot: Dot(replica: store.identity.replica, sequence: store.seen.watermark(of: store.identity.replica) + 1),
                stamp: Stamp(time: store.greatestStamp + 1, replica: store.identity.replica))
            store.put(header, key: key, token: token, payloadByteCount: 0, at: Instant(nanoseconds: 0)) { _ in }
            guard case .record = try store.find(token, key: key) else { throw StoreError.foreign(reason: "the overwritten entry is not served") }
        }
        let recount = try store.recount(from: Token(rawValue: 0), budget: .max)
        #expect(recount?.damaged == 0 && recount?.mismatch == nil && store.foldedDigest.entries == 3 && !store.hasDamage)
    }

    /// Three entries, the second with the given value.
    private func fill(_ folder: String, _ value: [UInt8], using generator: inout SplitMix64) throws {
        let base = try LMDBBase(folder: folder)
        let identity = Identity(cluster: ClusterID(using: &generator), digestKey: TestRecord.digestKey, replica: TestRecord.replica)
        let table = TestRecord.table((1...3).map { ([$0], TestRecord.header(sequence: UInt64($0), time: UInt64($0)), $0 == 2 ? value : [$0]) })
        var drain = Drain(DrainJob(table: table, checkpoint: Checkpoint(identity: identity), progress: DrainProgress()), into: base.makeWriter())
        while true { if case .finished = try drain.step() { break } }
    }

    /// Flips a bit in every copy of some bytes in a file.
    private func rot(_ path: String, _ bytes: [UInt8]) throws {
        var data = try #require(FileManager.default.contents(atPath: path))
        var from = data.startIndex
        var count = 0
        while let range = data.range(of: Data(bytes), in: from..<data.endIndex) {
            data[range.lowerBound] ^= 1
            (from, count) = (range.upperBound, count + 1)
        }
        try #require(count > 0)
        try data.write(to: URL(fileURLWithPath: path))
    }
}

/// A file system that is really full.
@Suite struct FullDiskTests {
    @Test func `a full disk fails the commit as full, reads go on, and the next attempt succeeds once there is room`() throws {
        guard let fileSystem = try SmallFileSystem(byteCount: 1 << 20) else { return }  // Not root: the simulated disk has the rest.
        let base = try LMDBBase(folder: fileSystem.path)
        let writer = base.makeWriter()
        let filler = fileSystem.path + "/filler"
        try self.put(1, 10, writer)
        try Data(count: 600 << 10).write(to: URL(fileURLWithPath: filler))
        let error = try #require(throws: StoreError.self) { try self.put(2, 600 << 10, writer) }
        #expect(error.isDiskFull, "\(error)")
        writer.abort()
        let reader = try base.makeReader()
        #expect(try [UInt8(1)].withUnsafeBytes { try reader.find(TestRecord.token(of: [1]), key: $0) }?.isIntact == true)
        #expect(try [UInt8(2)].withUnsafeBytes { try reader.find(TestRecord.token(of: [2]), key: $0) } == nil)
        try FileManager.default.removeItem(atPath: filler)
        try self.put(2, 600 << 10, writer)
        reader.reset()
        try reader.open()
        #expect(try [UInt8(2)].withUnsafeBytes { try reader.find(TestRecord.token(of: [2]), key: $0) }?.isIntact == true)
    }

    private func put(_ key: UInt8, _ payloadByteCount: Int, _ writer: any BaseWriter) throws {
        try writer.begin()
        let frame = TestRecord.frame(TestRecord.header(), key: [key], payload: [UInt8](repeating: 1, count: payloadByteCount))
        try frame.withRecord { try writer.replace($0!, token: TestRecord.token(of: [key])) }
        try writer.commit(nil)
    }

    @Test func `a full disk cuts the log on real files as on simulated ones (I7a)`() throws {
        guard let fileSystem = try SmallFileSystem(byteCount: 1 << 20) else { return }
        let disk = PosixDisk(folder: fileSystem.path)
        var (tail, writer) = (LogTail(head: 0, segmentBytes: 1 << 20, saltSeed: 1), LogWriter(disk: disk, head: 0))
        var frames: [[UInt8]] = []
        for sequence in UInt64(1)...40 {
            let frame = TestRecord.frame(TestRecord.header(sequence: sequence), key: [1], payload: [UInt8](repeating: UInt8(sequence), count: 50_000))
            tail.reserve(byteCount: frame.count, synced: 0).bytes.copyBytes(from: frame)
            if let failure = try writer.append([tail.seal(synced: 0)!]) { tail.cut(back: failure.failed.origin) } else { frames.append(frame) }
        }
        #expect(frames.count > 10 && frames.count < 40)
        #expect(try writer.sync() == tail.head)
        var read: [[UInt8]] = []
        let end = try LogReader(disk: disk).read(from: 0) { frame, _ in read.append(Array(frame)) }
        #expect(end == LogReader.End(head: tail.head, tornBytes: 0, damage: nil) && (read == frames) as Bool)
    }
}
