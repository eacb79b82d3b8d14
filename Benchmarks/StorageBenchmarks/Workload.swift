import Basics
import Digests
import Glibc
import Storage
import Versioning

/// A store in a temporary folder, and what the threads around it would do: report batches as synced, take drains.
///
/// Nothing is written to the log's files: the benchmarks measure the core loop's work, not the disk's.
final class Workload {
    let store: Store
    /// Where drains go.
    let base: LMDBBase
    private let keys: [[UInt8]]
    private let tokens: [Token]
    private let value = [UInt8](repeating: 118, count: 100)
    private var generator = SplitMix64(seed: 7)
    private var sequence: UInt64 = 0
    private let now = Instant(nanoseconds: 1)

    /// - Parameter keyCount: the number of different keys of 16 bytes.
    init(keyCount: Int) throws {
        var template = Array("/tmp/hearsay-benchmark-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw WorkloadError.folder(code: errno) }
        let folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        self.base = try LMDBBase(folder: folder)
        var configuration = StoreConfiguration()
        // Only `freeze` ends a table here.
        (configuration.tableEntries, configuration.tableBytes) = (.max, .max)
        var seeds = SplitMix64(seed: 11)
        self.store = try Store.open(disk: PosixDisk(folder: folder), base: self.base, configuration: configuration, using: &seeds).store
        // Open files outlive their names, and a benchmark's process ends without telling: so nothing is left behind.
        for name in ["data.mdb", "lock.mdb"] { unlink("\(folder)/\(name)") }
        rmdir(folder)
        let digestKey = self.store.identity.digestKey
        self.keys = (0..<keyCount).map { Array("key:".utf8) + Array(String(1_000_000_000_000 + $0).utf8.dropFirst()) }
        self.tokens = self.keys.map { key in key.withUnsafeBytes { digestKey.token(of: $0) } }
    }

    /// Puts random keys, in ticks of this many puts, each tick sealed into one batch and synced.
    func put(_ count: Int, tick: Int = 16) {
        for done in 1...count {
            self.putOne(Int(self.generator.next(upperBound: UInt64(self.keys.count))))
            if done.isMultiple(of: tick) || done == count { self.endTick() }
        }
    }

    /// Puts every key once.
    func putAll() {
        for index in self.keys.indices { self.putOne(index) }
        self.endTick()
    }

    /// Looks random keys up and returns how many were found.
    func find(_ count: Int) throws -> Int {
        var found = 0
        for _ in 0..<count {
            let index = Int(self.generator.next(upperBound: UInt64(self.keys.count)))
            let token = self.tokens[index]
            try self.keys[index].withUnsafeBytes { key in
                if case .record = try self.store.find(token, key: key) { found += 1 }
            }
        }
        return found
    }

    /// Freezes the table and returns its way to the base.
    func freeze() throws -> DrainJob {
        self.store.stop()
        for action in self.store.endTick(at: self.now) {
            if case .drain(let job) = action { return job }
        }
        throw WorkloadError.nothingToDrain
    }

    private func putOne(_ index: Int) {
        self.sequence += 1
        let replica = self.store.identity.replica
        let header = VersionHeader(dot: Dot(replica: replica, sequence: self.sequence), stamp: Stamp(time: self.sequence, replica: replica))
        self.keys[index].withUnsafeBytes { key in
            _ = self.store.put(header, key: key, token: self.tokens[index], payloadByteCount: self.value.count, at: self.now) {
                $0.copyBytes(from: self.value)
            }
        }
    }

    private func endTick() {
        for action in self.store.endTick(at: self.now) {
            guard case .append(let batch) = action else { continue }
            self.store.wrote(through: batch.end)
            self.store.synced(through: batch.end)
        }
    }
}

enum WorkloadError: Error {
    case folder(code: Int32)
    case nothingToDrain
}
