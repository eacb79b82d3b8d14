import Basics
import Node
import Storage
import Versioning

/// The end of a history: everything works again, and all must come to hold the same.
extension World {
    /// So long after the faults all members are linked with each other again: a dial waits up to 7.5 s, a link without a word 30 s.
    private static let linkLimit = Duration.seconds(60)
    /// What an entry takes of a throttled joiner's share, at most.
    private static let bytesPerEntry = 128

    /// Where members give slowly, those who have not got everything yet may get it one after another.
    private var wholeLimit: Duration {
        let rate = self.plan.bootstrapBytesPerSecond
        return rate == 0 ? Self.linkLimit : Self.linkLimit + .seconds(self.members.count * self.plan.keys * Self.bytesPerEntry / rate)
    }

    /// How healing went.
    package struct Healing: Equatable, Sendable {
        /// Until everything that was held up had arrived, and every node served and was linked with all others.
        package let whole: Duration
        /// From then on, the rounds that every node had begun, and the time, until all held the same.
        package let rounds: Int
        package let took: Duration
    }

    /// Within so many rounds all hold the same (I2): 2(N - 1) + 3. At `interval` twice as many: each message of a session waits for a sync, which
    /// takes up to half a round, so that a session of six messages is three rounds long; and a node is in one session at a time.
    package static func roundLimit(nodes: Int, durability: StoreConfiguration.Durability) -> Int {
        (2 * (nodes - 1) + 3) * (durability == .interval ? 2 : 1)
    }

    /// Everything works from now on, and clients have gone. Connections that have lost something break: TCP brings everything or ends. Clocks are set
    /// right, where there is one.
    package func heal() throws {
        self.network.hasFaults = false
        self.isHealed = true
        self.partitions += 1
        self.network.partition = Partition(nodes: self.plan.allNodes)
        for node in self.members {
            node.makeRoom()
            node.slowUntil = self.now
            node.clock.setRight()
            if node.replica == nil { try self.start(node) }
        }
        self.resetLossy()
        self.settledAt = self.nodes.flatMap(\.ends).map { $0.connection.arrival(at: $0.side) }.max() ?? self.now
    }

    /// Runs until all hold the same. Rounds count from when what was stamped ahead of the right time is due: until then honest nodes do not take it. What has
    /// expired, or is about to, one may have dropped before another: that is looked at once no deadline is near. Rounds count anew where a node finds only then that its data are too old to be shown to anybody, and comes back with an empty disk.
    @discardableResult
    package func converge() throws -> Healing {
        let start = self.now
        for _ in 0...self.nodes.count {
            try self.becomeWhole()
            let whole = self.now.since(start)
            guard let rounds = try self.becomeEqual() else { continue }
            self.counts[.convergence] += 1
            self.counts[.oneRoster] += 1
            return Healing(whole: whole, rounds: rounds, took: self.now.since(start) - whole)
        }
        throw Violation(.liveness, "\(self.now.since(start)) after healing nodes still find themselves excluded: \(self.situation)")
    }

    private func becomeWhole() throws {
        let start = self.now
        var longest = self.wholeLimit + self.longestWaitForStamps
        while !self.isEverythingDue || !self.isWhole {
            try self.followAdvice()
            try self.run(until: self.now + (self.timeUntilDue > .seconds(2) ? .seconds(1) : .milliseconds(100)))
            // Some begin to hold what they had refused, or what a member brings that has just come back. Nobody writes any more: it ends.
            longest = max(longest, self.now.since(start) + self.longestWaitForStamps)
            guard self.now.since(start) < longest else {
                throw Violation(.liveness, "\(longest) after healing not all are linked: \(self.situation)")
            }
        }
    }

    /// - Returns: after how many rounds all held the same; nil where one serves nobody any more.
    private func becomeEqual() throws -> Int? {
        let limit = Self.roundLimit(nodes: self.members.count, durability: self.plan.durability)
        let before = self.roundQuestions
        guard try self.run(until: { try self.haveOneRoster && self.holdSameData(besidesDeadlinesThrough: self.nearDeadline) }, limit) else {
            return nil
        }
        let rounds = self.rounds(since: before)
        while case let quiet = try self.timeUntilQuiet(), quiet > .zero { try self.run(until: self.now + quiet) }
        return try self.run(until: { try self.hasConverged() }, limit) ? rounds : nil
    }

    /// - Returns: false where one serves nobody any more.
    private func run(until isDone: () throws -> Bool, _ limit: Int) throws -> Bool {
        let (before, uneven) = (self.roundQuestions, self.unevenRounds)
        while try !isDone() {
            guard self.members.allSatisfy({ $0.replica?.isExcluded == false }) else { return false }
            // Where differing roots were put down to what one side had dropped nobody compared anything meanwhile.
            guard self.rounds(since: before) <= limit + (self.unevenRounds > uneven ? Self.unevenRounds : 0) else {
                guard self.haveOneRoster else { throw Violation(.oneRoster, "after \(limit) rounds the nodes have different lists of members") }
                throw Violation(.convergence, "after \(limit) rounds the nodes hold different data: \(try self.difference())")
            }
            try self.run(until: self.now + .milliseconds(50))
        }
        return true
    }

    /// Operators do what nodes tell them: who is no member any more comes back with an empty disk, and of two processes with one id the one that is left
    /// is started again. Who has stamps that nobody takes comes back with an empty disk too; what is ahead by less is waited for.
    private func followAdvice() throws {
        for node in self.members where node.replica?.stampsAheadMilliseconds ?? 0 > StampBounds.heldMilliseconds {
            if try self.empty(node) { self.counts[.farStamps] += 1 }
        }
        for node in self.members where node.replica.map({ $0.isExcluded && !$0.seeksReturn }) ?? false {
            self.counts[.exclusions] += 1
            try self.empty(node)
        }
        guard self.retirements == 0 else { return }
        for node in self.members where node.replica?.isContested ?? false {
            self.counts[.contests] += 1
            try self.crash(node, .kill, down: .milliseconds(10))
        }
    }

    /// What faults held up has arrived, all serve, and each is linked with all others.
    private var isWhole: Bool {
        let members = self.members
        guard self.retirements == 0, self.now >= self.settledAt else { return false }
        return members.allSatisfy { node in
            guard let replica = node.replica, replica.isServing, !replica.isContested, node.pausedUntil <= self.now else { return false }
            guard replica.store.exportCounts.undecided == 0 || !self.canSettle(replica) else { return false }
            return replica.peerLinks.count { $0.isReady } == members.count - 1
        }
    }

    /// Whether all that a node counts are there, and none has lost something: otherwise nobody knows what they have of retired replicas, and nothing that
    /// was written under those is decided (I25).
    private func canSettle(_ replica: Replica) -> Bool {
        let there = self.members.compactMap { $0.replica.flatMap { $0.store.hasDamage ? nil : $0.store.identity.replica } }
        return replica.roster?.active.allSatisfy { there.contains($0.replica) } ?? true
    }

    /// What is waited for.
    private var situation: String {
        self.members.map { node in
            guard let replica = node.replica else { return "node \(node.index) is down" }
            let links = replica.peerLinks.count { $0.isReady }
            let waits = [
                replica.isServing ? nil : "does not serve", replica.isContested ? "contested" : nil, replica.isHolding ? "holds" : nil,
                replica.seeksReturn ? "wants to return" : nil,
                replica.store.exportCounts.undecided > 0 ? "has \(replica.store.exportCounts.undecided) exports to decide" : nil,
            ]
            return (["node \(node.index) has \(links) links"] + waits.compactMap(\.self)).joined(separator: ", ")
        }.joined(separator: "; ")
    }

    /// What the rounds of each node have asked so far, for `rounds(since:)`.
    package var roundQuestions: [Int] { self.members.map { $0.replica!.roundQuestions } }

    private var unevenRounds: Int { self.members.compactMap(\.replica?.unevenRounds).reduce(0, +) }
    /// For so many of the shortest differing roots may be put down to what was dropped: 2 D, a step of the clock and 5 rounds.
    private static let unevenRounds = 20

    /// The rounds that every node has begun.
    package func rounds(since before: [Int]) -> Int {
        zip(self.members, before).map { node, before in
            let perRound = max(1, min(node.replica!.fanout, self.members.count - 1))
            return (node.replica!.roundQuestions - before) / perRound
        }.min() ?? 0
    }

    /// Whether all know the same members, and the same of each (I21).
    private var haveOneRoster: Bool { Set(self.members.map { $0.replica?.rosterHash }).count == 1 }

    package func hasConverged() throws -> Bool { try self.haveOneRoster && self.holdSameData() }

    /// Whether all nodes hold the same data: every entry, not only their digests (I2).
    ///
    /// - Parameter deadline: what has one up to here is left out; 0 for nothing.
    package func holdSameData(besidesDeadlinesThrough deadline: UInt64 = 0) throws -> Bool {
        // Digests that differ are enough to say no; only the data says yes.
        let stores = self.members.compactMap { $0.replica?.store }
        guard stores.count == self.members.count else { return false }
        if deadline == 0, stores.allSatisfy(\.isFolded), stores.contains(where: { $0.foldedDigest != stores[0].foldedDigest }) { return false }
        var checksum: UInt64?
        for node in self.members {
            guard node.replica?.isServing ?? false else { return false }
            let own = try node.contentChecksum(besidesDeadlinesThrough: deadline)
            guard own == checksum ?? own else { return false }
            checksum = own
        }
        return true
    }

    private func difference() throws -> String {
        let members = self.members
        let all = try members.map { try $0.entries() }
        let keys = Set(all.flatMap(\.keys)).sorted { $0.lexicographicallyPrecedes($1) }
        let differing = keys.filter { key in all.contains { $0[key] != all[0][key] } }
        guard let key = differing.first else { return "none" }
        let versions = zip(members, all).map { "node \($0.index) \($1[key].map { "\($0.header.stamp)" } ?? "nothing")" }
        return "\(differing.count) keys, the first \(String(decoding: key, as: UTF8.self)): \(versions.joined(separator: ", "))"
    }

    /// What must hold once all hold the same.
    package func check() throws {
        let first = try self.members[0].entries()
        for node in self.members {
            guard try node.entries() == first else { throw Violation(.convergence, "node \(node.index) differs from node \(self.members[0].index)") }
            for check in Self.nodeChecks where !check.isOfData || node === self.members[0] {
                self.counts[check.name] += 1
                try check.check(node, in: self)
            }
        }
    }

    /// So many writes were acknowledged.
    package var acknowledgedWrites: Int { self.nodes.reduce(0) { $0 + $1.acknowledged.count } }
}
