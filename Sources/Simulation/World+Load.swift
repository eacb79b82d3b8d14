import Basics
import Node
import RESP
import Storage
import Versioning

/// What clients do, and what they are told.
extension World {
    /// A client gives up after so many tries.
    private static let maximumTries = 4
    private static let waitMilliseconds = 200

    func nextNumber() -> UInt64 {
        self.attempts += 1
        return self.attempts
    }

    func operate(_ attempt: Attempt) throws {
        guard !self.isHealed else { return }
        let node = self.nodes[attempt.node]
        guard let replica = node.replica, node.pausedUntil <= self.now else { return self.retry(attempt) }
        var answer = SimulatedNode.Answer.notNow
        if attempt.willWait, node.waitingAttempt == nil { node.waitingAttempt = attempt.number }
        let client = node.waitingAttempt == attempt.number ? self.waitingClient : attempt.client
        var (write, shown): (SimulatedNode.Acknowledged?, Attempt.Shown) = (nil, .nothing)
        try self.turn(node) { _ in
            let own = replica.store.identity.replica
            let before = replica.store.seen.watermark(of: own)
            answer = try self.isLeftOut(attempt, on: node) ? .error("") : node.execute(attempt.words, client: client, at: self.now)
            if case .job(let job) = answer { replica.end(job) }
            guard case .answered(let position, _) = answer else { return }
            let newest = try node.newest(of: attempt.key)
            shown = newest.map { .version($0.version.stamp) } ?? .nothing
            guard let newest, replica.store.seen.watermark(of: own) > before else { return }
            try self.checkOrder(of: newest.version, behind: attempt, on: node)
            if newest.version.context != nil {
                (self.counts[.siblings], self.counts[.siblingWrites]) = (self.counts[.siblings] + 1, self.counts[.siblingWrites] + 1)
                if newest.version.expiryMilliseconds > 0 { self.counts[.siblingDeadlines] += 1 }
            }
            write = SimulatedNode.Acknowledged(number: attempt.number, dot: newest.dot, version: newest.version, position: position)
        }
        if case .answered = answer {} else { node.endWait(of: attempt) }
        switch answer {
        case .notNow: self.retry(attempt)
        case .error:
            self.refuse(attempt)
            self.retry(attempt)
        case .job: self.retry(attempt)  // Siblings that are not synced yet.
        case .answered(let position, let reply):
            var attempt = attempt
            attempt.isDone = !attempt.isFirstHalf
            if attempt.isFirstHalf {
                attempt.shown = shown
                attempt.context = Self.context(in: reply)
                // What was read here may be replaced anywhere.
                if attempt.readsSiblings { attempt.node = Int.random(in: 0..<self.plan.nodes, using: &self.retries) }
            }
            node.wait(SimulatedNode.Pending(position: position, attempt: attempt, write: write))
            try self.answer(node)
        }
    }

    /// Whether clients ask for nothing of the kind: no deadlines for siblings, where the history is to have none.
    private func isLeftOut(_ attempt: Attempt, on node: SimulatedNode) throws -> Bool {
        guard self.plan[.siblingDeadlines] == 0, attempt.setsDeadline, let header = try node.entry(of: attempt.key)?.header else { return false }
        return header.kind == .siblings && !header.isTombstone
    }

    /// What was read before a write through the same node is older than that (I10).
    private func checkOrder(of version: Ledger.Version, behind attempt: Attempt, on node: SimulatedNode) throws {
        guard case .version(let shown) = attempt.shown else { return }
        self.counts[.readsComeBefore] += 1
        guard version.stamp > shown else {
            throw Violation(.readsComeBefore, "node \(node.index) wrote key\(attempt.operation.key) at \(version.stamp) after it had shown \(shown)")
        }
    }

    /// Answers leave that the log has released.
    func answer(_ node: SimulatedNode) throws {
        for pending in node.takeAnswered(at: self.now) {
            if pending.attempt.shown != nil, pending.write == nil, !pending.attempt.isDone {
                self.counts[.modifications] += 1
                self.plan(.operate(pending.attempt), in: .microseconds(Int.random(in: 50...20_000, using: &self.retries)))
            }
            if case .setAndWait(let members) = pending.attempt.operation.kind, node.waitingAttempt == pending.attempt.number,
                let write = pending.write
            {
                try self.wait(for: members, write, pending.attempt, on: node)
            }
        }
    }

    func refuse(_ attempt: Attempt) {
        self.counts[.refusedWrites] += 1
        if attempt.writesNumber { self.ledger.refuse(attempt.number) }
    }

    /// Tries again, from the beginning and on any node.
    func retry(_ attempt: Attempt) {
        guard !self.isHealed, attempt.tries + 1 < Self.maximumTries else { return }
        self.counts[.retries] += 1
        var again = Attempt(
            number: self.nextNumber(), client: attempt.client, node: Int.random(in: 0..<self.plan.nodes, using: &self.retries),
            operation: attempt.operation)
        again.tries = attempt.tries + 1
        self.plan(.operate(again), in: .milliseconds(Int.random(in: 20...500, using: &self.retries)))
    }

    /// What VGET answers first: `*4\r\n$7\r\ncontext\r\n$…\r\n…`.
    private static func context(in reply: [UInt8]) -> [UInt8] {
        let lines = reply.split(separator: UInt8(ascii: "\n"), maxSplits: 4, omittingEmptySubsequences: false)
        return lines.count == 5 && lines[2].elementsEqual("context\r".utf8) ? lines[4].prefix { $0 != UInt8(ascii: "\r") }.map(\.self) : []
    }

    // MARK: WAIT

    private func wait(for members: Int, _ write: SimulatedNode.Acknowledged, _ attempt: Attempt, on node: SimulatedNode) throws {
        try self.turn(node) { _ in
            let words = ["WAIT", "\(members)", "\(Self.waitMilliseconds)"].map { Array($0.utf8) }
            switch try node.execute(words, client: self.waitingClient, at: self.now) {
            case .job(let job): node.jobs.append(SimulatedNode.WaitingJob(job: job, write: write))
            case .answered(_, let reply):
                try self.check(write, heldBy: Self.number(in: reply), of: node)
                node.endWait(of: attempt)
            case .notNow, .error: node.endWait(of: attempt)
            }
        }
    }

    private var waitingClient: Int { self.plan.clients + 1 }

    private static func number(in reply: [UInt8]) -> Int { Int(String(decoding: reply.dropFirst().dropLast(2), as: UTF8.self)) ?? 0 }

    func advanceJobs(of node: SimulatedNode) throws {
        let jobs = node.jobs
        node.jobs = []
        for waiting in jobs {
            if let holders = try node.advance(waiting.job, at: self.now) {
                guard let write = waiting.write else { continue }
                try self.check(write, heldBy: holders, of: node)
                node.waitingAttempt = nil
            } else {
                node.jobs.append(waiting)
            }
        }
    }

    /// A node has counted no more members than have the write (I4).
    private func check(_ write: SimulatedNode.Acknowledged, heldBy counted: Int, of node: SimulatedNode) throws {
        if counted > 0 { self.counts[.waits] += 1 }
        self.counts[.waitsTellTruth] += 1
        // One that is down may have it: it had announced it.
        let holders = self.nodes.count { other in other !== node && (other.replica?.store.seen.covers(write.dot) ?? true) }
        guard counted <= holders else {
            throw Violation(.waitsTellTruth, "node \(node.index) says that \(counted) others have \(write.dot), and \(holders) do")
        }
    }

    // MARK: The ledger

    /// Entries on their way to a node's log: its own writes are noted, others' must be durable somewhere.
    func note(_ batch: Batch, of node: SimulatedNode) throws {
        let own = node.replica!.store.identity.replica
        var failure: (any Error)?
        batch.forEachEntry { frame, record in
            if record.isOwnWrite(of: own, frame: frame) {
                let (version, dot) = (Ledger.Version(record), record.dot)
                let number = Attempt.number(
                    in: record.siblings.map { $0.newest.value ?? UnsafeRawBufferPointer(start: nil, count: 0) } ?? record.payload)
                let write = SimulatedNode.Provisional(position: batch.position, dot: dot, number: number, version: version)
                self.forgetAnother(write, of: node)
                node.noteOwn(write)
            } else if failure == nil {
                do {
                    for (dot, version) in Ledger.Version.all(in: record) {
                        // What this node has written stands beside others' before it is durable.
                        if version.context != nil, dot.replica == own, self.ledger.version(of: dot) == nil { continue }
                        try self.ledger.check(dot, version, on: node.index)
                    }
                    // What siblings come to was taken before, when the clock may have been another's.
                    if record.kind == .register || frame[5] & FrameFlags.uncounted == 0 { try self.checkBound(of: record.stamp, on: node) }
                } catch { failure = error }
            }
        }
        self.counts[.nothingUndurableLeaves] += 1
        if let failure { throw failure }
    }

    /// A node's own write is durable.
    func note(_ write: SimulatedNode.Provisional, of node: SimulatedNode) throws {
        self.counts[.oneContentPerDot] += 1
        self.counts[.stampsIncrease] += 1
        self.forgetAnother(write, of: node)
        try self.ledger.note(write.dot, write.version, by: node.index)
        if self.ledger.isRefused(write.number) {
            throw Violation(.refusedStayAway, "node \(node.index) has made \(write.dot) durable, which was answered with an error")
        }
    }
}

extension World {
    /// Forgets what the dot of a write named before the disk of its node was exchanged or damaged, where nobody else knows of it: such a node cannot be
    /// told from one that never wrote it, and nothing in the world is left of it (I20).
    private func forgetAnother(_ write: SimulatedNode.Provisional, of node: SimulatedNode) {
        guard node.wasRestored || node.hasRotted, !self.isKnown(write.dot, besides: node) else { return }
        self.ledger.forget(from: write.dot, unless: write.version)
    }

    /// Whether another has seen a write, or a later one under its id; of those that are down, but not for good, whether they had.
    private func isKnown(_ dot: Dot, besides node: SimulatedNode) -> Bool {
        self.nodes.contains { $0 !== node && !$0.isRetired && ($0.known?.seen.greatest(of: dot.replica) ?? 0) >= dot.sequence }
    }
}

extension SimulatedNode {
    func endWait(of attempt: Attempt) { if self.waitingAttempt == attempt.number { self.waitingAttempt = nil } }
}

extension Attempt {
    fileprivate var willWait: Bool { if case .setAndWait = self.operation.kind { true } else { false } }

    /// What it writes begins with its number; of others the number is nowhere, or that of the value whose deadline they change.
    fileprivate var writesNumber: Bool {
        switch self.operation.kind {
        case .set, .modify, .setAndWait, .setExpiring, .setSibling, .modifySiblings: true
        case .delete, .expire, .persist, .deleteSiblings: false
        }
    }

    /// True for a read whose answer a write will follow.
    var isFirstHalf: Bool { (self.operation.kind == .modify || self.readsSiblings) && self.shown == nil }

    var readsSiblings: Bool {
        switch self.operation.kind {
        case .modifySiblings, .deleteSiblings: true
        default: false
        }
    }

    fileprivate var setsDeadline: Bool {
        switch self.operation.kind {
        case .setExpiring, .expire: true
        default: false
        }
    }

    private static func timeToLive(_ milliseconds: Int?) -> [[UInt8]] { milliseconds.map { [Array("PX".utf8), Array("\($0)".utf8)] } ?? [] }

    private static let (delete, get, set) = (Array("DEL".utf8), Array("GET".utf8), Array("SET".utf8))

    var words: [[UInt8]] {
        switch self.operation.kind {
        case .delete: [Self.delete, self.key]
        case .modify where self.shown == nil: [Self.get, self.key]
        case .modifySiblings where self.shown == nil, .deleteSiblings where self.shown == nil: [Array("VGET".utf8), self.key]
        case .setSibling(let milliseconds): [Array("VSET".utf8), self.key, self.value] + Self.timeToLive(milliseconds)
        case .modifySiblings(let milliseconds):
            [Array("VSET".utf8), self.key, self.value, Array("CONTEXT".utf8), self.context] + Self.timeToLive(milliseconds)
        case .deleteSiblings: [Array("VDEL".utf8), self.key, Array("CONTEXT".utf8), self.context]
        case .set, .modify, .setAndWait: [Self.set, self.key, self.value]
        case .setExpiring(let milliseconds): [Self.set, self.key, self.value, Array("PX".utf8), Array("\(milliseconds)".utf8)]
        case .expire(let milliseconds): [Array("PEXPIRE".utf8), self.key, Array("\(milliseconds)".utf8)]
        case .persist: [Array("PERSIST".utf8), self.key]
        }
    }
}
