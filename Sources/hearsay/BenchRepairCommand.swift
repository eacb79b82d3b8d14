import ArgumentParser
import Basics
import Bench
import Glibc
import Storage

/// `hearsay bench repair`: how two nodes that were apart become equal again.
struct BenchRepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Start two nodes, let them differ in some entries, and measure how they become equal again.",
        discussion: """
            Two `hearsay node` processes with public flags alone: the second dials the first through a proxy, which counts and can cut. The first \
            is loaded through its client port, the second joins it. Then the proxy cuts them off, keys are written on both, and they are brought \
            together again. Time and bytes run from the first byte of their connection until both have synced and answer the same 128-bit digest, \
            asked every 2 ms, later every hundredth of the time so far. Each run adds the keys of its own to the store.

            Record bytes are encoded records as they cross, digest bytes all others, both ways, framing and gossip included. Round trips are \
            measured: the time with 100 ms added each way, less the time without, by 0.2 s. All other figures are of the runs without a delay.

            A last run each time has the first node count what differs, by HEARSAY REPAIR n2 DRYRUN, while the proxy holds back the summaries \
            on which the nodes would begin to repair; the processor time of both runs from the command to its answer.

            LMDB puts are of as many records of the same store, into the LMDB file of the first node once it has stopped, synced in batches of \
            1,000 in random order and in one batch in LMDB's order: new ones, or with the pattern updates those that are there.

            Patterns: uniform: new keys with random numbers, half on each node. clustered: new keys with one prefix and numbers in sequence; \
            nodes place keys by a keyed hash, so this is as close together as a client can bring them. onesided: new keys, all on the first \
            node. updates: keys of both written again, half of them on each node.

            Methods: auto: as nodes do by themselves: what a node missed comes from the other's log, the rest by comparison. log: the same, and a \
            run in which digests were compared after all fails; there are no dry runs. tree: nodes with --log-cap 0, which compare digests.

            Exit code 0: measured. 1: not, and why. 64: unsuitable flags.

            Examples:
              hearsay bench repair --keys 1000000 --differ 100
              hearsay bench repair --keys 1000000 --differ 100000 --pattern updates --repeat 5 --json
            """)

    @Option(name: .shortAndLong, help: "Entries that both nodes have.")
    var keys = 1_000_000

    @Option(name: [.customShort("D"), .long], help: "Entries that only one node has, or has newer.")
    var differ = 10_000

    @Option(name: [.customShort("d"), .long], help: "The size of each value in bytes.")
    var valueBytes = 100

    @Option(help: "Which keys differ: uniform, clustered, onesided or updates.")
    var pattern = RepairBenchOptions.Pattern.uniform

    @Option(help: "How the nodes find what differs: auto, log or tree.")
    var method = RepairBenchOptions.Method.auto

    @Option(name: [.customShort("n"), .customLong("repeat")], help: "So many runs without a delay, as many with one, and as many dry ones.")
    var repeatCount = 3

    @Option(help: "Keys and values follow from it.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Where a folder for both stores is made, and removed again. (default: TMPDIR, or /tmp)", valueName: "folder"))
    var folder: String?

    @Flag(help: "Print one JSON object instead of a table, and no progress.")
    var json = false

    private static let batchRecords = 1_000

    func validate() throws {
        do {
            try self.options.validate()
        } catch {
            throw ValidationError("--\(error)")
        }
    }

    func run() async throws {
        let line = ProgressLine(quiet: self.json)
        do {
            let report = try await RepairBench.run(self.options, program: try ownProgram(), measureRaw: self.measureRaw) { line.show($0) }
            line.clear()
            print(self.json ? report.json() : report.text())
        } catch {
            line.clear()
            writeToStandardError("hearsay bench repair: \(error)\n")
            throw ExitCode.failure
        }
    }

    private var options: RepairBenchOptions {
        var options = RepairBenchOptions()
        (options.keys, options.differ, options.valueBytes) = (self.keys, self.differ, self.valueBytes)
        (options.pattern, options.repeatCount, options.seed) = (self.pattern, self.repeatCount, self.seed)
        options.method = self.method
        options.folder = self.folder ?? getenv("TMPDIR").map { String(cString: $0) } ?? options.folder
        return options
    }

    /// The medians of as many measurements as there are runs.
    private func measureRaw(folder: String) throws -> RepairBench.RawRates {
        let (puts, clock) = (try RawPuts(folder: folder), ContinuousClock())
        var generator = SplitMix64(seed: self.seed)
        var (batched, sorted): ([Double], [Double]) = ([], [])
        for _ in 0..<self.repeatCount {
            let records = try puts.draw(self.differ, areNew: self.pattern != .updates, using: &generator)
            let batchedTime = try clock.measure {
                for start in stride(from: 0, to: records.count, by: Self.batchRecords) {
                    try puts.put(records[start..<min(start + Self.batchRecords, records.count)])
                }
            }
            let ordered = RawPuts.sorted(try puts.draw(self.differ, areNew: self.pattern != .updates, using: &generator))
            let sortedTime = try clock.measure { try puts.put(ordered) }
            batched.append(Double(self.differ) / batchedTime.inSeconds)
            sorted.append(Double(self.differ) / sortedTime.inSeconds)
        }
        return RepairBench.RawRates(perSecond: median(batched), sortedPerSecond: median(sorted))
    }
}

extension RepairBenchOptions.Pattern: ExpressibleByArgument {}
extension RepairBenchOptions.Method: ExpressibleByArgument {}
