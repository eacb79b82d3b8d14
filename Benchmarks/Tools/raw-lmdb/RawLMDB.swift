import ArgumentParser

/// `raw-lmdb`: what LMDB and the disk below it can do on this machine, without Hearsay.
@main
struct RawLMDB: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "raw-lmdb", abstract: "Measure LMDB and fdatasync on this machine, to set beside Hearsay's rates.",
        subcommands: [RatesCommand.self, FdatasyncCommand.self])
}

/// `raw-lmdb rates FOLDER`.
struct RatesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rates",
        abstract: "Measure synced puts, sorted and random, and GETs in the LMDB environment of a folder.",
        discussion: """
            Keys are 8 random bytes and a key of 16 bytes: as scattered as Hearsay's token order. Each transaction is committed synced.
            In a folder that has an environment already, such as that of a stopped node, the puts spoil it: --spoil says that this is meant.
            """)

    @Argument(help: "The folder of data.mdb. It is created if it is missing.")
    var folder: String

    @Option(help: "The database in the environment; Hearsay's is entries.")
    var database = "entries"

    @Option(help: "The size of each value; Hearsay stores 148 bytes for a value of 100.")
    var valueBytes = 148

    @Option(help: "The number of keys that are put in sorted order in one transaction.")
    var sorted = 200_000

    @Option(help: "The number of keys in each small transaction.")
    var batch = 1_000

    @Option(help: "The number of small transactions.")
    var batches = 50

    @Option(help: "The number of GETs, of random keys that are there.")
    var gets = 200_000

    @Option(help: "First put this many other keys, to measure in a store of that size.")
    var fill = 0

    @Option(help: "All keys follow from it. Two runs into one folder need two seeds.")
    var seed: UInt64 = 1

    @Flag(help: "Write into an environment that exists, which makes it useless for anything else.")
    var spoil = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        let counts = [
            ("--value-bytes", self.valueBytes), ("--sorted", self.sorted), ("--batch", self.batch), ("--batches", self.batches),
            ("--gets", self.gets),
        ]
        for (name, count) in counts where !(1...100_000_000).contains(count) {
            throw ValidationError("\(name) must be from 1 to 100000000.")
        }
        guard (0...1_000_000_000).contains(self.fill) else { throw ValidationError("--fill must be from 0 to 1000000000.") }
    }

    func run() throws {
        var run = try RateRun(self)
        print(try run.measure().text(json: self.json))
    }
}

/// `raw-lmdb fdatasync FILE`.
struct FdatasyncCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fdatasync", abstract: "Measure fdatasync of a lone writer that appends 4 KiB at a time to a new file, and remove the file.")

    @Argument(help: "The file to write. It must not exist.")
    var file: String

    @Option(help: "How long to write.")
    var seconds = 10

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...3_600).contains(self.seconds) else { throw ValidationError("--seconds must be from 1 to 3600.") }
    }

    func run() throws {
        print(try measureLoneWriter(file: self.file, seconds: self.seconds).text(json: self.json))
    }
}
