import CLMDB
import Glibc

/// An open LMDB environment, closed with the object.
///
/// Address space for the map is reserved generously, so that the file never has to be mapped again: full means disk full.
final class Environment: @unchecked Sendable {  // LMDB allows an environment's handle on every thread.
    /// The address space reserved for the map, in bytes: 1 TiB.
    static let mapByteCount = 1 << 40
    private static let databaseCount: UInt32 = 8
    private static let readerCount: UInt32 = 126

    let handle: OpaquePointer
    private let path: String

    /// Opens or creates data.mdb and lock.mdb in an existing folder.
    convenience init(folder: String) throws(StoreError) { try self.init(path: folder, flags: 0, name: "\(folder)/data.mdb") }

    /// Opens or creates a file, and beside it one whose name ends in -lock.
    convenience init(file: String) throws(StoreError) { try self.init(path: file, flags: MDB_NOSUBDIR, name: file) }

    /// Opens data.mdb of a folder that nobody writes to, and leaves every byte as it is: no lock file is made or taken.
    convenience init(reading folder: String) throws(StoreError) {
        try self.init(path: folder, flags: MDB_RDONLY | MDB_NOLOCK, name: "\(folder)/data.mdb")
    }

    private init(path: String, flags: Int32, name: String) throws(StoreError) {
        var created: OpaquePointer?
        try require(mdb_env_create(&created), "create")
        let handle = created!
        do throws(StoreError) {
            try require(mdb_env_set_mapsize(handle, Self.mapByteCount), "set map size")
            try require(mdb_env_set_maxdbs(handle, Self.databaseCount), "set database count")
            try require(mdb_env_set_maxreaders(handle, Self.readerCount), "set reader count")
            // NOTLS: a read transaction belongs to its object, not to the thread that began it. Never NOSYNC: LMDB's own
            // documentation warns that the file may be corrupt after a system crash.
            let code = mdb_env_open(handle, path, UInt32(MDB_NOTLS | flags), 0o600)
            if code == MDB_INVALID || code == MDB_VERSION_MISMATCH || code == MDB_CORRUPTED {
                throw .foreign(reason: "\(name) is not an LMDB file that this program can read: \(describeBaseCode(code))")
            }
            try require(code, "open")
        } catch {
            mdb_env_close(handle)
            throw error
        }
        (self.handle, self.path) = (handle, path)
    }

    deinit { mdb_env_close(self.handle) }

    /// Turns a code into an error; a full disk is told apart from a failing one, as some file systems report EIO for both.
    func check(_ code: Int32, _ operation: String) throws(StoreError) {
        switch code {
        case MDB_SUCCESS: return
        case MDB_MAP_FULL, ENOSPC, EDQUOT: throw .baseFull(operation: operation)
        case EIO where self.hasNoFreeBlock: throw .baseFull(operation: operation)
        default: throw .base(operation: operation, code: code)
        }
    }

    private var hasNoFreeBlock: Bool {
        var status = statvfs()
        return statvfs(self.path, &status) == 0 && status.f_bavail == 0
    }

    /// The bytes of the file's used pages.
    func usedBytes() throws(StoreError) -> UInt64 {
        var information = MDB_envinfo()
        var statistics = MDB_stat()
        try self.check(mdb_env_info(self.handle, &information), "info")
        try self.check(mdb_env_stat(self.handle, &statistics), "stat")
        return UInt64(information.me_last_pgno + 1) * UInt64(statistics.ms_psize)
    }

    func readerCount() throws(StoreError) -> Int {
        var information = MDB_envinfo()
        try self.check(mdb_env_info(self.handle, &information), "info")
        return Int(information.me_numreaders)
    }
}

/// For calls before there is an environment to ask about free blocks.
private func require(_ code: Int32, _ operation: String) throws(StoreError) {
    guard code == MDB_SUCCESS else { throw .base(operation: operation, code: code) }
}

/// LMDB's text for one of its codes or an `errno`.
func describeBaseCode(_ code: Int32) -> String { String(cString: mdb_strerror(code)) }

/// True where LMDB says that the file is not what it wrote; its other codes, and those of the system, are about the machine or its limits.
func isBaseDamage(_ code: Int32) -> Bool {
    [MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID, MDB_PANIC, MDB_CURSOR_FULL, MDB_PAGE_FULL, MDB_BAD_VALSIZE, MDB_BAD_TXN, MDB_BAD_DBI].contains(
        code)
}

extension MDB_val {
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: self.mv_data, count: self.mv_size) }
}
