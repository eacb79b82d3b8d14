import AntiEntropy
import Basics
import Membership
import RESP
import Storage
import Versioning

/// HEARSAY MEMBERS, DIFF and REPAIR.
extension Replica {
    func members(_ call: Call, _ writer: inout ReplyWriter) {
        guard let peers = self.peers else { return self.answerNoPeers(&writer) }
        writer.array(count: peers.table.members.count + 1)
        let own = self.store.identity.replica
        let all = peers.table.members + [self.ownMember]
        let known = self.announcedByAnybody
        for member in all.sorted(by: { $0.name.text < $1.name.text }) {
            let statistics = peers.relation(to: member.replica)?.statistics
            let state = member.replica == own ? "self" : peers.link(to: member.replica) == nil ? "unlinked" : "linked"
            let roots = member.replica == own ? "equal" : statistics?.hasEqualRoots.map { $0 ? "equal" : "differ" } ?? "unknown"
            writer.map(count: 10)
            for (name, text) in [
                ("name", member.name.text), ("id", "\(member.replica)"), ("address", member.address.map { "\($0)" } ?? ""), ("state", state),
                ("roots", roots),
            ] {
                writer.bulk(name)
                writer.bulk(text)
            }
            let epoch = member.replica == own ? peers.table.roster.epoch : peers.link(to: member.replica)?.theirEpoch
            let announced = member.replica == own ? self.store.seen : peers.relation(to: member.replica)?.announced
            for (name, number) in [
                ("epoch", epoch.map { Int(clamping: $0.number) } ?? -1),
                ("lacks", announced.map { Int(clamping: $0.missing(of: known, limit: .max).writeCount) } ?? -1),
            ] {
                writer.bulk(name)
                writer.integer(number)
            }
            for (name, moment) in [("last-contact-ms", statistics?.lastContact), ("last-equal-roots-ms", statistics?.lastEqualRoots)] {
                writer.bulk(name)
                writer.integer(moment.map { Int(call.moment.now.since($0).wholeNanoseconds / 1_000_000) } ?? -1)
            }
            writer.bulk("clock-offset-ms")
            if let offset = member.replica == own ? 0 : self.clockOffset(of: member.replica) { writer.integer(Int(offset)) } else { writer.null() }
        }
    }

    func answerNoPeers(_ writer: inout ReplyWriter) {
        self.statistics.errors += 1
        writer.error("ERR this node has no peers: it was started without --peer-listen and --seed")
    }

    /// The linked member that an argument names; where there is none the error is written.
    private func linkedMember(_ argument: Bytes, _ writer: inout ReplyWriter) -> Member? {
        guard let member = self.namedMember(argument, &writer) else { return nil }
        guard self.peers!.link(to: member.replica) == nil else { return member }
        self.statistics.errors += 1
        writer.error("ERR", "member \(member.name) is not linked now")
        return nil
    }

    /// The other member that an argument names; where there is none the error is written.
    func namedMember(_ argument: Bytes, _ writer: inout ReplyWriter) -> Member? {
        guard let peers = self.peers else {
            self.answerNoPeers(&writer)
            return nil
        }
        let problem: String
        switch peers.table.find(argument.text) {
        case .member(let member): return member
        case .ourselves: problem = "that is this node"
        case .unknown: problem = "no member has that name or an id that begins so; HEARSAY MEMBERS lists them"
        case .ambiguous(let ids): problem = "\(ids.count) ids begin so"
        }
        self.statistics.errors += 1
        writer.error("ERR", problem)
        return nil
    }

    func beginDiff(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        var limit = 100
        if call.arguments.count > 3 {
            guard call.arguments.count == 5, call.arguments[3].equalsIgnoringCase("LIMIT") else {
                self.answerSyntaxError(&writer)
                return .answered(dependsOn: 0)
            }
            guard let number = call.arguments[4].integer(), (1...Int64(PeerRequestJob.maximumLimit)).contains(number) else {
                self.statistics.errors += 1
                writer.error("ERR", "LIMIT takes a number from 1 to \(PeerRequestJob.maximumLimit)")
                return .answered(dependsOn: 0)
            }
            limit = Int(number)
        }
        guard let member = self.linkedMember(call.arguments[2], &writer) else { return .answered(dependsOn: 0) }
        return .job(Job(request: PeerRequestJob(member, .list, limit: limit)))
    }

    func beginRepair(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        let isDry = call.arguments.count == 4
        guard call.arguments.count == 3 || (isDry && call.arguments[3].equalsIgnoringCase("DRYRUN")) else {
            self.answerSyntaxError(&writer)
            return .answered(dependsOn: 0)
        }
        guard let member = self.linkedMember(call.arguments[2], &writer) else { return .answered(dependsOn: 0) }
        return .job(Job(request: PeerRequestJob(member, isDry ? .count : .repair)))
    }

    /// Begins the session of a request once the link is free, and answers at its end.
    func advance(_ request: PeerRequestJob, at moment: Moment, _ writer: inout ReplyWriter) -> JobProgress {
        if let outcome = request.outcome {
            self.answer(request, outcome, &writer)
            return .finished(dependsOn: self.store.appliedPosition)
        }
        guard !request.isRunning, moment.now >= request.retryAt else { return .blocked }
        guard let link = self.peers?.link(to: request.member.replica) else {
            self.statistics.errors += 1
            writer.error("ERR", "the link to \(request.member.name) was lost")
            return .finished(dependsOn: 0)
        }
        if self.openExchange(request.purpose, width: .short, on: link, request: request, at: moment.now) { request.began() }
        return .blocked
    }

    private func answer(_ request: PeerRequestJob, _ outcome: SessionOutcome, _ writer: inout ReplyWriter) {
        guard outcome.isComplete else {
            self.statistics.errors += 1
            return writer.error(
                "ERR", "the session with \(request.member.name) ended early: \(outcome.fault.map { "\($0)" } ?? "it is busy, or joining")")
        }
        switch request.purpose {
        case .list: self.answerDifferences(request, theirSeen: outcome.theirSeen, &writer)
        case .count:
            Self.answer(
                [
                    ("ranges", outcome.tally.ranges), ("only-here", outcome.tally.onlyHere), ("only-there", outcome.tally.onlyThere),
                    ("in-both", outcome.tally.inBoth), ("milliseconds", Int(outcome.took.wholeNanoseconds / 1_000_000)),
                ], &writer)
        case .repair:
            let progress = outcome.progress
            Self.answer(
                [
                    ("ranges", outcome.tally.ranges), ("entries-in", progress.entriesIn), ("entries-out", progress.entriesOut),
                    ("bytes-in", progress.bytesIn), ("bytes-out", progress.bytesOut), ("in-flight", progress.inFlight),
                    ("equal-roots", outcome.hasEqualRoots ? 1 : 0), ("milliseconds", Int(outcome.took.wholeNanoseconds / 1_000_000)),
                ], &writer)
        }
    }

    private static func answer(_ fields: [(String, Int)], _ writer: inout ReplyWriter) {
        writer.map(count: fields.count)
        for (name, number) in fields {
            writer.bulk(name)
            writer.integer(number)
        }
    }
}
