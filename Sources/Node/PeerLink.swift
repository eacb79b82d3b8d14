import AntiEntropy
import Basics
import DequeModule
import Membership
import PeerWire
import Storage
import Versioning

/// One connection to another node, from its first byte on.
package final class PeerLink {
    enum State {
        /// Hellos are crossing.
        case greeting
        /// The other side belongs to no cluster yet, or we do not.
        case founding
        /// Another process with the other side's id is linked, or was a moment ago.
        case contested
        /// The other side has this node's own id.
        case ownID
        /// Both are nodes of one cluster, and tell each other who belongs to it.
        case meeting
        /// This node does not count for the other side, and asks to come back.
        case returning
        /// Both are members of one cluster.
        case ready
        /// The driver has been asked to close it.
        case closing
    }

    struct Farewell {
        let behind: LogPosition
        let reason: String
    }

    struct Probe {
        let number: UInt64
        let deadline: Instant
    }

    /// Never used again in this process.
    package let id: UInt64
    /// What was dialled; nil where the other side did.
    package let dialed: PeerAddress?
    let openedAt: Instant
    var state = State.greeting
    /// What the other side has said of itself.
    var hello: Hello? { didSet { self.peer = self.hello?.replica } }
    /// Takes nothing longer than a frame until the other side has named this node's cluster, and no more than an introduction until it is known to be a
    /// member: a stranger cannot make a node keep more.
    var reader = FrameReader(maximumMessageBytes: PeerWire.maximumFrameBytes)
    var output = PeerOutput()
    var exchange: Exchange?
    /// Numbers the sessions that this side opens, and its questions to the peer's log.
    var (lastSession, lastQuestion): (UInt16, UInt16) = (0, 0)
    /// The last session that the peer has opened, whatever became of it.
    var answeredSession: UInt16?
    /// The peer's question to our log.
    var answering: Answering?
    /// Numbers the bootstraps that this side asks for; that of the last one that the peer asked for, and what it is given now.
    var lastBootstrap: UInt16 = 0
    var lastGiven: UInt16?
    var giving: Giving?
    /// The floors that the other side has told last, and whom it has settled.
    var clearance: Clearance?
    /// What came of them before this side was ready.
    var earlyClearance: [UInt8]?
    /// Since when both have had different floors.
    var clearingSince: Instant?
    /// Since when expired entries may explain that roots differ; nil where they are equal.
    var unevenSince: Instant?
    var lastHeard: Instant { didSet { self.restsUntil = self.lastHeard + Self.leastPatience } }
    /// So long its silence says nothing. Kept, as every tick asks it of every link.
    private(set) var restsUntil: Instant
    static let leastPatience = Duration.seconds(30)
    /// When the other side was asked something that it has not answered by anything yet.
    var askedAt: Instant?
    /// The dialer has heard what became of its dial.
    var hasReportedDial = false
    /// What came while the other side's id was contested.
    var earlyIntroduction: Introduction?
    /// The epoch that the other side has last told: what it sends it sends under that.
    var theirEpoch: Epoch?
    /// Set while it has to be seen whether the other side is still there.
    var probe: Probe?
    /// Set where the other side is no member any more: the link ends once what it has been told is durable.
    var farewell: Farewell?
    /// A summary is due at once, without waiting for a round.
    var owesSummary = false

    init(id: UInt64, dialed: PeerAddress?, at now: Instant) {
        (self.id, self.dialed, self.openedAt, self.lastHeard) = (id, dialed, now, now)
        self.restsUntil = now + Self.leastPatience
    }

    /// Neither side may wait for ever in these.
    var isComingUp: Bool {
        switch self.state {
        case .greeting, .contested, .ownID, .meeting, .returning: true
        case .founding, .ready, .closing: false
        }
    }

    /// Who is there, once it has said so.
    private(set) var peer: ReplicaID?
    /// The other side has been told the roster, and is told what changes.
    var hasIntroduced: Bool { self.state == .meeting || self.state == .ready }
    package var hasGreeted: Bool { self.state != .greeting }
    /// What the other side calls itself.
    package var peerName: String? { self.hello?.name }
    package var isReady: Bool { self.state == .ready }
    /// False where nothing can be about to leave, which is asked for every link in every tick.
    package var mayHaveOutput: Bool { !self.output.isEmpty || self.exchange != nil || self.giving != nil || self.answering != nil }
    /// True where time alone, or the log, leaves nothing to do but to hear that the other side is silent.
    var isAtRest: Bool {
        self.state == .ready && self.exchange == nil && self.giving == nil && !self.owesSummary && self.farewell == nil && self.probe == nil
    }
    /// Who joins, and is being given what there is; nil where the other side is nobody who does.
    package var joiner: ReplicaID? { self.giving == nil ? nil : self.peer }
    package var isClosing: Bool { self.state == .closing }
}

/// A repair session on its link.
///
/// A class: whether a link has one is asked several times a tick, and as a value it was too large to tell at a glance.
final class Exchange {
    var session: RepairSession
    let number: UInt16
    let began: Instant
    var sendSequence: UInt16 = 0
    var expectedSequence: UInt16 = 0
    var inbox = SessionInbox()
    /// Which floors counted when it began, and how many damaged entries had been found.
    var clearance: UInt64 = 0
    var damage = 0
    /// REPAIR or DIFF that waits for the end.
    var request: PeerRequestJob?
    var progress = SessionProgress()
    /// What the other side has found to differ.
    var theirTally: Tally?
    /// What the other side had seen, by its root; nil where it has lost something.
    var theirSeen: Seen?
    /// Both sides have told their roots.
    var isComplete = false
    var hasEqualRoots = false
    /// Something that the other side has given was not taken: what it had seen is not covered by the session.
    var hasSkipped = false

    init(session: RepairSession, number: UInt16, began: Instant) { (self.session, self.number, self.began) = (session, number, began) }
}

/// What has crossed in a session so far.
struct SessionProgress: Equatable {
    var entriesIn = 0
    var entriesOut = 0
    var bytesIn = 0
    var bytesOut = 0
    /// Of the entries that came, those whose write we had not been told of when the session began: on their way, not lost.
    var inFlight = 0
}

/// What came and could not be handled yet, as a drain runs or entries are unfolded.
///
/// - Bound: a session's window, a quarter more for what does not count against it, and one message.
struct SessionInbox {
    static let maximumUnits = RepairSession.window + RepairSession.window / 4

    private var messages: Deque<SessionMessage> = []
    private var units = 0

    var first: SessionMessage? { self.messages.first }
    var isEmpty: Bool { self.messages.isEmpty }
    /// The share of the bound that is taken, the one message above it apart.
    var load: Double { Double(self.units) / Double(Self.maximumUnits + RepairSession.window) }

    /// - Returns: false where more waits than an honest peer sends.
    mutating func take(_ message: SessionMessage) -> Bool {
        guard self.units < Self.maximumUnits else { return false }
        self.units += message.units
        self.messages.append(message)
        return true
    }

    mutating func removeFirst() { self.units -= self.messages.removeFirst().units }
}
