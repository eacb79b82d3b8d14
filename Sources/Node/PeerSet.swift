import AntiEntropy
import Basics
import DequeModule
import Digests
import Membership
import Storage
import Versioning

/// What a replica knows of the others: who they are, the links to them, and what is on its way.
///
/// A class, for the replica reads some part of it many times a tick: as a value all of it was copied for each.
///
/// - Invariant: `links` ascend by id, `relations` by replica; of two ready links to one replica one is being closed.
final class PeerSet {
    let configuration: PeerConfiguration
    var table: MemberTable {
        didSet {
            self.driftMilliseconds = ClusterSetting.clockDrift.milliseconds(in: self.table.roster)
            self.ownStatus = self.table.ownStatus
            if self.table.roster.epoch != oldValue.roster.epoch { self.policies = KeyPolicies(self.table.roster) }
        }
    }
    /// What the roster says of this node; kept, as it is asked for in every tick.
    private(set) var ownStatus: Roster.Status?
    /// Which new keys are to have siblings.
    private(set) var policies: KeyPolicies { didSet { self.hasPolicies = !self.policies.rules.isEmpty } }
    /// Asked for with every write: the policies themselves would be retained for it.
    private(set) var hasPolicies = false
    /// How far ahead of this node's time a version may be stamped, as the members have agreed.
    private(set) var driftMilliseconds: UInt64
    /// Versions that came before their time, and whose they were.
    var held = HeldDots()
    var heldOf = HeldWriters()
    var dialer: Dialer
    var rounds: RoundSchedule
    var rumors = Rumors()
    /// Nil where the node founds no cluster together with others.
    var founding: Founding?
    /// Why it cannot, although it was told to.
    var foundingProblem: String?
    var links: [PeerLink] = []
    /// What a peer's log is being asked for.
    var asking: Asking?
    var relations: [Relation] = []
    var random: SplitMix64
    /// What the driver has to do.
    var requests: [PeerRequest] = []
    /// Own writes that are not synced yet.
    var unsynced: Deque<OwnWrites> = []
    /// Something else than own writes was logged in this tick.
    var tickIsMixed = false
    var counters = PeerCounters()
    var nextLink: UInt64 = 1
    /// What this node gets as long as it joins, and what it gives to those that do.
    var joining: Joining
    var throttle: Throttle
    var given = GivingCounters()
    /// What this node founds a cluster with if it does so alone.
    let candidate: Identity

    /// A batch that holds writes of this node.
    struct OwnWrites {
        let batch: Batch
        /// Other records are among them.
        let isMixed: Bool
    }

    /// Whether this process may write.
    var identity: IdentityGuard
    /// Behind what the log says that this store is to be given up; nil where it is not.
    var returnsBehind: LogPosition?
    var hasAskedToReopen = false
    /// LEAVE on its way.
    var leave: LeaveJob?
    /// What a new replica id is drawn with, besides `random`.
    private let spareReplica: ReplicaID

    /// - Parameter generator: draws what the node would found a cluster with, and replica ids; production passes the system's.
    init(
        _ configuration: PeerConfiguration, _ settings: ReplicaConfiguration, _ table: MemberTable, store: Store, at now: Instant,
        using generator: inout some RandomNumberGenerator
    ) {
        let replica = store.identity.replica
        self.configuration = configuration
        self.random = SplitMix64(seed: generator.next())
        self.candidate = Identity(
            cluster: ClusterID(using: &generator), digestKey: DigestKey(using: &generator), replica: replica)
        (self.table, self.ownStatus, self.policies) = (table, table.ownStatus, KeyPolicies(table.roster))
        self.driftMilliseconds = ClusterSetting.clockDrift.milliseconds(in: table.roster)
        self.spareReplica = ReplicaID(using: &generator)
        self.hasPolicies = !self.policies.rules.isEmpty
        let patience = ClusterSetting.identityPatience.duration(in: table.roster)
        self.identity = IdentityGuard(start: store.start, members: table.members.map(\.replica), patience: patience, at: now)
        self.dialer = Dialer(seeds: configuration.seeds, generator: SplitMix64(seed: self.random.next()))
        self.rounds = RoundSchedule(interval: settings.gossipInterval, fanout: settings.fanout, seed: self.random.next(), at: now)
        self.rounds.idleInterval = settings.gossipIdleInterval
        self.joining = Joining(stored: store.control(.bootstrap), at: now)
        self.throttle = Throttle(bytesPerSecond: settings.bootstrapBytesPerSecond)
        if !store.isFounded, configuration.expected > 1, store.control(.formerMembers) == nil {
            let accepted = store.control(.founding).flatMap { bytes in bytes.withUnsafeBytes { try? Offer(decoding: $0) } }
            do throws(UnusableAcceptance) {
                self.founding = try Founding(replica: replica, expected: configuration.expected, accepted: accepted, using: &generator)
            } catch { self.foundingProblem = "\(error)" }
        }
    }

    /// An id that nobody ever had.
    func drawReplica() -> ReplicaID {
        ReplicaID(high: self.spareReplica.high ^ self.random.next(), low: self.spareReplica.low ^ self.random.next())
    }

    /// The link to a member, once both have greeted; nil where there is none.
    func link(to replica: ReplicaID) -> PeerLink? { self.links.first { $0.isReady && $0.peer == replica } }

    /// All members that are linked, ascending.
    var linked: [ReplicaID] { self.links.filter(\.isReady).compactMap(\.peer).sorted() }

    /// What is known of dealing with a member.
    func withRelation<Result>(to replica: ReplicaID, at now: Instant, _ body: (Relation) -> Result) -> Result {
        let index = self.relations.firstIndex { $0.replica >= replica } ?? self.relations.endIndex
        if index == self.relations.endIndex || self.relations[index].replica != replica {
            self.relations.insert(Relation(replica: replica, trigger: RepairTrigger(at: now, using: &self.random)), at: index)
        }
        return body(self.relations[index])
    }

    func relation(to replica: ReplicaID) -> Relation? { self.relations.first { $0.replica == replica } }

    /// By how much each member's clock is ahead of this node's monotonic one, where that is known.
    var clockDifferences: [Int64] {
        var differences: [Int64] = []
        differences.reserveCapacity(self.relations.count)
        for relation in self.relations { if let difference = relation.clock.difference { differences.append(difference) } }
        return differences
    }
}

/// What the driver has to do for the peers' sake.
package enum PeerRequest: Equatable, Sendable {
    case dial(PeerAddress)
    /// Close the link once what waits for it has left, with the reason for the log; nil where it is not worth a line.
    case close(link: UInt64, reason: String?)
    /// Run the read on any thread and report with `logWasRead`.
    case readLog(link: UInt64, number: UInt16, LogRead)
    /// Something an operator should know.
    case tell(String)
    /// End the process in order and start it again on the same folder.
    case reopen
}

/// Dealings with one member, over all links.
///
/// A class, as the set is one: it is looked at many times in a round.
final class Relation {
    let replica: ReplicaID
    var trigger: RepairTrigger

    init(replica: ReplicaID, trigger: RepairTrigger) { (self.replica, self.trigger) = (replica, trigger) }

    var gaps = GapWatch()
    /// What the member has announced to have seen, durably, when it last did.
    var announced: Seen?
    /// What it last said to have seen, though it may have lost some of it since.
    var told: Seen?
    /// The same under the present list of members, and the last of these of which this node had seen all that the member wrote itself.
    var current: Seen?
    var confirmed: Seen?
    var statistics = PeerStatistics()
    /// What is known of its clock.
    var clock = PeerClock()
    /// The greatest of its writes that has come and was not taken for its stamp: it wrote so many, whoever has them.
    var greatestNotTaken: UInt64 = 0
    /// It has sent what this node does not take.
    var refusal: StampRefusalPause?
    /// What both had seen when all that they differed in was held.
    var rest: Rest?
    /// It holds versions whose time has not come, as it last said.
    var isHolding = false
    /// It knows to be its replica id's newest process, as it last said; nil where it has said nothing yet.
    var isSure: Bool?
    /// A session has brought all but what either holds, and another one would bring no more before.
    var pausedUntil: Instant?

    struct Rest: Equatable {
        let own: UInt64
        let theirs: UInt64
    }
}

/// What INFO and MEMBERS show of one member.
struct PeerStatistics {
    var lastContact: Instant?
    /// When both last had equal roots.
    var lastEqualRoots: Instant?
    /// Nil until both roots were known at one time.
    var hasEqualRoots: Bool?
    var sessions = 0
    var failedSessions = 0
    /// Sessions that were begun because roots differed, and found nothing.
    var falseAlarms = 0
    var ranges = 0
    var entriesIn = 0
    var entriesOut = 0
    var bytesIn = 0
    var bytesOut = 0
    var inFlight = 0
    /// Questions to the member's log that it answered, and that it could not.
    var catchUps = 0
    var refusedCatchUps = 0
    /// Records from its log, and from ours for it.
    var (loggedIn, loggedOut) = (0, 0)
    var (logBytesIn, logBytesOut) = (0, 0)
    var pushesOut = 0
    var pushesDropped = 0

    mutating func add(_ progress: SessionProgress) {
        self.entriesIn += progress.entriesIn
        self.entriesOut += progress.entriesOut
        self.bytesIn += progress.bytesIn
        self.bytesOut += progress.bytesOut
        self.inFlight += progress.inFlight
    }
}

extension Offer {
    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        self.encode(into: &bytes)
        return bytes
    }
}

/// What INFO shows of all peers together.
struct PeerCounters {
    var rounds = 0
    var pushesIn = 0
    /// Records that a push brought, and of these those that were known already.
    var pushedRecords = 0
    var duplicates = 0
    /// Over how many nodes records came that were new, by number of hops.
    var hops = [Int](repeating: 0, count: Int(Push.maximumHops) + 1)
    var refusedHandshakes = 0
    /// Messages that were not taken because their sender counted other members.
    var refusedEpochs = 0
    /// Versions that were stamped too far ahead: by so much that they were held, and by more.
    var (heldVersions, refusedVersions) = (0, 0)
    /// Rounds in which differing roots were put down to what one side had dropped.
    var unevenRounds = 0

    mutating func arrived(hops: UInt8, records: Int) { self.hops[min(Int(hops), self.hops.count - 1)] += records }

    /// The number of hops within which a share of the new records came.
    func hops(share: Double) -> Int {
        let total = self.hops.reduce(0, +)
        guard total > 0 else { return 0 }
        var sum = 0
        for (hops, count) in self.hops.enumerated() {
            sum += count
            if Double(sum) >= share * Double(total) { return hops }
        }
        return self.hops.count - 1
    }
}
