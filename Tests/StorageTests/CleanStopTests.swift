import Basics
import Digests
import Foundation
import Glibc
import Testing

@testable import Storage

/// The sign of an orderly stop is there for what it was left for, and for nothing else.
@Suite struct CleanStopTests {
    private let scratch: ScratchFolder
    private let digest = Digest(entries: 3, sum: 1 << 100 | 7)

    init() throws { self.scratch = try ScratchFolder() }

    private var file: String { self.scratch.path + "/base/data.mdb" }

    private func makeStore() throws -> StoreFolder {
        let folder = try StoreFolder(path: self.scratch.path)
        _ = try LMDBBase(folder: folder.baseFolder)
        return folder
    }

    @Test func `it is there after it was left, with what was there, until it is taken away`() throws {
        let folder = try self.makeStore()
        #expect(try folder.cleanStop() == nil)
        for digest in [self.digest, nil] {
            try folder.leaveCleanStop(digest)
            #expect(try #require(try folder.cleanStop()).digest == digest)
        }
        try folder.removeCleanStop()
        #expect(try folder.cleanStop() == nil)
        try folder.removeCleanStop()
    }

    @Test func `a file that was written to since has none, even if its size and its date are put back`() throws {
        let folder = try self.makeStore()
        try folder.leaveCleanStop(self.digest)
        var before = stat()
        #expect(stat(self.file, &before) == 0)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: self.file))
        try file.seek(toOffset: 4_000)
        try file.write(contentsOf: [1])
        let dates = [before.st_atim, before.st_mtim]
        #expect(utimensat(AT_FDCWD, self.file, dates, 0) == 0)
        #expect(try folder.cleanStop() == nil)
    }

    @Test func `a copy of the file has none, and neither has a folder without one`() throws {
        let folder = try self.makeStore()
        try folder.leaveCleanStop(self.digest)
        try FileManager.default.copyItem(atPath: self.file, toPath: self.file + ".copy")
        try FileManager.default.removeItem(atPath: self.file)
        #expect(try folder.cleanStop() == nil)
        try FileManager.default.moveItem(atPath: self.file + ".copy", toPath: self.file)
        #expect(try folder.cleanStop() == nil)
    }

    @Test func `a text that differs in any bit is no sign`() throws {
        _ = try self.makeStore()
        let text = CleanStop(file: try CleanStop.FileState(path: self.file), digest: self.digest).text
        #expect(CleanStop(text: text)?.text == text)
        for (index, byte) in text.utf8.enumerated() {
            for bit in 0..<8 {
                var bytes = Array(text.utf8)
                bytes[index] = byte ^ 1 << bit
                #expect(CleanStop(text: String(decoding: bytes, as: UTF8.self)) == nil, "bit \(bit) of byte \(index)")
            }
            #expect(CleanStop(text: String(text.prefix(index))) == nil)
        }
    }
}

/// A damaged store is put aside whole, and an interruption of that is gone on with.
@Suite struct SetAsideTests {
    private let scratch: ScratchFolder

    init() throws { self.scratch = try ScratchFolder() }

    private func makeStore() throws -> StoreFolder {
        let folder = try StoreFolder(path: self.scratch.path)
        _ = try LMDBBase(folder: folder.baseFolder)
        try Data("log".utf8).write(to: URL(fileURLWithPath: folder.logFolder + "/" + SegmentHeader.fileName(at: 0)))
        return folder
    }

    private func names(_ path: String) throws -> Set<String> { Set(try FileManager.default.contentsOfDirectory(atPath: path)) }

    @Test func `base and log are kept under a number of their own each time, and an empty store is in their place`() throws {
        for number in 1...3 {
            var folder: StoreFolder? = try self.makeStore()
            try folder!.leaveCleanStop(nil)
            let aside = try folder!.setAside()
            #expect(aside == self.scratch.path + "/damaged-\(number)")
            #expect(try self.names(aside) == ["FORMAT", "base", "log"])
            #expect(try self.names(aside + "/base").contains("data.mdb") && self.names(aside + "/log") == [SegmentHeader.fileName(at: 0)])
            #expect(try self.names(folder!.baseFolder).isEmpty && self.names(folder!.logFolder).isEmpty)
            #expect(try !folder!.hasBase && !folder!.hasLogAlone() && folder!.cleanStop() == nil)
            folder = nil
            _ = try StoreFolder(path: aside)  // A store as it was.
        }
    }

    @Test func `where only the base was moved the log follows it into the same folder`() throws {
        do {
            let folder = try self.makeStore()
            try FileManager.default.createDirectory(atPath: self.scratch.path + "/damaged-1", withIntermediateDirectories: false)
            try FileManager.default.moveItem(atPath: folder.baseFolder, toPath: self.scratch.path + "/damaged-1/base")
        }
        let folder = try StoreFolder(path: self.scratch.path)  // As a start makes it.
        #expect(try folder.hasLogAlone())
        #expect(try folder.setAside() == self.scratch.path + "/damaged-1")
        #expect(try self.names(self.scratch.path + "/damaged-1") == ["FORMAT", "base", "log"] && !folder.hasLogAlone())
        #expect(try self.names(self.scratch.path + "/damaged-1/base").contains("data.mdb"))
    }

    @Test func `where nothing was moved yet the folder that was made is taken`() throws {
        let folder = try self.makeStore()
        try FileManager.default.createDirectory(atPath: self.scratch.path + "/damaged-1", withIntermediateDirectories: false)
        #expect(try folder.setAside() == self.scratch.path + "/damaged-1")
    }

    @Test func `a second damage is not taken for the end of a first one`() throws {
        let folder = try self.makeStore()
        // The first had its base moved and no log to follow.
        try FileManager.default.createDirectory(atPath: self.scratch.path + "/damaged-1/base", withIntermediateDirectories: true)
        #expect(try folder.setAside() == self.scratch.path + "/damaged-2")
        #expect(try self.names(self.scratch.path + "/damaged-2/base").contains("data.mdb"))
    }
}
