import ArgumentParser
import Bench
import Glibc

/// `hearsay bench`: tools that measure nodes from outside.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure nodes through their public ports.",
        subcommands: [BenchServeCommand.self, BenchRepairCommand.self, BenchBootstrapCommand.self])
}

/// `hearsay bench serve`: how fast a node answers SET and GET.
struct BenchServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Send SETs and GETs to a node, or to any server of the Redis protocol, and report rates, latencies and pauses.",
        discussion: """
            Keys are --key-prefix and a number of twelve digits, drawn uniformly from --keys; values are pseudo-random bytes. Every connection \
            sends --pipeline requests in one write, waits for all the replies, and sends the next.

            Exit code 0: a good run. 1: error replies, too few hits, wrong values or lost idle connections, each named. 69: no connection, \
            or one was lost. 66: no password in the file. 64: unsuitable flags.

            Examples:
              hearsay bench serve --load --keys 1000000 --pipeline 16
              hearsay bench serve --get-share 0 --pipeline 16 --seconds 60 --digest-every 1 --json
            """)

    @Option(help: "The node's host name or address.")
    var host = "127.0.0.1"

    @Option(name: .shortAndLong, help: "The node's client port.")
    var port = 7379

    @Option(help: ArgumentHelp("A file that holds the password. HEARSAY_PASSWORD_FILE stands in for it.", valueName: "file"))
    var passwordFile: String?

    @Option(name: .shortAndLong, help: "Connections that send requests.")
    var clients = 50

    @Option(name: [.customShort("P"), .long], help: "Requests that a connection sends in one write.")
    var pipeline = 1

    @Option(name: [.customShort("n"), .long], help: "End after this many requests (default 1000000, unless --seconds is given).")
    var requests: Int?

    @Option(help: "End after this many seconds.")
    var seconds: Int?

    @Option(name: .shortAndLong, help: "The number of different keys.")
    var keys = 1_000_000

    @Option(help: "What each key begins with.")
    var keyPrefix = "key:"

    @Option(name: [.customShort("d"), .long], help: "The size of each value in bytes.")
    var valueBytes = 100

    @Option(help: "Have what is set expire after this many seconds.")
    var ttlSeconds: Int?

    @Option(help: "The share of GETs, from 0 (only SET) to 1 (only GET).")
    var getShare = 0.5

    @Option(help: "Keys, kinds and values follow from it; the same seed sends the same requests.")
    var seed: UInt64 = 1

    @Flag(help: "First write every key once; its rate is reported apart.")
    var load = false

    @Option(help: "The least share of GETs that must find a value (default 1 with --load, otherwise not checked).")
    var expectHits: Double?

    @Flag(help: "Count error replies without failing the run.")
    var allowErrors = false

    @Option(help: "Further connections that stay open and silent.")
    var idleClients = 0

    @Option(help: ArgumentHelp("Meanwhile ask HEARSAY DIGEST on another connection this often.", valueName: "seconds"))
    var digestEvery: Double?

    @Option(help: ArgumentHelp("Give up after this long without any reply.", valueName: "seconds"))
    var patience = 60

    @Flag(help: "Print one JSON object instead of a table, and no progress.")
    var json = false

    /// The exit code of sysexits.h for a service that cannot be reached.
    private static let unavailable = ExitCode(69)
    /// The one for a file that cannot be read.
    private static let noInput = ExitCode(66)

    func validate() throws {
        if self.requests != nil, self.seconds != nil { throw ValidationError("--requests and --seconds exclude each other.") }
        if let digestEvery, !(0.01...3_600).contains(digestEvery) { throw ValidationError("--digest-every must be from 0.01 to 3600 seconds.") }
        do {
            try self.options(password: nil).validate()
        } catch {
            throw ValidationError("--\(error)")
        }
    }

    func run() async throws {
        let options = self.options(password: try self.password())
        let line = ProgressLine(quiet: self.json)
        do {
            let report = try await ServeBench.run(options) { line.show($0) }
            line.clear()
            print(self.json ? report.json() : report.text())
            if !report.failures.isEmpty { throw ExitCode.failure }
        } catch let error as BenchError {
            line.clear()
            Self.complain("\(error)")
            throw Self.unavailable
        }
    }

    private func options(password: [UInt8]?) -> ServeBenchOptions {
        var options = ServeBenchOptions()
        (options.host, options.port, options.password) = (self.host, self.port, password)
        (options.clients, options.pipeline, options.idleClients) = (self.clients, self.pipeline, self.idleClients)
        if let requests = self.requests { options.limit = .requests(requests) }
        if let seconds = self.seconds { options.limit = .seconds(seconds) }
        (options.keys, options.keyPrefix, options.valueBytes) = (self.keys, self.keyPrefix, self.valueBytes)
        (options.getShare, options.seed, options.load) = (self.getShare, self.seed, self.load)
        (options.expectedHitRate, options.allowErrors) = (self.expectHits, self.allowErrors)
        options.ttlSeconds = self.ttlSeconds
        options.digestEvery = self.digestEvery.map { .seconds($0) }
        options.patienceSeconds = self.patience
        return options
    }

    /// What the password file holds; nil without one.
    private func password() throws -> [UInt8]? {
        guard let path = self.passwordFile ?? getenv("HEARSAY_PASSWORD_FILE").map({ String(cString: $0) }), !path.isEmpty else { return nil }
        do {
            return try PasswordFile.read(path)
        } catch {
            Self.complain("\(error)")
            throw Self.noInput
        }
    }

    private static func complain(_ text: String) {
        writeToStandardError("hearsay bench serve: \(text)\n")
    }
}
