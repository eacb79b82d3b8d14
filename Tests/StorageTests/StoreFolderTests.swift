import Foundation
import Storage
import Testing

@Suite struct StoreFolderTests {
    private let scratch: ScratchFolder
    private var path: String { self.scratch.path + "/a/b/store" }

    init() throws { self.scratch = try ScratchFolder() }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: self.path + "/" + name))
    }

    @Test func `is made with its parents, and opens again once it is closed`() throws {
        for _ in 0..<2 {
            let folder = try StoreFolder(path: self.path)
            #expect(folder.baseFolder == self.path + "/base" && folder.logFolder == self.path + "/log")
            #expect(Set(try FileManager.default.contentsOfDirectory(atPath: self.path)) == ["FORMAT", "LOCK", "base", "log"])
        }
    }

    @Test func `is refused while it is open elsewhere`() throws {
        let folder = try StoreFolder(path: self.path)
        #expect(throws: StoreError.inUse(folder: self.path)) { try StoreFolder(path: self.path) }
        withExtendedLifetime(folder) {}
    }

    @Test func `is refused where it holds something else, which stays as it is`() throws {
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
        try self.write("mine", to: "notes.txt")
        #expect(throws: StoreError.foreign(reason: "\(self.path) is not empty and holds no Hearsay store")) { try StoreFolder(path: self.path) }
        #expect(FileManager.default.contents(atPath: self.path + "/notes.txt") == Data("mine".utf8))
    }

    @Test(arguments: ["hearsay store 2\n", "hearsay store 1", "hearsay store 1\n\n", "something else"])
    func `is refused where FORMAT says something else`(line: String) throws {
        _ = try StoreFolder(path: self.path)
        try self.write(line, to: "FORMAT")
        #expect { try StoreFolder(path: self.path) } throws: { if case .foreign = $0 as? StoreError { true } else { false } }
    }

    @Test func `is founded anew where a crash left nothing but an empty FORMAT`() throws {
        try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
        try self.write("", to: "FORMAT")
        _ = try StoreFolder(path: self.path)
        #expect(FileManager.default.contents(atPath: self.path + "/FORMAT") == Data("hearsay store 1\n".utf8))
    }

    @Test func `is an error with its cause where a file has its name`() throws {
        try Data().write(to: URL(fileURLWithPath: self.scratch.path + "/a"))
        let error = try #require(throws: StoreError.self) { try StoreFolder(path: self.path) }
        guard case .disk(let cause) = error else { throw error }
        #expect(cause.code == ENOTDIR)
    }
}
