import Glibc

/// A folder of the real file system.
package final class PosixDisk: Disk {
    private let folder: String
    /// Files are opened for reading: what they hold can be looked at by those who may not write.
    private let isForReading: Bool

    /// Opens a folder, which must exist.
    package init(folder: String, isForReading: Bool = false) {
        (self.folder, self.isForReading) = (folder, isForReading)
    }

    package func fileNames() throws(DiskError) -> [String] {
        guard let stream = opendir(self.folder) else { throw self.error(.list, self.folder, errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    package func create(_ name: String) throws(DiskError) -> any DiskFile {
        try self.open(name, flags: O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, as: .create)
    }

    package func open(_ name: String) throws(DiskError) -> any DiskFile {
        try self.open(name, flags: (self.isForReading ? O_RDONLY : O_RDWR) | O_CLOEXEC, as: .open)
    }

    private func open(_ name: String, flags: Int32, as operation: DiskError.Operation) throws(DiskError) -> PosixFile {
        let descriptor = Glibc.open(self.path(of: name), flags, 0o600)
        guard descriptor >= 0 else { throw self.error(operation, name, errno) }
        return PosixFile(descriptor: descriptor, name: name)
    }

    package func remove(_ name: String) throws(DiskError) {
        guard unlink(self.path(of: name)) == 0 else { throw self.error(.remove, name, errno) }
    }

    package func rename(_ name: String, to newName: String) throws(DiskError) {
        guard Glibc.rename(self.path(of: name), self.path(of: newName)) == 0 else { throw self.error(.rename, name, errno) }
    }

    package func syncFolder() throws(DiskError) {
        let descriptor = Glibc.open(self.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw self.error(.syncFolder, self.folder, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw self.error(.syncFolder, self.folder, errno) }
    }

    private func path(of name: String) -> String { self.folder + "/" + name }

    private func error(_ operation: DiskError.Operation, _ name: String, _ code: Int32) -> DiskError {
        DiskError(operation: operation, name: name, code: code, isFull: code == ENOSPC || code == EDQUOT)
    }
}

/// One open file. The descriptor is closed with the object.
private final class PosixFile: DiskFile {
    private let descriptor: Int32
    private let name: String

    init(descriptor: Int32, name: String) {
        (self.descriptor, self.name) = (descriptor, name)
    }

    deinit { close(self.descriptor) }

    func byteCount() throws(DiskError) -> Int {
        var status = stat()
        guard fstat(self.descriptor, &status) == 0 else { throw self.error(.size, errno) }
        return Int(status.st_size)
    }

    func write(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError) {
        var vectors = pieces.map { iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count) }
        var (first, offset) = (0, offset)
        while first < vectors.count {
            let count = min(vectors.count - first, Self.maximumVectors)
            let written = vectors.withUnsafeBufferPointer { pwritev(self.descriptor, $0.baseAddress! + first, Int32(count), off_t(offset)) }
            if written < 0 {
                if errno == EINTR { continue }
                throw self.error(.write, errno)
            }
            offset += written
            Self.advance(&vectors, from: &first, by: written)
        }
    }

    /// The number of pieces that one call takes; Linux allows 1,024.
    private static let maximumVectors = 1_024

    /// Passes over `byteCount` written bytes: a call may write a part, down to the middle of a piece.
    private static func advance(_ vectors: inout [iovec], from first: inout Int, by byteCount: Int) {
        var left = byteCount
        while first < vectors.count, left >= vectors[first].iov_len {
            left -= vectors[first].iov_len
            first += 1
        }
        if left > 0 {
            vectors[first].iov_base += left
            vectors[first].iov_len -= left
        }
    }

    func sync() throws(DiskError) {
        guard fdatasync(self.descriptor) == 0 else { throw self.error(.sync, errno) }
    }

    func truncate(to byteCount: Int) throws(DiskError) {
        guard ftruncate(self.descriptor, off_t(byteCount)) == 0 else { throw self.error(.truncate, errno) }
    }

    func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let result = pread(self.descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset + filled))
                if result < 0 && errno == EINTR { continue }
                if result < 0 { failure = errno }
                if result <= 0 { return }
                filled += result
            }
        }
        if failure != 0 { throw self.error(.read, failure) }
        return bytes
    }

    private func error(_ operation: DiskError.Operation, _ code: Int32) -> DiskError {
        DiskError(operation: operation, name: self.name, code: code, isFull: self.isFull(code))
    }

    /// Some file systems report a full device as a short write and then EIO, so EIO is judged by the free blocks.
    private func isFull(_ code: Int32) -> Bool {
        if code == ENOSPC || code == EDQUOT { return true }
        guard code == EIO else { return false }
        var status = statvfs()
        return fstatvfs(self.descriptor, &status) == 0 && status.f_bavail == 0
    }
}

extension DiskError: CustomStringConvertible {
    package var description: String {
        "\(self.operation.rawValue) \(self.name): \(String(cString: strerror(self.code)))"
    }
}
