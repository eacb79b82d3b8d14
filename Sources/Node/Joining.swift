import AntiEntropy
import Basics

/// A joiner's way to everything that the cluster holds: from one member at a time, into the base.
///
/// - Bound: a bootstrap's window of gathered records, and as much again in the job that is being stored.
struct Joining {
    /// What is durable beside the entries; nil before any member's capture is.
    var progress: BootstrapProgress?
    /// The bootstrap from a member, while its link lasts.
    var current: Current?
    /// What the store is storing for us.
    var storing: Storing?
    /// No member is asked before this moment …
    var askAt: Instant
    /// … and before this one none but the start of the one that has given so far.
    var waitsUntil: Instant
    /// Whom to ask last: it had nothing to give.
    var avoided: ReplicaID?
    var counters = Counters()

    /// A start that gave a part is waited for so long, as with any other everything begins again.
    static let donorPatience = Duration.seconds(5)
    static let retryPause = Duration.milliseconds(200)
    /// Whether the time of the newest version has come is looked at so often: the clock may be set meanwhile.
    static let longestWait = Duration.seconds(1)
    /// So much is gathered for a transaction, as long as it comes fast …
    static let jobBytes = 1 << 20
    /// … and so long where it does not.
    static let gatherTime = Duration.milliseconds(200)

    /// - Parameter stored: the control value.
    init(stored: [UInt8]?, at now: Instant) {
        // One that does not read is as good as none: everything is asked for again.
        self.progress = stored.flatMap { bytes in bytes.withUnsafeBytes { try? BootstrapProgress(decoding: $0) } }
        (self.askAt, self.waitsUntil) = (now, now + Self.donorPatience)
    }

    struct Current {
        var receiver: BootstrapReceiver
        let link: UInt64
        let number: UInt16
        let donor: ReplicaStart
        let name: String
        let began: Instant
        /// Behind which what comes next must lie.
        var place: BootstrapPlace?
        var gathered = Gathered()
        /// What has come in this bootstrap.
        var entries = 0
        var bytes = 0
    }

    /// What has come and is not on its way to the base yet.
    struct Gathered {
        var chunks: [[UInt8]] = []
        var (entries, bytes) = (0, 0)
        /// Of the last record.
        var place: BootstrapPlace?
        var isLast = false
        /// When the first of it came.
        var since: Instant?
    }

    struct Storing {
        let link: UInt64
        let number: UInt16
        let bytes: Int
        /// Durable once it is stored.
        let progress: BootstrapProgress
        /// Only what the member has seen is kept.
        let isCapture: Bool
    }

    /// Of this process.
    struct Counters {
        /// Bootstraps from the first entry on, and behind what was stored.
        var (begun, resumed) = (0, 0)
        var (entries, bytes) = (0, 0)
        /// Pushes and records of logs that came meanwhile and were not taken.
        var dropped = 0
        var failed = 0
    }
}

/// A bootstrap that this node gives to the peer of a link.
struct Giving {
    var giver: BootstrapGiver
    let number: UInt16
    let began: Instant
    /// The tick in which it last gave, and how many slices.
    var gaveAt: Instant?
    var slices = 0
    /// It gives nothing before: clients are served first.
    var pausesUntil = Instant(nanoseconds: 0)
    var entries = 0
    var bytes = 0
}

/// What this node has given to joiners since its start.
struct GivingCounters {
    var (begun, resumed, ended) = (0, 0, 0)
    var (entries, bytes) = (0, 0)
}
