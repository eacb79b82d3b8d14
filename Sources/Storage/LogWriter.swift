/// The writing side of the log, on the sync thread: appends sealed batches in order and makes them durable.
///
/// - Invariant: the file ends behind a whole batch, or behind one whose append just failed and could not be cut off, which is fatal.
package struct LogWriter {
    private let disk: any Disk
    private var file: (any DiskFile)?
    private var fileName = ""
    /// The position of the current segment's first byte.
    private var start: LogPosition = 0
    /// Behind the last batch that was written whole.
    package private(set) var written: LogPosition
    private var folderNeedsSync = false
    /// The number of cuts; batches sealed before the last one are what it took back.
    private var epoch: UInt64 = 0

    package init(disk: any Disk, head: LogPosition) {
        (self.disk, self.written) = (disk, head)
    }

    /// Appends batches until one fails.
    ///
    /// - Returns: the batch that failed for want of room, with the cause. The file has been cut back to the last whole batch; the
    ///   caller must take back that batch and all behind it.
    /// - Throws: every other failure, and one that could not be cut off: the process must stop, as what is in the file is unknown.
    package mutating func append(_ batches: [Batch]) throws(DiskError) -> (failed: Batch, cause: DiskError)? {
        for batch in batches where batch.epoch == self.epoch {
            do throws(DiskError) {
                try self.append(batch)
            } catch {
                // A failed sync leaves in doubt what was written before, full disk or not.
                guard error.isFull, error.operation != .sync else { throw error }
                try self.cutBack(batch)
                self.epoch += 1
                return (batch, error)
            }
        }
        return nil
    }

    private mutating func append(_ batch: Batch) throws(DiskError) {
        if let segment = batch.segment { try self.begin(segment) }
        guard let file else { preconditionFailure("batch at \(batch.position) belongs to no segment") }
        precondition(batch.position == self.written, "batch at \(batch.position) does not follow \(self.written)")
        try file.write(batch.slices.map(\.bytes), at: Int(batch.position - self.start))
        self.written = batch.end
    }

    private mutating func begin(_ segment: SegmentHeader) throws(DiskError) {
        try self.syncFile()  // The old file is done with: a later sync reaches the new one only.
        let name = SegmentHeader.fileName(at: segment.position)
        let file = try self.disk.create(name)
        (self.file, self.fileName, self.start, self.folderNeedsSync) = (file, name, segment.position, true)
        var header = [UInt8](repeating: 0, count: SegmentHeader.byteCount)
        header.withUnsafeMutableBytes { segment.encode(into: $0.baseAddress!) }
        var failure: DiskError?
        header.withUnsafeBytes { bytes in
            do throws(DiskError) { try file.write([bytes], at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        self.written = segment.position + UInt64(SegmentHeader.byteCount)
    }

    private mutating func cutBack(_ batch: Batch) throws(DiskError) {
        if let segment = batch.segment {
            // The whole file may be missing: create itself fails on a full disk. Positions are used again, so the file must go.
            if self.file != nil, self.start == segment.position {
                self.file = nil
                try self.disk.remove(self.fileName)
            }
            self.written = segment.position
            return
        }
        try self.file?.truncate(to: Int(batch.position - self.start))
        self.written = batch.position
    }

    /// Makes all that was written durable.
    ///
    /// - Returns: the position up to which everything is durable.
    package mutating func sync() throws(DiskError) -> LogPosition {
        let sync = self.beginSync()
        try sync.run()
        return sync.position
    }

    /// A sync of all that was written, which can run on another thread while appends go on.
    package mutating func beginSync() -> LogSync {
        defer { self.folderNeedsSync = false }
        return LogSync(file: self.file, folder: self.folderNeedsSync ? self.disk : nil, position: self.written)
    }

    private func syncFile() throws(DiskError) {
        try self.file?.sync()
    }
}

/// Makes durable what the log's writer had written when this was made. Earlier segments are durable already.
package struct LogSync: Sendable {
    fileprivate let file: (any DiskFile)?
    /// Set where the file's name is not durable either.
    fileprivate let folder: (any Disk)?
    /// Everything before it is durable once `run` has returned.
    package let position: LogPosition

    /// - Throws: any failure is fatal: the system may have dropped the pages, and a second sync would report success for nothing.
    package func run() throws(DiskError) {
        try self.file?.sync()
        try self.folder?.syncFolder()
    }
}
