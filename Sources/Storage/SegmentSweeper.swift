/// Removes segments of the log that nothing needs any more.
package struct SegmentSweeper: Sendable {
    private let disk: any Disk

    package init(disk: any Disk) { self.disk = disk }

    /// Removes every segment that ends at or before a position which the base covers durably, and which no peer needs. The newest segment always
    /// stays: it is being written.
    package func removeSegments(through position: LogPosition) throws(DiskError) {
        let positions = try self.disk.fileNames().compactMap(SegmentHeader.position(fromFileName:)).sorted()
        var removed = false
        for (begin, next) in zip(positions, positions.dropFirst()) where next <= position {
            try self.disk.remove(SegmentHeader.fileName(at: begin))
            removed = true
        }
        if removed { try self.disk.syncFolder() }
    }
}
