import Digests
import RESP
import Storage
import Versioning

/// A command whose answer takes more than a slice of the loop's time, or has to wait for a drain: it is advanced a slice at a time,
/// while others are served. Its client's later commands wait.
package final class Job {
    enum Kind: Equatable {
        /// HEARSAY DIGEST: the digest once everything is folded.
        case digest
        /// DBSIZE: the number of keys, which folding counts.
        case count
        /// HEARSAY VERIFY: all leaves of the digest tree against a scan.
        case verify
        case keys
        case randomKey
        /// FLUSHALL and FLUSHDB: a tombstone for every key that is older than the command. What has expired is no key any more.
        case flush
        /// HEARSAY REPAIR and DIFF: a session with a peer.
        case peers
        /// WAIT: other members' announcements.
        case wait
        /// HEARSAY LEAVE: until others have everything, and know.
        case leave
        /// VGET: until what its context names is durable.
        case synced
        /// HEARSAY SIBLINGS: keys with more than one.
        case siblings
    }

    let kind: Kind
    /// Where the next slice begins.
    var cursor = Token(rawValue: 0)
    var page: Replica.KeyPage
    fileprivate var damaged = 0
    fileprivate var mismatches = 0
    /// FLUSHALL: the greatest stamp that is older than the command.
    fileprivate let cutoff: UInt64
    fileprivate var position: LogPosition = 0
    /// RANDOMKEY: where it began, once it has gone over the end.
    fileprivate var origin = Token(rawValue: 0)
    fileprivate var hasWrapped = false

    fileprivate init(_ kind: Kind, pattern: GlobPattern? = nil, cutoff: UInt64 = 0, from cursor: Token = Token(rawValue: 0)) {
        (self.kind, self.cutoff, self.cursor, self.origin) = (kind, cutoff, cursor, cursor)
        self.page = Replica.KeyPage(entries: Replica.sliceEntries, pattern: pattern)
    }

    /// HEARSAY REPAIR and DIFF.
    fileprivate var request: PeerRequestJob?

    convenience init(request: PeerRequestJob) {
        self.init(.peers)
        self.request = request
    }

    fileprivate var wait: WaitJob?

    convenience init(wait: WaitJob) {
        self.init(.wait)
        self.wait = wait
    }

    fileprivate var leave: LeaveJob?

    convenience init(leave: LeaveJob) {
        self.init(.leave)
        self.leave = leave
    }

    /// HEARSAY SIBLINGS.
    fileprivate(set) var search: SiblingSearch?

    convenience init(siblings search: SiblingSearch) {
        self.init(.siblings)
        self.search = search
    }

    /// An answer that is written and waits for a position to be synced.
    convenience init(answer: consuming ReplyWriter, dependsOn position: LogPosition) {
        self.init(.synced)
        self.page.keys = answer
        self.position = position
    }

    /// The log was cut back to before something that it has written or that its answer shows.
    fileprivate private(set) var isCut = false

    /// Tells that the log was cut back to `origin`: what came from there on is gone, and so is an answer that shows it.
    package func logWasCut(back origin: LogPosition) {
        // Position 0 stands for nothing to depend on, also where the log's very first batch failed.
        if max(self.position, self.page.position) >= max(origin, 1) { self.isCut = true }
    }

    /// True where it works on the whole digest, and so waits for drains.
    var needsDigest: Bool { self.kind == .digest || self.kind == .count || self.kind == .verify }
}

extension Replica {
    /// What a slice of a job came to.
    package enum JobProgress: Equatable, Sendable {
        case working
        /// Nothing can be done before a drain has ended or there is room for writes.
        case blocked
        /// The answer is written and leaves when the position is durable.
        case finished(dependsOn: LogPosition)
    }

    func begin(_ kind: Job.Kind, pattern: GlobPattern? = nil) -> Outcome {
        let start = kind == .randomKey ? Token(rawValue: self.random.next()) : Token(rawValue: 0)
        let job = Job(kind, pattern: pattern, cutoff: self.store.greatestStamp, from: start)
        if job.needsDigest { self.digestJobs += 1 }
        return .job(job)
    }

    /// Forgets a job that has finished or whose client has gone.
    package func end(_ job: Job) {
        if job.needsDigest { self.digestJobs -= 1 }
    }

    /// Does one slice of a job. When it has finished, `end` must be called.
    package func advance(_ job: Job, at moment: Moment, to writer: inout ReplyWriter) throws(StoreError) -> JobProgress {
        if job.isCut { return self.refuseForRoom(job, &writer) }
        switch job.kind {
        case .digest, .count: return try self.advanceFold(job, &writer)
        case .verify: return try self.advanceVerify(job, &writer)
        case .keys: return try self.advanceKeys(job, at: moment, &writer)
        case .randomKey: return try self.advanceRandomKey(job, at: moment, &writer)
        case .flush: return try self.advanceFlush(job, at: moment, &writer)
        case .peers: return self.advance(job.request!, at: moment, &writer)
        case .wait: return self.advance(job.wait!, at: moment, &writer)
        case .leave: return self.advance(job.leave!, at: moment, &writer)
        case .siblings: return try self.advanceSiblings(job, at: moment, &writer)
        case .synced:
            guard job.position < self.store.synced else { return .blocked }
            writer.append(contentsOf: job.page.keys)
            return .finished(dependsOn: 0)
        }
    }

    /// Ends a job that the full disk has overtaken.
    private func refuseForRoom(_ job: Job, _ writer: inout ReplyWriter) -> JobProgress {
        self.statistics.errors += 1
        if job.kind == .flush {
            writer.error("ERR no space left on the device: only a part of the keys was deleted")
        } else {
            writer.error("ERR no space left on the device: a write that the answer shows was not stored")
        }
        return .finished(dependsOn: 0)
    }

    private func advanceFold(_ job: Job, _ writer: inout ReplyWriter) throws(StoreError) -> JobProgress {
        guard try self.store.fold(budget: Self.sliceEntries) else { return .blocked }
        guard self.store.isFolded else { return .working }
        if job.kind == .digest { writer.bulk(self.store.foldedDigest.description) } else { writer.integer(self.store.liveKeys) }
        return .finished(dependsOn: self.store.appliedPosition)
    }

    private func advanceVerify(_ job: Job, _ writer: inout ReplyWriter) throws(StoreError) -> JobProgress {
        // Leaves that are far too full would not fit into a slice.
        if job.cursor == Token(rawValue: 0), self.store.wantsGrowth {
            return try self.store.growDigest(budget: Self.sliceEntries) ? .working : .blocked
        }
        guard let recount = try self.store.recount(from: job.cursor, budget: Self.sliceEntries) else { return .blocked }
        job.damaged += recount.damaged
        if recount.mismatch != nil { job.mismatches += 1 }
        if let next = recount.next {
            job.cursor = next
            return .working
        }
        // Leaves that were compared early have changed since, by puts that may not be folded yet.
        guard self.store.isFolded else {
            guard try self.store.fold(budget: Self.sliceEntries) else { return .blocked }
            job.cursor = Token(rawValue: .max)
            return .working
        }
        if job.mismatches > 0 || job.damaged > 0 || self.store.hasDamage {
            self.statistics.errors += 1
            let problems = [
                job.damaged > 0 ? "\(job.damaged) damaged entries" : nil,
                job.mismatches > 0 ? "digest differs from a scan in \(job.mismatches) places" : nil, self.store.hasDamage ? self.damageText : nil,
            ]
            writer.error("ERR", "verify: \(problems.compactMap(\.self).joined(separator: "; "))")
        } else {
            writer.bulk(self.store.foldedDigest.description)
        }
        return .finished(dependsOn: self.store.appliedPosition)
    }

    private func advanceKeys(_ job: Job, at moment: Moment, _ writer: inout ReplyWriter) throws(StoreError) -> JobProgress {
        let next = try self.visit(&job.page, from: job.cursor, at: moment)
        guard job.page.keys.count <= Self.maximumKeysBytes else {
            self.statistics.errors += 1
            writer.error("ERR the keys are too many for one answer: use SCAN")
            return .finished(dependsOn: 0)
        }
        if let next {
            job.cursor = next
            return .working
        }
        writer.array(count: job.page.count)
        writer.append(contentsOf: job.page.keys)
        return .finished(dependsOn: job.page.position)
    }

    /// The longest answer to KEYS, in bytes: well below what closes a client that does not read.
    static let maximumKeysBytes = 16 << 20
    /// The longest answer of several values, in bytes: with what a client may have left unread, what closes it.
    static let maximumAnswerBytes = 24 << 20

    private func advanceRandomKey(_ job: Job, at moment: Moment, _ writer: inout ReplyWriter) throws(StoreError) -> JobProgress {
        var (visited, next, found): (Int, Token?, Bool) = (0, nil, false)
        try self.store.scan(job.cursor...Token.last) { entry in
            if visited >= Self.sliceEntries {
                next = entry.token
                return false
            }
            visited += 1
            job.position = max(job.position, entry.position)
            guard entry.record?.isReadable(at: moment.wall) ?? true else { return true }
            writer.bulk(entry.key)
            found = true
            return false
        }
        if found { return .finished(dependsOn: job.position) }
        if let next, !job.hasWrapped || next < job.origin {
            job.cursor = next
            return .working
        }
        if next == nil, !job.hasWrapped {
            (job.cursor, job.hasWrapped) = (Token(rawValue: 0), true)
            return .working
        }
        writer.null()
        return .finished(dependsOn: job.position)
    }

    private func advanceFlush(_ job: Job, at moment: Moment, _ writer: inout ReplyWriter) throws(StoreError) -> JobProgress {
        if self.refusesForRoom { return self.refuseForRoom(job, &writer) }
        if let reason = self.writeRefusal {
            self.statistics.errors += 1
            writer.error("ERR", "\(reason): only a part of the keys was deleted")
            return .finished(dependsOn: 0)
        }
        guard self.store.admitsWrites else { return .blocked }
        var (visited, next): (Int, Token?) = (0, nil)
        var keys: [[UInt8]] = []
        var last: Token?
        try self.store.scan(job.cursor...Token.last) { entry in
            if visited >= Self.sliceEntries / 4, entry.token != last {
                next = entry.token
                return false
            }
            (visited, last) = (visited + 1, entry.token)
            let isNewer = entry.record.map { $0.stampTime > job.cutoff } ?? false
            if !isNewer, entry.record?.isReadable(at: moment.wall) ?? true { keys.append(Array(entry.key)) }
            job.position = max(job.position, entry.position)
            return true
        }
        for key in keys {
            try key.span.bytes.withUnsafeBytes { key throws(StoreError) in job.position = try self.putTombstone(for: Bytes(key), at: moment) }
        }
        if let next {
            job.cursor = next
            return .working
        }
        if self.peers?.table.members.isEmpty ?? true { self.store.clearDamage() }  // What was lost is nowhere else, and would be deleted now.
        writer.ok()
        return .finished(dependsOn: max(job.position, self.store.appliedPosition))
    }

    // MARK: The commands that begin jobs

    func beginKeysJob(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        switch call.command {
        case .dbsize: return self.begin(.count)
        case .randomkey: return self.begin(.randomKey)
        case .keys:
            do throws(GlobPattern.Failure) { return self.begin(.keys, pattern: try GlobPattern(call.arguments[1])) } catch {
                self.answerPatternTooLong(&writer)
                return .answered(dependsOn: 0)
            }
        default: return self.beginFlush(call, &writer)
        }
    }

    private func beginFlush(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        let count = call.arguments.count
        let isKnown = count == 1 || (count == 2 && (call.arguments[1].equalsIgnoringCase("SYNC") || call.arguments[1].equalsIgnoringCase("ASYNC")))
        guard isKnown else {
            self.answerSyntaxError(&writer)
            return .answered(dependsOn: 0)
        }
        guard self.configuration.allowsFlush else {
            self.statistics.errors += 1
            writer.error("ERR", "\(call.command.specification.name) deletes every key and is off: start the node with --allow-flush to have it")
            return .answered(dependsOn: 0)
        }
        return self.begin(.flush)
    }
}
