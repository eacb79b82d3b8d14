/// What a log holds, read without changing it.
package struct LogReport: Equatable, Sendable {
    package var segments = 0
    /// Whole batches, and the records in them.
    package var batches = 0
    package var records = 0
    package var bytes: UInt64 = 0
    /// Behind the last whole batch: what a crash leaves, and the next start cuts off.
    package var tornBytes = 0
    /// Bytes are gone that had been synced, and that the base does not have.
    package var damage: LogDamage?
    /// Segments that do not read although the base has what is in them: members cannot be given it from here.
    package var drained = Findings()

    package init() {}

    package var isIntact: Bool { self.damage == nil && self.drained.isEmpty }
}

extension LogReport {
    /// Reads a whole log.
    ///
    /// - Parameter base: where the base ends; the log's beginning where that is not known.
    /// - Throws: what keeps it from being read, and `.foreign` for a log of another version or with records that no such program writes.
    package init(disk: any Disk, base: LogPosition?) throws(StoreError) {
        self.init()
        let reader = try onDisk { () throws(DiskError) in try LogReader(disk: disk) }
        let positions = reader.segmentPositions
        let start = base ?? positions.first ?? 0
        for (index, position) in positions.enumerated() {
            let next = index + 1 < positions.count ? positions[index + 1] : .max
            try self.count(disk, position, next: next, drainedTo: start)
        }
        let end = try reader.read(from: start) { _, _ in }
        (self.tornBytes, self.damage) = (end.damage == nil ? end.tornBytes : 0, end.damage)
    }

    private mutating func count(_ disk: any Disk, _ position: LogPosition, next: LogPosition, drainedTo start: LogPosition) throws(StoreError) {
        let name = SegmentHeader.fileName(at: position)
        let bytes = try onDisk { () throws(DiskError) in
            let file = try disk.open(name)
            return try file.read(at: 0, count: file.byteCount())
        }
        self.segments += 1
        self.bytes += UInt64(bytes.count)
        // What a file has behind the beginning of the next one is no part of the log.
        let length = Int(min(UInt64(bytes.count), next - position))
        let end = bytes.withUnsafeBytes { self.countBatches(UnsafeRawBufferPointer(rebasing: $0[..<length]), position) }
        guard let end else { return }
        // Behind where the base ends the reader tells damage from a torn tail; before, everything had been synced.
        let isWhole = end >= start || end == position + UInt64(length) && end >= min(next, start)
        if !isWhole { self.drained.add("log segment \(name) does not read from position \(end) on, of which the base has everything") }
    }

    /// - Returns: behind the last whole batch.
    private mutating func countBatches(_ bytes: UnsafeRawBufferPointer, _ segment: LogPosition) -> LogPosition? {
        switch SegmentHeader.read(bytes) {
        case .otherVersion: return nil
        case .unreadable: return segment
        case .valid(let header):
            guard header.position == segment else { return segment }
            var offset = SegmentHeader.byteCount
            while offset < bytes.count {
                let (rest, position) = (UnsafeRawBufferPointer(rebasing: bytes[offset...]), segment + UInt64(offset))
                guard let batch = BatchHeader.read(rest, position: position, salt: header.salt) else { break }
                let end = offset + BatchHeader.byteCount + batch.recordBytes
                self.batches += 1
                var records = UnsafeRawBufferPointer(rebasing: bytes[(offset + BatchHeader.byteCount)..<end])
                while let frame = RecordLayout.firstFrame(in: records) {
                    self.records += 1
                    records = UnsafeRawBufferPointer(rebasing: records[frame.count...])
                }
                offset = end
            }
            return segment + UInt64(offset)
        }
    }
}

/// Runs what can fail on the disk for a caller that fails as a store.
private func onDisk<Result>(_ body: () throws(DiskError) -> Result) throws(StoreError) -> Result {
    do throws(DiskError) { return try body() } catch { throw .disk(error) }
}
