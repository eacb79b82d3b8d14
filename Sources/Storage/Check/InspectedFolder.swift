import Glibc

/// A data folder that is looked at while no node has it, and left as it is.
package final class InspectedFolder {
    /// Why there is nothing to look at.
    package enum Refusal: Error, Equatable, Sendable {
        case noStore(String)
        case inUse(String)
        case otherVersion(String)
        case disk(DiskError)
    }

    package let path: String
    /// Held so that no node starts meanwhile; nil for a copy without the file.
    private let lock: Int32?

    package var baseFolder: String { self.path + "/base" }
    package var log: PosixDisk { PosixDisk(folder: self.path + "/log", isForReading: true) }

    package init(path: String) throws(Refusal) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let error = DiskError(operation: .open, name: path, code: errno, isFull: false)
            throw errno == ENOENT || errno == ENOTDIR ? .noStore("there is no folder \(path)") : .disk(error)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .noStore("\(path) is not a folder") }
        let lock = try Self.lock(path)
        do throws(Refusal) { try Self.checkFormat(path) } catch {
            if let lock { close(lock) }
            throw error
        }
        (self.path, self.lock) = (path, lock)
    }

    deinit { if let lock { close(lock) } }

    private static func lock(_ path: String) throws(Refusal) -> Int32? {
        let name = path + "/LOCK"
        let descriptor = open(name, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .disk(DiskError(operation: .open, name: name, code: errno, isFull: false))
        }
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw code == EWOULDBLOCK
                ? .inUse("a running process has \(path); stop it first, or ask it: HEARSAY VERIFY, HEARSAY DAMAGE")
                : .disk(DiskError(operation: .lock, name: name, code: code, isFull: false))
        }
        return descriptor
    }

    private static func checkFormat(_ path: String) throws(Refusal) {
        let disk = PosixDisk(folder: path, isForReading: true)
        let format: [UInt8]?
        do throws(DiskError) {
            let isThere = try disk.fileNames().contains(StoreFolder.formatName)
            format = isThere ? try disk.open(StoreFolder.formatName).read(at: 0, count: 256) : nil
        } catch { throw .disk(error) }
        guard let format else { throw .noStore("\(path) holds no Hearsay store: it has no file FORMAT") }
        guard format.elementsEqual(StoreFolder.formatLine.utf8) else {
            throw .otherVersion("\(path) holds a store of another version: its file FORMAT does not say \"hearsay store 1\"")
        }
    }

    /// True where there is a base, whatever its state.
    package var hasBase: Bool { access(self.baseFolder + "/data.mdb", F_OK) == 0 }

    /// True where there is a log, whatever its state.
    package func hasLog() throws(StoreError) -> Bool {
        guard access(self.path + "/log", F_OK) == 0 else { return false }
        let names: [String]
        do throws(DiskError) { names = try self.log.fileNames() } catch { throw .disk(error) }
        return names.contains { SegmentHeader.position(fromFileName: $0) != nil }
    }
}
