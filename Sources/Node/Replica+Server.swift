import Basics
import RESP
import Storage

/// The commands on the node as a whole.
extension Replica {
    func runServer(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        switch call.command {
        case .info: self.info(call, &writer)
        case .command:
            CommandTable.answer(call.subcommand, call.arguments, to: &writer)
        case .config: self.config(call, &writer)
        case .hearsay: return try self.hearsay(call, &writer)
        default: preconditionFailure("\(call.command) is no command on the node")
        }
        return .answered(dependsOn: 0)
    }

    private func hearsay(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        switch call.subcommand {
        case .hearsayDigest: return self.begin(.digest)
        case .hearsayVerify: return self.begin(.verify)
        case .hearsayMembers: self.members(call, &writer)
        case .hearsayLag: self.lag(call, &writer)
        case .hearsayLeave: return self.beginLeave(call, &writer)
        case .hearsayRemove: return .answered(dependsOn: self.retireMember(call, as: .removed, &writer))
        case .hearsayFence: return .answered(dependsOn: self.retireMember(call, as: .fenced, &writer))
        case .hearsaySalvage: return .answered(dependsOn: try self.salvage(call, &writer))
        case .hearsaySetting: return .answered(dependsOn: self.setting(call, &writer))
        case .hearsayPolicy: return .answered(dependsOn: self.policy(call, &writer))
        case .hearsaySiblings: return try self.beginSiblings(call, &writer)
        case .hearsayDamage: return .answered(dependsOn: self.damage(call, &writer))
        case .hearsayDiff: return self.beginDiff(call, &writer)
        case .hearsayRepair: return self.beginRepair(call, &writer)
        case .hearsayStatus: writer.verbatim(self.statusText(at: call.moment.now))
        default: Command.hearsay.writeHelp(to: &writer)
        }
        return .answered(dependsOn: 0)
    }

    // MARK: CONFIG

    private func config(_ call: Call, _ writer: inout ReplyWriter) {
        switch call.subcommand {
        case .configGet: self.configGet(call, &writer)
        case .configSet: self.configSet(call, &writer)
        case .configResetStatistics:
            self.statistics = ReplicaStatistics()
            writer.ok()
        default: Command.config.writeHelp(to: &writer)
        }
    }

    private func configGet(_ call: Call, _ writer: inout ReplyWriter) {
        var chosen: [Setting] = []
        for index in 2..<call.arguments.count {
            // Redis matches names of settings in any case.
            let lowered = call.arguments[index].text.lowercased()
            let pattern = Array(lowered.utf8).withUnsafeBytes { try? GlobPattern(Bytes($0)) }
            guard let pattern else { return self.answerPatternTooLong(&writer) }
            for setting in Setting.allCases where !chosen.contains(setting) {
                var name = setting.rawValue
                if name.withUTF8({ pattern.matches(UnsafeRawBufferPointer($0)) }) { chosen.append(setting) }
            }
        }
        writer.map(count: chosen.count)
        for setting in chosen {
            writer.bulk(setting.rawValue)
            writer.bulk(setting.value(in: self))
        }
    }

    private func configSet(_ call: Call, _ writer: inout ReplyWriter) {
        guard call.arguments.count % 2 == 0 else {
            return self.answerSyntaxError(&writer)
        }
        var changed = self.configuration
        var settings: [Setting] = []
        for index in stride(from: 2, to: call.arguments.count, by: 2) {
            let (name, value) = (call.arguments[index].text.lowercased(), call.arguments[index + 1])
            guard let setting = Setting(rawValue: name) else {
                self.statistics.errors += 1
                return writer.error("ERR", "Unknown option or number of arguments for CONFIG SET - '\(name)'")
            }
            let isRepeated = settings.contains(setting)
            settings.append(setting)
            guard let problem = isRepeated ? "duplicate parameter" : setting.set(value, in: &changed) else { continue }
            self.statistics.errors += 1
            return writer.error("ERR", "CONFIG SET failed (possibly related to argument '\(name)') - \(problem)")
        }
        self.configuration = changed
        self.peers?.rounds.interval = changed.gossipInterval
        self.peers?.rounds.idleInterval = changed.gossipIdleInterval
        self.peers?.rounds.fanout = changed.fanout
        self.peers?.throttle.bytesPerSecond = changed.bootstrapBytesPerSecond
        writer.ok()
    }
}

/// What CONFIG shows, in Redis's names where Redis has the thing.
enum Setting: String, CaseIterable {
    case appendOnly = "appendonly"
    case appendSync = "appendfsync"
    case bootstrapRate = "bootstrap-rate"
    case databases
    case durability
    case fanout
    case gossipIdleInterval = "gossip-idle-interval"
    case gossipInterval = "gossip-interval"
    case localConditions = "local-conditions"
    case logCap = "log-cap"
    case maximumClientMemory = "maxmemory-clients"
    case maximumClients = "maxclients"
    case maximumMemory = "maxmemory"
    case maximumValueBytes = "proto-max-bulk-len"
    case save
    case syncInterval = "sync-interval"
    case tableBytes = "table-bytes"
    case tableEntries = "table-entries"
    case timeout

    func value(in replica: Replica) -> String {
        let (configuration, store) = (replica.configuration, replica.store.configuration)
        return switch self {
        case .appendOnly: "yes"
        case .appendSync: store.durability == .always ? "always" : "everysec"
        case .bootstrapRate: "\(configuration.bootstrapBytesPerSecond)"
        case .databases: "1"
        case .durability: store.durability.rawValue
        case .fanout: "\(configuration.fanout)"
        case .gossipIdleInterval: "\(configuration.gossipIdleIntervalMilliseconds)"
        case .gossipInterval: "\(configuration.gossipIntervalMilliseconds)"
        case .localConditions: configuration.localConditions.rawValue
        case .logCap: "\(store.logCapBytes)"
        case .maximumClientMemory: "\(configuration.maximumClientMemoryBytes)"
        case .maximumClients: "\(configuration.maximumClients)"
        case .maximumMemory: "0"
        case .maximumValueBytes: "\(configuration.maximumValueBytes)"
        case .save: ""
        case .syncInterval: "\(configuration.syncIntervalMilliseconds)"
        case .tableBytes: "\(store.tableBytes)"
        case .tableEntries: "\(store.tableEntries)"
        case .timeout: "\(configuration.idleTimeoutSeconds)"
        }
    }

    /// Changes the setting.
    ///
    /// - Returns: what is wrong with the value; nil where it was taken.
    func set(_ value: Bytes, in configuration: inout ReplicaConfiguration) -> String? {
        switch self {
        case .localConditions:
            guard let choice = ReplicaConfiguration.LocalConditions(rawValue: value.text.lowercased()) else {
                return "argument must be one of: allow, refuse"
            }
            configuration.localConditions = choice
        case .bootstrapRate: return Self.read(value, 0...1 << 50) { configuration.bootstrapBytesPerSecond = $0 }
        case .fanout: return Self.read(value, 1...64) { configuration.fanout = $0 }
        case .gossipInterval: return Self.read(value, 10...60_000) { configuration.gossipIntervalMilliseconds = $0 }
        case .gossipIdleInterval: return Self.read(value, 10...600_000) { configuration.gossipIdleIntervalMilliseconds = $0 }
        case .timeout:
            return Self.read(value, 0...Int64(Int32.max)) { configuration.idleTimeoutSeconds = $0 }
        case .maximumClients:
            return Self.read(value, 1...1_000_000) { configuration.maximumClients = $0 }
        case .maximumClientMemory:
            return Self.read(value, 1 << 20...Int64.max) { configuration.maximumClientMemoryBytes = $0 }
        case .appendOnly, .appendSync, .databases, .durability, .logCap, .maximumMemory, .maximumValueBytes, .save, .syncInterval, .tableBytes,
            .tableEntries:
            return "can't set immutable config"
        }
        return nil
    }

    /// Takes a number within a range, or says what is wrong with it, in Redis's words.
    private static func read(_ value: Bytes, _ range: ClosedRange<Int64>, _ take: (Int) -> Void) -> String? {
        guard let number = value.integer() else { return "argument couldn't be parsed into an integer" }
        guard range.contains(number) else { return "argument must be between \(range.lowerBound) and \(range.upperBound) inclusive" }
        take(Int(number))
        return nil
    }
}
