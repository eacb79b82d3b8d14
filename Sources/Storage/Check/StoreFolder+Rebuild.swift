import Glibc

extension StoreFolder {
    private static let baseName = "base"
    private static let logName = "log"
    private static let asidePrefix = "damaged-"

    /// True where there is a base, whatever its state.
    package var hasBase: Bool { access(self.baseFolder + "/data.mdb", F_OK) == 0 }

    /// True where there is a log without the base that goes with it: what is left of a store whose putting aside was interrupted, or that was damaged so.
    package func hasLogAlone() throws(StoreError) -> Bool {
        guard !self.hasBase else { return false }
        let names = try onDisk { () throws(DiskError) in try PosixDisk(folder: self.logFolder).fileNames() }
        return names.contains { SegmentHeader.position(fromFileName: $0) != nil }
    }

    /// Puts base and log into a folder beside them, under the first number that is free, and makes empty ones in their place. FORMAT and LOCK stay, so
    /// that no other process gets in between.
    ///
    /// The base goes first: a log alone is never opened as a store, so an interruption leaves nothing that could be taken for an older state of it. What
    /// an interruption has left follows into the same folder.
    ///
    /// - Returns: the folder.
    package func setAside() throws(StoreError) -> String {
        try self.removeCleanStop()
        let disk = PosixDisk(folder: self.path)
        return try onDisk { () throws(DiskError) in
            let names = try disk.fileNames()
            let last = names.compactMap(Self.number(ofAside:)).max() ?? 0
            // An interruption leaves a folder that has not got the log yet.
            let begun = last > 0 ? try PosixDisk(folder: "\(self.path)/\(Self.asidePrefix)\(last)").fileNames() : [Self.logName]
            let isUnfinished = !begun.contains(Self.logName) && (!begun.contains(Self.baseName) || !self.hasBase)
            let aside = Self.asidePrefix + String(isUnfinished ? last : last + 1)
            let folder = PosixDisk(folder: self.path + "/" + aside)
            if !isUnfinished {
                try Self.makeFolder(self.path, aside)
                try disk.syncFolder()
            }
            let taken = try folder.fileNames()
            // What is there can be looked at, and started elsewhere, as what it is.
            if !taken.contains(Self.formatName) { try Self.writeFormat(to: folder) }
            for name in [Self.baseName, Self.logName] where !taken.contains(name) && names.contains(name) {
                try disk.rename(name, to: aside + "/" + name)
                try folder.syncFolder()
                try disk.syncFolder()
            }
            let left = try disk.fileNames()
            for name in [Self.baseName, Self.logName] where !left.contains(name) { try Self.makeFolder(self.path, name) }
            try disk.syncFolder()
            return self.path + "/" + aside
        }
    }

    private static func number(ofAside name: String) -> Int? {
        guard name.hasPrefix(self.asidePrefix), let number = Int(name.dropFirst(self.asidePrefix.count)), number > 0 else { return nil }
        return name == self.asidePrefix + String(number) ? number : nil
    }

    private static func writeFormat(to disk: PosixDisk) throws(DiskError) {
        let file = try disk.create(self.formatName)
        try file.write(Array(self.formatLine.utf8))
        try file.sync()
    }

    private static func makeFolder(_ parent: String, _ name: String) throws(DiskError) {
        guard mkdir(parent + "/" + name, 0o700) == 0 else { throw DiskError(operation: .create, name: name, code: errno, isFull: errno == ENOSPC) }
    }
}

extension DiskFile {
    /// Writes the whole of a small file.
    func write(_ bytes: [UInt8]) throws(DiskError) {
        var failure: DiskError?
        bytes.withUnsafeBytes { bytes in
            do throws(DiskError) { try self.write([bytes], at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// Runs what can fail on the disk for a caller that fails as a store.
private func onDisk<Result>(_ body: () throws(DiskError) -> Result) throws(StoreError) -> Result {
    do throws(DiskError) { return try body() } catch { throw .disk(error) }
}
