import Basics
import Digests
import Membership
import RESP
import Storage
import Versioning

/// One node of the replica set: executes clients' commands on its store and says what their answers depend on.
///
/// The core loop owns it and drives it: `execute` for each command, `endTick` after a burst, the store's reports as they come. It has
/// no sockets, clocks or threads; time comes in with each call.
///
/// - Invariant: an answer is written at once and leaves only when the position that `execute` named is durable (DESIGN: one rule for outputs).
package final class Replica {
    package let store: Store
    package var configuration: ReplicaConfiguration
    var clock: HybridLogicalClock
    var random: SplitMix64
    package internal(set) var statistics = ReplicaStatistics()
    /// All connected clients, in order of their ids.
    package internal(set) var sessions: [Session] = []
    /// What lies around the replica, asked when INFO or STATUS shows it.
    let surroundings: () -> Surroundings
    /// Jobs that need the whole digest and wait for it.
    var digestJobs = 0
    var digestTurn = DigestTurn()
    /// How many commands there had been when they were last seen to have come, and when that was.
    private var asked = (commands: 0, at: Instant(nanoseconds: 0))
    /// CLIENT KILL has named clients that the driver has not been told of.
    var hasKilled = false
    var startedAt: Instant
    /// What rounds show of `seen`, and of which revision that is.
    var seenHashed: (revision: UInt64, hash: UInt64)?
    /// Nil for a node that was started to be alone.
    var peers: PeerSet?
    /// What made it impossible to keep what peers have agreed on: the process must stop.
    package internal(set) var peerFailure: StoreError?
    var damageWatch = DamageWatch()
    var sweeping: Sweeping
    var collecting: Collecting
    var salvaging: Salvaging
    /// What rounds show of floors, and of which.
    var clearanceHashed: (revision: UInt64, hash: UInt64)?
    /// When this tick began, by both clocks.
    private(set) var lastMoment: Moment
    var lastTick: Instant { self.lastMoment.now }
    var wallClock = WallClock()
    /// What is wrong with the clock, and what was last told of that.
    var clockTrouble: WallClock.Trouble?
    var toldTrouble: (trouble: WallClock.Trouble, at: Instant)?
    /// What an operator should know of a node that has no peers.
    private var notices: [String] = []

    package init(
        store: Store, configuration: ReplicaConfiguration, randomSeed: UInt64, startedAt: Instant, surroundings: @escaping () -> Surroundings
    ) {
        (self.store, self.configuration, self.surroundings) = (store, configuration, surroundings)
        self.clock = HybridLogicalClock(replica: store.identity.replica, startingAt: store.greatestStamp)
        (self.random, self.startedAt) = (SplitMix64(seed: randomSeed), startedAt)
        self.lastMoment = Moment(now: startedAt, wall: WallTime(milliseconds: 0))
        (self.sweeping, self.collecting, self.salvaging) = (Sweeping(nextAt: startedAt), Collecting(nextAt: startedAt), Salvaging(nextAt: startedAt))
    }

    /// Begins to look for the others.
    ///
    /// - Parameter generator: draws what the node would found a cluster with; production passes the system's.
    /// - Throws: where the store's list of members cannot be read.
    package func startPeers(
        _ configuration: PeerConfiguration, at now: Instant, using generator: inout some RandomNumberGenerator
    ) throws(StoreError) {
        precondition(self.peers == nil, "peers were started already")
        let table = try self.restoredTable(configuration.name ?? MemberName(startOf: self.store.identity.replica))
        self.peers = PeerSet(configuration, self.configuration, table, store: self.store, at: now, using: &generator)
        self.store.indexesLog = true
        self.enterRoster(at: now)
        self.keepLog()
        if let exclusion { self.tell(exclusion) }
        guard !self.isExcluded || self.seeksReturn else { return }
        self.perform(self.peers!.dialer.handle(.started, at: now))
        self.learnAddresses(before: [], at: now)
        for address in self.formerRoster?.active.compactMap(\.address) ?? [] { self.perform(self.peers!.dialer.handle(.learned(address), at: now)) }
    }

    package var hasPeers: Bool { self.peers != nil }
    package var peerLinks: [PeerLink] { self.peers?.links ?? [] }

    /// What the driver has to do for the peers' sake, each once, and what an operator should know.
    package func takePeerRequests() -> [PeerRequest] {
        guard !self.notices.isEmpty || self.peers?.requests.isEmpty == false else { return [] }  // As after most ticks.
        defer {
            self.notices.removeAll()
            self.peers?.requests.removeAll()
        }
        return self.notices.map { .tell($0) } + (self.peers?.requests ?? [])
    }

    /// Something that an operator should know.
    func tell(_ text: String) { if self.peers == nil { self.notices.append(text) } else { self.peers!.requests.append(.tell(text)) } }

    /// The log was cut back to `origin`: nothing that depended on it may leave.
    package func appendFailed(from origin: LogPosition, at now: Instant) throws(StoreError) {
        if self.peers != nil {
            self.peers!.unsynced.removeAll { $0.batch.position >= origin }
            self.peers!.rumors.logWasCut(back: origin)
            // A session has merged what is gone, or its frames say so.
            for link in self.peers!.links where link.exchange != nil || link.output.isCut(back: origin) {
                self.close(link, because: "this node's disk is full")
                link.output = PeerOutput()
            }
        }
        let replica = self.store.identity.replica
        try self.store.appendFailed(from: origin)
        self.forgetDecided()
        guard let peers = self.peers else { return }
        // What the roster was told since, and an id that was taken, are gone with it: after a restart they would be too.
        if replica != self.store.identity.replica {
            self.resumeClock()
            self.peers!.identity.tookBack(at: now)
        }
        if self.store.control(.returning) == nil { peers.returnsBehind = nil }
        // Nearly always that was nothing.
        if peers.table.ownReplica == self.store.identity.replica, self.store.control(.members) == peers.table.encodedRoster { return }
        let table = try self.restoredTable(peers.table.ownName)
        if table != peers.table { self.peers!.table = table }
    }

    /// The time of a burst: the monotonic clock, and the wall clock as the system believes it.
    package struct Moment: Sendable {
        package let now: Instant
        package let wall: WallTime

        package init(now: Instant, wall: WallTime) { (self.now, self.wall) = (now, wall) }
    }

    /// What became of a command.
    package enum Outcome {
        /// Its answer is written and leaves when the position is durable; 0 where it depends on nothing.
        case answered(dependsOn: LogPosition)
        /// Its answer comes from slices of a job, which the driver runs. Later commands of the client wait.
        case job(Job)
        /// As `answered` with nothing to depend on; the connection closes when it is out.
        case answeredAndCloses
    }

    // MARK: Clients

    package func connected(_ session: Session) {
        precondition(self.sessions.last.map { $0.id < session.id } ?? true, "client \(session.id) after \(self.sessions.last!.id)")
        self.sessions.append(session)
        self.statistics.connections += 1
    }

    package func disconnected(_ session: Session) {
        if let index = self.sessions.firstIndex(where: { $0 === session }) { self.sessions.remove(at: index) }
    }

    // MARK: Commands

    /// True where a command must not be executed now: a write while the tables are full, or before it is known whether the node may write. It waits,
    /// and its client is read no further.
    package func mustWait(_ arguments: Arguments, _ session: Session) -> Bool {
        let isFull = !self.store.admitsWrites && self.store.drainFailure == nil
        guard isFull || self.holdsWrites, let command = Command.lookup(arguments[0]) else { return false }
        if command == .exec { return session.transaction?.writes ?? false }
        return session.transaction == nil && command.traits.flags.contains(.write)
    }

    /// Executes one command and writes its answer.
    ///
    /// - Throws: where the base cannot be read: the process must stop.
    package func execute(
        _ arguments: Arguments, _ session: Session, at moment: Moment, to writer: inout ReplyWriter
    ) throws(StoreError) -> Outcome {
        self.statistics.commands += 1
        session.lastActive = moment.now
        guard let command = Command.lookup(arguments[0]) else {
            self.refuse(session)
            guard session.isAuthenticated else { return self.refuseUnauthenticated(&writer) }
            writer.unknownCommand(arguments)
            return .answered(dependsOn: 0)
        }
        session.lastCommand = command
        guard session.isAuthenticated || command.traits.flags.contains(.noAuthentication) else {
            self.refuse(session)
            return self.refuseUnauthenticated(&writer)
        }
        guard self.isWellFormed(command, arguments, &writer) else {
            self.refuse(session)
            if command == .exec { session.endTransaction() }
            return .answered(dependsOn: 0)
        }
        if let (code, reason) = self.absence, !self.worksWhileLoading(command, arguments) {
            self.refuse(session)
            writer.error(code, reason)
            return .answered(dependsOn: 0)
        }
        if session.transaction != nil, !Self.runsInsideTransaction(command) {
            self.queue(command, arguments, session, &writer)
            return .answered(dependsOn: 0)
        }
        return try self.run(Call(command: command, arguments: arguments, session: session, moment: moment), &writer)
    }

    private func refuseUnauthenticated(_ writer: inout ReplyWriter) -> Outcome {
        writer.error("NOAUTH Authentication required.")
        return .answered(dependsOn: 0)
    }

    /// Whether a call can be executed, as far as it shows by itself: number of arguments, subcommand, length of keys. Where it cannot,
    /// the error is written.
    private func isWellFormed(_ command: Command, _ arguments: Arguments, _ writer: inout ReplyWriter) -> Bool {
        let traits = command.traits
        guard traits.accepts(argumentCount: arguments.count) else {
            if command == .exec {
                writer.error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")
            } else {
                writer.wrongArity(command.specification)
            }
            return false
        }
        for position in traits.keyPositions(argumentCount: arguments.count) where arguments[position].count > RecordLayout.maximumKeyByteCount {
            writer.error("ERR key is longer than 500 bytes")
            return false
        }
        switch command {
        case .command, .config, .client, .hearsay: return self.hasSubcommand(command, arguments, &writer)
        default: return true
        }
    }

    private func worksWhileLoading(_ command: Command, _ arguments: Arguments) -> Bool {
        let traits = arguments.count > 1 ? command.subcommand(named: arguments[1])?.traits ?? command.traits : command.traits
        return traits.flags.contains(.loading)
    }

    private func hasSubcommand(_ command: Command, _ arguments: Arguments, _ writer: inout ReplyWriter) -> Bool {
        guard arguments.count > 1 else { return true }
        guard let subcommand = command.subcommand(named: arguments[1]) else {
            writer.unknownSubcommand(arguments[1], of: command)
            return false
        }
        guard subcommand.traits.accepts(argumentCount: arguments.count) else {
            writer.wrongArity(subcommand.specification)
            return false
        }
        return true
    }

    /// Counts a command that was answered with an error instead of being executed, and lets a transaction that is being queued fail.
    package func refuse(_ session: Session) {
        self.statistics.errors += 1
        session.transaction?.isAborted = true
    }

    /// One command with all that its execution needs.
    struct Call {
        let command: Command
        let arguments: Arguments
        let session: Session
        let moment: Moment

        /// The second word of a container's call; nil for COMMAND alone.
        var subcommand: Subcommand? { self.arguments.count > 1 ? self.command.subcommand(named: self.arguments[1]) : nil }
    }

    private func run(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        if call.command.traits.flags.contains(.write), let reason = self.writeRefusal {
            self.statistics.errors += 1
            writer.error("ERR", "\(reason): writes are refused until \(self.refusesForRoom ? "there is room" : "then"), reads go on")
            return .answered(dependsOn: 0)
        }
        let outcome = try self.dispatch(call, &writer)
        if call.command.traits.flags.contains(.write) || call.command == .exec { self.noteWrite(outcome, call.session) }
        return outcome
    }

    /// Remembers the last write of a connection, for WAIT.
    private func noteWrite(_ outcome: Outcome, _ session: Session) {
        // What a job writes comes later: all that there will be.
        let own = self.store.identity.replica
        if case .job = outcome {
            session.lastWrite = Dot(replica: own, sequence: .max)
        } else {
            session.lastWrite = Dot(replica: own, sequence: self.store.seen.watermark(of: own))
        }
    }

    /// Executes a well-formed command.
    func dispatch(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        switch call.command {
        case .get: return .answered(dependsOn: try self.get(call, &writer))
        case .set: return .answered(dependsOn: try self.set(call, &writer))
        case .setnx, .setex, .psetex, .getset, .getdel, .getex, .getrange, .mget, .mset, .msetnx, .strlen, .append, .setrange:
            return .answered(dependsOn: try self.runString(call, &writer))
        case .del, .unlink, .exists, .touch, .rename, .renamenx, .copy, .type, .scan:
            return .answered(dependsOn: try self.runKeys(call, &writer))
        case .vget, .vmget, .vset, .vdel: return try self.runSiblings(call, &writer)
        case .expire, .pexpire, .expireat, .pexpireat, .ttl, .pttl, .expiretime, .pexpiretime, .persist:
            return .answered(dependsOn: try self.runExpiry(call, &writer))
        case .keys, .randomkey, .dbsize, .flushall, .flushdb:
            return self.beginKeysJob(call, &writer)
        case .wait: return self.beginWait(call, &writer)
        case .ping, .echo, .hello, .auth, .quit, .reset, .select, .time, .client:
            return self.runConnection(call, &writer)
        case .multi, .exec, .discard, .watch, .unwatch:
            return .answered(dependsOn: try self.runTransaction(call, &writer))
        case .info, .command, .config, .hearsay:
            return try self.runServer(call, &writer)
        }
    }

    // MARK: Looking ahead

    /// Prepares for GETs that wait in line in a client's input, from `offset` on, by bringing what they will read into the processor's
    /// caches. Changes nothing that can be seen.
    ///
    /// - Returns: the offset behind the last one that is prepared; `offset` where there is none.
    package func prefetch(in input: UnsafeRawBufferPointer, from offset: Int) -> Int {
        withUnsafeTemporaryAllocation(of: Token.self, capacity: Store.maximumPrefetch) { tokens in
            var count = 0
            let end = PipelinedGets.forEachKey(in: input, from: offset, limit: Store.maximumPrefetch) { key in
                tokens.initializeElement(at: count, to: self.store.token(of: key))
                count += 1
            }
            if count > 1 { self.store.prefetch(UnsafeBufferPointer(rebasing: tokens[..<count])) }
            return end
        }
    }

    // MARK: Ticks

    /// Prepares a burst: says how much may be written, and whose turn the digest is.
    package func beginTick(at moment: Moment) {
        let now = moment.now
        self.lastMoment = moment
        self.tendClock()
        self.noteCommands(at: now)
        self.store.replenish(at: now)
        self.store.holdsFreeze = self.digestTurn.isOn(jobs: self.goingDigestJobs, isDraining: self.store.frozen != nil, at: now)
    }

    /// The digest jobs that could go on before the next drain: a session that brings entries waits for room in the table.
    private var goingDigestJobs: Int {
        guard self.digestJobs > 0, self.isHeldUp, let peers = self.peers else { return self.digestJobs }
        return self.digestJobs - peers.links.count { $0.exchange != nil }
    }

    /// Ends a burst.
    package func endTick(at now: Instant) -> [Store.Action] {
        let actions = self.store.endTick(at: now)
        for case .append(let batch) in actions { self.noteBatch(batch) }
        return actions
    }

    /// True where `tendDigest` has something to do: leaves to make more, entries to fold, or rotten ones to be taken out.
    package var wantsTending: Bool {
        self.store.wantsSweepTended
            || self.store.frozen == nil && !self.store.isLoading
                && (self.store.live.unfolded > 0 || self.store.wantsGrowth || self.store.wantsDamageTended)
    }

    /// Keeps the digest near at hand while there is time: a small slice of the digest tree's growth, or of folding.
    ///
    /// While commands come the slice is very small, and only a short backlog is folded: where it is long, writes are coming fast, and the
    /// drain folds for less. A slice that kept pace with fast writes would hold them down to its own pace for good.
    package func tendDigest(at now: Instant) throws(StoreError) {
        self.noteCommands(at: now)
        let isIdle = self.isIdle(at: now)
        try self.store.tendDamage()
        if try self.store.growDigest(budget: isIdle ? Self.sliceEntries / 2 : Self.sliceEntries / 20) { return }
        if isIdle { _ = try self.store.fold(budget: Self.sliceEntries / 4) } else { try self.store.foldFew(budget: Self.sliceEntries / 100) }
    }

    private func noteCommands(at now: Instant) {
        if self.statistics.commands != self.asked.commands { self.asked = (self.statistics.commands, now) }
    }

    /// True where no command has come for a while.
    func isIdle(at now: Instant) -> Bool { now.since(self.asked.at) >= Self.idleTime }

    /// Without a command for so long, nobody waits: clients that take turns with the log's sync pause for a few milliseconds at most.
    private static let idleTime = Duration.milliseconds(20)

    /// Entries that a slice of work visits: well below a millisecond.
    static let sliceEntries = 1_000
}
