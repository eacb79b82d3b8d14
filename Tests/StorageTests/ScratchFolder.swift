import Foundation
import Glibc

/// A new folder, in memory where the system has room for that, removed with the object.
final class ScratchFolder {
    let path: String

    init() throws {
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : FileManager.default.temporaryDirectory.path
        self.path = parent + "/hearsay-storage-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: self.path) }
}

/// A folder on a file system of its own and of a given size: an honest full disk. Only root may mount one.
final class SmallFileSystem {
    let path: String
    private let folder: ScratchFolder

    init?(byteCount: Int) throws {
        self.folder = try ScratchFolder()
        self.path = self.folder.path
        guard mount("hearsay-test", self.path, "tmpfs", 0, "size=\(byteCount)") == 0 else { return nil }
    }

    deinit { umount2(self.path, Int32(MNT_DETACH)) }
}
