import Basics
import Membership
import Storage
import Versioning

/// What INFO and STATUS show of tombstones, and of entries that have expired.
extension Replica {
    /// Fields of INFO's Hearsay section.
    func clearanceFields() -> [(String, String)] {
        let (counters, aged, isBlocked) = (self.store.counters, self.agedTombstones, !self.blockedBy.isEmpty)
        return [
            ("tombstones", "\(self.store.tombstones)"), ("tombstones_dropped", "\(counters.droppedTombstones)"),
            ("tombstones_droppable", "\(isBlocked ? 0 : aged)"), ("tombstones_blocked", "\(isBlocked ? aged : 0)"),
            ("expired_waiting", "\(self.expiredWaiting)"), ("expired_dropped", "\(counters.droppedExpired)"),
            ("oldest_tombstone_seconds", self.oldestTombstoneSeconds.map { "\($0)" } ?? ""), ("gc_window_seconds", "\(self.windowSeconds)"),
            ("gc_blocked_by", self.blockedBy), ("gc_floors", "\(self.store.floors.floors.count)"),
            ("settled_replicas", "\(self.store.settled.ids.count)"), ("known_removed", "\(counters.knownRemoved)"),
            ("refused_unsettled", "\(counters.refusedUnsettled)"), ("log_bytes_kept", "\(self.store.keptLogBytes)"),
            ("exports_undecided", "\(self.store.exportCounts.undecided)"), ("exports_salvaged", "\(self.store.exportCounts.salvaged)"),
            ("exports_known", "\(self.salvaging.counts.known)"), ("exports_dominated", "\(self.salvaging.counts.dominated)"),
            ("exports_reentered", "\(self.salvaging.counts.reentered)"), ("exports_moot", "\(self.salvaging.counts.moot)"),
        ]
    }

    /// Of those that have expired and lie in the base no more are counted, and of tombstones whose window has passed.
    private static let mostCounted = 10_000
    private var expiredWaiting: Int { (try? self.store.expiredWaiting(at: self.lastMoment.wall, limit: Self.mostCounted)) ?? 0 }

    /// Those that the base has and nothing but a member, or what else is named as keeping them, keeps from being dropped.
    private var agedTombstones: Int {
        let window = ClusterSetting.window.duration(in: self.roster ?? Roster())
        return (try? self.store.agedTombstones(through: Self.stampTime(aged: window, at: self.lastMoment.wall), limit: Self.mostCounted)) ?? 0
    }

    /// Who is away, and what else keeps all tombstones from being dropped.
    private var blockedBy: String {
        let awaited = (self.awaited + self.unsure).map(\.name.text)
        let blockers = self.sweeping.blockers.map(self.text)
        return (awaited + blockers.filter { !awaited.contains($0) }).joined(separator: ",")
    }

    private var windowSeconds: Int64 { ClusterSetting.window.value(in: self.roster ?? Roster()) }

    /// How long ago the oldest tombstone that the base has was written, by its stamp.
    private var oldestTombstoneSeconds: UInt64? {
        guard let time = try? self.store.oldestTombstone() else { return nil }
        let (wall, stamped) = (self.lastMoment.wall.milliseconds, time >> UInt64(Stamp.counterBits))
        return (wall - min(wall, stamped)) / 1_000
    }

    /// Tombstones in a line, and a line for each member that is away, and all else, that holds them back, for STATUS.
    func clearanceLines() -> [String] {
        let (count, aged) = (self.store.tombstones, self.agedTombstones)
        let oldest = self.oldestTombstoneSeconds.map { ", the oldest \(spanText($0 * 1_000)) old" } ?? ""
        let past = aged == 0 ? "" : ", \(aged)\(aged == Self.mostCounted ? " or more" : "") \(self.blockedBy.isEmpty ? "may go" : "blocked")"
        var lines = ["tombstones  \(count)\(oldest)\(past), \(self.store.counters.droppedTombstones) dropped since the start"]
        lines.append(
            "expiries    \(self.expiredWaiting) expired entries wait to be dropped, \(self.store.counters.droppedExpired) dropped since the start")
        let exports = self.store.exportCounts
        if exports.undecided > 0 { lines.append("salvage     \(exports.undecided) versions of this node's former data are still to be decided on") }
        if exports.salvaged > 0 {
            lines.append("attention   \(exports.salvaged) values of this node's former data are kept aside: see `hearsay salvage`")
        }
        guard let peers = self.peers, count > 0 else { return lines }
        for member in self.awaited {
            let away = peers.relation(to: member.replica)?.statistics.lastContact.map {
                " for \(spanText(UInt64(self.lastTick.since($0).inSeconds * 1_000)))"
            }
            lines.append(
                "attention   \(member.name) is away\(away ?? ""): until it is back, fenced or removed \(count) tombstones\(oldest) and "
                    + "\(humanBytes(self.store.keptLogBytes)) of log are kept for it")
        }
        guard aged > 0 else { return lines }
        let unsure = self.unsure.map {
            "\($0.name) is linked, but confirms no delete: it does not know whether another process has its replica id (see its own status)"
        }
        return lines + (unsure + self.sweeping.blockers.compactMap(self.reason)).map { "attention   \($0)" }
    }

    /// What a blocker other than a member is, and what ends it; nil for a member.
    private func reason(of blocker: Blocker) -> String? {
        switch blocker {
        case .silent, .ahead: return nil
        case .unsettled(let replica):
            let name = self.roster?.entries.first { $0.member.replica == replica }.map { "\($0.member.name), " } ?? ""
            return "members do not hold the same yet of \(name)\(replica), which writes no more: tombstones wait until they do"
        case .damage: return "tombstones wait until what is damaged here has been healed: see HEARSAY DAMAGE"
        }
    }

    /// Members that are away and have not said that they have all that this node has.
    var awaited: [Member] { self.lagging { self.peers!.link(to: $0) == nil } }

    /// Members that are linked and do not know whether they are their ids' newest processes: what they say to have seen confirms nothing.
    private var unsure: [Member] { self.lagging { self.peers!.link(to: $0) != nil && self.peers!.relation(to: $0)?.isSure == false } }

    private func lagging(where isSuch: (ReplicaID) -> Bool) -> [Member] {
        guard let peers = self.peers else { return [] }
        return peers.table.members.filter { member in
            let relation = peers.relation(to: member.replica)
            return isSuch(member.replica) && !((relation?.current ?? relation?.confirmed)?.covers(all: self.store.seen) ?? false)
        }
    }

    private func text(of blocker: Blocker) -> String {
        switch blocker {
        case .silent(let name), .ahead(let name): name.text
        case .unsettled(let replica): "\(replica)"
        case .damage: "damage"
        }
    }
}
