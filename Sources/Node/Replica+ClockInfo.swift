import Basics
import Membership
import Versioning

/// What INFO, STATUS and MEMBERS show of clocks.
extension Replica {
    /// Fields of INFO's Hearsay section.
    func clockFields() -> [(String, String)] {
        let (wall, peers) = (self.lastMoment.wall.milliseconds, self.peers)
        return [
            ("clock_trouble", self.clockTrouble.map { self.text(of: $0) } ?? ""),
            ("clock_behind_ms", "\(self.clockTrouble?.behindMilliseconds ?? 0)"),
            ("newest_stamp_ahead_ms", "\(self.newestStamp - min(wall, self.newestStamp))"),
            ("clock_members_offset_ms", self.wallClock.offset(self.reading).map { "\($0)" } ?? ""),
            ("clock_drift_ms", "\(self.driftMilliseconds)"), ("held_versions", "\(peers?.counters.heldVersions ?? 0)"),
            ("held_now", "\(peers?.held.count() ?? 0)"), ("refused_versions", "\(peers?.counters.refusedVersions ?? 0)"),
        ]
    }

    /// What an operator has to do about clocks, for STATUS.
    func clockLines() -> [String] {
        // What stops writes stands there already.
        var lines = self.clockTrouble.flatMap { $0.stopsWrites && self.peers != nil ? nil : ["attention   \(self.text(of: $0))"] } ?? []
        guard let peers = self.peers else { return lines }
        for entry in peers.table.roster.entries {
            let count = peers.held.count(of: entry.member.replica)
            guard count > 0 else { continue }
            lines.append("attention   holds \(count) writes of \(entry.member.name) until their time comes: the clocks differ")
        }
        for member in peers.table.members {
            guard let reason = self.standingRefusal(of: member.replica, at: self.lastTick) else { continue }
            lines.append("attention   not linked to \(member.name): \(reason)")
        }
        return lines
    }

    /// How far a member's clock is off, for STATUS.
    func clockText(of member: ReplicaID) -> String {
        guard let offset = self.clockOffset(of: member) else { return "" }
        let span = offset.magnitude < 1_000 ? "\(offset.magnitude) ms" : spanText(offset.magnitude)
        return ", clock \(span) \(offset < 0 ? "behind" : "ahead")"
    }
}

extension WallClock.Trouble {
    fileprivate var behindMilliseconds: UInt64? { if case .behind(let milliseconds) = self { milliseconds } else { nil } }
}
