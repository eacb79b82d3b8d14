import Configuration
import Glibc
import Logging
import Membership
import Node
import Server
import Storage

/// What `hearsay node` was told, from options, environment and file, in that order; and the checks that make it usable.
struct NodeSettings {
    private let reader: ConfigReader

    /// - Throws: where the file cannot be read, or holds what no option can be.
    init(options: [(String, String?)], file: String?) throws(NodeFailure) {
        let environment = EnvironmentVariablesProvider()
        var providers: [any ConfigProvider] = [
            Self.provider("options", options.compactMap { name, value in value.map { (name, $0) } }), environment.prefixKeys(with: "hearsay"),
        ]
        if let path = file ?? ConfigReader(provider: environment).string(forKey: "hearsay.config") {
            let file = try ConfigurationFile(path: path, names: Set(options.map(\.0)))
            providers.append(Self.provider("file", file.values.map { ($0, $1) }))
        }
        self.reader = ConfigReader(providers: providers)
    }

    private static func provider(_ name: String, _ values: [(String, String)]) -> InMemoryProvider {
        let pairs = values.map { (AbsoluteConfigKey([$0]), ConfigValue(stringLiteral: $1)) }
        return InMemoryProvider(name: name, values: Dictionary(uniqueKeysWithValues: pairs))
    }

    // MARK: Readings

    private func text(_ name: String) -> String? { self.reader.string(forKey: ConfigKey([name])) }

    private func parse<Value>(_ name: String, _ expected: String, _ parse: (String) -> Value?) throws(NodeFailure) -> Value? {
        guard let text = self.text(name) else { return nil }
        guard let value = parse(text) else { throw NodeFailure(.usage, "--\(name): '\(text)' is not \(expected)") }
        return value
    }

    private func isSet(_ name: String) throws(NodeFailure) -> Bool {
        try self.parse(name, "true or false") { text in
            switch text.lowercased() {
            case "true", "yes", "1", "on": true
            case "false", "no", "0", "off", "": false
            default: nil
            }
        } ?? false
    }

    func logger() throws(NodeFailure) -> Logger {
        let level = try self.parse("log-level", "a log level") { Logger.Level(rawValue: $0.lowercased()) }
        var logger = Logger(label: "hearsay") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = level ?? .info
        return logger
    }

    func nodeOptions() throws(NodeFailure) -> NodeOptions {
        guard let folder = self.text("data"), !folder.isEmpty else {
            throw NodeFailure(.usage, "--data FOLDER is needed: where the node keeps its data")
        }
        var options = NodeOptions(folder: folder)
        if let (host, port) = try self.parse("listen", "an address and a port, such as 127.0.0.1:7379", parseAddress) {
            (options.host, options.port) = (host, port)
        }
        if let (host, port) = try self.parse("peer-listen", "an address and a port, such as 127.0.0.1:7380", parseAddress) {
            (options.peerHost, options.peerPort) = (host, port)
        }
        options.allowsInsecureListen = try self.isSet("insecure-listen")
        options.dropsDamagedLog = try self.isSet("drop-damaged-log")
        options.rebuilds = try self.isSet("rebuild")
        try self.readStore(&options.store)
        try self.readReplica(&options.replica)
        try self.readPeers(&options.peers)
        try options.validate()
        return options
    }

    private func readPeers(_ peers: inout PeerConfiguration) throws(NodeFailure) {
        peers.name = try self.parse("name", "1 to 64 letters, digits, dots, dashes or underscores") { try? MemberName($0) }
        peers.advertised = try self.parse("advertise", "an address and a port that peers can dial", parsePeerAddress)
        peers.seeds = try self.parse("seed", "an address and a port, or several with commas between", parseSeeds) ?? []
        peers.expected = try self.parse("expect", "a number from 2 to \(Offer.maximumFounders)", number(in: 2...Offer.maximumFounders)) ?? 0
    }

    private func readStore(_ store: inout StoreConfiguration) throws(NodeFailure) {
        store.durability = try self.parse("durability", "'always' or 'interval'") { StoreConfiguration.Durability(rawValue: $0) } ?? store.durability
        store.tableEntries = try self.parse("table-entries", "a number from 1000 to 10000000", number(in: 1_000...10_000_000)) ?? store.tableEntries
        store.tableBytes = try self.parse("table-bytes", "a size from 1MiB to 4GiB", size(in: 1 << 20...4 << 30)) ?? store.tableBytes
        store.logCapBytes = try self.parse("log-cap", "a size up to 1048576GiB", size(in: 0...1 << 50)) ?? store.logCapBytes
    }

    private func readReplica(_ replica: inout ReplicaConfiguration) throws(NodeFailure) {
        let interval = try self.parse("sync-interval", "a time from 1ms to 60s", milliseconds(in: 1...60_000))
        replica.syncIntervalMilliseconds = interval ?? replica.syncIntervalMilliseconds
        replica.maximumClients = try self.parse("max-clients", "a number from 1 to 1000000", number(in: 1...1_000_000)) ?? replica.maximumClients
        let memory = try self.parse("max-client-memory", "a size of at least 1MiB", size(in: 1 << 20...1 << 40))
        replica.maximumClientMemoryBytes = memory ?? replica.maximumClientMemoryBytes
        replica.maximumValueBytes =
            try self.parse("max-value", "a size from 1KiB to 64MiB", size(in: 1 << 10...64 << 20)) ?? replica.maximumValueBytes
        let idle = try self.parse("idle-timeout", "a time, or 0", milliseconds(in: 0...Int(Int32.max) * 1_000))
        replica.idleTimeoutSeconds = idle.map { ($0 + 999) / 1_000 } ?? replica.idleTimeoutSeconds
        let gossip = try self.parse("gossip-interval", "a time from 10ms to 60s", milliseconds(in: 10...60_000))
        replica.gossipIntervalMilliseconds = gossip ?? replica.gossipIntervalMilliseconds
        replica.fanout = try self.parse("fanout", "a number from 1 to 64", number(in: 1...64)) ?? replica.fanout
        let rate = try self.parse("bootstrap-rate", "a size a second up to 1048576GiB, or 0", size(in: 0...1 << 50))
        replica.bootstrapBytesPerSecond = rate ?? replica.bootstrapBytesPerSecond
        replica.allowsFlush = try self.isSet("allow-flush")
        let conditions = try self.parse("local-conditions", "'allow' or 'refuse'") { ReplicaConfiguration.LocalConditions(rawValue: $0) }
        replica.localConditions = conditions ?? replica.localConditions
        if let path = self.text("password-file"), !path.isEmpty {
            do throws(PasswordFile.Failure) { replica.password = try PasswordFile.read(path) } catch { throw NodeFailure(.usage, error.description) }
        }
    }
}

// MARK: Formats

/// host:port, with an IPv6 address in brackets.
func parseAddress(_ text: String) -> (host: String, port: Int)? {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port) else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) } else if host.contains(":") { return nil }
    return host.isEmpty ? nil : (host, port)
}

private func parsePeerAddress(_ text: String) -> PeerAddress? {
    parseAddress(text).flatMap { try? PeerAddress(host: $0.host, port: UInt16($0.port)) }
}

private func parseSeeds(_ text: String) -> [PeerAddress]? {
    let seeds = text.split(separator: ",").map { parsePeerAddress(String($0)) }
    return seeds.contains { $0 == nil } || seeds.count > Dialer.maximumAddresses ? nil : seeds.compactMap(\.self)
}

private func number(in range: ClosedRange<Int>) -> (String) -> Int? {
    { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }
}

/// Bytes: 1048576, 64MiB, 1GiB.
private func size(in range: ClosedRange<Int>) -> (String) -> Int? {
    { text in scaled(text, by: [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)], in: range) }
}

/// Times: 100ms, 5s, 2m. A bare number counts seconds.
private func milliseconds(in range: ClosedRange<Int>) -> (String) -> Int? {
    { text in scaled(text, by: [("ms", 1), ("s", 1_000), ("m", 60_000), ("", 1_000)], in: range) }
}

private func scaled(_ text: String, by units: [(String, Int)], in range: ClosedRange<Int>) -> Int? {
    for (unit, factor) in units where text.hasSuffix(unit) {
        guard let count = Int(text.dropLast(unit.count)), count >= 0 else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: factor)
        return !overflow && range.contains(product) ? product : nil
    }
    return nil
}
