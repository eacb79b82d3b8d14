import Foundation
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// I11, I12: nodes whose machines' clocks are wrong.
    @Suite struct ClockTests {
        /// A node with a clock of its own: Clock/clock.c tells how.
        private struct Clocked {
            let node: NodeProcess
            let file: String

            init(_ name: String, aheadBy milliseconds: Int64 = 0, _ flags: [String] = []) throws {
                let folder = try TemporaryFolder()
                self.file = "\(folder.path)/offset"
                try "\(milliseconds)".write(toFile: self.file, atomically: true, encoding: .utf8)
                let library = "\(folder.path)/clock.so"
                try Self.compile(to: library)
                self.node = try NodeProcess(
                    ["--name", name, "--peer-listen", "127.0.0.1:0"] + flags, in: folder,
                    environment: ["LD_PRELOAD": library, "CLOCK_OFFSET": self.file])
            }

            var seed: [String] { ["--seed", "127.0.0.1:\(self.node.peerPort!)"] }

            func setClock(aheadBy milliseconds: Int64) throws {
                // In one step: the node may look at any moment.
                try "\(milliseconds)".write(toFile: self.file, atomically: true, encoding: .utf8)
            }

            func client() throws -> RedisClient { try self.node.client() }

            /// By how much a member's clock is ahead of this node's, as it shows.
            func offset(of name: String) throws -> Int? {
                try members(self.client()).first { $0["name"] == name }?["clock-offset-ms"].flatMap { Int($0) }
            }

            private static func compile(to library: String) throws {
                let source = "\(ProcessTests.root)/Tests/ClusterTests/Clock/clock.c"
                let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
                let compilers: [String] = folders.flatMap { ["\($0)/cc", "\($0)/clang"] }
                let compiler = try #require(compilers.first { access($0, X_OK) == 0 }, "a C compiler is missing")
                let run = try FinishedProcess(compiler, ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"])
                #expect(run.ending == .exited(0), "\(run.errors)")
            }
        }

        /// Waits until all of them serve and are linked with each other.
        private func waitUntilLinked(_ nodes: [Clocked]) throws {
            for clocked in nodes {
                try eventually("all to be linked") { try members(clocked.client()).count { $0["state"] == "linked" } == nodes.count - 1 }
                try eventually("all to serve") { try clocked.client().ask("EXISTS", "nobody").errorText == nil }
            }
        }

        @Test func `what a clock five seconds ahead stamps comes to the others five seconds later, and they say why`() throws {
            let first = try Clocked("n1")
            let nodes = [first, try Clocked("n2", first.seed), try Clocked("n3", first.seed)]
            try self.waitUntilLinked(nodes)
            for name in ["n1", "n2", "n3"] {
                let offset = try #require(try nodes[1].offset(of: name))
                #expect(abs(offset) < 500, "\(name): \(offset)")
            }
            try nodes[2].setClock(aheadBy: 5_000)
            let began = Date.now
            try expectOK([["SET", "key", "ahead"]], nodes[2].client())
            try nodes[0].node.waitForLogLine("holds what n3 writes until its time comes", "ahead of this node's clock; set the clocks right")
            #expect(try nodes[0].client().ask("GET", "key") == .null)
            #expect(try info("held_now", nodes[0].client()) == "1")
            let status = try nodes[0].client().ask("HEARSAY", "STATUS").text ?? ""
            #expect(status.contains("attention   holds 1 writes of n3 until their time comes"), "\(status)")
            try eventually("n1 to take it") { try nodes[0].client().ask("GET", "key") == .text("ahead") }
            // The bound is a second, and it is asked for within a round.
            #expect((3.5...8).contains(Date.now.timeIntervalSince(began)), "\(Date.now.timeIntervalSince(began)) s")
            #expect(try info("held_versions", nodes[0].client()) == "1" && info("held_now", nodes[0].client()) == "0")
            try eventually("n1 to know") { try (4_500...5_500).contains(nodes[0].offset(of: "n3") ?? 0) }
            try eventually("n3 to know") { try (-5_500 ... -4_500).contains(nodes[2].offset(of: "n1") ?? 0) }
        }

        @Test func `a clock that is an hour ahead of two others takes no writes, and does once it is right`() throws {
            let first = try Clocked("n1")
            let nodes = [first, try Clocked("n2", first.seed), try Clocked("n3", first.seed)]
            try self.waitUntilLinked(nodes)
            try nodes[2].setClock(aheadBy: 3_600_000)
            let error = try #require(try nodes[2].client().ask("SET", "key", "value").errorText)
            #expect(error.hasPrefix("ERR this machine's clock is ") && error.contains("min ahead of most members'"), "\(error)")
            #expect(try nodes[2].client().ask("GET", "key") == .null)
            try expectOK([["SET", "key", "value"]], nodes[0].client())
            try nodes[2].setClock(aheadBy: 0)
            try expectOK([["SET", "key", "again"]], nodes[2].client())
            try eventually("n1 to have it") { try nodes[0].client().ask("GET", "key") == .text("again") }
        }

        @Test
        func `of two nodes the one that is sent what is stamped an hour ahead ends the link, names the other and the way out, and does not spin`()
            throws
        {
            let first = try Clocked("n1")
            let second = try Clocked("n2", first.seed)
            try self.waitUntilLinked([first, second])
            // Half a minute more, so that the minutes that are told do not change between.
            try second.setClock(aheadBy: 3_630_000)
            try expectOK([["SET", "key", "ahead"]], second.client())
            let text = "sent a version that n2 stamped 60 min ahead of this node's clock: set the clock of n2 right"
            try first.node.waitForLogLine("connection to a peer closed", text, "or it joins anew with an empty folder")
            try second.node.waitForLogLine("connection to a peer closed", "refused by the other side: n2 \(text)")
            #expect(try first.client().ask("GET", "key") == .null)
            // Dialled again it refuses again, after a second, and then after longer.
            let refusal = ContinuousClock.now
            let before = try #require(Int(try info("refused_versions", first.client()) ?? ""))
            try eventually("two more refusals") { Int(try info("refused_versions", first.client()) ?? "") ?? 0 >= before + 2 }
            #expect(ContinuousClock.now - refusal > .seconds(1))
            try expectOK([["SET", "other", "value"]], first.client())
            // Once its clock is right, it is its stamps that are wrong.
            try second.setClock(aheadBy: 0)
            try eventually("n2 to take no writes") {
                try second.client().ask("SET", "key", "more").errorText?.contains("the newest stamp here is 60 min ahead") ?? false
            }
        }

        @Test func `a machine without a clock takes its first write once a member has told it the time`() throws {
            let since1970 = Int64(Date.now.timeIntervalSince1970 * 1_000)
            let lone = try Clocked("lone", aheadBy: -since1970)
            let error =
                "ERR this machine's clock is not set (it reads the year 1970), and no member has told the time yet: writes are refused until then, reads go on"
            #expect(try lone.client().ask("SET", "key", "value").errorText == error)
            #expect(try lone.client().ask("GET", "key") == .null)
            try lone.node.waitForLogLine("this machine's clock is not set")
            // One that was never set takes writes once somebody sets it.
            try lone.setClock(aheadBy: 0)
            try expectOK([["SET", "key", "value"]], lone.client())
            let box = try Clocked("box", aheadBy: -since1970, lone.seed)
            try self.waitUntilLinked([lone, box])
            try eventually("the box to serve") { try box.client().ask("GET", "key") == .text("value") }
            try expectOK([["SET", "key", "from the box"]], box.client())
            try eventually("it to be there") { try lone.client().ask("GET", "key") == .text("from the box") }
            let status = try box.client().ask("HEARSAY", "STATUS").text ?? ""
            #expect(status.contains("years: the clock is not set, and the members' is gone by"), "\(status)")
            // It is killed, and comes back alone: it has stamps to go on from.
            try lone.node.kill9()
            try box.node.kill9()
            try box.node.restart()
            try expectOK([["SET", "key", "alone"]], box.client())
        }
    }
}
