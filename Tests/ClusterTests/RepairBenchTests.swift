import Foundation
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// `hearsay bench repair` as people run it.
    @Suite struct RepairBenchTests {
        private let folder: TemporaryFolder

        init() throws {
            self.folder = try TemporaryFolder()
        }

        private func run(_ flags: [String]) throws -> FinishedProcess {
            try NodeProcess.run(["bench", "repair", "--folder", self.folder.path] + flags)
        }

        private func numbers(_ process: FinishedProcess) throws -> [String: Double] {
            #expect(process.ending == .exited(0) && process.errors == "", "\(process)")
            #expect(process.output.split(separator: "\n").count == 1, "\(process)")
            let object = try #require(try JSONSerialization.jsonObject(with: Data(process.output.utf8)) as? [String: Any])
            return object.compactMapValues { $0 as? Double }
        }

        @Test func `exactly the records that differ cross, each once, and nothing is left behind`() throws {
            let one = try self.numbers(try self.run(["--keys", "2000", "--differ", "1", "--repeat", "1", "--json"]))
            let twenty = try self.numbers(try self.run(["--keys", "2000", "--differ", "20", "--repeat", "1", "--json"]))
            let recordBytes = try #require(one["record_bytes"])
            #expect(recordBytes > 100 && recordBytes < 300)
            #expect(twenty["record_bytes"] == 20 * recordBytes)
            #expect(twenty["keys"] == 2_000 && twenty["differ"] == 20)
            // A session of any kind needs one or two; a delay that was not waited for would show none.
            let roundTrips = try #require(twenty["round_trips"])
            #expect(roundTrips > 1 && roundTrips < 10, "\(twenty)")
            for name in ["digest_bytes", "seconds", "repaired_per_second", "raw_lmdb_per_second", "raw_lmdb_sorted_per_second"] {
                #expect(try #require(twenty[name]) > 0, "\(name)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: self.folder.path) == [])
        }

        @Test(arguments: [
            ["--keys", "0"], ["--differ", "0"], ["--value-bytes", "-1"], ["--repeat", "0"], ["--pattern", "random"],
            ["--keys", "10", "--differ", "11", "--pattern", "updates"], ["--differ", "many"],
        ])
        func `an unsuitable flag is refused by name`(flags: [String]) throws {
            let refused = try self.run(flags)
            #expect(refused.ending == .exited(64), "\(refused)")
            let name = flags.count == 6 ? "differ" : flags[0].drop { $0 == "-" }
            #expect(refused.errors.contains(name), "\(refused)")
        }

        @Test func `a folder that is not there is named`() throws {
            let failed = try NodeProcess.run(["bench", "repair", "--folder", "\(self.folder.path)/none"])
            #expect(failed.ending == .exited(1), "\(failed)")
            #expect(failed.errors.contains("\(self.folder.path)/none"), "\(failed)")
        }

        @Test(arguments: [SIGINT, SIGTERM])
        func `when it is interrupted its nodes end with it and its folder goes`(signal: Int32) throws {
            let bench = try ChildProcess(
                try NodeProcess.program(), ["bench", "repair", "--folder", self.folder.path, "--keys", "100000", "--repeat", "100"])
            let deadline = Deadline.usual
            var nodes: [pid_t] = []
            while nodes.isEmpty {
                guard !deadline.hasPassed else { throw ProcessFailure.tooLate(waitingFor: "a node to start", transcript: bench.errorText) }
                nodes = children(of: bench.pid)
                sched_yield()
            }
            try bench.send(signal: signal)
            #expect(try bench.waitForEnd() == .exited(128 + signal))
            #expect(nodes.allSatisfy { kill($0, 0) != 0 })
            #expect(try FileManager.default.contentsOfDirectory(atPath: self.folder.path) == [])
            #expect(bench.outputText == "" && bench.errorText == "")
        }
    }
}

/// The processes that a process has started, by any of its threads.
private func children(of pid: pid_t) -> [pid_t] {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
    return threads.flatMap { thread in
        let text = (try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/children", encoding: .utf8)) ?? ""
        return text.split(separator: " ").compactMap { pid_t($0) }
    }
}
