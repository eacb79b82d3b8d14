import ArgumentParser
import Basics
import Bench
import FoundationEssentials
import Glibc
import Storage

/// `hearsay bench bootstrap`: how an empty node gets everything from a member, and what the member's clients feel of it.
struct BenchBootstrapCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bootstrap",
        abstract: "Start a member with so many keys, let empty nodes join it, and measure.",
        discussion: """
            `hearsay node` processes with public flags alone. The member is loaded through its client port; then joiners start, one after the \
            other, each with an empty folder, and are timed from the start of their process until they serve everything.

            Beside it, on the same entries and disk: one load into an empty LMDB file, in LMDB's order, in one transaction, synced at its end.

            Last, a few clients ask the member, each one thing at a time, half GETs and half SETs: first without a joiner, then while joiners \
            come one after the other. Members, joiners, clients and their disk share this machine, so a joiner elsewhere disturbs less.

            Exit code 0: measured. 1: not, and why; or clients were answered errors. 64: unsuitable flags.

            Examples:
              hearsay bench bootstrap --keys 1000000
              hearsay bench bootstrap --keys 1000000 --rate 50000000 --json
            """)

    @Option(name: .shortAndLong, help: "Entries that the member has.")
    var keys = 1_000_000

    @Option(name: [.customShort("d"), .long], help: "The size of each value in bytes.")
    var valueBytes = 100

    @Option(help: "What the member gives at most, in bytes a second; 0 for as fast as it can.")
    var rate = 0

    @Option(name: [.customShort("n"), .customLong("repeat")], help: "So many bootstraps, and loads of LMDB; medians are reported.")
    var repeatCount = 3

    @Option(name: .shortAndLong, help: "Clients of the member.")
    var clients = 4

    @Option(help: "How long the clients are measured, without bootstraps and with.")
    var seconds = 10

    @Option(help: "Keys and values follow from it.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Where a folder for the stores is made, and removed again. (default: TMPDIR, or /tmp)", valueName: "folder"))
    var folder: String?

    @Flag(help: "Print one JSON object instead of a table, and no progress.")
    var json = false

    func validate() throws {
        do {
            try self.options.validate()
        } catch {
            throw ValidationError("--\(error)")
        }
    }

    func run() async throws {
        let line = ProgressLine(quiet: self.json)
        var failures: [String]
        do {
            let report = try await BootstrapBench.run(self.options, program: try ownProgram(), measureRaw: Self.measureRaw) { line.show($0) }
            line.clear()
            print(self.json ? report.json() : report.text())
            failures = report.calm.failures + report.disturbed.failures
        } catch {
            line.clear()
            failures = ["\(error)"]
        }
        for failure in failures { writeToStandardError("hearsay bench bootstrap: \(failure)\n") }
        if !failures.isEmpty { throw ExitCode.failure }
    }

    private var options: BootstrapBenchOptions {
        var options = BootstrapBenchOptions()
        (options.keys, options.valueBytes, options.bytesPerSecond, options.repeatCount) = (self.keys, self.valueBytes, self.rate, self.repeatCount)
        (options.clients, options.seconds, options.seed) = (self.clients, self.seconds, self.seed)
        options.folder = self.folder ?? getenv("TMPDIR").map { String(cString: $0) } ?? options.folder
        return options
    }

    private static func measureRaw(base: String, into folder: String) throws -> (entries: Int, seconds: Double) {
        let load = try RawLoad(folder: base)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let took = try ContinuousClock().measure { try load.load(into: folder) }
        return (load.entries, took.inSeconds)
    }
}

/// The path of this program, which itself runs as the nodes of a bench.
func ownProgram() throws(BenchError) -> String {
    guard let path = realpath("/proc/self/exe", nil) else { throw .cannotPrepare(what: "this program", reason: String(cString: strerror(errno))) }
    defer { free(path) }
    return String(cString: path)
}
