import Foundation
import FuzzTargets

/// The inputs that are kept in `Tests/Fuzz/Corpus`, a folder for each target.
struct Corpus {
    let folder: URL

    init(_ target: FuzzTarget) {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        self.folder = tests.appendingPathComponent("Fuzz/Corpus/\(target.rawValue)")
    }

    /// In order of their names, so that a seed means the same everywhere.
    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: self.folder.path).sorted() }

    func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: self.folder.appendingPathComponent(name))) }

    func write(_ bytes: [UInt8], as name: String) throws {
        try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: self.folder.appendingPathComponent(name))
    }
}
