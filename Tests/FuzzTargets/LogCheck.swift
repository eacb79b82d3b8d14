import Basics
import Digests
import Simulation
import Storage
import Versioning

/// A start on any bytes as log: it opens or says why not; what it opened is there again at the next start, with nothing left to cut.
///
/// An input is segment files, one behind the other, each beginning with the magic of a segment. It is read as it is, and once more with
/// the checksums, positions and lengths put right that no change of a file by chance would leave so.
enum LogCheck {
    static func run(_ input: UnsafeRawBufferPointer) throws {
        let segments = LogFile.segments(of: Array(input))
        try self.check(segments)
        try self.check(segments.map { $0.resealed(under: LoneNode.digestKey) })
    }

    private static func check(_ segments: [LogFile]) throws {
        let starts = Set(segments.flatMap(\.batchPositions).prefix(3) + [0]).sorted()
        for start in starts {
            let disk = try self.disk(segments)
            try self.checkReading(disk, from: start, byteCount: segments.reduce(0) { $0 + $1.bytes.count })
            try self.checkOpening(disk, from: start)
        }
    }

    private static func disk(_ segments: [LogFile]) throws -> SimulatedDisk {
        let disk = SimulatedDisk()
        for segment in segments {
            guard let file = try? disk.create(segment.name) else { continue }  // Two claim one position.
            try segment.bytes.withUnsafeBytes { try file.write([$0], at: 0) }
        }
        return disk
    }

    private static func checkReading(_ disk: SimulatedDisk, from start: LogPosition, byteCount: Int) throws {
        let log = try LogReader(disk: disk)
        var (handedOut, shortest) = (0, Int.max)
        let end = try HeapMeter.bound("log reader", inputBytes: byteCount) {
            try? log.read(from: start) { frame, _ in (handedOut, shortest) = (handedOut + frame.count, min(shortest, frame.count)) }
        }
        guard let end else { return }
        try require(
            end.head >= start && end.tornBytes + handedOut <= byteCount && shortest >= RecordLayout.frameByteCount,
            "\(handedOut) of \(byteCount) bytes are records, the shortest of \(shortest), and it ends at \(end)")
        _ = try log.read(from: start) { frame, _ throws(StoreError) in
            guard let (record, _) = RecordView.received(frame, under: LoneNode.digestKey) else { return }
            do { try RecordCheck.run(record, under: LoneNode.digestKey) } catch { throw .foreign(reason: "\(error)") }
        }
    }

    /// What a start shows of itself.
    private struct Opened: Equatable {
        var seen: Seen
        var greatestStamp: UInt64
        var head: LogPosition
        var digest: Digest
        var liveKeys: Int
        var control: [[UInt8]?]

        init(_ store: Store) throws {
            _ = try store.fold(budget: .max)
            (self.seen, self.greatestStamp, self.head) = (store.seen, store.greatestStamp, store.head)
            (self.digest, self.liveKeys) = (store.foldedDigest, store.liveKeys)
            self.control = ControlKey.allCases.filter { $0 != .start }.map { store.control($0) }
        }
    }

    private static func checkOpening(_ disk: SimulatedDisk, from start: LogPosition) throws {
        var contents = MemoryBase.Contents()
        let identity = Identity(cluster: LoneNode.cluster, digestKey: LoneNode.digestKey, replica: ReplicaID(high: 0, low: 7))
        contents.checkpoint = Checkpoint(identity: identity, position: start)
        let base = MemoryBase(contents)
        guard let (first, _) = try self.open(disk, base, drops: false) else { return }
        guard let (second, report) = try self.open(disk, base, drops: false) else {
            throw FuzzFailure(description: "\(first) opens once and not again")
        }
        try require(first == second && report.tornBytes == 0, "opens as \(first), then as \(second) with \(report)")
    }

    /// Nil where the log is not one of ours, or damaged. A damaged one that is dropped is opened all the same.
    private static func open(_ disk: SimulatedDisk, _ base: MemoryBase, drops: Bool) throws -> (Opened, OpeningReport)? {
        var generator = SplitMix64(seed: 3)
        do {
            let (store, report) = try Store.open(
                disk: disk, base: base, configuration: StoreConfiguration(), dropsDamagedLog: drops, using: &generator)
            return (try Opened(store), report)
        } catch StoreError.foreign {
            return nil
        } catch StoreError.damagedLog where !drops {
            let opened = try self.open(disk, base, drops: true)
            try require(opened != nil, "a damaged log cannot be dropped")
            return nil
        }
    }
}
