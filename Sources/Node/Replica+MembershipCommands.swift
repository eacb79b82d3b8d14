import Basics
import Membership
import RESP
import Storage
import Versioning

/// HEARSAY LEAVE, REMOVE and SETTING: what an operator decides about the cluster.
extension Replica {
    // MARK: REMOVE and FENCE

    /// Takes a member that will not come back off the list, or one that may come back only under another id and with the data of the others.
    func retireMember(_ call: Call, as status: Roster.Status, _ writer: inout ReplyWriter) -> LogPosition {
        guard let member = self.namedMember(call.arguments[2], &writer) else { return 0 }
        guard self.peers!.link(to: member.replica) == nil else {
            self.statistics.errors += 1
            let advice = status == .fenced ? "nothing waits for it" : "let it go by HEARSAY LEAVE there, or stop it first"
            writer.error("ERR", "\(member.name) is up and linked: \(advice)")
            return 0
        }
        self.retire(member.replica, as: status, at: call.moment.now)
        writer.ok()
        return self.store.appliedPosition
    }

    private func retire(_ replica: ReplicaID, as status: Roster.Status, at now: Instant) {
        let before = self.peers!.table.roster
        // The roster has it as active: it was found there.
        _ = try? self.peers!.table.change { $0.retire(replica, as: status) }
        self.rosterChanged(from: before, at: now)
    }

    /// Fences a member that has been away for twice the window and keeps tombstones from being dropped, where the members have agreed on that.
    ///
    /// Only a node that is linked with more than half of all members does: the lesser part of a divided set would fence the greater one.
    func fenceAbsent(at now: Instant) {
        guard let peers = self.peers, ClusterSetting.autoFence.value(in: peers.table.roster) == 1, !self.isJoining else { return }
        let patience = max(ClusterSetting.window.duration(in: peers.table.roster) * 2, Self.leastFencePatience)
        for member in self.awaited {
            guard (peers.linked.count + 1) * 2 > peers.table.members.count + 1 else { return }
            let since = peers.relation(to: member.replica)?.statistics.lastContact ?? self.startedAt
            guard now.since(since) > patience else { continue }
            self.tell("fences \(member.name), which has been away for \(spanText(UInt64(now.since(since).inSeconds * 1_000)))")
            self.retire(member.replica, as: .fenced, at: now)
        }
    }

    /// With a window of 0 a restart is no reason to be fenced.
    private static let leastFencePatience = Duration.seconds(60)

    // MARK: LEAVE

    func beginLeave(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        let problem: String
        if self.peers == nil || self.peers!.table.members.isEmpty {
            problem = "this node is the only member"
        } else if self.peers!.leave != nil {
            problem = "this node is leaving already"
        } else if self.peers!.linked.isEmpty {
            problem = "no other member is linked: nobody could be told, or given what only this node has"
        } else {
            let leave = LeaveJob(deadline: call.moment.now + LeaveJob.patience)
            self.peers!.leave = leave
            return .job(Job(leave: leave))
        }
        self.statistics.errors += 1
        writer.error("ERR", problem)
        return .answered(dependsOn: 0)
    }

    /// Takes no more writes, waits until every linked member has all that this node has, leaves, and waits until one of them knows.
    func advance(_ leave: LeaveJob, at moment: Moment, _ writer: inout ReplyWriter) -> JobProgress {
        guard self.peers!.leave === leave else { return self.answerError("ERR this node could not leave", &writer) }
        guard leave.hasLeft else {
            if self.hasHandedOver {
                self.retireOurselves(leave, at: moment.now)
            } else if self.peers!.linked.isEmpty || moment.now >= leave.deadline {
                self.peers!.leave = nil
                return self.answerError("ERR the linked members do not have all that this node has yet; it stays", &writer)
            } else if moment.now >= leave.askAt {
                leave.askAt = moment.now + self.peers!.rounds.leastInterval
                for link in self.peers!.links where link.isReady { link.owesSummary = true }
            }
            return .blocked
        }
        guard leave.isKnown || moment.now >= leave.deadline else { return .blocked }
        self.peers!.leave = nil
        if let exclusion { self.exclude(exclusion) }
        guard leave.isKnown else {
            return self.answerError(
                "ERR this node has left, but nobody has confirmed it: see HEARSAY MEMBERS elsewhere, and REMOVE it there", &writer)
        }
        writer.ok()
        return .finished(dependsOn: self.store.appliedPosition)
    }

    private func answerError(_ text: StaticString, _ writer: inout ReplyWriter) -> JobProgress {
        self.statistics.errors += 1
        writer.error(text)
        return .finished(dependsOn: 0)
    }

    private var hasHandedOver: Bool {
        let linked = self.peers!.linked
        guard !linked.isEmpty, self.store.synced > self.store.appliedPosition else { return false }
        return linked.allSatisfy { self.peers!.relation(to: $0)?.announced?.covers(all: self.store.seen) ?? false }
    }

    private func retireOurselves(_ leave: LeaveJob, at now: Instant) {
        let before = self.peers!.table.roster
        _ = try? self.peers!.table.change { $0.retire(self.store.identity.replica, as: .left) }
        self.rosterChanged(from: before, at: now)
        leave.hasLeft = true
    }

    // MARK: SETTING

    func setting(_ call: Call, _ writer: inout ReplyWriter) -> LogPosition {
        guard let peers = self.peers else {
            self.answerNoPeers(&writer)
            return 0
        }
        guard call.arguments.count > 2 else {
            writer.map(count: ClusterSetting.allCases.count)
            for setting in ClusterSetting.allCases {
                writer.bulk(setting.rawValue)
                writer.bulk(setting.text(in: peers.table.roster))
            }
            return 0
        }
        guard let setting = ClusterSetting(rawValue: call.arguments[2].text.lowercased()) else {
            self.statistics.errors += 1
            writer.error("ERR", "no such setting; HEARSAY SETTING lists them")
            return 0
        }
        guard call.arguments.count > 3 else {
            writer.bulk(setting.text(in: peers.table.roster))
            return 0
        }
        return self.change(setting, to: call.arguments[3], at: call.moment.now, &writer)
    }

    private func change(_ setting: ClusterSetting, to value: Bytes, at now: Instant, _ writer: inout ReplyWriter) -> LogPosition {
        if let problem = setting.problem(with: value), self.store.isFounded {
            self.statistics.errors += 1
            writer.error("ERR", problem)
            return 0
        }
        return self.changeRoster(at: now, &writer) { roster, own throws(RosterRefusal) in try roster.set(setting.rawValue, to: value.text, by: own) }
    }

    /// Changes what all members share, and answers OK, or why that cannot be.
    ///
    /// - Returns: what the answer depends on.
    func changeRoster(
        at now: Instant, _ writer: inout ReplyWriter, _ body: (inout Roster, ReplicaID) throws(RosterRefusal) -> Void
    ) -> LogPosition {
        let (before, own) = (self.peers!.table.roster, self.store.identity.replica)
        var problem = self.store.isFounded ? nil : "this node belongs to no cluster yet"
        if problem == nil {
            do throws(RosterRefusal) {
                try self.peers!.table.change { roster throws(RosterRefusal) in try body(&roster, own) }
            } catch { problem = "\(error)" }
        }
        if let problem {
            self.statistics.errors += 1
            writer.error("ERR", problem)
            return 0
        }
        self.rosterChanged(from: before, at: now)
        writer.ok()
        return self.store.appliedPosition
    }
}

/// LEAVE on its way.
final class LeaveJob {
    /// So long the others may take to get what only this node has, and to confirm that it has left.
    static let patience = Duration.seconds(60)

    let deadline: Instant
    var askAt = Instant(nanoseconds: 0)
    var hasLeft = false
    /// Another member has it in its roster.
    private(set) var isKnown = false

    /// A member has told the roster that this node has.
    func wasHeard() { if self.hasLeft { self.isKnown = true } }

    init(deadline: Instant) { self.deadline = deadline }
}

/// The settings that all members share. Each is a whole number.
enum ClusterSetting: String, CaseIterable {
    /// How long a node that has started waits for all others to say that its store is the newest copy, in milliseconds, before it takes a new id.
    case identityPatience = "identity.patience"
    /// How far ahead of a node's clock a version may be stamped that it takes from another, in milliseconds.
    case clockDrift = "clock.drift"
    /// How long a tombstone stays at least, in seconds.
    case window = "gc.window"
    /// Whether a member that has been away for twice the window is fenced without an operator: 1 where it is.
    case autoFence = "gc.auto-fence"

    /// A drift below what clocks that are kept right differ by would hold everything; one of minutes lets a wrong clock win for minutes.
    private var range: ClosedRange<Int64> {
        switch self {
        case .identityPatience: 0...600_000
        case .clockDrift: 100...300_000
        case .window: 0...31_536_000
        case .autoFence: 0...1
        }
    }

    private var standard: Int64 {
        switch self {
        case .identityPatience: 2_000
        case .clockDrift: Int64(StampBounds.standardDriftMilliseconds)
        case .window: 3_600
        case .autoFence: 0
        }
    }

    func value(in roster: Roster) -> Int64 {
        // What a later program may have stored counts as nothing.
        roster.setting(self.rawValue).flatMap { Int64($0.value) }.flatMap { self.range.contains($0) ? $0 : nil } ?? self.standard
    }

    func text(in roster: Roster) -> String { "\(self.value(in: roster))" }

    func duration(in roster: Roster) -> Duration {
        let value = self.value(in: roster)
        return self == .window ? .seconds(value) : .milliseconds(value)
    }

    func milliseconds(in roster: Roster) -> UInt64 { UInt64(self.value(in: roster)) }

    /// What is wrong with a value; nil where nothing is.
    func problem(with value: Bytes) -> String? {
        guard let number = value.integer() else { return "value is not an integer or out of range" }
        return self.range.contains(number) ? nil : "\(self.rawValue) takes a number from \(self.range.lowerBound) to \(self.range.upperBound)"
    }
}
