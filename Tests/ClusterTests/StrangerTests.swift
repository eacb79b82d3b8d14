import Basics
import TestSupport
import Testing

extension ProcessTests {
    /// What comes to a node's peer port from elsewhere than a node. The node goes on, and so does the set that it belongs to.
    @Suite struct StrangerTests {
        /// What strangers may cost a node, whatever they do.
        private static let memoryBytes = 8 << 20

        @Test func `streams of noise end their connection and nothing else`() throws {
            let set = try Set3()
            var generator = SplitMix64(seed: ProcessTests.seed)
            let cluster = try Stranger(set.victim).heardCluster()
            let roster = try Stranger(set.victim).heardRoster()
            // Otherwise no noise comes as far as what only members may say.
            let member = try Stranger(set.victim)
            member.say(Stranger.hello(cluster: cluster) + Stranger.introduction(roster))
            try eventually("the stranger to be taken for a member") {
                try members(set.cluster.client(0)).contains { $0["name"] == "stranger" && $0["state"] == "linked" }
            }
            for number in 0..<(ProcessTests.isSoak ? 10_000 : 200) {
                let stranger = try Stranger(set.victim)
                stranger.say(Stranger.noise(cluster: cluster, roster: roster, using: &generator))
                // Half of them wait for what the node says, the others are gone at once.
                if number.isMultiple(of: 2) {
                    try? stranger.socket.shutdownSending()
                    _ = try? stranger.socket.readToEnd()
                }
                if number.isMultiple(of: 20) { try set.expectUndisturbed("HEARSAY_SEED=\(ProcessTests.seed), stream \(number)") }
            }
            try set.expectUndisturbed("HEARSAY_SEED=\(ProcessTests.seed)")
        }

        @Test(arguments: [
            ("a client", Array("*1\r\n$4\r\nPING\r\n".utf8)),
            ("the wrong magic", Stranger.frame(1, Array("HEARSAYX".utf8) + [UInt8](repeating: 1, count: 80))),
            ("a frame of 4 GiB", [0xff, 0xff, 0xff, 0xff, 1]), ("a frame of nothing", [0, 0, 0, 0]),
            ("a frame one byte too long", [1, 0, 1, 0, 1]), ("what comes before a greeting", Stranger.frame(8, [0, 0, 1, 2, 3])),
        ])
        func `what is no greeting is refused at once`(what: String, bytes: [UInt8]) throws {
            let node = try NodeProcess(["--peer-listen", "127.0.0.1:0"])
            let stranger = try Stranger(node)
            stranger.say(bytes)
            let began = ContinuousClock.now
            _ = try? stranger.socket.readToEnd()
            #expect(ContinuousClock.now - began < .seconds(2), "\(what) waited for")
            #expect(try node.client().ask("SET", "a", "1") == .ok)
        }

        @Test func `strangers do not fill the log`() throws {
            let node = try NodeProcess(["--peer-listen", "127.0.0.1:0"])
            let began = ContinuousClock.now
            for number in 0..<200 {
                let stranger = try Stranger(node)
                stranger.say([UInt8(number), 0xff, 0xff, 0xff])  // Each is refused for another length.
                _ = try? stranger.socket.readToEnd()
            }
            let seconds = Int((ContinuousClock.now - began).components.seconds)
            #expect(try node.terminate() == .exited(0))
            let lines = node.log.split(separator: "\n").count { $0.contains("connection to a peer closed") }
            #expect((1...seconds + 2).contains(lines), "\(lines) lines in \(seconds) s")
        }

        @Test func `strangers that stall at any point cost little, and members are let in beside them`() throws {
            let set = try Set3()
            let hello = Stranger.hello(cluster: Stranger.noCluster)
            var strangers: [Stranger] = []
            for number in 0..<30 {
                let stranger = try Stranger(set.victim)
                switch number % 3 {
                case 0: break
                case 1: stranger.say(Array(hello.prefix(hello.count / 2)))
                default: stranger.say(hello)
                }
                strangers.append(stranger)
            }
            try set.expectUndisturbed()
            // A member that comes back has to greet beside them.
            try set.cluster.kill9(2)
            try set.cluster.restart(2)
            try set.cluster.waitUntilLinked([0: [1, 2], 1: [0, 2], 2: [0, 1]])
            try set.expectUndisturbed()
            withExtendedLifetime(strangers) {}
        }

        @Test func `a stranger cannot make a node keep what it sends`() throws {
            let set = try Set3()
            let part = Stranger.frame(40, [UInt8](repeating: 1, count: 65_535))
            for greeting in [[], Stranger.hello(cluster: Stranger.noCluster)] {
                let strangers = try (0..<8).map { _ in try Stranger(set.victim) }
                for stranger in strangers { stranger.say(greeting) }
                for _ in 0..<64 {
                    for stranger in strangers { stranger.say(part) }
                }
                try set.expectUndisturbed("4 MiB of parts from each of 8, greeting of \(greeting.count) bytes")
                withExtendedLifetime(strangers) {}
            }
        }

        @Test(.enabled(if: ProcessTests.isSoak)) func `a stranger that stalls after its greeting is shown out`() throws {
            let node = try NodeProcess(["--peer-listen", "127.0.0.1:0"])
            for greeting in [[], Stranger.hello(cluster: Stranger.noCluster)] {
                let stranger = try Stranger(node)
                stranger.say(greeting)
                _ = try stranger.socket.readToEnd()  // Within a minute, or this throws.
            }
        }

        /// Three nodes, strangers at the first.
        private struct Set3 {
            let cluster: TestCluster
            private let before: Int
            private let process: String?

            init() throws {
                self.cluster = try TestCluster(3)
                try expectOK((0..<200).map { ["SET", "key:\($0)", "value"] }, self.cluster.client(1))
                try self.cluster.waitUntilEqual()
                self.before = try self.cluster.nodes[0].anonymousBytes()
                self.process = try info("process_id", self.cluster.client(0))
            }

            var victim: NodeProcess { self.cluster.nodes[0] }

            /// The first node is the same process, is no larger than it may be, and replicates in both directions.
            func expectUndisturbed(_ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
                #expect(try info("process_id", self.cluster.client(0)) == self.process, "\(comment)", sourceLocation: sourceLocation)
                let grown = try self.victim.anonymousBytes() - self.before
                #expect(grown < StrangerTests.memoryBytes, "\(grown) bytes more; \(comment)", sourceLocation: sourceLocation)
                for (from, to) in [(0, 1), (1, 0)] {
                    let value = "\(ContinuousClock.now)"
                    #expect(try self.cluster.client(from).ask("SET", "from:\(from)", value) == .ok, "\(comment)", sourceLocation: sourceLocation)
                    try eventually("a write on n\(from + 1) to be read on n\(to + 1)", until: Deadline(in: .seconds(5))) {
                        try self.cluster.client(to).ask("GET", "from:\(from)") == .text(value)
                    }
                }
            }
        }
    }
}
