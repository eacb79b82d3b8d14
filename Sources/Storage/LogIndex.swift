import Basics
import DequeModule
import Versioning

/// A piece of the log that can be read by itself: whole batches of one segment.
package struct LogBlock: Equatable, Sendable {
    /// Where the segment begins, which names its file.
    package let segment: LogPosition
    package let start: LogPosition
    package fileprivate(set) var end: LogPosition
}

/// Which writes the log holds, and where: for each block of it the runs of sequence numbers of each replica.
///
///     segment 0x000…      block    a/1...900  b/17...60      block    a/901...1400      …
///
/// Peers that lack writes ask for them by their dots; the index tells without reading whether the log holds all of them, and where. Versions that
/// came in repair sessions are not counted: they come in token order, hardly ever two dots of one replica in a row.
///
/// - Invariant: blocks ascend. What the index names is in the log and durable; what it does not name may be there all the same.
/// - Bound: `maximumRuns` a block, the others are not named; a block for each `blockBytes` of the log.
package struct LogIndex: Sendable {
    /// A block ends with the batch that makes it this long.
    static let blockBytes = 256 << 10
    static let maximumRuns = 64
    /// A run that has lasted so long ends, so that it is known when each write was made, give or take this; for the first half of a block's runs.
    static let runMilliseconds: UInt64 = 1_000

    struct Run: Equatable, Sendable {
        let replica: ReplicaID
        var sequences: ClosedRange<UInt64>
        /// When the first of them was written, by its stamp.
        let milliseconds: UInt64
    }

    private struct Entry: Sendable {
        var block: LogBlock
        var runs: [Run] = []
    }

    private var entries: Deque<Entry> = []

    package init() {}

    var blockCount: Int { self.entries.count }

    // MARK: Growing

    /// Notes the records of a batch that is durable. Batches come in order.
    mutating func add(_ batch: Batch, segment: LogPosition) {
        self.begin(segment: segment, at: batch.position)
        batch.forEachEntry { frame, record in self.note(frame, record) }
        self.entries[self.entries.count - 1].block.end = batch.end
    }

    /// Notes one record of a batch that ends at `end`, as replay meets it.
    mutating func add(_ frame: UnsafeRawBufferPointer, _ record: RecordView, segment: LogPosition, batch position: LogPosition, end: LogPosition) {
        if self.entries.last.map({ $0.block.end <= position }) ?? true { self.begin(segment: segment, at: position) }
        self.note(frame, record)
        self.entries[self.entries.count - 1].block.end = end
    }

    private mutating func begin(segment: LogPosition, at position: LogPosition) {
        if let last = self.entries.last, last.block.segment == segment, last.block.end - last.block.start < UInt64(Self.blockBytes),
            last.block.end == position
        {
            return
        }
        self.entries.append(Entry(block: LogBlock(segment: segment, start: position, end: position)))
    }

    @inline(__always)
    private mutating func note(_ frame: UnsafeRawBufferPointer, _ record: RecordView) {
        guard frame[5] & FrameFlags.uncounted == 0 else { return }
        let dot = record.dot
        let last = self.entries.count - 1
        // The last run first: a burst of one replica stays with it.
        for index in self.entries[last].runs.indices.reversed() {
            let run = self.entries[last].runs[index]
            guard run.sequences.upperBound &+ 1 == dot.sequence, run.replica == dot.replica else { continue }
            let lasted = record.stamp.milliseconds.subtractingReportingOverflow(run.milliseconds)
            if !lasted.overflow, lasted.partialValue >= Self.runMilliseconds, self.entries[last].runs.count < Self.maximumRuns / 2 { break }
            self.entries[last].runs[index].sequences = run.sequences.lowerBound...dot.sequence
            return
        }
        guard self.entries[last].runs.count < Self.maximumRuns else { return }
        self.entries[last].runs.append(Run(replica: dot.replica, sequences: dot.sequence...dot.sequence, milliseconds: record.stamp.milliseconds))
    }

    // MARK: Shrinking

    /// Forgets blocks of segments that begin before a position.
    mutating func removeSegments(before position: LogPosition) {
        while let first = self.entries.first, first.block.segment < position { self.entries.removeFirst() }
    }

    /// Forgets a block that does not read: what it held the log holds no more.
    mutating func remove(_ block: LogBlock) { self.entries.removeAll { $0.block.start == block.start } }

    // MARK: Asking

    /// The blocks to read, in the order of the log, for all writes of some ranges; nil where the log does not hold every one of them.
    ///
    /// - Parameter gaps: ascending, without overlaps.
    package func blocks(holding gaps: [DotRange]) -> [LogBlock]? {
        var found = [[ClosedRange<UInt64>]](repeating: [], count: gaps.count)
        var blocks: [LogBlock] = []
        for entry in self.entries {
            var isNeeded = false
            for run in entry.runs {
                var index = gaps.firstIndex(endingAtOrAfter: Dot(replica: run.replica, sequence: run.sequences.lowerBound))
                while index < gaps.count, gaps[index].replica == run.replica, gaps[index].sequences.lowerBound <= run.sequences.upperBound {
                    found[index].append(run.sequences)
                    isNeeded = true
                    index += 1
                }
            }
            if isNeeded { blocks.append(entry.block) }
        }
        return zip(gaps, found).allSatisfy { gap, runs in runs.cover(gap.sequences) } ? blocks : nil
    }

    /// What the log holds of some ranges; ascending.
    ///
    /// - Parameter gaps: ascending, without overlaps.
    package func part(of gaps: [DotRange]) -> [DotRange] {
        var part: [DotRange] = []
        for gap in gaps {
            let runs = self.entries.flatMap(\.runs).filter { $0.replica == gap.replica && $0.sequences.overlaps(gap.sequences) }.map(\.sequences)
            var next = gap.sequences.lowerBound
            for run in runs.sorted(by: { $0.lowerBound < $1.lowerBound }) where run.upperBound >= next {
                let held = max(run.lowerBound, next)...min(run.upperBound, gap.sequences.upperBound)
                if let last = part.last, last.replica == gap.replica, last.sequences.upperBound + 1 == held.lowerBound {
                    part[part.count - 1] = DotRange(replica: gap.replica, sequences: last.sequences.lowerBound...held.upperBound)
                } else {
                    part.append(DotRange(replica: gap.replica, sequences: held))
                }
                guard held.upperBound < gap.sequences.upperBound else { break }
                next = held.upperBound + 1
            }
        }
        return part
    }

    /// Where the first segment begins that holds a write which not everybody has; nil where all have all.
    package func firstSegment(notCoveredBy everyone: [Seen]) -> LogPosition? {
        for entry in self.entries {
            for run in entry.runs where everyone.contains(where: { !$0.covers(run.replica, run.sequences) }) { return entry.block.segment }
        }
        return nil
    }

    /// Up to which moment, in milliseconds since 1970, whoever lacks a write of a replica and has all before it has what the replica wrote: just
    /// before that write, or where that is not known the beginning of its run. Nil where the log does not hold it.
    package func milliseconds(before missing: Dot) -> UInt64? {
        for entry in self.entries {
            for run in entry.runs where run.replica == missing.replica && run.sequences.contains(missing.sequence) {
                return run.sequences.lowerBound == missing.sequence ? run.milliseconds - min(1, run.milliseconds) : run.milliseconds
            }
        }
        return nil
    }
}

extension [DotRange] {
    fileprivate func firstIndex(endingAtOrAfter dot: Dot) -> Int {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            if (self[middle].replica, self[middle].sequences.upperBound) < (dot.replica, dot.sequence) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension [ClosedRange<UInt64>] {
    /// Whether these, in any order, together hold all of a range.
    fileprivate func cover(_ range: ClosedRange<UInt64>) -> Bool {
        var next = range.lowerBound
        for run in self.sorted(by: { $0.lowerBound < $1.lowerBound }) where run.lowerBound <= next && run.upperBound >= next {
            if run.upperBound >= range.upperBound { return true }
            next = run.upperBound + 1
        }
        return false
    }
}

/// One block of the log to be read for a peer. Needs no state of the loop's: any thread may run it.
package struct LogRead: Equatable, Sendable {
    package let block: LogBlock
    /// The writes that are asked for, ascending.
    package let gaps: [DotRange]

    package init(block: LogBlock, gaps: [DotRange]) { (self.block, self.gaps) = (block, gaps) }

    /// The records asked for, one behind the other as peers get them; nil where the block is gone or does not read.
    package func run(on disk: any Disk) -> [UInt8]? {
        guard let (salt, bytes) = try? self.load(disk) else { return nil }
        var records: [UInt8] = []
        let isWhole = bytes.span.bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
                guard let batch = BatchHeader.read(rest, position: self.block.start + UInt64(offset), salt: salt) else { return false }
                let end = BatchHeader.byteCount + batch.recordBytes
                self.take(UnsafeRawBufferPointer(rebasing: rest[BatchHeader.byteCount..<end]), &records)
                offset += end
            }
            return true
        }
        return isWhole ? records : nil
    }

    private func load(_ disk: any Disk) throws(DiskError) -> (salt: UInt64, bytes: [UInt8])? {
        let file = try disk.open(SegmentHeader.fileName(at: self.block.segment))
        let head = try file.read(at: 0, count: SegmentHeader.byteCount)
        guard case .valid(let header) = head.withUnsafeBytes({ SegmentHeader.read($0) }), header.position == self.block.segment else { return nil }
        let count = Int(self.block.end - self.block.start)
        let bytes = try file.read(at: Int(self.block.start - self.block.segment), count: count)
        return bytes.count == count ? (header.salt, bytes) : nil
    }

    private func take(_ bytes: UnsafeRawBufferPointer, _ records: inout [UInt8]) {
        var rest = bytes
        while let frame = RecordLayout.firstFrame(in: rest) {
            rest = UnsafeRawBufferPointer(rebasing: rest[frame.count...])
            guard frame[4] == RecordType.entry.rawValue, self.gaps.covers(RecordView(trustedFrame: frame.baseAddress!).dot) else { continue }
            let start = records.count
            records.append(contentsOf: frame)
            // How this node replays it is nobody else's business.
            records[start + 5] = FrameFlags.none
        }
    }
}
