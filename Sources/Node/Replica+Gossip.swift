import AntiEntropy
import Basics
import Digests
import Membership
import PeerWire
import Storage
import Versioning

/// What comes over links, and the rounds.
extension Replica {
    /// Handles what a peer has sent, as far as whole messages go.
    ///
    /// - Returns: the bytes that are done with. Where some are left over and `isHeldUp`, the peer is read no further until a later tick.
    package func received(_ bytes: UnsafeRawBufferPointer, on link: PeerLink, at moment: Moment) throws(StoreError) -> Int {
        var consumed = 0
        while !link.isClosing, !self.isHeldUp {
            let next: (message: PeerMessage?, consumed: Int)
            do throws(PeerWireError) {
                next = try link.reader.next(in: UnsafeRawBufferPointer(rebasing: bytes[consumed...]))
            } catch {
                self.refuse(link, because: "\(error)")
                break
            }
            guard next.consumed > 0 else { break }
            consumed += next.consumed
            (link.lastHeard, link.askedAt) = (moment.now, nil)
            if let message = next.message { try self.handle(message, on: link, at: moment) }
        }
        return link.isClosing ? bytes.count : consumed
    }

    /// True while peers' records cannot be taken: both tables are full. Their links are not read until a drain has ended.
    package var isHeldUp: Bool { !self.store.admitsWrites }

    private func handle(_ message: PeerMessage, on link: PeerLink, at moment: Moment) throws(StoreError) {
        switch (link.state, message) {
        case (.greeting, .hello(let hello)): self.greet(hello, on: link, at: moment.now)
        case (_, .refuse(let reason)): self.close(link, because: "refused by the other side: \(reason)")
        case (.greeting, _): self.refuse(link, because: "it did not greet first")
        case (.founding, .welcome(let digestKey)): try self.joinCluster(digestKey, on: link, at: moment.now)
        case (.founding, .offer(let bytes)): self.heardOffer(bytes, on: link) { .offered($0, by: link.peer!) }
        case (.founding, .answer(let bytes)): self.heardOffer(bytes, on: link) { .answered($0, by: link.peer!) }
        case (.ready, .summary(let summary)): try self.compare(summary, on: link, at: moment)
        case (.ready, .members(let bytes)): self.learn(bytes, on: link, at: moment.now)
        case (.ready, .push(let push)): try self.take(push, on: link, at: moment)
        case (.ready, .session(let number, let sequence, let message)):
            try self.take(message, number: number, sequence: sequence, on: link, at: moment)
        case (.ready, .catchUp(let number, let message)): try self.take(message, number: number, on: link, at: moment)
        case (.closing, _): break
        // The other side may have become ready, or have stopped being so, a moment before.
        case (.founding, .summary), (.founding, .members), (.founding, .push), (.founding, .session), (.founding, .catchUp): break
        default: self.refuse(link, because: "it sent a message out of order")
        }
    }

    private func heardOffer(_ bytes: [UInt8], on link: PeerLink, _ event: (Offer) -> Founding.Event) {
        guard let offer = bytes.withUnsafeBytes({ try? Offer(decoding: $0) }) else { return self.refuse(link, because: "it sent a malformed offer") }
        self.advanceFounding(event(offer), at: link.lastHeard)
    }

    private func learn(_ bytes: [UInt8], on link: PeerLink, at now: Instant) {
        // A table is its sender's: it lists us, and not the sender.
        guard let hello = link.hello, let name = try? MemberName(hello.name),
            let theirs = bytes.withUnsafeBytes({ try? MemberTable(decoding: $0, ownReplica: hello.replica, ownName: name) })
        else { return self.refuse(link, because: "it sent a malformed member table") }
        let own = self.peers!.table
        var hasChanged = false
        // Only those never heard of: what a member says of itself counts for more than what another does.
        for member in theirs.members where own[member.replica] == nil {
            hasChanged = ((try? self.peers!.table.learn(member, isConnected: { _ in true })) ?? false) || hasChanged
        }
        if hasChanged { self.storeMembers(at: now) }
    }

    // MARK: Rounds

    /// What peers do in time: dials, rounds, sessions that stall.
    package func tendPeers(at moment: Moment) throws(StoreError) {
        guard self.peers != nil else { return }
        let now = moment.now
        if let deadline = self.peers!.dialer.deadline, now >= deadline { self.perform(self.peers!.dialer.handle(.deadlinePassed, at: now)) }
        self.tendAsking(at: now)
        for link in self.peers!.links where !link.isClosing { try self.tend(link, at: moment) }
        guard self.store.isFounded, now >= self.peers!.rounds.deadline else { return }
        self.keepLog()
        let members = self.peers!.linked
        for replica in self.peers!.rounds.begin(among: members, at: now) {
            guard let link = self.peers!.link(to: replica) else { continue }
            self.peers!.counters.rounds += 1
            try self.sendSummary(.question, with: nil, on: link)
        }
    }

    private func tend(_ link: PeerLink, at moment: Moment) throws(StoreError) {
        let now = moment.now
        if link.state == .greeting, now.since(link.openedAt) > Self.greetingPatience { return self.close(link, because: "it did not greet") }
        if self.isLetIn(link), now.since(link.lastHeard) > Self.greetingPatience {
            return self.close(link, because: "it was let in and did not come")
        }
        let silence = now.since(link.lastHeard)
        // Below the least patience nothing is reckoned: this is asked for every link in every tick.
        if link.isReady, silence > Self.leastPatience, silence > self.linkPatience {
            return self.close(link, because: "it has been silent for \(Int(silence.inSeconds)) s")
        }
        if link.owesSummary {
            link.owesSummary = false
            // With what we have seen: vectors differ where a link has just come up, and the peer can ask for what it lacks at once.
            try self.sendSummary(.question, with: self.offeredSeen, on: link)
        }
        try self.tendExchange(of: link, at: moment)
    }

    /// How long a link may take to greet.
    static let greetingPatience = Duration.seconds(10)
    /// A peer that has nothing to say when it should have been asked, and should have asked, is gone.
    private var linkPatience: Duration {
        let gap = self.peers!.rounds.longestGap(among: self.peers!.links.count)
        return max(Self.leastPatience, gap + gap / 2)
    }
    private static let leastPatience = Duration.seconds(30)
    /// A node that has got the welcome of this cluster makes a new connection; what is left of the old one is a stranger's.
    private func isLetIn(_ link: PeerLink) -> Bool { link.state == .founding && self.store.isFounded }

    /// When `tendPeers` has something to do although nothing happens; nil where never.
    package var peerDeadline: Instant? {
        guard self.peers != nil else { return nil }
        var earliest: Instant?
        func consider(_ deadline: Instant?) {
            if let deadline, earliest.map({ deadline < $0 }) ?? true { earliest = deadline }
        }
        for link in self.peers!.links {
            if link.exchange != nil { consider(link.exchange!.session.deadline) }
            if link.state == .greeting { consider(link.openedAt + Self.greetingPatience) }
            if self.isLetIn(link) { consider(link.lastHeard + Self.greetingPatience) }
        }
        consider(self.peers!.asking?.deadline)
        consider(self.peers!.dialer.deadline)
        if self.store.isFounded, !self.peers!.links.isEmpty { consider(self.peers!.rounds.deadline) }
        return earliest
    }

    /// True where a session could go on at once, but for entries that are to be folded.
    package var wantsPeerTick: Bool {
        guard self.peers != nil else { return false }
        for link in self.peers!.links where link.owesSummary || (link.exchange != nil && !link.exchange!.inbox.isEmpty) { return true }
        return false
    }

    /// Up to so many unfolded entries are folded so that a round can show a root. With more writes are coming fast, and roots differ anyway.
    private static let roundFoldEntries = 10_000

    private func sendSummary(_ part: Summary.Part, with seen: Seen?, on link: PeerLink) throws(StoreError) {
        // A few entries at a time: a round must not hold up clients.
        if self.store.live.unfolded <= Self.roundFoldEntries { _ = try self.store.fold(budget: Self.sliceEntries / 4) }
        let summary = Summary(
            part: part, root: self.store.isFolded ? self.store.foldedDigest : nil, seenHash: self.seenHash, membersHash: self.membersHash, seen: seen,
            isComplete: !self.isJoining)
        if part == .question, link.askedAt == nil { link.askedAt = self.lastTick }
        self.send(.summary(summary), on: link, dependsOn: self.store.appliedPosition)
    }

    /// Kept until `seen` changes: a round asks for it several times with each peer.
    private var seenHash: UInt64 {
        if let hashed = self.seenHashed, hashed.revision == self.store.seenRevision { return hashed.hash }
        var bytes: [UInt8] = []
        self.store.seen.encode(into: &bytes)
        let hash = bytes.withUnsafeBytes { checksum(of: $0, seed: 0) }
        self.seenHashed = (self.store.seenRevision, hash)
        return hash
    }

    /// Of the ids only: a name or an address that has changed is told by its member itself.
    private var membersHash: UInt64 {
        let (members, own) = (self.peers!.table.members, self.store.identity.replica)
        var words: [UInt64] = []
        words.reserveCapacity(2 * members.count + 2)
        // Members ascend, and this node is not among them.
        let place = members.firstIndex { own < $0.replica } ?? members.endIndex
        func append(_ replica: ReplicaID) {
            words.append(replica.high)
            words.append(replica.low)
        }
        for member in members[..<place] { append(member.replica) }
        append(own)
        for member in members[place...] { append(member.replica) }
        return words.withUnsafeBytes { checksum(of: $0, seed: 0) }
    }

    /// What a peer may conclude things from; nil where damage or a bootstrap under way makes it say more than there is (I26).
    var offeredSeen: Seen? { self.isJoining || self.store.hasDamage ? nil : self.store.seen }

    private func compare(_ summary: Summary, on link: PeerLink, at moment: Moment) throws(StoreError) {
        let (peer, now) = (link.peer!, moment.now)
        let sameSeen = summary.seenHash == self.seenHash
        if summary.membersHash != self.membersHash, summary.part != .closing { self.send(.members(self.peers!.table.encoded), on: link) }
        let ownRoot = self.store.isFolded ? self.store.foldedDigest : nil
        let equal = summary.root.flatMap { theirs in ownRoot.map { $0 == theirs } }
        switch summary.part {
        case .question: try self.sendSummary(.answer, with: sameSeen ? nil : self.offeredSeen, on: link)
        case .answer where !sameSeen: try self.sendSummary(.closing, with: self.offeredSeen, on: link)
        case .answer, .closing: break
        }
        let theirs = summary.seen ?? (sameSeen ? self.store.seen : nil)
        if equal == true {
            if let theirs = summary.seen { self.join(theirs, at: now) }  // I26 (iii)
            if self.isJoining, summary.isComplete { self.finishJoining(at: now) }
        } else {
            self.peers!.rounds.noticedChange(at: now)
        }
        self.note(equal: equal, announced: theirs, of: peer, at: now)
        guard let theirs, equal != true else { return }
        try self.mend(equal: equal, theirs: theirs, isComplete: summary.isComplete, on: link, at: now)
    }

    /// Keeps what a round has shown of a member.
    private func note(equal: Bool?, announced: Seen?, of peer: ReplicaID, at now: Instant) {
        self.peers!.withRelation(to: peer, at: now) { relation in
            relation.statistics.lastContact = now
            if let announced { relation.announced = announced }
            guard let equal else { return }
            relation.statistics.hasEqualRoots = equal
            guard equal else { return }
            relation.statistics.lastEqualRoots = now
            relation.trigger.sawEqualRoots()
            relation.gaps.sawEqualRoots()
        }
    }

    /// Roots differ, or one is not known: asks the peer's log for what we lack, or begins a session where that does not help.
    private func mend(equal: Bool?, theirs: Seen, isComplete: Bool, on link: PeerLink, at now: Instant) throws(StoreError) {
        let (own, round) = (self.store.seen, self.peers!.rounds.leastInterval)
        // A node that joins has nothing to give, and gets from those that are complete.
        guard isComplete else { return }
        if !self.isJoining {
            switch self.peers!.withRelation(to: link.peer!, at: now, { $0.gaps.compared(own: own, theirs: theirs, at: now, round: round) }) {
            case .ask(let gaps): self.ask(link, for: gaps, at: now)
            case .repair: self.openExchange(.repair, width: .short, on: link, at: now)
            case .wait: break
            }
        }
        let isJoining = self.isJoining
        let isDue = self.peers!.withRelation(to: link.peer!, at: now) { relation in
            relation.trigger.compared(equal: equal, own: own, theirs: theirs, catchesUp: !isJoining, at: now, round: round)
        }
        if isDue, self.peers!.asking == nil { self.openExchange(.repair, width: .short, on: link, at: now) }
    }

    /// Says what of the log peers may still ask for.
    func keepLog() {
        let members = self.peers!.table.members.map { self.peers!.announced(by: $0.replica) }
        self.store.keepLog(for: members)
    }

    func join(_ seen: Seen, at now: Instant) {
        self.peers!.tickIsMixed = true
        _ = self.store.join(seen)
    }

    /// True until everything that the cluster had when this node joined has come.
    var isJoining: Bool { self.store.control(.joining) == [1] }

    func finishJoining(at now: Instant) {
        guard self.isJoining else { return }
        self.peers!.tickIsMixed = true
        _ = self.store.setControl(.joining, [])
        self.tell("has everything that the cluster had when it joined; reads are answered from now on")
    }

    /// True where clients' commands are executed.
    package var isServing: Bool { self.loadingReason == nil }

    /// Why clients are told to wait; nil where they are served.
    var loadingReason: String? {
        guard self.peers != nil else { return nil }
        if !self.store.isFounded {
            return self.peers!.founding.map { "\($0.situation)" } ?? self.peers!.foundingProblem ?? "waiting for a member to let this node in"
        }
        return self.isJoining ? "getting what the cluster holds" : nil
    }
}
