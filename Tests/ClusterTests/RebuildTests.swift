import Basics
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// I17, I20: whatever has rotted of a stopped node's base, nothing wrong is served, and it comes back equal: by itself, or by `--rebuild`.
    @Suite struct RebuildTests {
        private static let keys = 300
        private static let flips = isSoak ? 1_000 : 100

        private func value(_ number: Int) -> String { "value-\(number)-" + String(repeating: "abcdefgh", count: number % 9) }

        /// Two nodes with these keys, some of them deleted, the second one stopped: everything is in its base.
        private func makeCluster() throws -> TestCluster {
            let cluster = try TestCluster(2, flags: ["--gossip-interval", "20ms"])
            let client = try cluster.client(0)
            try expectOK((0..<Self.keys + 20).map { ["SET", "key\($0)-", self.value($0)] }, client)
            _ = try askAll((Self.keys..<Self.keys + 20).map { ["DEL", "key\($0)-"] }, client)
            try cluster.waitUntilEqual()
            try cluster.stop(1)
            return cluster
        }

        /// Starts the second node, cut off from the first.
        ///
        /// - Returns: the one line of a start that was refused; nil where it started.
        private func start(_ cluster: TestCluster) throws -> String? {
            do {
                try cluster.restart(1)
                return nil
            } catch ProcessFailure.endedEarly(_, let transcript) {
                #expect(transcript.split(separator: "\n").count == 1, "\(transcript)")
                return transcript
            }
        }

        /// Every key is answered as it was written, or with an error.
        private func expectNothingWrong(_ client: RedisClient, _ comment: Comment) throws -> Int {
            var errors = 0
            let answers = try askAll((0..<Self.keys + 20).map { ["GET", "key\($0)-"] }, client)
            for (number, answer) in answers.enumerated() {
                if answer.errorText != nil { errors += 1 } else { #expect(answer.text == (number < Self.keys ? self.value(number) : nil), comment) }
            }
            return errors
        }

        @Test func `a flipped bit anywhere in data.mdb is harmless, healed, or one line, and then --rebuild brings all back`() throws {
            var random = SplitMix64(seed: ProcessTests.seed)
            let cluster = try self.makeCluster()
            var (refused, damaged) = (0, 0)
            for flip in 0..<Self.flips {
                let comment: Comment = "HEARSAY_SEED=\(ProcessTests.seed), flip \(flip)"
                try cluster.nodes[1].baseFile.flip(using: &random)
                cluster.cut([1], from: [0])
                if let line = try self.start(cluster) {
                    refused += 1
                    #expect(line.contains("is damaged") && line.contains("--rebuild"), comment)
                    cluster.heal()
                    try cluster.restart(1, adding: ["--rebuild"])
                    try cluster.waitUntilServing()
                    #expect(try self.expectNothingWrong(cluster.client(1), comment) == 0, comment)
                } else {
                    if try self.expectNothingWrong(cluster.client(1), comment) > 0 { damaged += 1 }
                    cluster.heal()
                }
                let all = try cluster.waitUntilEqual()
                #expect(all.count == Self.keys && (0..<Self.keys).allSatisfy { all["key\($0)-"] == self.value($0) }, comment)
                try eventually("what was lost to come back") { try info("damage_open", cluster.client(1)) == "0" }
                try cluster.stop(1)
            }
            #expect(refused + damaged > Self.flips / 10, "flips that do nothing are no test: \(refused) refused, \(damaged) with damaged entries")
        }

        @Test(arguments: [0, 7], [0, 1, 150])
        func `a token that has rotted is refused, however little it moves its row`(byte: Int, number: Int) throws {
            let cluster = try self.makeCluster()
            try cluster.nodes[1].baseFile.flipToken(ofKey: "key\(number)-", byte: byte)
            let line = try #require(try self.start(cluster))
            #expect(line.contains("is damaged") && line.contains("--rebuild"), "\(line)")
            #expect(try verify(cluster.nodes[1].data).ending == .exited(1))
            try cluster.restart(1, adding: ["--rebuild"])
            try cluster.waitUntilServing()
            #expect(try cluster.waitUntilEqual().count == Self.keys)
        }

        @Test func `rot that changes no date is found by the scan of every start, and told the same way by the next`() throws {
            let cluster = try self.makeCluster()
            let node = cluster.nodes[1]
            try node.baseFile.flipToken(ofKey: "key7-", byte: 7)
            try node.forgeOrderlyStop()
            #expect(try verify(node.data).output.contains("stop        in order"))
            for _ in 0..<2 {
                let line = try #require(try self.start(cluster))
                #expect(line.contains("token") && line.contains("--rebuild"), "\(line)")
            }
            try cluster.restart(1, adding: ["--rebuild"])
            try cluster.waitUntilServing()
            #expect(try cluster.waitUntilEqual().count == Self.keys)
        }

        @Test func `what a start would crash on is told in one line as well`() throws {
            let cluster = try self.makeCluster()
            let node = cluster.nodes[1]
            // What LMDB maps and the file does not have is a bus error.
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: node.baseFile.path))
            try file.truncate(atOffset: try file.seekToEnd() / 2)
            try node.forgeOrderlyStop()
            for cause in ["is damaged: reading it through LMDB ended in a crash", "is damaged: the list of databases"] {
                let refused = try NodeProcess.run(["node", "--data", node.data, "--listen", "127.0.0.1:0"])
                #expect(refused.ending == .exited(78), "\(refused)")
                expectOneLine(refused, naming: cause, "--rebuild")
            }
            try cluster.restart(1, adding: ["--rebuild"])
            try cluster.waitUntilServing()
            #expect(try cluster.waitUntilEqual().count == Self.keys)
        }

        @Test func `an orderly stop spares the check, and any other end asks for it`() throws {
            let node = try NodeProcess()
            try expectOK([["SET", "key1-", "value"]], node.client())
            for isOrderly in [true, false, true] {
                if isOrderly { #expect(try node.terminate() == .exited(0)) } else { try node.kill9() }
                try node.restart()
                #expect(node.log.contains("checked the base") == !isOrderly, "\(node.log)")
            }
        }

        @Test func `a key that has rotted answers an error, and comes back by itself`() throws {
            let cluster = try self.makeCluster()
            try cluster.nodes[1].baseFile.flip("key77-", byte: 4)
            cluster.cut([1], from: [0])
            #expect(try self.start(cluster) == nil)
            #expect(try self.expectNothingWrong(cluster.client(1), "cut off") == 1)
            #expect(try cluster.client(1).ask("GET", "key77-").errorText == "ERR damaged")
            cluster.heal()
            #expect(try cluster.waitUntilEqual().count == Self.keys)
        }

        @Test func `--rebuild keeps what was there, takes the old name under a new id, and does nothing to a store that is intact`() throws {
            let cluster = try self.makeCluster()
            try cluster.restart(1, adding: ["--rebuild"])
            try cluster.waitUntilLinked()
            let id = try #require(try info("replica_id", cluster.client(1)))
            #expect(cluster.nodes[1].log.contains("nothing to rebuild"))
            try cluster.stop(1)
            let intact = cluster.nodes[1].data + "/base/data.mdb"
            try cluster.nodes[1].baseFile.flipToken(ofKey: "key7-", byte: 0)
            let damaged = FileManager.default.contents(atPath: intact)

            for round in 1...2 {
                try cluster.restart(1, adding: ["--rebuild"])
                try cluster.waitUntilServing()
                // Killed and started again with the same flags it goes on with what it has begun.
                try cluster.kill9(1)
                try cluster.restart(1, adding: ["--rebuild"])
                try cluster.waitUntilLinked()
                #expect(try cluster.waitUntilEqual().count == Self.keys)
                let names = try FileManager.default.contentsOfDirectory(atPath: cluster.nodes[1].data).filter { $0.hasPrefix("damaged") }
                #expect(Set(names) == Set((1...round).map { "damaged-\($0)" }))
                #expect(try members(cluster.client(0)).compactMap { $0["name"] } == ["n1", "n2"])
                #expect(try info("replica_id", cluster.client(1)) != id)
                if round == 1 {
                    #expect(FileManager.default.contents(atPath: cluster.nodes[1].data + "/damaged-1/base/data.mdb") == damaged)
                    try cluster.stop(1)
                    try cluster.nodes[1].baseFile.flipToken(ofKey: "key8-", byte: 0)
                }
            }
        }

        @Test func `--rebuild that was killed between base and log goes on with the log`() throws {
            let cluster = try self.makeCluster()
            let data = cluster.nodes[1].data
            try FileManager.default.createDirectory(atPath: data + "/damaged-1", withIntermediateDirectories: false)
            try FileManager.default.moveItem(atPath: data + "/base", toPath: data + "/damaged-1/base")
            let line = try #require(try self.start(cluster))
            #expect(line.contains("there is a log, and no LMDB file") && line.contains("--rebuild"), "\(line)")
            try cluster.restart(1, adding: ["--rebuild"])
            try cluster.waitUntilServing()
            #expect(try cluster.waitUntilEqual().count == Self.keys)
            #expect(Set(try FileManager.default.contentsOfDirectory(atPath: data + "/damaged-1")) == ["FORMAT", "base", "log"])
        }

        @Test func `a log that lost what was synced is got again by --rebuild, too`() throws {
            let cluster = try self.makeCluster()
            try cluster.restart(1)
            try cluster.waitUntilLinked()
            for number in 0..<20 { try expectOK([["SET", "more\(number)-", "1"]], cluster.client(1)) }
            #expect(try cluster.client(1).ask("WAIT", "1", "0") == .integer(1))
            try cluster.kill9(1)
            try cluster.nodes[1].logFile().flip("more5-", byte: 1)
            let line = try #require(try self.start(cluster))
            #expect(line.contains("log segment") && line.contains("--rebuild"), "\(line)")
            try cluster.restart(1, adding: ["--rebuild"])
            try cluster.waitUntilServing()
            #expect(try cluster.waitUntilEqual().count == Self.keys + 20)
        }

        @Test(arguments: [[], ["--seed", "127.0.0.1:7380", "--peer-listen", "127.0.0.1:7380", "--name", "n1"], ["--seed", "127.0.0.1:1"]])
        func `--rebuild without another node to get the data from, or without a name, is refused`(flags: [String]) throws {
            let folder = try TemporaryFolder()
            let refused = try NodeProcess.run(["node", "--data", folder.path + "/data", "--listen", "127.0.0.1:0", "--rebuild"] + flags)
            #expect(refused.ending == .exited(64), "\(refused)")
            expectOneLine(refused, naming: "--rebuild")
        }

        @Test func `alone a node that is damaged names a backup as the way out`() throws {
            let node = try NodeProcess()
            try expectOK([["SET", "key1-", "value"]], node.client())
            _ = try node.terminate()
            try node.baseFile.flipToken(ofKey: "key1-", byte: 0)
            let refused = try NodeProcess.run(["node", "--data", node.data, "--listen", "127.0.0.1:0"])
            #expect(refused.ending == .exited(78), "\(refused)")
            expectOneLine(refused, naming: "backup", node.data)
        }
    }
}

extension RottingFile {
    /// Changes a bit of the token that stands before a key.
    func flipToken(ofKey key: String, byte: Int) throws { try self.flip(key, byte: byte - 8, bit: byte == 0 ? 7 : 0) }
}
