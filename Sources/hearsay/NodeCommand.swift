import ArgumentParser
import Logging
import Server
import ServiceLifecycle

/// `hearsay node`: runs a replica until SIGTERM or SIGINT.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Run a node: store and serve keys until SIGTERM or Ctrl-C.",
        discussion: """
            Every option can also be given as an environment variable (HEARSAY_MAX_CLIENTS for --max-clients) or in a JSON file named by \
            --config ({"max-clients": 500}). Options count before variables, variables before the file.

            Sizes are bytes, or end in KiB, MiB or GiB; times end in ms, s or m.

            Exit codes: 64 unusable options, 69 the address cannot be listened on, 73 the data folder cannot be made, 74 reading or \
            writing failed, 75 another process uses the folder, 78 refused: an insecure address, or a store that this program must not open.

            After any end but an orderly one the data is checked first, in a process of its own. Where it is damaged beyond single entries, which \
            the other members mend, the node does not start: `hearsay verify FOLDER` tells what is damaged, and --rebuild puts it aside, \
            inside the folder, and joins again as an empty node would. On an intact store --rebuild changes nothing.
            """)

    @Option(help: ArgumentHelp("The folder for the data; made if it is missing.", valueName: "folder"))
    var data: String?

    @Option(help: ArgumentHelp("The address and port for clients; port 0 for any that is free. (default: 127.0.0.1:7379)", valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("When answers leave: 'always' after fdatasync, 'interval' after write. (default: always)", valueName: "level"))
    var durability: String?

    @Option(help: ArgumentHelp("At durability 'interval', how long a write may wait for its fdatasync. (default: 100ms)", valueName: "time"))
    var syncInterval: String?

    @Option(help: ArgumentHelp("A file whose first line is the password that clients must give.", valueName: "file"))
    var passwordFile: String?

    @Flag(help: "Listen on an address off loopback although no password is asked for.")
    var insecureListen = false

    @Option(help: ArgumentHelp("What the node is called, unlike any other of its set. (default: the beginning of its replica id)", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("The address and port for other nodes; port 0 for any that is free. (default: none)", valueName: "host:port"))
    var peerListen: String?

    @Option(help: ArgumentHelp("A node to ask first; may be given several times. Without any the node founds a cluster.", valueName: "host:port"))
    var seed: [String] = []

    @Option(help: ArgumentHelp("Found a cluster with so many empty nodes, this one included, once all have met.", valueName: "count"))
    var expect: String?

    @Option(help: ArgumentHelp("Where other nodes can reach this one. (default: what --peer-listen says)", valueName: "host:port"))
    var advertise: String?

    @Option(help: ArgumentHelp("How often to compare with others while something changes. (default: 200ms)", valueName: "time"))
    var gossipInterval: String?

    @Option(help: ArgumentHelp("How many others to compare with at a time, and to push writes to. (default: 3)", valueName: "count"))
    var fanout: String?

    @Option(help: ArgumentHelp("Give nodes that join so many bytes a second, all of them together; 0 for no limit. (default: 0)", valueName: "size"))
    var bootstrapRate: String?

    @Option(help: ArgumentHelp("How many clients may be connected. (default: 10000)", valueName: "count"))
    var maxClients: String?

    @Option(help: ArgumentHelp("What the buffers of all clients may hold together. (default: 256MiB)", valueName: "size"))
    var maxClientMemory: String?

    @Option(help: ArgumentHelp("The longest value. (default: 16MiB)", valueName: "size"))
    var maxValue: String?

    @Option(help: ArgumentHelp("Disconnect clients that send nothing for so long; 0 for never. (default: 0)", valueName: "time"))
    var idleTimeout: String?

    @Flag(help: "Let FLUSHALL and FLUSHDB delete every key.")
    var allowFlush = false

    @Option(
        help: ArgumentHelp(
            "Conditions (SET NX, WATCH and others) are judged on this node alone: 'allow' or 'refuse' them. (default: allow)", valueName: "choice"))
    var localConditions: String?

    @Option(help: ArgumentHelp("Move the table to LMDB at so many entries. (default: 400000)", valueName: "count"))
    var tableEntries: String?

    @Option(help: ArgumentHelp("Move the table to LMDB at so many bytes. (default: 128MiB)", valueName: "size"))
    var tableBytes: String?

    @Option(
        help: ArgumentHelp("Keep so much of the log for members that are away; 0 answers nobody from the log. (default: 1GiB)", valueName: "size"))
    var logCap: String?

    @Flag(help: "Put a damaged log aside and go on with what can be read, under a new replica id.")
    var dropDamagedLog = false

    @Flag(help: "Put a store aside that is damaged beyond single entries, and get everything again from the members. Needs --seed and --name.")
    var rebuild = false

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical. (default: info)", valueName: "level"))
    var logLevel: String?

    @Option(help: ArgumentHelp("A JSON file with more options.", valueName: "file"))
    var config: String?

    func run() async throws {
        do {
            let settings = try self.settings()
            let options = try settings.nodeOptions()
            let logger = try settings.logger()
            var quiet = logger
            quiet.logLevel = .error
            let service = ServiceGroupConfiguration.ServiceConfiguration(
                service: NodeService(options: options, logger: logger), successTerminationBehavior: .gracefullyShutdownGroup,
                failureTerminationBehavior: .cancelGroup)
            try await ServiceGroup(
                configuration: ServiceGroupConfiguration(services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet)
            ).run()
        } catch let failure as NodeFailure {
            complain(failure.description)
            throw ExitCode(failure.code.rawValue)
        }
    }

    private func settings() throws(NodeFailure) -> NodeSettings {
        let values: [(String, String?)] = [
            ("data", self.data), ("listen", self.listen), ("durability", self.durability), ("sync-interval", self.syncInterval),
            ("password-file", self.passwordFile), ("insecure-listen", self.insecureListen ? "true" : nil), ("max-clients", self.maxClients),
            ("max-client-memory", self.maxClientMemory), ("max-value", self.maxValue), ("idle-timeout", self.idleTimeout),
            ("allow-flush", self.allowFlush ? "true" : nil), ("local-conditions", self.localConditions), ("table-entries", self.tableEntries),
            ("table-bytes", self.tableBytes), ("log-cap", self.logCap), ("name", self.name), ("peer-listen", self.peerListen),
            ("seed", self.seed.isEmpty ? nil : self.seed.joined(separator: ",")), ("expect", self.expect), ("advertise", self.advertise),
            ("gossip-interval", self.gossipInterval), ("fanout", self.fanout), ("bootstrap-rate", self.bootstrapRate),
            ("drop-damaged-log", self.dropDamagedLog ? "true" : nil), ("rebuild", self.rebuild ? "true" : nil),
            ("log-level", self.logLevel),
        ]
        return try NodeSettings(options: values, file: self.config)
    }
}
