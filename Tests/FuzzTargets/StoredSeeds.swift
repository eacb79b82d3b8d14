import Basics
import Digests
import Simulation
import Storage
import Versioning

/// What a store leaves on its disk and in its base.
enum StoredSeeds {
    static func logs() throws -> [SeedInput] {
        let disk = try self.run(segmentBytes: 400, drains: false).disk
        let files = try disk.fileNames().sorted().map { name in
            let file = try disk.open(name)
            return try file.read(at: 0, count: file.byteCount())
        }
        let whole = files.reduce([], +)
        return [
            SeedInput(name: "segment", bytes: files[0]), SeedInput(name: "segments", bytes: whole),
            SeedInput(name: "torn", bytes: whole.dropLast(7)),
            SeedInput(name: "lost-header", bytes: files[0] + Array("HEARSAYL".utf8) + files[1].dropFirst(9)),
            SeedInput(name: "lost-batch", bytes: Array(files[0].prefix(60)) + files[1...].joined()),
        ]
    }

    static func items() throws -> [SeedInput] {
        let contents = try self.run(segmentBytes: 1 << 20, drains: true).base.contents
        let entries = contents.entries.map { entry in
            BaseCheck.Item(key: withUnsafeBytes(of: entry.token.rawValue.bigEndian) { Array($0) } + entry.key, value: entry.value)
        }
        let checkpoint = BaseCheck.Item(key: BaseCheck.checkpointKey, value: contents.checkpoint!.encode())
        var rotten = entries
        rotten[0].value[12] ^= 1
        return [
            SeedInput(name: "entries", bytes: BaseCheck.bytes(of: entries)), SeedInput(name: "entry", bytes: BaseCheck.bytes(of: [entries[0]])),
            SeedInput(name: "checkpoint", bytes: BaseCheck.bytes(of: [checkpoint])),
            SeedInput(name: "rotten", bytes: BaseCheck.bytes(of: rotten + [checkpoint])),
        ]
    }

    /// A store that has written a few entries in several batches, and whatever else a log can hold.
    private static func run(segmentBytes: Int, drains: Bool) throws -> (disk: SimulatedDisk, base: MemoryBase) {
        let (disk, replica) = (SimulatedDisk(), ReplicaID(high: 0, low: 7))
        var contents = MemoryBase.Contents()
        contents.checkpoint = Checkpoint(identity: Identity(cluster: LoneNode.cluster, digestKey: LoneNode.digestKey, replica: replica))
        let base = MemoryBase(contents)
        var configuration = StoreConfiguration()
        configuration.segmentBytes = segmentBytes
        var generator = SplitMix64(seed: 5)
        let store = try Store.open(disk: disk, base: base, configuration: configuration, using: &generator).store
        var writer = LogWriter(disk: disk, head: store.head)
        for sequence: UInt64 in 1...6 {
            self.write(sequence, to: store)
            if sequence == 2 { _ = store.setControl(.members, [0, 0]) }
            if sequence == 3 {
                var seen = Seen()
                for other: UInt64 in [1, 2, 5] { _ = seen.insert(Dot(replica: ReplicaID(high: 0, low: 8), sequence: other)) }
                _ = store.join(seen)
            }
            for action in store.endTick(at: Instant(nanoseconds: sequence)) { try self.perform(action, store, base, &writer) }
        }
        if drains { store.stop() }  // Freezes its table.
        for action in store.endTick(at: Instant(nanoseconds: 7)) { try self.perform(action, store, base, &writer) }
        return (disk, base)
    }

    private static func write(_ sequence: UInt64, to store: Store) {
        let replica = store.identity.replica
        let header = VersionHeader(
            dot: Dot(replica: replica, sequence: sequence), stamp: Stamp(milliseconds: 1_000 + sequence, counter: 1, replica: replica),
            isTombstone: sequence == 4, expiryMilliseconds: sequence == 5 ? 9_999 : 0)
        let key = Array("key:\(sequence)".utf8)
        _ = key.withUnsafeBytes { key in
            store.put(
                header, key: key, token: store.token(of: key), payloadByteCount: header.isTombstone ? 0 : 20, at: Instant(nanoseconds: sequence)
            ) {
                $0.initializeMemory(as: UInt8.self, repeating: UInt8(sequence))
            }
        }
    }

    private static func perform(_ action: Store.Action, _ store: Store, _ base: MemoryBase, _ writer: inout LogWriter) throws {
        switch action {
        case .append(let batch):
            _ = try writer.append([batch])
            store.wrote(through: writer.written)
            store.synced(through: try writer.sync())
        case .drain(let job):
            var drain = Drain(job, into: base.makeWriter())
            while true { if case .finished = try drain.step() { return } }
        case .load, .sweep: break
        }
    }
}
