import Basics
import Digests
import Versioning

/// One side of a repair session: two nodes walk down their digest trees together, level by level, until they know which entries differ, and
/// give each other what the other lacks.
///
///     opener                          accepter
///     open, sums of depth 8     ─→                                        turn 1
///                               ←─    accept, sums below those that differ     2
///     sums below those, ...     ─→                                             …
///                               ←─    entries of the leaves that differ
///     records that the accepter
///     lacks, what is wanted     ─→
///                               ←─    records that were wanted; root
///     root                      ─→
///
/// The sides take turns, and each compares with its own what the other showed and goes on one level deeper: a mask of what differs and
/// the sums below it travel in the same message. A turn is as many frames as it takes, of which up to `window` are under way at a time. Where one
/// side has nothing at all in a node, the other gives what it has there without further comparing. At the leaves an entry is six bytes;
/// for a key of which both have a version, stamps decide which record crosses.
///
/// - Invariant: everything is computed from the store as it is when a message is taken or made: a session holds names of places, never entries.
/// - Bound: `maximumPlaces` nodes or places in one turn; what is beyond is left for the next session, and this one has not covered the whole token
///   space. `patience` without a message ends it.
/// - Source: DeCandia et al., "Dynamo" (SOSP 2007), §4.7, for trees of digests. Sums in place of hashes of hashes, the walk from both sides, the
///   short sums with a check of the roots in full at the end are ours.
package struct RepairSession: Sendable {
    package enum Role: Equatable, Sendable { case opener, accepter }

    package enum Action: Equatable, Sendable {
        /// Merge these records, all before the next call.
        case merge([UInt8])
        /// A session that only looks was shown these.
        case show([UInt8])
        /// The peer's state when the session began is now part of ours: every entry that it had was compared (I26 ii).
        case covered(Seen?)
        /// The peer's state at one position behind the session.
        case compareRoot(SessionRoot)
        /// Nothing comes any more. A fault was ours to find, unless the peer has told it.
        case ended(SessionFault?)
    }

    /// How much may be under way without an acknowledgement, in units of a message of up to `unitBytes`; a single message may have more.
    package static let window = 256
    static let unitBytes = 16 << 10
    /// A quarter of the window: the other side never waits for an acknowledgement while we are working.
    static let acknowledgedUnits = 64
    package static let maximumPlaces = 1 << 20
    package static let patience = Duration.seconds(30)
    /// The depth whose sums open a session: 256 nodes, 1,280 bytes, saves a round trip for any store that differs at all.
    static let firstDepth = 8

    package let role: Role
    package let purpose: SessionPurpose
    package let width: DigestWidth
    private(set) var phase: Phase
    /// What is said when it is our turn.
    var turn = Turn()
    /// The depth at which entries are listed: the deeper of both trees' leaves.
    private(set) var leafDepth: Int
    /// What this side has found.
    package internal(set) var tally = Tally()
    /// False once something had to be left out.
    private(set) var isWhole = true
    private var peerSeen: Seen?
    /// Of the accepter: what it had seen before it compared anything. What is written while the opener shows its sums is in no range that is
    /// compared again, so what it has seen when its own turn comes would be too much.
    private var acceptedSeen: Seen?
    /// By how many entries the two sides differed in number when they began.
    private var missing = 0
    /// How many entries that differ the peer has found, and how many we have told it of.
    private var (peerFound, toldFound) = (0, 0)
    private var unacknowledged = 0
    private var toAcknowledge = 0
    private var lastHeard: Instant
    private var hasSentRoot = false
    private var hasRoot = false
    private var fault: SessionFault?

    enum Phase: Equatable, Sendable {
        /// The opener has yet to say so.
        case opening
        /// The accepter has yet to hear the opening.
        case awaiting
        case listening
        case speaking
        /// One side has said that it asks nothing more: roots are exchanged.
        case closing
        case ended
    }

    /// Begins a session with the peer.
    package init(opening purpose: SessionPurpose, width: DigestWidth, at now: Instant) {
        (self.role, self.purpose, self.width, self.phase, self.leafDepth, self.lastHeard) = (.opener, purpose, width, .opening, 0, now)
    }

    /// Takes part in a session that the peer has begun. The opening is then the first message to handle.
    ///
    /// - Parameter seen: what we have seen now; nil where a peer must not rely on it.
    package init(accepting opening: SessionOpening, seen: Seen?, at now: Instant) {
        (self.role, self.purpose, self.width, self.leafDepth) = (.accepter, opening.purpose, opening.width, 0)
        (self.phase, self.lastHeard, self.acceptedSeen) = (.awaiting, now, seen)
    }

    /// How many entries will cross, as far as is known: what both sides have found, and where one side had less, the rest.
    package var expectedEntries: Int { max(self.tally.entries + self.peerFound, self.missing) }

    package var isEnded: Bool { self.phase == .ended }

    /// The driver keeps one timer set to this instant.
    package var deadline: Instant? { self.isEnded ? nil : self.lastHeard + Self.patience }

    package mutating func deadlinePassed(at now: Instant) -> [Action] {
        guard let deadline, now >= deadline else { return [] }
        return self.end(.stalled)
    }

    /// Calls the session off: the next message tells the peer.
    package mutating func cancel() -> [Action] { self.end(.cancelled) }

    // MARK: Hearing

    package mutating func handle<Reader: EntryReader>(_ message: SessionMessage, _ reader: Reader, at now: Instant) throws(Reader.Failure) -> [Action]
    {
        guard !self.isEnded else { return [] }
        self.lastHeard = now
        switch message {
        case .acknowledge(let units):
            guard (0...self.unacknowledged).contains(units) else { return self.end(.outOfOrder) }
            self.unacknowledged -= units
            return []
        case .abort(let fault):
            (self.phase, self.fault) = (.ended, nil)
            return [.ended(fault)]
        case .refuse:
            (self.phase, self.fault) = (.ended, nil)
            return [.ended(nil)]
        default: break
        }
        // As the sender counts: it began this message with less than a window under way.
        guard self.toAcknowledge < Self.window else { return self.end(.tooMuch) }
        self.toAcknowledge += message.units
        switch (self.phase, message) {
        case (.awaiting, .open(let opening)):
            guard self.agree(on: opening.leafBits, reader) else { return self.end(.malformed) }
            self.missing = Self.difference(try reader.digest(of: .root), opening.root)
            self.peerSeen = opening.seen
            self.turn.mustAccept = true
            self.phase = .listening
            // An empty side asks for everything: nothing that follows in this turn tells it more.
            if try reader.digest(of: .root).entries == 0, opening.root.entries > 0 { self.turn.askNodes.append(.root) }
            return []
        case (.listening, .accept(let acceptance)) where self.role == .opener && self.leafDepth == 0:
            guard self.agree(on: acceptance.leafBits, reader) else { return self.end(.malformed) }
            self.missing = Self.difference(try reader.digest(of: .root), acceptance.root)
            self.peerSeen = acceptance.seen
            return []
        case (.listening, .found(let entries)):
            self.peerFound = Int(UInt32(clamping: entries))  // Shown to people only: no more than can be added up.
            return []
        case (.listening, .endTurn(let isFinal)):
            return isFinal ? self.close() : self.speak()
        case (.closing, .root(let root)) where !self.hasRoot:
            self.hasRoot = true
            return [.compareRoot(root)] + self.finishIfDone()
        case (.listening, .records(let bytes)):
            return self.purpose == .repair ? [.merge(bytes)] : self.end(.outOfOrder)
        case (.listening, .headers(let bytes)):
            return self.purpose == .list ? [.show(bytes)] : self.end(.outOfOrder)
        case (.listening, _):
            return try self.compare(message, reader).map { self.end($0) } ?? []
        default:
            return self.end(.outOfOrder)
        }
    }

    private static func difference(_ own: Digest, _ theirs: Digest) -> Int {
        Int(clamping: own.entries > theirs.entries ? own.entries - theirs.entries : theirs.entries - own.entries)
    }

    /// Sets the depth at which entries are listed. A tree without inner nodes is descended to depth 1, so that a list is always of leaves.
    private mutating func agree(on theirLeafBits: Int, _ reader: some EntryReader) -> Bool {
        guard (0...DigestTree.maximumLeafBits).contains(theirLeafBits) else { return false }
        self.leafDepth = max(1, reader.leafBits, theirLeafBits)
        return true
    }

    /// Compares what a turn of the peer shows with our own.
    ///
    /// - Returns: what is wrong with it.
    private mutating func compare<Reader: EntryReader>(_ message: SessionMessage, _ reader: Reader) throws(Reader.Failure) -> SessionFault? {
        switch message {
        case .compare(let comparison):
            // Asked for everything: the rest of the turn was made before the peer could know.
            if self.turn.asksForAll { return nil }
            return try self.compareSums(comparison, reader)
        case .leaves(let list):
            guard list.leaves.depth == self.leafDepth else { return .malformed }
            return try self.compareLeaves(list, reader)
        case .wantAll(let nodes):
            for index in nodes {
                let node = DigestNode(depth: nodes.depth, index: index)
                self.give(node, entries: try reader.digest(of: node).entries)
            }
        case .want(let places):
            self.turn.givePlaces.append(places)
        case .stamps(let list):
            guard self.purpose == .repair, list.places.depth == self.placeDepth else { return .malformed }
            try self.compareStamps(list, reader)
        default:
            return .outOfOrder
        }
        return self.turn.isTooLong ? .tooMuch : nil
    }

    private mutating func speak() -> [Action] {
        if self.turn.wasCut { self.isWhole = false }
        self.phase = .speaking
        return []
    }

    /// All has been asked and given, and what was given is merged.
    private mutating func close() -> [Action] {
        if self.turn.wasCut { self.isWhole = false }
        self.phase = .closing
        guard self.purpose == .repair, self.isWhole else { return [] }
        return [.covered(self.peerSeen)]
    }

    private mutating func finishIfDone() -> [Action] {
        guard self.hasRoot, self.hasSentRoot else { return [] }
        self.phase = .ended
        return [.ended(nil)]
    }

    private mutating func end(_ fault: SessionFault) -> [Action] {
        guard !self.isEnded else { return [] }
        (self.phase, self.fault) = (.ended, fault)
        return [.ended(fault)]
    }

    // MARK: Saying

    /// The next message for the peer; nil where it is the peer's turn, or too much is under way. Called until it gives nil.
    ///
    /// - Parameter seen: what we have seen, at the log position of the reader; nil where a peer must not rely on it.
    package mutating func next<Reader: EntryReader>(_ reader: Reader, seen: Seen?, at now: Instant) throws(Reader.Failure) -> (
        message: SessionMessage, actions: [Action]
    )? {
        if self.isEnded {
            guard let fault else { return nil }
            self.fault = nil
            return (.abort(fault), [])
        }
        if self.toAcknowledge >= Self.acknowledgedUnits {
            defer { self.toAcknowledge = 0 }
            return (.acknowledge(units: self.toAcknowledge), [])
        }
        guard self.unacknowledged < Self.window else { return nil }
        guard let said = try self.say(reader, seen: seen) else { return nil }
        self.unacknowledged += said.0.units
        return said
    }

    private mutating func say<Reader: EntryReader>(_ reader: Reader, seen: Seen?) throws(Reader.Failure) -> (SessionMessage, [Action])? {
        switch self.phase {
        case .opening:
            self.phase = .speaking
            let root = try reader.digest(of: .root)
            let depth = min(Self.firstDepth, max(1, reader.leafBits))
            if root.entries == 0 { self.turn.askNodes.append(.root) } else { self.turn.show(NodeList(depth: 0, indexes: [0]), childDepth: depth) }
            return (.open(SessionOpening(purpose: self.purpose, width: self.width, leafBits: reader.leafBits, root: root, seen: seen)), [])
        case .speaking:
            if self.turn.mustAccept {
                self.turn.mustAccept = false
                let root = try reader.digest(of: .root)
                // Nil where damage was found meanwhile.
                return (.accept(SessionAcceptance(leafBits: reader.leafBits, root: root, seen: seen == nil ? nil : self.acceptedSeen)), [])
            }
            if self.tally.entries > self.toldFound, self.purpose != .count {
                self.toldFound = self.tally.entries
                return (.found(entries: self.toldFound), [])
            }
            if let message = try self.nextOfTurn(reader) { return (message, []) }
            let isFinal = !self.turn.hasAsked
            self.turn = Turn()
            guard isFinal else {
                self.phase = .listening
                return (.endTurn(isFinal: false), [])
            }
            return (.endTurn(isFinal: true), self.close())
        case .closing where !self.hasSentRoot:
            self.hasSentRoot = true
            let root = SessionRoot(digest: try reader.digest(of: .root), seen: seen, tally: self.tally)
            return (.root(root), self.finishIfDone())
        case .closing, .listening, .awaiting, .ended:
            return nil
        }
    }

    /// The depth at which places of entries are named.
    var placeDepth: Int { self.width.nameDepth(leafDepth: self.leafDepth) }

    /// The depth of the sums below nodes of a depth.
    func childDepth(below depth: Int) -> Int { min(self.leafDepth, (depth / 4 + 1) * 4) }
}
