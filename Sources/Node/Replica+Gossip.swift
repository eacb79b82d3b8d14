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
        while consumed < bytes.count, !link.isClosing, !self.isHeldUp {
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
        case (.closing, _): break
        case (_, .ping(let number)): self.send(.pong(number), on: link)
        case (_, .pong(let number)): self.probed(number, on: link)
        case (_, .twin(let nonce)): self.metTwin(nonce, on: link)
        case (.founding, .usedUp): try self.renewEmpty(on: link)
        case (.founding, .welcome(let digestKey, let roster)): try self.joinCluster(digestKey, roster, on: link, at: moment.now)
        case (.founding, .offer(let bytes)): self.heardOffer(bytes, on: link) { .offered($0, by: link.peer!) }
        case (.founding, .answer(let bytes)): self.heardOffer(bytes, on: link) { .answered($0, by: link.peer!) }
        case (.contested, .introduction(let introduction)), (.meeting, .introduction(let introduction)):
            self.take(introduction, on: link, at: moment.now)
        case (.ready, .introduction): break  // Repeated on its way.
        case (.meeting, .mayReturn(let roster)): self.answerReturn(roster, on: link, at: moment.now)
        case (.returning, .comeBack(let seen)): self.mayComeBack(seen, on: link)
        case (.returning, .introduction(let introduction)): self.learnOnReturn(introduction.roster, on: link, at: moment.now)
        case (.returning, .roster(let bytes)): self.learnOnReturn(bytes, on: link, at: moment.now)
        case (.meeting, .roster(let bytes)), (.ready, .roster(let bytes)): self.learn(bytes, on: link, at: moment.now)
        case (.ready, .summary(let summary)): try self.compare(summary, on: link, at: moment)
        case (.ready, .clearance(let bytes)): self.learnClearance(bytes, on: link, at: moment.now)
        case (.meeting, .clearance(let bytes)): link.earlyClearance = bytes
        case (.ready, .push), (.ready, .session), (.ready, .catchUp), (.ready, .bootstrap): try self.takeData(message, on: link, at: moment)
        // The other side may have become ready, or have stopped being so, a moment before.
        case (_, .summary), (_, .roster), (_, .clearance), (_, .push), (_, .session), (_, .catchUp), (_, .bootstrap), (_, .introduction):
            break
        default: self.refuse(link, because: "it sent a message out of order")
        }
    }

    /// What changes data, or may lead to it, is taken only from those who count the same members (I21).
    private func takeData(_ message: PeerMessage, on link: PeerLink, at moment: Moment) throws(StoreError) {
        guard self.isCurrent(link) else { return self.refuseData(message, on: link, at: moment.now) }
        switch message {
        case .push(let push): try self.take(push, on: link, at: moment)
        case .session(let number, let sequence, let message): try self.take(message, number: number, sequence: sequence, on: link, at: moment)
        case .catchUp(let number, let message): try self.take(message, number: number, on: link, at: moment)
        case .bootstrap(let number, let sequence, let message): self.take(message, number: number, sequence: sequence, on: link, at: moment.now)
        default: break
        }
    }

    /// Says so where the other side would wait for an answer.
    private func refuseData(_ message: PeerMessage, on link: PeerLink, at now: Instant) {
        self.peers!.counters.refusedEpochs += 1
        switch message {
        case .session(let number, _, let message): self.cancel(message, number: number, on: link, at: now)
        case .catchUp(let number, .ask): self.send(.catchUp(number: number, .told(isWhole: false)), on: link)
        case .catchUp: if self.peers!.asking?.link == link.id { self.peers!.asking = nil }
        default: break
        }
    }

    private func heardOffer(_ bytes: [UInt8], on link: PeerLink, _ event: (Offer) -> Founding.Event) {
        guard let offer = bytes.withUnsafeBytes({ try? Offer(decoding: $0) }) else { return self.refuse(link, because: "it sent a malformed offer") }
        self.advanceFounding(event(offer), at: link.lastHeard)
    }

    // MARK: Rounds

    /// What peers do in time: dials, rounds, sessions that stall.
    package func tendPeers(at moment: Moment) throws(StoreError) {
        try self.tendSweep(at: moment)
        try self.tendSalvage(at: moment)
        guard self.peers != nil else { return }
        let now = moment.now
        if let deadline = self.peers!.dialer.deadline, now >= deadline { self.perform(self.peers!.dialer.handle(.deadlinePassed, at: now)) }
        self.tendIdentity(at: now)
        self.tendReturn()
        self.tendAsking(at: now)
        self.tendHolds()
        self.tendBootstrap(at: now)
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
        if link.isAtRest, now <= link.restsUntil { return }
        if link.isComingUp, now.since(link.openedAt) > Self.greetingPatience {
            return self.close(link, because: "it did not \(link.hasGreeted ? "introduce itself" : "greet")")
        }
        if let farewell = link.farewell, self.store.synced > farewell.behind { return self.close(link, because: farewell.reason) }
        if let probe = link.probe, now >= probe.deadline {
            link.probe = nil
            self.close(link, because: "it does not answer, and another process of it has come")
            self.proceed(link.peer!, at: now)
            return
        }
        if self.isLetIn(link), now.since(link.lastHeard) > Self.greetingPatience {
            return self.close(link, because: "it was let in and did not come")
        }
        // Before that nothing is reckoned: this is asked for every link in every tick.
        if link.isReady, now > link.restsUntil, now.since(link.lastHeard) > self.linkPatience {
            return self.close(link, because: "it has been silent for \(Int(now.since(link.lastHeard).inSeconds)) s")
        }
        if link.owesSummary {
            link.owesSummary = false
            // With what we have seen: vectors differ where a link has just come up, and the peer can ask for what it lacks at once.
            try self.sendSummary(.question, with: self.toldSeen, on: link)
        }
        try self.tendExchange(of: link, at: moment)
        self.tendGiving(on: link, at: now)
    }

    /// How long a link may take to greet.
    static let greetingPatience = Duration.seconds(10)
    /// A peer that has nothing to say when it should have been asked, and should have asked, is gone.
    private var linkPatience: Duration {
        let gap = self.peers!.rounds.longestGap(among: self.peers!.links.count)
        return max(PeerLink.leastPatience, gap + gap / 2)
    }
    /// A node that has got the welcome of this cluster makes a new connection; what is left of the old one is a stranger's.
    private func isLetIn(_ link: PeerLink) -> Bool { link.state == .founding && self.store.isFounded }

    /// When `tendPeers` has something to do although nothing happens; nil where never.
    package var peerDeadline: Instant? {
        var earliest = self.sweepDeadline
        if let deadline = self.salvageDeadline { earliest = min(deadline, earliest ?? deadline) }
        guard let peers = self.peers else { return earliest }
        func consider(_ deadline: Instant?) {
            if let deadline, earliest.map({ deadline < $0 }) ?? true { earliest = deadline }
        }
        for link in peers.links where !link.isAtRest {
            if link.exchange != nil { consider(link.exchange!.session.deadline) }
            if link.isComingUp { consider(link.openedAt + Self.greetingPatience) }
            if self.isLetIn(link) { consider(link.lastHeard + Self.greetingPatience) }
            if link.giving != nil { consider(self.givingDeadline(of: link)) }
            consider(link.probe?.deadline)
        }
        consider(peers.asking?.deadline)
        consider(self.bootstrapDeadline)
        if case .asking(let until) = peers.identity.state { consider(until) }  // Its own property would be given a copy.
        consider(self.holdDeadline)
        consider(peers.dialer.deadline)
        if self.store.isFounded, !peers.links.isEmpty { consider(peers.rounds.deadline) }
        return earliest
    }

    /// True where a session could go on at once, but for entries that are to be folded.
    package var wantsPeerTick: Bool {
        guard self.peers != nil else { return false }
        for link in self.peers!.links where !link.isAtRest {
            if link.owesSummary || (link.exchange != nil && !link.exchange!.inbox.isEmpty) || self.wantsToGive(on: link) { return true }
        }
        return false
    }

    /// Up to so many unfolded entries are folded so that a round can show a root. With more writes are coming fast, and roots differ anyway.
    private static let roundFoldEntries = 10_000

    /// - Parameter mark: the question's; nil in a question.
    private func sendSummary(_ part: Summary.Part, with seen: Seen?, answering mark: UInt32? = nil, on link: PeerLink) throws(StoreError) {
        // A few entries at a time: a round must not hold up clients.
        if self.store.live.unfolded <= Self.roundFoldEntries { _ = try self.store.fold(budget: Self.sliceEntries / 4) }
        let summary = Summary(
            part: part, root: self.store.isFolded ? self.store.foldedDigest : nil, seenHash: self.seenHash, membersHash: self.membersHash,
            clearanceHash: self.clearanceHash, seen: seen, isComplete: !self.isJoining, isHolding: !self.peers!.held.isEmpty,
            clock: ClockWord(mark: mark ?? self.clockMark(at: self.lastTick), wall: self.lastMoment.wall), hasDamage: self.store.hasDamage,
            isSure: self.peers!.identity.state == .sure)
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

    private var membersHash: UInt64 { self.peers!.table.rosterHash }

    /// What a peer may conclude things from; nil where damage or a bootstrap under way makes it say more than there is (I26).
    var offeredSeen: Seen? { self.store.hasDamage ? nil : self.toldSeen }
    /// What a round says: after damage that is what the log may still hold, though the base has lost some of it.
    private var toldSeen: Seen? { self.isJoining ? nil : self.store.seen }

    private func compare(_ summary: Summary, on link: PeerLink, at moment: Moment) throws(StoreError) {
        let (peer, now) = (link.peer!, moment.now)
        let sameSeen = summary.seenHash == self.seenHash
        if summary.membersHash == self.membersHash {
            link.theirEpoch = self.peers!.table.roster.epoch  // Where what it told of that was dropped on its way.
        } else if summary.part != .closing {
            self.send(.roster(self.peers!.table.encodedRoster), on: link, dependsOn: self.store.appliedPosition)
        }
        if summary.clearanceHash == self.clearanceHash {
            link.clearance = self.store.clearance
        } else if summary.part != .closing, self.isCurrent(link) {
            self.sendClearance(on: link)
        }
        let ownRoot = self.store.isFolded ? self.store.foldedDigest : nil
        let equal = summary.root.flatMap { theirs in ownRoot.map { $0 == theirs } }
        switch summary.part {
        case .question: try self.sendSummary(.answer, with: sameSeen ? nil : self.toldSeen, answering: summary.clock.mark, on: link)
        case .answer where !sameSeen: try self.sendSummary(.closing, with: self.toldSeen, on: link)
        case .answer, .closing: break
        }
        if summary.part == .answer {
            self.heard(summary.clock.wall, from: peer, roundTrip: .milliseconds(self.clockMark(at: now) &- summary.clock.mark), at: now)
        }
        // One that has lost something announces nothing, and is compared with all the same.
        let seen = summary.seen ?? (sameSeen ? self.store.seen : nil)
        let announced = summary.hasDamage ? nil : seen
        if let seen { self.peers!.withRelation(to: peer, at: now) { $0.told = seen } }
        let theirs = announced ?? (summary.hasDamage ? self.store.seen : nil)
        if equal == true {
            link.unevenSince = nil
            if !self.isJoining, let announced { self.join(announced, at: now) }  // I26 (iii)
        } else if !self.isJoining, summary.isComplete, !self.rests(summary, of: peer) {
            self.peers!.rounds.noticedChange(at: now)
        }
        self.note(summary, equal: equal, announced: announced, of: peer, at: now)
        if let announced, summary.isComplete, summary.isSure, summary.membersHash == self.membersHash { self.confirmed(by: peer, announced, at: now) }
        if let equal, summary.isComplete {
            self.compared(equal ? .equalRoots : nil, with: peer, seen: seen, isWhole: !summary.hasDamage)
        }
        if let theirs, equal != true { try self.mend(equal: equal, theirs: theirs, summary, on: link, at: now) }
        // Behind that: a session, which waits for no answer of a log, is what brings back most of what was lost.
        if summary.hasDamage, summary.isComplete, let seen { self.askForLost(seen, on: link, at: now) }
    }

    /// Keeps what a round has shown of a member.
    private func note(_ summary: Summary, equal: Bool?, announced: Seen?, of peer: ReplicaID, at now: Instant) {
        self.peers!.withRelation(to: peer, at: now) { relation in
            relation.statistics.lastContact = now
            (relation.isHolding, relation.isSure) = (summary.isHolding, summary.isSure)
            if let announced { relation.announced = announced }
            guard let equal else { return }
            relation.statistics.hasEqualRoots = equal
            guard equal else { return }
            relation.statistics.lastEqualRoots = now
            relation.trigger.sawEqualRoots()
            relation.gaps.sawEqualRoots()
        }
    }

    /// True where all that both differ in was held when they last compared, and both have seen what they had then: there is no hurry.
    private func rests(_ summary: Summary, of peer: ReplicaID) -> Bool {
        self.peers!.relation(to: peer)?.rest == Relation.Rest(own: self.seenHash, theirs: summary.seenHash)
    }

    /// Roots differ, or one is not known: asks the peer's log for what we lack, or begins a session where that does not help. What either holds until
    /// its time is not looked for before.
    private func mend(equal: Bool?, theirs: Seen, _ summary: Summary, on link: PeerLink, at now: Instant) throws(StoreError) {
        let (own, round) = (self.store.seen, self.peers!.rounds.leastInterval)
        // A node that joins has nothing to give, and gets from those that are complete.
        guard summary.isComplete, !self.isJoining else { return }
        let withHeld = self.peers!.held.added(to: own)
        let (holds, theyHold) = (self.peers!.held.has(anyOf: theirs), summary.isHolding && !theirs.covers(all: own))
        let isPaused = self.isPaused(link.peer!, at: now)
        let waits = isPaused || self.isClearing(with: link, at: now)
        let rests = isPaused || ((holds || theyHold) && withHeld.covers(all: theirs) && (theyHold || theirs.covers(all: own)))
        let rest = rests ? Relation.Rest(own: self.seenHash, theirs: summary.seenHash) : nil
        self.peers!.withRelation(to: link.peer!, at: now) { $0.rest = rest }
        switch self.peers!.withRelation(to: link.peer!, at: now, { $0.gaps.compared(own: withHeld, theirs: theirs, at: now, round: round) }) {
        case .ask(let gaps): self.ask(link, for: gaps, at: now)
        case .repair where waits: break
        case .repair: self.openExchange(.repair, width: .short, on: link, at: now)
        case .wait: break
        }
        // What was lost is compared in any case.
        let isUneven = !summary.hasDamage && !self.store.hasDamage && equal == false && self.isUneven(with: link, at: now)
        let isDue = self.peers!.withRelation(to: link.peer!, at: now) { relation in
            relation.trigger.compared(
                equal: holds || theyHold || isUneven ? nil : equal, own: own, theirs: theirs, catchesUp: true, at: now, round: round)
        }
        if isDue, !waits, self.peers!.asking == nil { self.openExchange(.repair, width: .short, on: link, at: now) }
    }

    /// Says what of the log peers may still ask for.
    func keepLog() {
        let members = self.peers!.table.members.map { self.peers!.relation(to: $0.replica)?.announced }
        self.store.keepLog(for: members)
    }

    func join(_ seen: Seen, at now: Instant) {
        self.peers!.tickIsMixed = true
        _ = self.store.join(seen)
    }

    /// True where clients' commands are executed.
    package var isServing: Bool { !self.isStarting && !self.isExcluded }

    private var isStarting: Bool { self.isJoining || (self.peers != nil && !self.store.isFounded) }

    /// Why clients are not served, with the error's code; nil where they are.
    var absence: (code: StaticString, reason: String)? {
        if let exclusion { return ("NOMEMBER", exclusion) }
        return self.loadingReason.map { ("LOADING", $0) }
    }

    /// Why clients are told to wait; nil where they are served.
    var loadingReason: String? {
        guard self.isStarting else { return nil }
        guard self.peers != nil else {
            return "it has not got everything that its cluster holds yet: start it with --seed and a member's address"
        }
        if self.formerRoster != nil { return "it has given up its former data, and waits for a member to let it in again" }
        if !self.store.isFounded {
            return self.peers!.founding.map { "\($0.situation)" } ?? self.peers!.foundingProblem ?? "waiting for a member to let this node in"
        }
        return self.joiningText
    }
}
