import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// Starts that are refused: one clear line, the exit status of sysexits.h, no crash.
    @Suite struct StartTests {
        private let folder: TemporaryFolder

        init() throws {
            self.folder = try TemporaryFolder()
        }

        private func start(data: String? = nil, listen: String = "127.0.0.1:0", _ flags: [String] = []) throws -> FinishedProcess {
            try NodeProcess.run(["node", "--data", data ?? "\(self.folder.path)/data", "--listen", listen] + flags)
        }

        @Test(arguments: ["0.0.0.0:0", "[::]:0"])
        func `a listener off loopback without a password is refused, and the line names the flags`(listen: String) throws {
            let refused = try self.start(listen: listen)
            #expect(refused.ending == .exited(78), "\(refused)")
            expectOneLine(refused, naming: "--insecure-listen", "--password-file")
        }

        @Test func `--insecure-listen lets it listen anywhere`() throws {
            let node = try NodeProcess(["--insecure-listen"], listen: "0.0.0.0:0")
            #expect(try node.client().ask("PING") == .simple("PONG"))
        }

        @Test func `a port in use is named, and its owner goes on`() throws {
            let first = try NodeProcess()
            let refused = try self.start(listen: "127.0.0.1:\(first.port)")
            #expect(refused.ending == .exited(69), "\(refused)")
            expectOneLine(refused, naming: "\(first.port)")
            #expect(try first.client().ask("PING") == .simple("PONG"))
        }

        @Test func `a data folder that cannot be created is named`() throws {
            let file = try self.folder.file("regular", holding: "")
            let refused = try self.start(data: "\(file)/data")  // Below a regular file: refused to root, too.
            #expect(refused.ending == .exited(73), "\(refused)")
            expectOneLine(refused, naming: "\(file)/data")
        }

        @Test func `a second process on a folder is refused, and the first one goes on`() throws {
            let first = try NodeProcess()
            let refused = try self.start(data: first.data)
            #expect(refused.ending == .exited(75), "\(refused)")
            expectOneLine(refused, naming: first.data)
            #expect(try first.client().ask("SET", "a", "1") == .ok)
        }

        @Test func `an unknown flag is a usage error that names it`() throws {
            let refused = try self.start(["--durabilty", "always"])
            #expect(refused.ending == .exited(64), "\(refused)")
            #expect(refused.errors.contains("--durabilty"), "\(refused)")
        }

        @Test(arguments: [["--durability", "sometimes"], ["--max-clients", "0"], ["--max-value", "lots"], ["--idle-timeout", "soon"]])
        func `a value that a flag cannot take is refused`(flag: [String]) throws {
            let refused = try self.start(flag)
            #expect(refused.ending == .exited(64) || refused.ending == .exited(78), "\(refused)")
            #expect(refused.errors.contains(flag[0].drop { $0 == "-" }), "\(refused)")
        }

        @Test(arguments: ["nonsense", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:-1"])
        func `an address that is none is refused`(listen: String) throws {
            let refused = try self.start(listen: listen)
            #expect(refused.ending == .exited(64) || refused.ending == .exited(78), "\(refused)")
            #expect(refused.errors.contains(listen), "\(refused)")
        }

        @Test func `a folder with another program's store is refused, and left as it was`() throws {
            let data = "\(self.folder.path)/data"
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let foreign = try self.folder.file("data/data.mdb", holding: String(repeating: "not ours ", count: 2_000))
            let before = try Data(contentsOf: URL(fileURLWithPath: foreign))
            let refused = try self.start()
            #expect(refused.ending == .exited(78), "\(refused)")
            expectOneLine(refused, naming: data)
            #expect(try Data(contentsOf: URL(fileURLWithPath: foreign)) == before)
        }

        @Test func `flags win over the environment`() throws {
            let data = "\(self.folder.path)/data"
            let refused = try NodeProcess.run(
                ["node", "--data", data, "--listen", "0.0.0.0:0"], environment: ["HEARSAY_LISTEN": "127.0.0.1:0"])
            #expect(refused.ending == .exited(78), "\(refused)")
        }

        @Test func `the environment alone configures a node`() throws {
            let refused = try NodeProcess.run(["node"], environment: ["HEARSAY_DATA": "\(self.folder.path)/data", "HEARSAY_LISTEN": "0.0.0.0:0"])
            #expect(refused.ending == .exited(78), "\(refused)")
            expectOneLine(refused, naming: "--insecure-listen")
        }

        @Test func `a file configures a node, and the environment wins over it`() throws {
            let file = try self.folder.file("node.json", holding: #"{"listen": "0.0.0.0:0", "max-clients": 5, "allow-flush": true}"#)
            let refused = try NodeProcess.run(["node", "--data", "\(self.folder.path)/data", "--config", file])
            #expect(refused.ending == .exited(78), "\(refused)")
            expectOneLine(refused, naming: "--insecure-listen")
            let unwritable = try self.folder.file("regular", holding: "")
            let started = try NodeProcess.run(
                ["node", "--data", "\(unwritable)/data", "--config", file], environment: ["HEARSAY_LISTEN": "127.0.0.1:0"])
            #expect(started.ending == .exited(73), "\(started)")
        }

        @Test(arguments: [
            (#"{"max-client": 5}"#, #"unknown option "max-client""#),
            (#"{"max-clients": 1.5}"#, #""max-clients": neither text nor a whole number"#),
            (#"{"max-clients": ["5"]}"#, #""max-clients": neither text nor a whole number"#),
            (#"{"max-clients": 0}"#, "--max-clients"),
            ("[]", "is not a JSON object"),
            ("{", "is not a JSON object"),
            ("", "is not a JSON object"),
        ])
        func `a file that is not a JSON object of options is refused, and the line says why`(text: String, words: String) throws {
            let refused = try self.start(["--config", try self.folder.file("node.json", holding: text)])
            #expect(refused.ending == .exited(64), "\(refused)")
            expectOneLine(refused, naming: words)
        }

        @Test func `a file that is not there is named`() throws {
            let refused = try self.start(["--config", "\(self.folder.path)/none.json"])
            #expect(refused.ending == .exited(64), "\(refused)")
            expectOneLine(refused, naming: "none.json: there is no such file")
        }

        @Test func `nobody else may read what a node stores`() throws {
            let node = try NodeProcess()
            #expect(try node.client().ask("SET", "a", "1") == .ok)
            func mode(_ name: String) throws -> Int? {
                try FileManager.default.attributesOfItem(atPath: "\(node.data)/\(name)")[.posixPermissions] as? Int
            }
            for folder in ["", "base", "log"] { #expect(try mode(folder) == 0o700, "\(folder)") }
            let segments = try FileManager.default.contentsOfDirectory(atPath: "\(node.data)/log")
            #expect(!segments.isEmpty)
            for file in ["FORMAT", "LOCK", "base/data.mdb", "base/lock.mdb"] + segments.map({ "log/\($0)" }) {
                #expect(try mode(file) == 0o600, "\(file)")
            }
        }

        @Test func `version prints one line`() throws {
            let version = try NodeProcess.run(["version"])
            #expect(version.ending == .exited(0))
            #expect(version.output.split(separator: "\n").count == 1, "\(version)")
        }
    }
}

/// Checks that a refusal is a single line on standard error which holds all of `words`.
func expectOneLine(_ refused: FinishedProcess, naming words: String..., sourceLocation: SourceLocation = #_sourceLocation) {
    let lines = refused.errors.split(separator: "\n")
    #expect(lines.count == 1, "\(refused.errors)", sourceLocation: sourceLocation)
    for word in words {
        #expect(refused.errors.contains(word), "\(refused.errors)", sourceLocation: sourceLocation)
    }
}
