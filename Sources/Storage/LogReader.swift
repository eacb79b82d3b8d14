import Basics

/// Reads a log at open: finds where it ends, tells a torn tail from damage, and hands out the records behind a position.
///
/// A crash leaves behind the last sync whatever the system happened to write: any batch there may be missing, torn or whole. So the
/// log ends at the first batch that does not read. But each batch and each segment names the position that had been synced when it
/// was made: where one behind the end names a position beyond the end, bytes are gone that had been reported durable.
package struct LogReader {
    private let disk: any Disk
    /// The segments in order of position.
    private var segments: [(position: LogPosition, name: String)]

    /// Where a log ends, and what has to be done before it can be written to.
    package struct End: Equatable, Sendable {
        /// Behind the last batch that reads.
        package var head: LogPosition
        /// Bytes behind the end that belong to no whole batch; a crash leaves some.
        package var tornBytes: Int
        /// Set where bytes are missing that had been synced.
        package var damage: LogDamage?
    }

    package init(disk: any Disk) throws(DiskError) {
        self.disk = disk
        self.segments = try disk.fileNames().compactMap { name in SegmentHeader.position(fromFileName: name).map { ($0, name) } }
        self.segments.sort { $0.position < $1.position }
    }

    /// Where a record lies: its segment, and its batch from first to behind the last byte.
    package struct Place {
        package let segment: LogPosition
        package let batch: LogPosition
        package let end: LogPosition
    }

    /// Where the segments begin, ascending.
    package var segmentPositions: [LogPosition] { self.segments.map(\.position) }

    /// Walks the log from `start` on.
    ///
    /// - Parameter body: gets each record's frame and where it lies; the bytes are valid during the call.
    package func read(from start: LogPosition, _ body: (UnsafeRawBufferPointer, Place) throws(StoreError) -> Void) throws(StoreError) -> End {
        var walk = Walk(start: start, head: start)
        for (index, segment) in self.segments.enumerated() {
            let next = index + 1 < self.segments.count ? self.segments[index + 1].position : .max
            if next <= start { continue }
            let bytes = try self.load(segment.name)
            try bytes.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
                try walk.take(segment.name, segment.position..<next, bytes, body)
            }
        }
        return walk.finish()
    }

    /// Visits the records before a position, of segments that end behind `start`.
    ///
    /// The base has them; only peers may still ask for them. So what does not read is passed over, with all that follows it in its segment.
    package func forEachDrained(
        from start: LogPosition, before end: LogPosition, _ body: (UnsafeRawBufferPointer, Place) -> Void
    ) throws(StoreError) {
        for (index, segment) in self.segments.enumerated() where segment.position < end {
            let next = index + 1 < self.segments.count ? self.segments[index + 1].position : .max
            if next <= start { continue }
            let bytes = try self.load(segment.name)
            bytes.span.bytes.withUnsafeBytes { Self.visit($0, segment.position, before: min(end, next), body) }
        }
    }

    private static func visit(
        _ bytes: UnsafeRawBufferPointer, _ segment: LogPosition, before end: LogPosition, _ body: (UnsafeRawBufferPointer, Place) -> Void
    ) {
        guard case .valid(let header) = SegmentHeader.read(bytes), header.position == segment else { return }
        var offset = SegmentHeader.byteCount
        while offset < bytes.count, segment + UInt64(offset) < end {
            let (rest, position) = (UnsafeRawBufferPointer(rebasing: bytes[offset...]), segment + UInt64(offset))
            guard let batch = BatchHeader.read(rest, position: position, salt: header.salt) else { return }
            offset += BatchHeader.byteCount + batch.recordBytes
            let place = Place(segment: segment, batch: position, end: segment + UInt64(offset))
            var records = UnsafeRawBufferPointer(rebasing: rest[BatchHeader.byteCount..<BatchHeader.byteCount + batch.recordBytes])
            while let frame = RecordLayout.firstFrame(in: records) {
                body(frame, place)
                records = UnsafeRawBufferPointer(rebasing: records[frame.count...])
            }
        }
    }

    private func load(_ name: String) throws(StoreError) -> [UInt8] {
        do throws(DiskError) {
            let file = try self.disk.open(name)
            return try file.read(at: 0, count: file.byteCount())
        } catch { throw .disk(error) }
    }

    /// The state of one pass over the segments.
    private struct Walk {
        let start: LogPosition
        var head: LogPosition
        /// Where reading stopped before the end of a file; everything behind it is only searched for claims.
        var stop: (segment: String, position: LogPosition)?
        var tornBytes = 0
        var greatestClaim: LogPosition = 0

        /// - Parameter place: ends where the next segment begins. What a file has behind that is no part of the log, as `prepare` cuts it off, but
        ///   what it claims to have been synced counts.
        mutating func take(
            _ name: String, _ place: Range<LogPosition>, _ bytes: UnsafeRawBufferPointer,
            _ body: (UnsafeRawBufferPointer, Place) throws(StoreError) -> Void
        ) throws(StoreError) {
            let position = place.lowerBound
            let byteCount = Int(min(UInt64(bytes.count), place.upperBound - position))
            var header: SegmentHeader?
            switch SegmentHeader.read(bytes) {
            case .valid(let valid) where valid.position == position && byteCount >= SegmentHeader.byteCount: header = valid
            case .otherVersion(let version):
                throw .foreign(reason: "log segment \(name) has format \(version); this program reads format \(SegmentHeader.formatVersion)")
            case .valid, .unreadable: header = nil
            }
            // A segment is missing, or the one before ends early: the gap begins at the head.
            if self.stop == nil, position > self.head { self.stop = (name, self.head) }
            guard let header else {
                self.stopReading(name, at: position, tornBytes: bytes.count)
                self.searchClaims(bytes, from: SegmentHeader.byteCount, segment: position, salt: nil)
                return
            }
            guard self.stop == nil else {
                // Behind the end: nothing here counts, but what it claims to have been synced does.
                self.tornBytes += bytes.count
                self.greatestClaim = max(self.greatestClaim, header.synced)
                self.searchClaims(bytes, from: SegmentHeader.byteCount, segment: position, salt: header.salt)
                return
            }
            try self.readBatches(name, UnsafeRawBufferPointer(rebasing: bytes[..<byteCount]), header, body)
            if byteCount < bytes.count {
                self.tornBytes += bytes.count - byteCount
                self.searchClaims(bytes, from: byteCount, segment: position, salt: header.salt)
            }
        }

        private mutating func readBatches(
            _ name: String, _ bytes: UnsafeRawBufferPointer, _ header: SegmentHeader,
            _ body: (UnsafeRawBufferPointer, Place) throws(StoreError) -> Void
        ) throws(StoreError) {
            // LMDB has what lies before `start`: whether it still reads does not matter.
            let covered = self.start > header.position ? self.start - header.position : 0
            var offset = max(SegmentHeader.byteCount, Int(min(covered, UInt64(bytes.count))))
            while offset < bytes.count {
                let position = header.position + UInt64(offset)
                let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
                guard let batch = BatchHeader.read(rest, position: position, salt: header.salt) else {
                    self.stopReading(name, at: position, tornBytes: bytes.count - offset)
                    self.searchClaims(bytes, from: offset + 1, segment: header.position, salt: header.salt)
                    return
                }
                self.greatestClaim = max(self.greatestClaim, batch.synced)
                let end = offset + BatchHeader.byteCount + batch.recordBytes
                let place = Place(segment: header.position, batch: position, end: header.position + UInt64(end))
                try self.readRecords(name, UnsafeRawBufferPointer(rebasing: bytes[(offset + BatchHeader.byteCount)..<end]), place, body)
                offset = end
                self.head = max(self.head, header.position + UInt64(end))
            }
            self.head = max(self.head, header.position + UInt64(SegmentHeader.byteCount))
        }

        private func readRecords(
            _ name: String, _ records: UnsafeRawBufferPointer, _ place: Place,
            _ body: (UnsafeRawBufferPointer, Place) throws(StoreError) -> Void
        ) throws(StoreError) {
            var offset = 0
            while offset < records.count {
                guard records.count - offset >= RecordLayout.frameByteCount else { throw self.unreadable(name, place.batch) }
                let byteCount = Int((records.baseAddress! + offset).integer(UInt32.self, at: 0))
                guard byteCount >= RecordLayout.frameByteCount, byteCount <= records.count - offset else { throw self.unreadable(name, place.batch) }
                try body(UnsafeRawBufferPointer(rebasing: records[offset..<offset + byteCount]), place)
                offset += byteCount
            }
        }

        /// The batch's checksum is right and its records are not: a program wrote them so.
        private func unreadable(_ name: String, _ position: LogPosition) -> StoreError {
            .foreign(reason: "log segment \(name) holds records at position \(position) that this program cannot read")
        }

        private mutating func stopReading(_ name: String, at position: LogPosition, tornBytes: Int) {
            if self.stop == nil { self.stop = (name, position) }
            self.tornBytes += tornBytes
        }

        /// Looks at every offset for whole batches of the segment at a position: only their claims matter. Where the segment's header
        /// is lost, so is its salt, and each batch is taken at its word.
        private mutating func searchClaims(_ bytes: UnsafeRawBufferPointer, from start: Int, segment: LogPosition, salt: UInt64?) {
            var offset = start
            while offset + BatchHeader.byteCount <= bytes.count {
                let place = bytes.baseAddress! + offset
                let isCandidate = place.integer(UInt32.self, at: 0) == BatchHeader.magic
                let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
                let salt = salt ?? place.integer(UInt64.self, at: 16)
                if isCandidate, let batch = BatchHeader.read(rest, position: segment + UInt64(offset), salt: salt) {
                    self.greatestClaim = max(self.greatestClaim, batch.synced)
                    offset += BatchHeader.byteCount + batch.recordBytes
                } else {
                    offset += 1
                }
            }
        }

        /// A segment that begins before `start` was synced up to there at least, so there is no crash that takes its header.
        func finish() -> End {
            var end = End(head: self.head, tornBytes: self.tornBytes, damage: nil)
            if let stop, self.greatestClaim > self.head || stop.position < self.start {
                end.damage = LogDamage(segment: stop.segment, position: stop.position, claimedSynced: max(self.greatestClaim, self.start))
            }
            return end
        }
    }

    /// Cuts off what lies behind the end, and removes segments of which nothing lies behind `keepFrom`: no more than the base covers.
    package func prepare(for end: End, keepFrom: LogPosition) throws(DiskError) {
        for (index, segment) in self.segments.enumerated() {
            let next = index + 1 < self.segments.count ? self.segments[index + 1].position : LogPosition.max
            if segment.position >= end.head || (next <= keepFrom && next <= end.head) || end.head <= keepFrom {
                try self.disk.remove(segment.name)
            } else {
                let file = try self.disk.open(segment.name)
                let length = Int(min(next, end.head) - segment.position)
                if try file.byteCount() > length { try file.truncate(to: length) }
                // Even where nothing is cut: a killed process may have left whole batches that only the system's memory has. From now
                // on they count as synced.
                try file.sync()
            }
        }
        try self.disk.syncFolder()
    }

    /// Puts every segment aside, under names that no later run reads: an operator may want to look at them.
    package func setAside() throws(DiskError) {
        for segment in self.segments { try self.disk.rename(segment.name, to: segment.name + ".damaged") }
        try self.disk.syncFolder()
    }
}
