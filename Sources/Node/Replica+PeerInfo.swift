import AntiEntropy
import Basics
import Membership
import Storage

/// What INFO and STATUS show of the others.
extension Replica {
    /// Fields of INFO's Hearsay section; none for a node that was started to be alone.
    func peerFields() -> [(String, String)] {
        guard let peers = self.peers else { return [] }
        let counters = peers.counters
        let dropped = peers.relations.reduce(peers.rumors.dropped) { $0 + $1.statistics.pushesDropped }
        let fields = [
            ("node_name", peers.table.ownName.text), ("members", "\(peers.table.members.count + 1)"), ("linked_members", "\(peers.linked.count)"),
            ("epoch", "\(peers.table.roster.epoch.number)"), ("refused_epochs", "\(counters.refusedEpochs)"),
            ("start", "\(self.store.start.counter)"), ("writes_held_for", "\(peers.identity.unanswered.count)"),
            ("writes_refused_for", self.writeRefusal ?? ""), ("waiting_for", self.absence?.reason ?? ""), ("gossip_rounds", "\(counters.rounds)"),
            ("pushes_received", "\(counters.pushesIn)"),
            ("pushed_records_new", "\(counters.hops.reduce(0, +))"), ("pushed_records_known", "\(counters.duplicates)"),
            ("pushes_dropped", "\(dropped)"), ("pushes_not_told_on", "\(peers.rumors.died)"), ("push_hops_p50", "\(counters.hops(share: 0.5))"),
            ("push_hops_p99", "\(counters.hops(share: 0.99))"), ("refused_handshakes", "\(counters.refusedHandshakes)"),
            ("sessions_running", "\(peers.links.count { $0.exchange != nil })"),
        ]
        return fields + self.bootstrapFields(peers)
            + peers.table.members.sorted { $0.name.text < $1.name.text }.map { ("peer_\($0.name)", self.peerField($0, peers)) }
    }

    private func peerField(_ member: Member, _ peers: PeerSet) -> String {
        let statistics = peers.relation(to: member.replica)?.statistics ?? PeerStatistics()
        func age(_ moment: Instant?) -> String { moment.map { "\(self.lastTick.since($0).wholeNanoseconds / 1_000_000)" } ?? "-1" }
        let link = peers.link(to: member.replica)
        let progress = link?.exchange?.progress ?? SessionProgress()
        let fields: [(String, String)] = [
            ("id", "\(member.replica)"), ("address", member.address.map { "\($0)" } ?? ""), ("link", link == nil ? "down" : "up"),
            ("roots", statistics.hasEqualRoots.map { $0 ? "equal" : "differ" } ?? "unknown"), ("last_contact_ms", age(statistics.lastContact)),
            ("last_equal_roots_ms", age(statistics.lastEqualRoots)),
            ("clock_offset_ms", self.clockOffset(of: member.replica).map { "\($0)" } ?? ""), ("sessions", "\(statistics.sessions)"),
            ("failed_sessions", "\(statistics.failedSessions)"), ("false_alarms", "\(statistics.falseAlarms)"), ("ranges", "\(statistics.ranges)"),
            ("entries_in", "\(statistics.entriesIn + progress.entriesIn)"), ("entries_out", "\(statistics.entriesOut + progress.entriesOut)"),
            ("bytes_in", "\(statistics.bytesIn + progress.bytesIn)"), ("bytes_out", "\(statistics.bytesOut + progress.bytesOut)"),
            ("in_flight", "\(statistics.inFlight)"), ("catch_ups", "\(statistics.catchUps)"),
            ("refused_catch_ups", "\(statistics.refusedCatchUps)"), ("log_entries_in", "\(statistics.loggedIn)"),
            ("log_entries_out", "\(statistics.loggedOut)"), ("log_bytes_in", "\(statistics.logBytesIn)"),
            ("log_bytes_out", "\(statistics.logBytesOut)"), ("pushes_out", "\(statistics.pushesOut)"),
            ("pushes_dropped", "\(statistics.pushesDropped)"),
        ]
        return fields.map { "\($0)=\($1)" }.joined(separator: ",")
    }

    /// The cluster in one line, for STATUS.
    var clusterText: String {
        let identity = self.store.identity
        guard let peers = self.peers else { return "\(identity.cluster), 1 member" }
        guard identity.isFounded else { return "none yet" }
        return "\(identity.cluster), \(peers.table.members.count + 1) members, \(peers.linked.count) linked"
    }

    /// A line for each member, and one for each session that runs, for STATUS.
    func peerLines(at now: Instant) -> [String] {
        guard let peers = self.peers else { return [] }
        var lines = self.absence.map { ["waiting     \($0.reason)"] } ?? []
        if let reason = self.writeRefusal { lines.append("attention   writes are refused: \(reason)") }
        if self.holdsWrites { lines.append("attention   writes wait until \(self.silentMembers) answered whether this store is its newest copy") }
        for member in peers.table.members.sorted(by: { $0.name.text < $1.name.text }) {
            let statistics = peers.relation(to: member.replica)?.statistics
            let isLinked = peers.link(to: member.replica) != nil
            var text =
                "\(member.name) at \(member.address.map { "\($0)" } ?? "an address that nobody can dial"), \(isLinked ? "linked" : "not linked")"
            if let equal = statistics?.lastEqualRoots { text += ", roots equal \(seconds(now.since(equal))) s ago" }
            if let statistics, statistics.hasEqualRoots == false { text += ", roots differ" }
            text += self.clockText(of: member.replica)
            lines.append("member      \(text)")
        }
        if let asking = peers.asking, let link = peers.links.first(where: { $0.id == asking.link }) {
            lines.append("catching up \(Self.progressText(asking, from: link.peerName ?? "?", at: now))")
        }
        lines += self.bootstrapLines(peers, at: now)
        for link in peers.links {
            guard let exchange = link.exchange else { continue }
            lines.append("session     \(Self.progressText(exchange, with: link.peerName ?? "?", at: now))")
        }
        return lines
    }

    private var silentMembers: String {
        let silent = self.peers!.identity.unanswered.prefix(3).map { id in self.peers!.table[id].map { "\($0.name)" } ?? "\(id)" }
        let rest = self.peers!.identity.unanswered.count - silent.count
        return silent.joined(separator: ", ") + (rest > 0 ? " and \(rest) more have" : silent.count == 1 ? " has" : " have")
    }

    private static func progressText(_ asking: Asking, from name: String, at now: Instant) -> String {
        let took = max(now.since(asking.began).inSeconds, 0.001)
        let (rate, left) = (Double(asking.entries) / took, asking.wanted - min(asking.wanted, UInt64(asking.entries)))
        var text = "from the log of \(name): \(asking.entries) entries in \(seconds(now.since(asking.began))) s, \(Int(rate)) a second, \(left) left"
        if rate >= 1 { text += ", \(Int(min(Double(left) / rate, 1e9)) + 1) s to go" }
        return text
    }

    /// What a session has done, how fast, and how much is left as far as is known.
    private static func progressText(_ exchange: Exchange, with name: String, at now: Instant) -> String {
        let progress = exchange.progress
        let (entries, took) = (progress.entriesIn + progress.entriesOut, max(now.since(exchange.began).inSeconds, 0.001))
        let rate = Double(entries) / took
        var text = "\(exchange.session.purpose) with \(name): \(entries) entries and \(humanBytes(UInt64(progress.bytesIn + progress.bytesOut))) in "
        text += "\(seconds(now.since(exchange.began))) s, \(Int(rate)) a second"
        let left = exchange.session.expectedEntries - entries
        guard left > 0 else { return text }
        text += ", \(left) entries left"
        guard entries > 0 else { return text }
        // As long as those so far.
        let bytesLeft = Double(progress.bytesIn + progress.bytesOut) / Double(entries) * Double(left)
        return text + " of about \(humanBytes(UInt64(bytesLeft))), \(Int(Double(left) / rate) + 1) s to go"
    }
}

/// A duration in seconds with one decimal.
func seconds(_ duration: Duration) -> String {
    let tenths = Int((duration.inSeconds * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
}
