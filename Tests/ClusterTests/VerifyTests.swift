import Basics
import Foundation
import TestSupport
import Testing

/// What `hearsay verify` says of a folder.
func verify(_ folder: String) throws -> FinishedProcess { try NodeProcess.run(["verify", folder]) }

/// A file whose single bits are changed.
struct RottingFile {
    let path: String

    /// Changes a bit wherever the file has these bytes; pages that LMDB has let go of may have them too.
    ///
    /// - Parameter byte: counted from their beginning, below zero before it.
    func flip(_ text: String, byte: Int, bit: UInt8 = 0) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: self.path))
        var (start, count) = (data.startIndex, 0)
        while let range = data.range(of: Data(text.utf8), in: start..<data.endIndex) {
            data[range.lowerBound + byte] ^= 1 << bit
            (start, count) = (range.upperBound, count + 1)
        }
        try #require(count > 0, "\(self.path) has no \(text)")
        try data.write(to: URL(fileURLWithPath: self.path))
    }

    /// Changes one bit anywhere.
    func flip(using random: inout some RandomNumberGenerator) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: self.path))
        let offset = UInt64.random(in: 0..<(try file.seekToEnd()), using: &random)
        try file.seek(toOffset: offset)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: offset)
        try file.write(contentsOf: [byte ^ 1 << UInt8.random(in: 0..<8, using: &random)])
    }
}

extension NodeProcess {
    var baseFile: RottingFile { RottingFile(path: self.data + "/base/data.mdb") }

    func logFile() throws -> RottingFile {
        let names = try FileManager.default.contentsOfDirectory(atPath: self.data + "/log").sorted()
        return RottingFile(path: self.data + "/log/" + (try #require(names.last)))
    }
}

extension ProcessTests {
    /// `hearsay verify`: its exit status, and what it names.
    @Suite struct VerifyTests {
        /// A stopped node with this many keys, some of them deleted and some expired.
        private func makeStore(_ keys: Int = 200) throws -> NodeProcess {
            let node = try NodeProcess()
            let client = try node.client()
            try expectOK((0..<keys).map { ["SET", "key\($0)-", "value\($0)-"] } + [["SET", "short", "1", "PX", "1"]], client)
            #expect(try client.ask("DEL", "key0-", "key1-") == .integer(2))
            _ = try node.terminate()
            return node
        }

        @Test func `an intact store is counted, its digest the node's, with status 0, and nothing in the folder changes`() throws {
            let node = try NodeProcess()
            let client = try node.client()
            try expectOK((0..<200).map { ["SET", "key\($0)", "value"] }, client)
            _ = try client.ask("DEL", "key0", "key1")
            let digest = try #require(try client.ask("HEARSAY", "DIGEST").text)
            #expect(try node.terminate() == .exited(0))
            let before = try self.state(of: node.data)
            let intact = try verify(node.data)
            #expect(intact.ending == .exited(0) && intact.errors.isEmpty, "\(intact)")
            for words in ["stop        in order", "200 entries: 2 tombstones", "digest      \(digest)", "damage      none"] {
                #expect(intact.output.contains(words), "\(intact.output)")
            }
            #expect(try self.state(of: node.data) == before)
        }

        /// Every file with its bytes and dates.
        private func state(of folder: String) throws -> [String: String] {
            let names = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
            return Dictionary(
                uniqueKeysWithValues: try names.map { name in
                    let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/" + name)
                    let bytes = FileManager.default.contents(atPath: folder + "/" + name)
                    return (name, "\(attributes[.modificationDate]!) \(bytes?.hashValue ?? 0)")
                })
        }

        @Test func `a store of a killed node is intact, its log included`() throws {
            let node = try NodeProcess()
            try expectOK((0..<200).map { ["SET", "key\($0)", "value"] }, node.client())
            try node.kill9()
            let intact = try verify(node.data)
            #expect(intact.ending == .exited(0), "\(intact)")
            #expect(intact.output.contains("stop        not in order") && intact.output.contains(" 200 records"), "\(intact.output)")
        }

        @Test func `an entry that has rotted is named by token and key, with status 1`() throws {
            let node = try self.makeStore()
            try node.baseFile.flip("value17-", byte: 2)
            let found = try verify(node.data)
            #expect(found.ending == .exited(1), "\(found)")
            #expect(
                found.output.contains("damage      1 entries") && found.output.contains("key \"key17-\" does not have its checksum"),
                "\(found.output)")
        }

        @Test func `a file that LMDB cannot read, or that is cut off, is damage of data.mdb and no crash`() throws {
            let node = try self.makeStore()
            let path = node.baseFile.path
            let intact = try Data(contentsOf: URL(fileURLWithPath: path))
            var others = [Data(), Data(count: 100), Data(count: intact.count), intact.prefix(4_096), intact.prefix(intact.count / 2)]
            var noise = intact
            for page in 2..<intact.count / 4_096 {
                for offset in 8..<40 { noise[page * 4_096 + offset] = UInt8(truncatingIfNeeded: page &* 37 &+ offset) }
            }
            others.append(noise)
            for other in others {
                try other.write(to: URL(fileURLWithPath: path))
                let found = try verify(node.data)
                #expect(found.ending == .exited(1) && found.errors.isEmpty, "\(other.count) bytes: \(found)")
                #expect(found.output.contains("places of data.mdb"), "\(other.count) bytes: \(found.output)")
            }
        }

        @Test func `a log that lost what was synced is damage, and a torn tail is not`() throws {
            let node = try NodeProcess()
            let client = try node.client()
            for number in 0..<20 { try expectOK([["SET", "key\(number)-", "value"]], client) }
            try node.kill9()
            let path = try node.logFile().path
            let intact = try Data(contentsOf: URL(fileURLWithPath: path))
            try intact.dropLast(3).write(to: URL(fileURLWithPath: path))
            let torn = try verify(node.data)
            #expect(torn.ending == .exited(0) && torn.output.contains("bytes of a torn tail"), "\(torn)")
            try intact.write(to: URL(fileURLWithPath: path))
            try node.logFile().flip("key5-", byte: 1)
            let damaged = try verify(node.data)
            #expect(damaged.ending == .exited(1) && damaged.output.contains("damage      log segment"), "\(damaged)")
        }

        @Test func `what is no store, in use, of another version or not there is told by its status`() throws {
            let folder = try TemporaryFolder()
            for path in [folder.path, folder.path + "/nothing", try folder.file("file", holding: "")] {
                let refused = try verify(path)
                #expect(refused.ending == .exited(66) && refused.output.isEmpty, "\(refused)")
                expectOneLine(refused, naming: path)
            }
            let node = try NodeProcess()
            let inUse = try verify(node.data)
            #expect(inUse.ending == .exited(75), "\(inUse)")
            expectOneLine(inUse, naming: node.data)
            _ = try node.terminate()
            try Data("hearsay store 9\n".utf8).write(to: URL(fileURLWithPath: node.data + "/FORMAT"))
            let other = try verify(node.data)
            #expect(other.ending == .exited(78), "\(other)")
            expectOneLine(other, naming: node.data)
            #expect(try NodeProcess.run(["verify"]).ending == .exited(64))
        }
    }
}
