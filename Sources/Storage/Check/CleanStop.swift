import Basics
import Digests
import Glibc

/// The sign of an orderly stop: what the base's file was when the last process that wrote to it had ended its work, and what it held.
///
/// A start that finds the file as the sign says need not look for what a crash, a power cut or somebody else may have done to it. It takes the sign away
/// before it writes anything, so a process that ends otherwise leaves none. The file's times name every change that a system call has made since; what
/// has rotted on the disk they do not show, but the scan of every start does, or else that start ends and the next one finds no sign.
///
///     STOPPED  one line: "hearsay stop 1", the file's device, inode, size, times of its last change of contents and of anything, in nanoseconds;
///              whether there is a digest, its entries, their sum in halves; and XXH3-64 of all that; in hexadecimal
package struct CleanStop: Equatable, Sendable {
    package static let fileName = "STOPPED"
    fileprivate static let newName = "STOPPED.new"
    private static let maximumByteCount = 512

    /// What tells one state of a file from any other.
    package struct FileState: Equatable, Sendable {
        fileprivate let numbers: [UInt64]

        package init(path: String) throws(DiskError) {
            var status = stat()
            guard stat(path, &status) == 0 else { throw DiskError(operation: .size, name: path, code: errno, isFull: false) }
            func nanoseconds(_ time: timespec) -> UInt64 { UInt64(bitPattern: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)) }
            self.numbers = [
                UInt64(status.st_dev), UInt64(status.st_ino), UInt64(status.st_size), nanoseconds(status.st_mtim), nanoseconds(status.st_ctim),
            ]
        }

        fileprivate init(numbers: [UInt64]) { self.numbers = numbers }
    }

    package let file: FileState
    /// The digest of all entries, all of which were in the base; nil where the log had more.
    package let digest: Digest?

    package init(file: FileState, digest: Digest?) { (self.file, self.digest) = (file, digest) }

    // MARK: Text

    private static let beginning = "hearsay stop 1"

    package var text: String {
        let digest = self.digest ?? .empty
        let halves = [UInt64(truncatingIfNeeded: digest.sum >> 64), UInt64(truncatingIfNeeded: digest.sum)]
        let numbers = self.file.numbers + [self.digest == nil ? 0 : 1, digest.entries] + halves
        let words = ([Self.beginning] + numbers.map(hexadecimal)).joined(separator: " ")
        return words + " " + hexadecimal(Self.checksum(of: words)) + "\n"
    }

    /// Nil where the text is none.
    package init?(text: String) {
        guard text.hasPrefix(Self.beginning + " "), text.hasSuffix("\n") else { return nil }
        let words = text.dropLast().dropFirst(Self.beginning.count + 1).split(separator: " ", omittingEmptySubsequences: false)
        let numbers = words.compactMap { UInt64($0, radix: 16) }
        guard words.count == 10, numbers.count == words.count else { return nil }
        let digest = Digest(entries: numbers[6], sum: UInt128(numbers[7]) << 64 | UInt128(numbers[8]))
        self.init(file: FileState(numbers: Array(numbers[..<5])), digest: numbers[5] == 1 ? digest : nil)
        // One text for one sign: whatever else has changed in it makes another.
        guard self.text == text else { return nil }
    }

    private static func checksum(of text: String) -> UInt64 {
        var text = text
        return text.withUTF8 { Digests.checksum(of: UnsafeRawBufferPointer($0), seed: 0) }
    }
}

extension StoreFolder {
    private var baseFile: String { self.baseFolder + "/data.mdb" }

    /// The sign of the last stop, if the base's file is as it was then.
    package func cleanStop() throws(StoreError) -> CleanStop? { try CleanStop.read(inFolder: self.path) }

    /// Takes the sign away, durably: from now on the base may change.
    package func removeCleanStop() throws(StoreError) {
        let disk = PosixDisk(folder: self.path)
        do throws(DiskError) {
            guard try disk.fileNames().contains(CleanStop.fileName) else { return }
            try disk.remove(CleanStop.fileName)
            try disk.syncFolder()
        } catch { throw .disk(error) }
    }

    /// Leaves the sign that everything is in the base and nobody writes to it any more.
    package func leaveCleanStop(_ digest: Digest?) throws(StoreError) {
        let disk = PosixDisk(folder: self.path)
        do throws(DiskError) {
            let text = CleanStop(file: try CleanStop.FileState(path: self.baseFile), digest: digest).text
            if try disk.fileNames().contains(CleanStop.newName) { try disk.remove(CleanStop.newName) }
            let file = try disk.create(CleanStop.newName)
            try file.write(Array(text.utf8))
            try file.sync()
            try disk.rename(CleanStop.newName, to: CleanStop.fileName)
            try disk.syncFolder()
        } catch { throw .disk(error) }
    }
}

extension CleanStop {
    /// The sign in a data folder, if the base's file is as it says.
    package static func read(inFolder folder: String) throws(StoreError) -> CleanStop? {
        let disk = PosixDisk(folder: folder, isForReading: true)
        do throws(DiskError) {
            guard try disk.fileNames().contains(Self.fileName) else { return nil }
            let bytes = try disk.open(Self.fileName).read(at: 0, count: Self.maximumByteCount)
            guard let sign = CleanStop(text: String(decoding: bytes, as: UTF8.self)) else { return nil }
            let path = folder + "/base/data.mdb"
            guard access(path, F_OK) == 0 else { return nil }
            return try FileState(path: path) == sign.file ? sign : nil
        } catch { throw .disk(error) }
    }
}

extension Store {
    /// The digest of what the base holds, where that is everything; nil while the tables hold something, what was dropped is there
    /// still, or a bootstrap fills the base.
    package var drainedDigest: Digest? {
        let isWhole = self.isDrained && self.isFolded && self.undrainedDrops == 0 && self.raise == nil
        return isWhole && (self.control(.joining) ?? []).isEmpty ? self.tree.root : nil
    }
}
