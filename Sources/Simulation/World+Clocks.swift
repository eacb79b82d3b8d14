import Basics
import Digests
import Node
import Storage
import Versioning

/// How far clocks take each other along: no further than the drift bound (I11).
extension World {
    /// A machine without a clock goes by what others say of theirs, which may be wrong by half of what that took.
    private static let reckoningErrorMilliseconds = UInt64(PeerClock.longestRoundTrip.wholeNanoseconds / 2_000_000)

    /// A node takes from another what is stamped no further ahead of its own clock than the bound.
    func checkBound(of stamp: Stamp, on node: SimulatedNode) throws {
        self.counts[.clockBound] += 1
        let time = node.clock.isSet ? node.clock.wall(at: self.now).milliseconds : self.greatestReckoning
        guard stamp.milliseconds > time + node.replica!.driftMilliseconds else { return }
        throw Violation(.clockBound, "node \(node.index), whose clock reads \(time), has taken a version stamped \(stamp)")
    }

    /// What a machine without a clock may believe at most: that any clock goes on as far ahead as it has ever been.
    private var greatestReckoning: UInt64 {
        NodeClock.right(at: self.now) + (self.nodes.filter(\.clock.isSet).map(\.greatestLead).max() ?? 0) + Self.reckoningErrorMilliseconds
    }

    /// What a node would stamp is no further ahead of all that its clock has ever shown.
    func checkNewestStamp(of node: SimulatedNode) throws {
        // What a joiner has stored counts only once its time has come.
        guard let replica = node.replica, !replica.isJoining else { return }
        let time = node.clock.isSet ? node.greatestReading : self.greatestReckoning
        guard replica.newestStamp > time + replica.driftMilliseconds else { return }
        throw Violation(.clockBound, "node \(node.index), whose clock has never shown more than \(time), was driven to \(replica.newestStamp)")
    }

    /// A node drops what has expired, the drift bound ago, by something that its clock has shown (I27).
    func noteCollection(of node: SimulatedNode, through deadline: UInt64) throws {
        node.collectedThrough = deadline
        self.collectedThrough = max(self.collectedThrough, deadline)
        try self.checkDeadline(deadline, of: node)
    }

    /// The same holds where the values of entries leave before the entries do.
    func notePassed(by node: SimulatedNode, through deadline: UInt64) throws {
        self.passedThrough = deadline
        try self.checkDeadline(deadline, of: node)
    }

    private func checkDeadline(_ deadline: UInt64, of node: SimulatedNode) throws {
        self.counts[.dropsFollowDeadlines] += 1
        let time = node.clock.isSet ? node.greatestReading : self.greatestReckoning
        guard deadline + node.replica!.driftMilliseconds >= time else { return }
        throw Violation(.dropsFollowDeadlines, "node \(node.index), whose clock has never shown more than \(time), drops what expires at \(deadline)")
    }

    /// Before a process ends, and at the end of a history.
    func countStamps(of node: SimulatedNode) {
        guard let (held, refused) = node.replica?.stampCounts else { return }
        self.counts[.holds] += held
        self.counts[.stampRefusals] += refused
    }

    // MARK: Setting clocks right

    /// Until all that anybody has is taken by everybody, now that clocks are right.
    var timeUntilDue: Duration {
        let latest = NodeClock.right(at: self.now) + StampBounds.standardDriftMilliseconds
        let newest = (self.nodes.lazy.compactMap { $0.replica?.store.greatestStamp }.max() ?? 0) >> UInt64(Stamp.counterBits)
        return newest <= latest ? .zero : .milliseconds(newest - latest)
    }

    /// Whether it has come to that, and nobody waits for the time of anything.
    var isEverythingDue: Bool {
        self.timeUntilDue == .zero && self.members.allSatisfy { $0.replica.map { !$0.isHolding } ?? false }
    }

    /// What expires no later than this may be dropped on some nodes before all hold the same.
    var nearDeadline: UInt64 { max(NodeClock.right(at: self.now) + Self.soonMilliseconds, self.collectedThrough) }

    /// Until no node has dropped what had expired lately, or is about to, now that clocks are right.
    func timeUntilQuiet() throws -> Duration {
        let right = NodeClock.right(at: self.now)
        let near = right - Self.unevenMilliseconds...right + Self.soonMilliseconds
        var last = self.collectedThrough
        for store in self.members.compactMap({ $0.replica?.store }) where store.mayExpire {
            try store.scan(.first ... .last) { entry in
                for deadline in entry.record?.deadlines ?? [] where near.contains(deadline) { last = max(last, deadline) }
                return true
            }
        }
        return last + Self.unevenMilliseconds <= right ? .zero : .milliseconds(last + Self.unevenMilliseconds - right)
    }

    /// Twice the drift bound, the step in which nodes drop, and some rounds.
    private static let unevenMilliseconds = 2 * StampBounds.standardDriftMilliseconds + 2_000
    /// So long it takes at most until all hold the same.
    private static let soonMilliseconds: UInt64 = 6_000

    /// So long it may take until then: what is stamped ahead comes due, and a member that was refused for it is let in again. What is held may be of
    /// one who is down for good, so that nobody has it.
    var longestWaitForStamps: Duration {
        let (right, replicas) = (NodeClock.right(at: self.now), self.members.compactMap(\.replica))
        let newest = (replicas.map(\.store.greatestStamp).max() ?? 0) >> UInt64(Stamp.counterBits)
        let last = max(newest, replicas.compactMap(\.heldUntil).max() ?? 0)
        return last <= right ? .zero : .milliseconds(last - right) + Self.letInAgain
    }

    /// The longest pause after a refusal, and the dial after that.
    private static let letInAgain = Duration.seconds(70)
}

/// Nobody's clock drives a node further ahead than the bound (I11).
struct ClockBound: Check {
    let name = CheckName.clockBound
    let holdsAlways = true

    func check(_ node: SimulatedNode, in world: World) throws { try world.checkNewestStamp(of: node) }
}

/// What a test that tells a story of clocks does and sees.
extension World {
    /// Sets a node's clock so far from the right time.
    package func setClock(of index: Int, aheadBy milliseconds: Int) {
        self.nodes[index].clock.setRight()
        self.nodes[index].clock.step(milliseconds: milliseconds)
    }

    /// Whether a node's machine has a clock.
    package func hasClock(_ index: Int) -> Bool { self.nodes[index].clock.isSet }

    /// The right time, in milliseconds since 1970.
    package var rightTime: UInt64 { NodeClock.right(at: self.now) }

    /// The milliseconds of the newest stamp that a node has issued or taken.
    package func newestStamp(of index: Int) -> UInt64 { self.nodes[index].replica?.newestStamp ?? 0 }

    /// How many versions a node has held and refused since it was started.
    package func stampCounts(of index: Int) -> (held: Int, refused: Int) { self.nodes[index].replica?.stampCounts ?? (0, 0) }

    /// How many others a node is linked with.
    package func links(of index: Int) -> Int { self.nodes[index].replica?.peerLinks.count { $0.isReady } ?? 0 }

    /// Puts a copy of a node's disk aside.
    package func copyDisk(of index: Int) { self.nodes[index].takeSnapshot() }

    /// A node ends without warning, and comes back at once on the copy of its disk.
    package func putBackDisk(of index: Int) throws {
        self.closeAll(of: self.nodes[index], tellsOthers: true)
        self.nodes[index].restore()
        try self.start(self.nodes[index])
    }

    /// Everything passes between all nodes again.
    package func endCuts() { self.network.partition = Partition(nodes: self.nodes.count) }

    /// Adds an empty node that will join; the number of it is the next one.
    package func addStranger() throws { try self.addNode(expected: 0) }

    /// A command on one node.
    ///
    /// - Returns: the reply as it crosses the wire, or the text of an error; nil where it cannot be executed now, or answers later.
    package func ask(_ words: String..., of index: Int) throws -> String? {
        var reply: String?
        try self.turn(self.nodes[index]) { _ in
            switch try self.nodes[index].execute(words.map { Array($0.utf8) }, client: 0, at: self.now) {
            case .answered(_, let bytes): reply = String(decoding: bytes, as: UTF8.self)
            case .error(let text): reply = text
            case .job, .notNow: break
            }
        }
        return reply
    }
}
