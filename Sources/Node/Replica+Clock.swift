import Basics
import Membership
import PeerWire
import Storage
import Versioning

/// This node's time, and what comes that is stamped ahead of it (I11, I12).
extension Replica {
    // MARK: Its own clock

    /// Its clocks as this tick reads them.
    var reading: WallClock.Reading { WallClock.Reading(self.lastMoment.wall, at: self.lastMoment.now) }

    /// The milliseconds of the greatest stamp that it has issued or taken.
    package var newestStamp: UInt64 { self.clock.latest >> UInt64(Stamp.counterBits) }

    /// The time by which versions are stamped.
    func time(at moment: Moment) -> WallTime {
        // With every write: as it is, where it can be.
        if WallClock.isSet(moment.wall.milliseconds) { return moment.wall }
        return WallTime(milliseconds: self.wallClock.time(WallClock.Reading(moment.wall, at: moment.now), newest: self.newestStamp))
    }

    var stampBounds: StampBounds {
        StampBounds(
            time: self.wallClock.time(self.reading, newest: self.newestStamp), driftMilliseconds: self.driftMilliseconds)
    }

    /// How far ahead of its time this node takes versions, as the members have agreed.
    package var driftMilliseconds: UInt64 { self.peers?.driftMilliseconds ?? StampBounds.standardDriftMilliseconds }

    /// Looks at the clock, in every tick.
    func tendClock() {
        self.clockTrouble = self.wallClock.trouble(self.reading, newest: self.newestStamp, driftMilliseconds: self.driftMilliseconds)
        guard let trouble = self.clockTrouble else { return }
        // What a joiner has stored counts only once its time has come.
        guard !self.isJoining else {
            self.clockTrouble = nil
            return
        }
        if let told = self.toldTrouble, told.trouble.isLike(trouble), self.lastTick.since(told.at) < Self.clockEpisode { return }
        self.toldTrouble = (trouble, self.lastTick)
        self.tell(self.text(of: trouble))
    }

    /// What lasts, or comes again within this time, is told once.
    static let clockEpisode = Duration.seconds(600)

    /// How far what this node stamps is ahead of its clock and the members', where it is too far to take writes; nil where it is not.
    package var stampsAheadMilliseconds: UInt64? { if case .stampsAhead(let milliseconds) = self.clockTrouble { milliseconds } else { nil } }

    func text(of trouble: WallClock.Trouble) -> String {
        switch trouble {
        case .unknownTime:
            "this machine's clock is not set (it reads the year \(Self.year(of: self.lastMoment.wall))), and no member has told the time yet"
        case .stampsAhead(let milliseconds):
            "the newest stamp here is \(spanText(milliseconds)) ahead of this node's clock and of the members', who would not take what it writes: "
                + "wait so long, or stop it and let it join anew with an empty folder"
        case .ahead(let milliseconds):
            "this machine's clock is \(spanText(milliseconds)) ahead of most members', who would not take what it stamps: set it right"
        case .behind(let milliseconds):
            "clock behind by \(spanText(milliseconds)): "
                + (self.reading.isSet ? "" : "the clock is not set, and ")
                + (self.reading.isSet || !self.wallClock.hasHeard ? "writes are stamped from the newest stamp on; " : "the members' is gone by; ")
                + "set this machine's clock right"
        }
    }

    private static func year(of wall: WallTime) -> UInt64 { 1_970 + min(wall.milliseconds, Stamp.maximumMilliseconds) / 31_556_952_000 }

    // MARK: The members' clocks

    /// A member has told its time.
    ///
    /// - Parameter roundTrip: since this node sent what was answered, or longer.
    func heard(_ wall: WallTime, from member: ReplicaID, roundTrip: Duration, at now: Instant) {
        self.peers!.withRelation(to: member, at: now) { $0.clock.told(wall, roundTrip: roundTrip, at: now) }
        self.wallClock.heard(self.peers!.clockDifferences, self.reading)
    }

    /// By how many milliseconds a member's clock is ahead of this node's; nil where it is not known.
    func clockOffset(of member: ReplicaID) -> Int64? {
        let reading = self.reading
        return self.peers?.relation(to: member)?.clock.difference.map(reading.offset)
    }

    /// The low bits of the monotonic clock's milliseconds, by which an answer is known to its question.
    func clockMark(at now: Instant) -> UInt32 { UInt32(truncatingIfNeeded: now.nanoseconds / 1_000_000) }

    // MARK: Held versions

    /// True where writes of others wait for their time.
    package var isHolding: Bool { self.peers != nil && !self.peers!.held.isEmpty }
    /// The milliseconds at which the last of them is taken; nil where none waits.
    package var heldUntil: UInt64? { self.peers?.held.latestDue }

    /// Remembers a version that comes before its time.
    func hold(_ record: RecordView, from link: PeerLink) {
        let (dot, milliseconds) = (record.dot, record.stamp.milliseconds)
        self.peers!.held.insert(dot, stampedAt: milliseconds)
        self.noteNotTaken(dot)
        self.peers!.counters.heldVersions += 1
        guard self.peers!.heldOf.note(dot.replica, at: self.lastTick) else { return }
        let ahead = spanText(milliseconds - min(milliseconds, self.stampBounds.time))
        self.tell(
            "holds what \(self.name(of: dot.replica)) writes until its time comes: it is stamped \(ahead) ahead of this node's clock; set the clocks right"
        )
    }

    /// A writer that comes back with an older copy of its store must hear that it wrote this: nobody may have it but in name, and its number must not
    /// be used again all the same (I20).
    private func noteNotTaken(_ dot: Dot) {
        guard self.peers!.table.roster.isActive(dot.replica) else { return }
        self.peers!.withRelation(to: dot.replica, at: self.lastTick) { $0.greatestNotTaken = max($0.greatestNotTaken, dot.sequence) }
    }

    /// What is due is asked for with the next round.
    func tendHolds() {
        guard let due = self.peers!.held.earliestDue, due <= self.stampBounds.latestTaken,
            self.peers!.held.release(through: self.stampBounds.latestTaken, seen: self.store.seen)
        else { return }
        for relation in self.peers!.relations {
            relation.rest = nil
            if self.peers!.held.isEmpty { relation.pausedUntil = nil }
        }
        self.peers!.rounds.noticedChange(at: self.lastTick)
    }

    /// A session with a member has passed over what is held, and so its end could not say that this node has what the member has seen: of writes that
    /// were overwritten since, nothing tells but that. Before something is due the next one would bring the same again. Of what the member holds only
    /// that is known.
    func pause(_ member: ReplicaID, at now: Instant) {
        let wait = self.peers!.held.earliestDue.flatMap { self.wait(until: $0) } ?? .zero
        self.peers!.withRelation(to: member, at: now) { $0.pausedUntil = now + min(max(wait, Self.shortestPause), Self.longestPause) }
    }

    func isPaused(_ member: ReplicaID, at now: Instant) -> Bool {
        guard let relation = self.peers!.relation(to: member), let until = relation.pausedUntil else { return false }
        return now < until && (relation.isHolding || !self.peers!.held.isEmpty)
    }

    private static let shortestPause = Duration.seconds(5)
    private static let longestPause = Duration.seconds(60)

    /// No sooner than after a while: a clock may stand still.
    var holdDeadline: Instant? { self.peers!.held.earliestDue.map { self.lastTick + max(self.wait(until: $0) ?? .zero, Self.holdPause) } }

    private static let holdPause = Duration.milliseconds(20)

    /// How long until a stamp of these milliseconds is taken; nil where it would be now.
    func wait(until milliseconds: UInt64) -> Duration? {
        let latest = self.stampBounds.latestTaken
        return milliseconds <= latest ? nil : .milliseconds(Int64(clamping: milliseconds - latest))
    }

    /// How many versions have been held, and how many refused for their stamps, since the start.
    package var stampCounts: (held: Int, refused: Int) { self.peers.map { ($0.counters.heldVersions, $0.counters.refusedVersions) } ?? (0, 0) }

    // MARK: Refused versions

    /// Ends the link to a member that has sent what this node will not take, and for a while does not let it in again.
    func refuse(_ link: PeerLink, for record: RecordView, _ refusal: StampRefusal) {
        self.peers!.counters.refusedVersions += 1
        self.noteNotTaken(record.dot)
        let (now, reason) = (self.lastTick, self.text(of: refusal, record, from: link))
        let kept = self.peers!.withRelation(to: link.peer!, at: now) { relation in
            relation.refusal = StampRefusalPause(after: relation.refusal, because: reason, at: now)
            return relation.refusal!.reason
        }
        self.refuse(link, because: kept)
    }

    /// Why a member is not let in yet; nil where it is.
    func standingRefusal(of member: ReplicaID, at now: Instant) -> String? {
        guard let refusal = self.peers!.relation(to: member)?.refusal, now < refusal.until else { return nil }
        return refusal.reason
    }

    private func text(of refusal: StampRefusal, _ record: RecordView, from link: PeerLink) -> String {
        let (writer, sender) = (self.name(of: record.dot.replica), link.peerName ?? "it")
        guard case .ahead(let milliseconds) = refusal else {
            return "\(sender) sent a version that \(writer) stamped in a year in which nothing can have been written, or as no clock does: "
                + "its program or its clock is broken"
        }
        let behind = self.wallClock.most(self.reading)
        if behind > Int64(milliseconds / 2) {
            return "\(sender) sent a version that \(writer) stamped \(spanText(milliseconds)) ahead of this node's clock, which is "
                + "\(spanText(UInt64(behind))) behind most members': set the clock of \(self.peers!.table.ownName) right"
        }
        return
            "\(sender) sent a version that \(writer) stamped \(spanText(milliseconds)) ahead of this node's clock: set the clock of \(writer) right; "
            + "what it has stamped is taken once its time is near, or it joins anew with an empty folder"
    }

    private func name(of replica: ReplicaID) -> String {
        if replica == self.store.identity.replica { return self.peers!.table.ownName.text }
        return self.peers!.table.roster[replica]?.member.name.text ?? "\(replica)"
    }
}

extension WallClock.Trouble {
    /// Of one kind, however far off.
    fileprivate func isLike(_ other: Self) -> Bool {
        switch (self, other) {
        case (.unknownTime, .unknownTime), (.stampsAhead, .stampsAhead), (.ahead, .ahead), (.behind, .behind): true
        case (.unknownTime, _), (.stampsAhead, _), (.ahead, _), (.behind, _): false
        }
    }
}

/// For how long a member is not let in that has sent what this node does not take: each time twice as long.
struct StampRefusalPause: Equatable {
    static let shortest = Duration.seconds(1)
    static let longest = Duration.seconds(60)

    /// As at first, so that it is logged once.
    let reason: String
    let until: Instant
    private let pause: Duration
    private let beganAt: Instant

    init(after last: StampRefusalPause?, because reason: String, at now: Instant) {
        let goesOn = last.map { now.since($0.until) < Replica.clockEpisode } ?? false
        self.pause = goesOn ? min(last!.pause * 2, Self.longest) : Self.shortest
        (self.beganAt, self.reason) =
            goesOn && now.since(last!.beganAt) < Replica.clockEpisode ? (last!.beganAt, last!.reason) : (now, reason)
        self.until = now + self.pause
    }
}

/// Whose writes are held, so that it is told once and not for each.
///
/// - Bound: `maximumCount`; of more the one that was held the longest time ago is forgotten, and told again.
struct HeldWriters {
    static let maximumCount = 64

    private var writers: [(replica: ReplicaID, at: Instant)] = []

    /// - Returns: true where nothing of the replica was held for a while.
    mutating func note(_ replica: ReplicaID, at now: Instant) -> Bool {
        var isNew = true
        if let index = self.writers.firstIndex(where: { $0.replica == replica }) {
            isNew = now.since(self.writers[index].at) >= Replica.clockEpisode
            self.writers.remove(at: index)
        } else if self.writers.count == Self.maximumCount {
            self.writers.removeFirst()
        }
        self.writers.append((replica, now))
        return isNew
    }
}

/// A span of time for people.
func spanText(_ milliseconds: UInt64) -> String {
    let seconds = milliseconds / 1_000
    return switch seconds {
    case 0..<120: "\(seconds).\(milliseconds % 1_000 / 100) s"
    case ..<7_200: "\(seconds / 60) min"
    case ..<172_800: "\(seconds / 3_600) h"
    case ..<63_113_904: "\(seconds / 86_400) days"
    default: "\(seconds / 31_556_952) years"
    }
}
