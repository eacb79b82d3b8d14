/// A folder of append-only files: all that the log asks of a file system.
///
/// Production passes `PosixDisk`. Tests and the simulator pass a disk in memory that tears, fails and forgets what was not synced.
package protocol Disk: AnyObject, Sendable {
    /// The names in the folder, in no order.
    func fileNames() throws(DiskError) -> [String]
    /// Creates an empty file that must not exist yet. The name is durable after `syncFolder`.
    func create(_ name: String) throws(DiskError) -> any DiskFile
    func open(_ name: String) throws(DiskError) -> any DiskFile
    func remove(_ name: String) throws(DiskError)
    func rename(_ name: String, to newName: String) throws(DiskError)
    /// Makes creations, removals and renames durable.
    func syncFolder() throws(DiskError)
}

/// One open file of a `Disk`, used by one thread at a time, but for `sync`, beside which it may be written to.
package protocol DiskFile: AnyObject, Sendable {
    /// The length in bytes.
    func byteCount() throws(DiskError) -> Int
    /// Writes all pieces one after another from `offset` on. After an error an unknown part of them is in the file.
    func write(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError)
    /// Makes what was written durable (fdatasync).
    func sync() throws(DiskError)
    func truncate(to byteCount: Int) throws(DiskError)
    /// Reads up to `count` bytes from `offset` on; fewer only at the end of the file.
    func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8]
}

/// A file operation that failed: what was tried, on which file, and the system's code.
package struct DiskError: Error, Equatable, Sendable {
    package let operation: Operation
    package let name: String
    /// The `errno` of the failed call.
    package let code: Int32
    /// True where the device has no room: ENOSPC or EDQUOT, or EIO while the file system reports no free block.
    package let isFull: Bool

    package init(operation: Operation, name: String, code: Int32, isFull: Bool) {
        (self.operation, self.name, self.code, self.isFull) = (operation, name, code, isFull)
    }

    package enum Operation: String, Sendable, CaseIterable {
        case list, create, open, remove, rename, syncFolder, size, write, sync, truncate, read, lock
    }
}
