import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// What a power cut leaves: images of a real node's disk, built from a journal of its writes and syncs. PowerCut/power_cut.py tells how.
    @Suite struct PowerCutTests {
        @Test(arguments: ["always", "interval"])
        func `a node comes back from power cuts at random moments, at always with every answered write`(durability: String) throws {
            let images = ProcessTests.isSoak ? 200 : 20
            let run = try Self.powerCuts(["--images", "\(images)", "--durability", durability])
            #expect(run.ending == .exited(0), "\(run.output)\(run.errors)")
            #expect(run.output.contains("\(images) images"), "\(run.output)")
        }

        /// Proves that the images find what they are there to find.
        @Test(arguments: ["log", "base", "names"])
        func `on a disk that does not sync what it is asked to, power cuts lose answered writes`(ignored: String) throws {
            // It ends with the first bad image, which is among the first ten or so.
            let run = try Self.powerCuts(["--images", "100", "--ignore", ignored])
            #expect(run.ending == .exited(0), "no image of a disk without these syncs is bad: \(run.output)\(run.errors)")
        }

        private static func powerCuts(_ options: [String]) throws -> FinishedProcess {
            let python = "\(ProcessTests.root)/.build-venv/bin/python"
            try #require(access(python, X_OK) == 0, "\(python) is missing: run deploy/test.sh once, which creates it")
            let script = "\(ProcessTests.root)/Tests/ClusterTests/PowerCut/power_cut.py"
            let arguments = [script, try NodeProcess.program(), "--seed", "\(ProcessTests.seed)"] + options
            return try FinishedProcess(python, arguments, patience: .seconds(1_800))
        }
    }
}
