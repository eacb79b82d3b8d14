import Glibc

/// A node's data folder on the real file system: created where it is missing, locked against a second process, checked for its format.
///
///     FORMAT   "hearsay store 1"
///     LOCK     held while a process has the folder open
///     base/    LMDB: data.mdb and lock.mdb
///     log/     segments
package final class StoreFolder: Sendable {
    package let path: String
    private let lock: Int32

    static let formatLine = "hearsay store 1\n"
    static let formatName = "FORMAT"

    package var baseFolder: String { self.path + "/base" }
    package var logFolder: String { self.path + "/log" }

    /// Opens or creates the folder.
    ///
    /// - Throws: `.disk(create …)` where it cannot be made, `.inUse` where another process has it, `.foreign` where it holds something else.
    package init(path: String) throws(StoreError) {
        try Self.makeFolder(path)
        let descriptor = open(path + "/LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.error(.create, path + "/LOCK") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let isHeld = errno == EWOULDBLOCK
            let failure = Self.error(.lock, path + "/LOCK")
            close(descriptor)
            throw isHeld ? .inUse(folder: path) : failure
        }
        do throws(StoreError) {
            try Self.checkFormat(path)
            try Self.makeFolder(path + "/base")
            try Self.makeFolder(path + "/log")
            try Self.syncFolder(path)
        } catch {
            close(descriptor)
            throw error
        }
        (self.path, self.lock) = (path, descriptor)
    }

    deinit { close(self.lock) }

    private static func makeFolder(_ path: String) throws(StoreError) {
        // Missing parents are made too, as `mkdir -p` does.
        let isNew = mkdir(path, 0o700) == 0
        if isNew || errno == EEXIST {
            if isNew { try self.syncFolder(path + "/..") }
            guard access(path, R_OK | W_OK | X_OK) == 0 else { throw self.error(.create, path) }
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw .disk(DiskError(operation: .create, name: path, code: ENOTDIR, isFull: false))
            }
            return
        }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw self.error(.create, path) }
        try self.makeFolder(String(path[..<slash]))
        try self.makeFolder(path)
    }

    /// Makes the names in a folder durable: a log that is synced is lost with the name of the folder that it is in.
    private static func syncFolder(_ path: String) throws(StoreError) {
        do throws(DiskError) { try PosixDisk(folder: path).syncFolder() } catch { throw .disk(error) }
    }

    /// A folder without a FORMAT file must be empty but for our lock: nothing of anybody else's is touched.
    private static func checkFormat(_ path: String) throws(StoreError) {
        let disk = PosixDisk(folder: path)
        do throws(DiskError) {
            let names = try disk.fileNames().filter { $0 != "LOCK" }
            if names.contains(Self.formatName) {
                let file = try disk.open(Self.formatName)
                let bytes = try file.read(at: 0, count: min(file.byteCount(), 256))
                if !bytes.isEmpty || names.count > 1 {
                    guard bytes.elementsEqual(Self.formatLine.utf8) else {
                        throw DiskError(operation: .read, name: Self.formatName, code: EILSEQ, isFull: false)
                    }
                    return
                }
                try disk.remove(Self.formatName)  // A crash while the store was being founded.
            } else if !names.isEmpty {
                throw DiskError(operation: .read, name: Self.formatName, code: ENOENT, isFull: false)
            }
            let file = try disk.create(Self.formatName)
            var line = Self.formatLine
            var failure: DiskError?
            line.withUTF8 { text in
                do throws(DiskError) { try file.write([UnsafeRawBufferPointer(text)], at: 0) } catch { failure = error }
            }
            if let failure { throw failure }
            try file.sync()
            try disk.syncFolder()
        } catch {
            switch error.code {
            case EILSEQ:
                throw .foreign(reason: "\(path) holds a store of another format or program: its FORMAT file does not say \"hearsay store 1\"")
            case ENOENT where error.operation == .read: throw .foreign(reason: "\(path) is not empty and holds no Hearsay store")
            default: throw .disk(error)
            }
        }
    }

    private static func error(_ operation: DiskError.Operation, _ name: String) -> StoreError {
        .disk(DiskError(operation: operation, name: name, code: errno, isFull: errno == ENOSPC || errno == EDQUOT))
    }
}
