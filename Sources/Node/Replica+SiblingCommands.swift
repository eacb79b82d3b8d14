import Basics
import Digests
import Membership
import RESP
import Storage
import Versioning

/// HEARSAY POLICY and HEARSAY SIBLINGS: which keys are to have siblings, and which have several.
extension Replica {
    // MARK: POLICY

    func policy(_ call: Call, _ writer: inout ReplyWriter) -> LogPosition {
        guard let peers = self.peers else {
            self.answerNoPeers(&writer)
            return 0
        }
        let arguments = call.arguments
        guard arguments.count > 2 else {
            writer.map(count: peers.policies.rules.count)
            for rule in peers.policies.rules {
                writer.bulk(rule.prefix)
                writer.bulk(rule.keepsSiblings ? "siblings" : "lww")
            }
            return 0
        }
        guard arguments.count == 5, arguments[2].equalsIgnoringCase("SET"),
            arguments[4].equalsIgnoringCase("siblings") || arguments[4].equalsIgnoringCase("lww")
        else {
            self.answerSyntaxError(&writer)
            return 0
        }
        guard arguments[3].count <= KeyPolicies.maximumPrefixBytes else {
            self.statistics.errors += 1
            writer.error("ERR prefix is longer than 64 bytes")
            return 0
        }
        let rule = KeyPolicies.Rule(prefix: Array(arguments[3].buffer), keepsSiblings: arguments[4].equalsIgnoringCase("siblings"))
        return self.changeRoster(at: call.moment.now, &writer) { roster, own throws(RosterRefusal) in
            try roster.set(KeyPolicies.name(of: rule.prefix), to: rule.text, by: own)
        }
    }

    // MARK: SIBLINGS

    private static let standardLimit: Int64 = 1_000

    /// HEARSAY SIBLINGS KEY key, or [PREFIX prefix] [LIMIT count].
    func beginSiblings(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        let arguments = call.arguments
        if arguments.count == 4, arguments[2].equalsIgnoringCase("KEY") {
            return .answered(dependsOn: try self.describeSiblings(of: arguments[3].buffer, at: call.moment, &writer))
        }
        var (prefix, limit, index): ([UInt8], Int64, Int) = ([], Self.standardLimit, 2)
        while index < arguments.count {
            guard index + 1 < arguments.count else {
                self.answerSyntaxError(&writer)
                return .answered(dependsOn: 0)
            }
            if arguments[index].equalsIgnoringCase("PREFIX") {
                prefix = Array(arguments[index + 1].buffer)
            } else if arguments[index].equalsIgnoringCase("LIMIT"), let number = arguments[index + 1].integer(), number > 0 {
                limit = number
            } else {
                self.answerSyntaxError(&writer)
                return .answered(dependsOn: 0)
            }
            index += 2
        }
        return .job(Job(siblings: SiblingSearch(prefix: prefix, limit: Int(clamping: limit))))
    }

    /// One slice of a listing: a key and how many siblings it has.
    func advanceSiblings(_ job: Job, at moment: Moment, _ writer: inout ReplyWriter) throws(StoreError) -> JobProgress {
        let search = job.search!
        let next = try self.visit(&job.page, from: job.cursor, kinds: [.siblings], search: search, at: moment)
        guard job.page.keys.count <= Self.maximumKeysBytes else {
            self.statistics.errors += 1
            writer.error("ERR the keys are too many for one answer: use LIMIT")
            return .finished(dependsOn: 0)
        }
        if let next, job.page.count < search.limit {
            job.cursor = next
            return .working
        }
        writer.map(count: job.page.count)
        writer.append(contentsOf: job.page.keys)
        return .finished(dependsOn: job.page.position)
    }

    /// Who wrote each sibling, when by its clock, what, and until when.
    private func describeSiblings(
        of key: UnsafeRawBufferPointer, at moment: Moment, _ writer: inout ReplyWriter
    ) throws(StoreError) -> LogPosition {
        guard case .record(let record, let position, _) = try self.store.find(self.store.token(of: key), key: key), let siblings = record.siblings
        else {
            writer.array(count: 0)
            return 0
        }
        let readable = siblings.readable(at: moment.wall)
        writer.array(count: readable.count)
        for sibling in readable.reversed() {
            writer.map(count: 5)
            writer.bulk("written_by")
            writer.bulk(self.name(of: sibling.stamp.replica))
            writer.bulk("written_milliseconds")
            writer.integer(Int(clamping: sibling.stamp.milliseconds))
            writer.bulk("expires_milliseconds")
            writer.integer(sibling.expiryMilliseconds == 0 ? -1 : Int(clamping: sibling.expiryMilliseconds))
            writer.bulk("bytes")
            writer.integer(sibling.value!.count)
            writer.bulk("value")
            writer.bulk(sibling.value!)
        }
        return position
    }

    /// A member's name, also a former one's; the id of who is not known.
    private func name(of replica: ReplicaID) -> String {
        guard let entry = self.roster?[replica], !entry.member.name.text.isEmpty else { return "\(replica)" }
        return entry.member.name.text
    }
}

/// What HEARSAY SIBLINGS lists: keys with more than one sibling.
struct SiblingSearch {
    let prefix: [UInt8]
    let limit: Int

    /// How many siblings a key has that is to be listed; nil for others.
    func count(_ record: RecordView?, _ key: UnsafeRawBufferPointer, at wall: WallTime) -> Int? {
        guard key.starts(with: self.prefix), let count = record?.siblings?.versions.count(where: { $0.isReadable(at: wall) }), count > 1 else {
            return nil
        }
        return count
    }
}
