import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// `hearsay bench bootstrap` as people run it.
    @Suite struct BootstrapBenchTests {
        private func run(_ flags: [String], in folder: TemporaryFolder) throws -> FinishedProcess {
            try NodeProcess.run(["bench", "bootstrap", "--folder", folder.path] + flags)
        }

        @Test func `joiners get every entry, all is measured, and nothing is left behind`() throws {
            let folder = try TemporaryFolder()
            let process = try self.run(["--keys", "3000", "--repeat", "2", "--seconds", "1", "--clients", "2", "--json"], in: folder)
            #expect(process.ending == .exited(0) && process.errors == "", "\(process)")
            let object = try #require(try JSONSerialization.jsonObject(with: Data(process.output.utf8)) as? [String: Any])
            // Frame, key, header and value.
            let recordBytes = 8 + 16 + 48 + 100
            #expect(object["record_bytes"] as? Int == 3_000 * recordBytes, "\(process.output)")
            for name in [
                "seconds", "entries_per_second", "raw_lmdb_sorted_per_second", "ratio", "calm_get_p99", "calm_set_p99", "disturbed_get_p99",
                "disturbed_set_p99", "get_slowdown", "set_slowdown", "calm_requests_per_second",
            ] { #expect(try #require(object[name] as? Double) > 0, "\(name)") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }

        @Test func `the rate holds it down`() throws {
            let process = try self.run(
                ["--keys", "3000", "--rate", "500000", "--repeat", "1", "--seconds", "1", "--clients", "1", "--json"], in: TemporaryFolder())
            let object = try #require(try JSONSerialization.jsonObject(with: Data(process.output.utf8)) as? [String: Any])
            // 516,000 bytes.
            #expect(try #require(object["seconds"] as? Double) > 0.9, "\(process)")
        }

        @Test(arguments: [["--keys", "0"], ["--rate", "-1"], ["--clients", "0"], ["--seconds", "many"]])
        func `an unsuitable flag is refused by name`(flags: [String]) throws {
            let refused = try self.run(flags, in: TemporaryFolder())
            #expect(refused.ending == .exited(64) && refused.errors.contains(flags[0].drop { $0 == "-" }), "\(refused)")
        }
    }
}
