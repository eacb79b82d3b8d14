import Basics
import RESP
import Storage

/// INFO and HEARSAY STATUS.
extension Replica {
    enum InfoSection: String, CaseIterable {
        case server, clients, memory, persistence, stats, replication, keyspace, hearsay
    }

    func info(_ call: Call, _ writer: inout ReplyWriter) {
        var chosen: [InfoSection] = []
        for index in 1..<max(1, call.arguments.count) {
            let name = call.arguments[index].text.lowercased()
            if ["all", "default", "everything"].contains(name) {
                chosen = InfoSection.allCases
            } else if let section = InfoSection(rawValue: name), !chosen.contains(section) {
                chosen.append(section)
            }
        }
        if call.arguments.count == 1 { chosen = InfoSection.allCases }
        let surroundings = self.surroundings()
        writer.verbatim(
            chosen.map { section in
                let title = section.rawValue.prefix(1).uppercased() + section.rawValue.dropFirst()
                let lines = self.fields(of: section, surroundings).map { "\($0):\($1)\r\n" }
                return "# \(title)\r\n" + lines.joined()
            }.joined(separator: "\r\n"))
    }

    private func fields(of section: InfoSection, _ around: Surroundings) -> [(String, String)] {
        switch section {
        case .server: self.serverFields(around)
        case .clients: self.clientFields(around)
        case .memory: self.memoryFields(around)
        case .persistence: self.persistenceFields(around)
        case .stats: self.statisticsFields(around)
        case .replication: [("role", "master"), ("connected_slaves", "0")]
        case .keyspace: self.keyspaceFields()
        case .hearsay: self.hearsayFields(around)
        }
    }

    private func serverFields(_ around: Surroundings) -> [(String, String)] {
        [
            ("redis_version", protocolVersion), ("hearsay_version", programVersion), ("redis_mode", "standalone"), ("arch_bits", "64"),
            ("process_id", "\(around.processID)"), ("tcp_port", "\(around.port)"), ("uptime_in_seconds", "\(around.uptimeSeconds)"),
            ("uptime_in_days", "\(around.uptimeSeconds / 86_400)"), ("data_folder", around.folder),
        ]
    }

    private func clientFields(_ around: Surroundings) -> [(String, String)] {
        [
            ("connected_clients", "\(self.sessions.count)"), ("maxclients", "\(self.configuration.maximumClients)"),
            ("blocked_clients", "\(around.blockedClients)"), ("client_buffer_bytes", "\(around.clientBufferBytes)"),
        ]
    }

    private func memoryFields(_ around: Surroundings) -> [(String, String)] {
        [
            ("used_memory", "\(around.privateBytes)"), ("used_memory_human", humanBytes(around.privateBytes)),
            ("used_memory_rss", "\(around.residentBytes)"), ("used_memory_rss_human", humanBytes(around.residentBytes)), ("maxmemory", "0"),
            ("maxmemory_policy", "noeviction"), ("table_bytes", "\(self.store.live.memoryBytes)"),
            ("frozen_table_bytes", "\(self.store.frozen?.table.memoryBytes ?? 0)"),
        ]
    }

    private func persistenceFields(_ around: Surroundings) -> [(String, String)] {
        let statistics = try? self.store.baseStatistics()
        return [
            ("loading", "0"), ("aof_enabled", "1"), ("durability", self.store.configuration.durability.rawValue),
            ("log_head", "\(self.store.head)"), ("log_written", "\(self.store.written)"), ("log_synced", "\(self.store.synced)"),
            ("last_sync_usec", "\(around.lastSyncMicroseconds)"), ("slowest_sync_usec", "\(around.slowestSyncMicroseconds)"),
            ("failed_appends", "\(self.store.counters.failedAppends)"), ("drains", "\(self.store.counters.drains)"),
            ("drain_error", self.store.drainFailure.map { "\($0)" } ?? ""), ("base_bytes", "\(statistics?.usedBytes ?? 0)"),
            ("base_entries", "\(statistics?.entries ?? 0)"), ("base_tombstones", "\(statistics?.tombstones ?? 0)"),
        ]
    }

    private func statisticsFields(_ around: Surroundings) -> [(String, String)] {
        let statistics = self.statistics
        return [
            ("total_connections_received", "\(statistics.connections)"), ("rejected_connections", "\(around.refusedConnections)"),
            ("evicted_clients", "\(around.evictedClients)"),
            ("total_commands_processed", "\(statistics.commands)"), ("total_error_replies", "\(statistics.errors)"),
            ("total_net_input_bytes", "\(around.receivedBytes)"), ("total_net_output_bytes", "\(around.sentBytes)"),
            ("keyspace_hits", "\(statistics.hitsInTable + statistics.hitsInFrozenTable + statistics.hitsInBase)"),
            ("keyspace_misses", "\(statistics.misses)"), ("keyspace_hits_table", "\(statistics.hitsInTable)"),
            ("keyspace_hits_frozen", "\(statistics.hitsInFrozenTable)"), ("keyspace_hits_lmdb", "\(statistics.hitsInBase)"),
            ("used_cpu_user", "\(around.userSeconds)"), ("used_cpu_sys", "\(around.systemSeconds)"),
        ]
    }

    /// What INFO folds at least if there is so much, for a count that is exact where not much was written lately: some milliseconds.
    private static let infoFoldEntries = 2_500

    /// The count is as of the last fold: INFO waits for nothing.
    private func keyspaceFields() -> [(String, String)] {
        _ = try? self.store.fold(budget: Self.infoFoldEntries)
        guard self.store.liveKeys > 0 else { return [] }
        return [("db0", "keys=\(self.store.liveKeys),expires=\(self.store.expiringKeys),avg_ttl=0")]
    }

    private func hearsayFields(_ around: Surroundings) -> [(String, String)] {
        let identity = self.store.identity
        return [
            ("cluster_id", "\(identity.cluster)"), ("replica_id", "\(identity.replica)"),
            ("last_sequence", "\(self.store.seen.watermark(of: identity.replica))"), ("table_entries", "\(self.store.live.count)"),
            ("frozen_table_entries", "\(self.store.frozen?.table.count ?? 0)"),
            ("frozen_table_drained", "\(self.store.frozen?.progress?.entries ?? 0)"), ("table_fill", "\(Int(self.store.fill * 100))%"),
            ("digest_entries_folded", "\(self.store.foldedDigest.entries)"), ("digest_unfolded", "\(self.store.live.unfolded)"),
            ("digest_leaf_bits", "\(self.store.leafBits)"), ("damaged_entries", "\(self.store.counters.damagedEntries)"),
            ("damaged_reads", "\(self.store.counters.damagedReads)"), ("damage_open", "\(self.store.damage.ranges.count)"),
            ("local_conditions", "\(self.statistics.localConditions)"),
            ("refused_conditions", "\(self.statistics.refusedConditions)"), ("sibling_reads", "\(self.statistics.siblingReads)"),
            ("refused_siblings", "\(self.statistics.refusedSiblings)"), ("most_siblings", "\(self.statistics.mostSiblings)"),
        ] + self.clockFields() + self.clearanceFields() + self.peerFields()
    }

    /// What a person wants to know at a glance.
    func statusText(at now: Instant) -> String {
        let around = self.surroundings()
        let statistics = try? self.store.baseStatistics()
        let identity = self.store.identity
        let drain = self.store.frozen.map { "\($0.progress?.entries ?? 0) of \($0.table.count) entries moved to LMDB" } ?? "none running"
        let lines = [
            "node        \(identity.replica), up \(around.uptimeSeconds) s, process \(around.processID), version \(programVersion)",
            "cluster     \(self.clusterText)",
            "data        \(around.folder), \(humanBytes(statistics?.usedBytes ?? 0)) in LMDB, \(humanBytes(self.store.head - self.store.drainedPosition)) in the log",
            "durability  \(self.store.configuration.durability.rawValue), slowest sync \(around.slowestSyncMicroseconds) us",
            "keys        \(self.store.liveKeys) counted, \(self.store.live.unfolded + (self.store.frozen?.table.count ?? 0)) entries not counted yet",
            "table       \(self.store.live.count) entries, \(Int(self.store.fill * 100))% full; drain: \(drain)",
            "clients     \(self.sessions.count) of \(self.configuration.maximumClients), \(humanBytes(UInt64(around.clientBufferBytes))) in buffers",
            "memory      \(humanBytes(around.privateBytes)) private",
            "damage      \(self.damageText)",
        ]
        let failure = self.store.drainFailure.map { ["attention   drains fail, writes will be refused: \($0)"] } ?? []
        return (lines + self.clearanceLines() + self.peerLines(at: now) + self.clockLines() + failure).joined(separator: "\n") + "\n"
    }
}

/// A number of bytes for people, as Redis writes them: 1.50M.
package func humanBytes(_ bytes: UInt64) -> String {
    let units = ["B", "K", "M", "G", "T"]
    var (value, unit) = (Double(bytes), 0)
    while value >= 1_024, unit < units.count - 1 {
        value /= 1_024
        unit += 1
    }
    guard unit > 0 else { return "\(bytes)B" }
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)\(units[unit])"
}
