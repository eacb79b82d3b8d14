import Basics
import RESP
import Storage
import Versioning

/// WAIT and HEARSAY LAG: what other members have, by what they announce. They announce only what is durable with them.
extension Replica {
    // MARK: WAIT

    /// How many of the other members have announced a write.
    func holders(of dot: Dot) -> Int {
        guard self.peers != nil else { return 0 }
        return self.peers!.table.members.count { self.peers!.relation(to: $0.replica)?.announced?.covers(dot) ?? false }
    }

    /// WAIT count milliseconds.
    func beginWait(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        guard let count = call.arguments[1].integer() else { return self.answerError("ERR value is not an integer or out of range", &writer) }
        guard let timeout = call.arguments[2].integer() else {
            return self.answerError("ERR timeout is not an integer or out of range", &writer)
        }
        guard timeout >= 0 else { return self.answerError("ERR timeout is negative", &writer) }
        let moment = call.moment
        let deadline = timeout == 0 ? nil : moment.now + .milliseconds(min(timeout, Int64(Int32.max)))
        let last = call.session.lastWrite ?? Dot(replica: self.store.identity.replica, sequence: 0)
        let dot = Dot(replica: last.replica, sequence: min(last.sequence, self.store.seen.watermark(of: last.replica)))
        let wait = WaitJob(dot: dot, position: self.store.appliedPosition, count: Int(clamping: count), deadline: deadline)
        if case .finished = self.advance(wait, at: moment, &writer) { return .answered(dependsOn: 0) }
        return .job(Job(wait: wait))
    }

    private func answerError(_ text: StaticString, _ writer: inout ReplyWriter) -> Outcome {
        self.statistics.errors += 1
        writer.error(text)
        return .answered(dependsOn: 0)
    }

    /// Answers once enough members have the write, or the time is over; asks them meanwhile.
    func advance(_ wait: WaitJob, at moment: Moment, _ writer: inout ReplyWriter) -> JobProgress {
        let holders = self.holders(of: wait.dot)
        guard holders < wait.count, wait.deadline.map({ moment.now < $0 }) ?? true else {
            writer.integer(holders)
            return .finished(dependsOn: 0)
        }
        // The write is pushed once it is durable here. A question behind that is answered once the member has it durably too.
        if wait.position < self.store.synced, moment.now >= wait.askAt {
            wait.askAt = moment.now + (self.peers?.rounds.leastInterval ?? .seconds(1))
            self.askForAnnouncements(of: wait.dot)
        }
        return .blocked
    }

    func askForAnnouncements(of dot: Dot) {
        for link in self.peers?.links ?? [] where link.isReady {
            if !(self.peers!.relation(to: link.peer!)?.announced?.covers(dot) ?? false) { link.owesSummary = true }
        }
    }

    // MARK: LAG

    /// For each member and each other that it gets writes from: how many it lacks, and up to which moment it has all.
    func lag(_ call: Call, _ writer: inout ReplyWriter) {
        guard let peers = self.peers else { return self.answerNoPeers(&writer) }
        let own = self.store.identity.replica
        let all = ([(own, peers.table.ownName)] + peers.table.members.map { ($0.replica, $0.name) }).sorted { $0.1.text < $1.1.text }
        let known = self.announcedByAnybody
        writer.array(count: all.count * (all.count - 1))
        for (member, name) in all {
            let (announced, at) = self.announcement(of: member, at: call.moment)
            for (origin, originName) in all where origin != member {
                writer.map(count: 5)
                writer.bulk("member")
                writer.bulk(name.text)
                writer.bulk("of")
                writer.bulk(originName.text)
                self.writeLag(of: announced, origin, known: known.watermark(of: origin), at: at, &writer)
            }
        }
    }

    /// Every write that this node or a member has told of.
    var announcedByAnybody: Seen { (self.peers?.relations ?? []).compactMap(\.announced).reduce(into: self.store.seen) { $0.join($1) } }

    /// What a member has announced, and when, in milliseconds since 1970 by this node's clock.
    private func announcement(of member: ReplicaID, at moment: Moment) -> (seen: Seen?, milliseconds: UInt64) {
        guard member != self.store.identity.replica else { return (self.store.seen, moment.wall.milliseconds) }
        guard let relation = self.peers!.relation(to: member), let contact = relation.statistics.lastContact else { return (nil, 0) }
        let age = UInt64(clamping: moment.now.since(contact).wholeNanoseconds / 1_000_000)
        return (relation.announced, moment.wall.milliseconds - min(age, moment.wall.milliseconds))
    }

    /// - Parameters:
    ///   - known: the last write of the origin that anybody has announced.
    ///   - now: when the member announced.
    private func writeLag(of announced: Seen?, _ origin: ReplicaID, known: UInt64, at now: UInt64, _ writer: inout ReplyWriter) {
        let watermark = announced?.watermark(of: origin) ?? 0
        let lacks = known - min(watermark, known)
        // All of the origin's writes up to the announcement; else those before the first that is missing, if the log knows when that was made.
        var upTo = announced == nil ? nil : Optional(now)
        if lacks > 0 { upTo = self.store.logIndex.milliseconds(before: Dot(replica: origin, sequence: watermark + 1)) }
        let behind = upTo.map { lacks == 0 ? 0 : Int64(clamping: now) - Int64(clamping: $0) }
        for (name, number) in [("lacks", Int64(clamping: lacks)), ("up-to-ms", upTo.map { Int64(clamping: $0) } ?? -1), ("behind-ms", behind ?? -1)] {
            writer.bulk(name)
            writer.integer(Int(number))
        }
    }
}

/// WAIT on its way.
final class WaitJob {
    /// The write to be waited for, and what the log must have synced before others can have it.
    let dot: Dot
    let position: LogPosition
    let count: Int
    let deadline: Instant?
    var askAt = Instant(nanoseconds: 0)

    init(dot: Dot, position: LogPosition, count: Int, deadline: Instant?) {
        (self.dot, self.position, self.count, self.deadline) = (dot, position, count, deadline)
    }
}
