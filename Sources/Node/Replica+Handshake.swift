import AntiEntropy
import Basics
import Digests
import Membership
import PeerWire
import Storage

/// Links to other nodes, and who may be at their other end.
extension Replica {
    // MARK: Events

    /// A connection to another node stands, dialled by us or by it. Our greeting is the first thing that leaves.
    package func linkOpened(dialed: PeerAddress?, at now: Instant) -> PeerLink {
        let link = PeerLink(id: self.peers!.nextLink, dialed: dialed, at: now)
        self.peers!.nextLink += 1
        self.peers!.links.append(link)
        self.send(.hello(self.ownHello), on: link)
        return link
    }

    /// The connection is gone.
    package func linkClosed(_ link: PeerLink, at now: Instant) {
        let (wasReady, wasClosing) = (link.isReady, link.isClosing)
        link.state = .closing
        self.endExchange(of: link, fault: .cancelled, at: now)
        self.bootstrapLost(link, at: now)
        if self.peers!.asking?.link == link.id { self.peers!.asking = nil }
        self.peers!.links.removeAll { $0 === link }
        defer { link.peer.map { self.proceedIfGone($0, at: now) } }
        if let dialed = link.dialed, !link.hasReportedDial { self.perform(self.peers!.dialer.handle(.failed(dialed), at: now)) }
        guard let peer = link.peer else { return }
        if self.foundingLink(to: peer) == nil { self.advanceFounding(.lost(peer), at: now) }
        guard wasReady || wasClosing, self.peers!.link(to: peer) == nil else { return }
        self.perform(self.peers!.dialer.handle(.unlinked(peer), at: now))
    }

    private func proceedIfGone(_ peer: ReplicaID, at now: Instant) {
        if self.peers!.link(to: peer) == nil { self.proceed(peer, at: now) }
    }

    /// An address that was to be dialled does not answer.
    package func dialFailed(_ address: PeerAddress, at now: Instant) { self.perform(self.peers!.dialer.handle(.failed(address), at: now)) }

    func perform(_ actions: [Dialer.Action]) {
        // Nobody would let it in.
        guard !self.isExcluded || self.peers!.leave != nil || self.seeksReturn else { return }
        for case .dial(let address) in actions { self.peers!.requests.append(.dial(address)) }
    }

    // MARK: Greeting

    var ownHello: Hello {
        let (peers, identity) = (self.peers!, self.store.identity)
        return Hello(
            cluster: self.store.isFounded ? identity.cluster : .none, replica: identity.replica, start: self.store.start,
            expected: UInt8(clamping: peers.founding?.expected ?? 0), isEmpty: self.store.isEmpty, name: peers.table.ownName.text,
            host: peers.configuration.advertised?.host, port: peers.configuration.advertised?.port ?? 0)
    }

    /// The other side has said who it is.
    func greet(_ hello: Hello, on link: PeerLink, at now: Instant) {
        guard link.hello == nil else { return self.close(link, because: "it greeted twice") }
        link.hello = hello
        guard hello.replica != self.store.identity.replica else { return self.meetOwnID(on: link, at: now) }
        if let dialed = link.dialed { self.report(.connected(dialed, hello.replica), of: link, at: now) }
        guard hello.lowest <= Hello.highestVersion, hello.highest >= Hello.lowestVersion else {
            return self.refuse(
                link,
                because:
                    "it speaks versions \(hello.lowest) to \(hello.highest) of the peer protocol, this node \(Hello.lowestVersion) to \(Hello.highestVersion)"
            )
        }
        guard hello.name != self.peers!.table.ownName.text else {
            return self.refuse(link, because: "the name \(hello.name) is taken by \(self.store.identity.replica)")
        }
        self.meet(hello, on: link, at: now)
    }

    private func report(_ event: Dialer.Event, of link: PeerLink, at now: Instant) {
        link.hasReportedDial = true
        self.perform(self.peers!.dialer.handle(event, at: now))
    }

    /// Where this node dials itself, nothing is wrong. Another start with its id may be what is left of an earlier process, on its way for long: whether a
    /// second one lives is known only once it has answered.
    private func meetOwnID(on link: PeerLink, at now: Instant) {
        guard link.hello!.start != self.store.start else {
            if let dialed = link.dialed { self.report(.isSelf(dialed), of: link, at: now) }
            self.foundAloneIfOnlySelf(at: now)
            return self.close(link, because: nil)
        }
        if let dialed = link.dialed { self.report(.connected(dialed, link.hello!.replica), of: link, at: now) }
        link.state = .ownID
        self.send(.twin(nonce: link.hello!.start.nonce), on: link)
    }

    /// What two nodes are to each other, by their clusters. Both sides come to the same answer.
    private func meet(_ hello: Hello, on link: PeerLink, at now: Instant) {
        let own = self.ownHello
        if let exclusion {
            guard self.seeksReturn, hello.cluster == own.cluster else { return self.refuse(link, because: exclusion) }
            return self.askToReturn(on: link)
        }
        switch (own.cluster.isNone, hello.cluster.isNone) {
        case (true, true):
            link.state = .founding
            if own.expected > 0, hello.expected == own.expected { self.advanceFounding(.met(hello.replica), at: now) }
        case (false, true):
            self.welcome(link, at: now)
        case (true, false):
            self.awaitWelcome(link)
        case (false, false) where own.cluster == hello.cluster:
            self.meetMember(link, at: now)
        case (false, false) where Self.joins(hello, own):
            self.welcome(link, at: now)
        case (false, false) where Self.joins(own, hello):
            self.awaitWelcome(link)
        case (false, false):
            self.refuse(link, because: "its store belongs to cluster \(hello.cluster), this node's to \(own.cluster), and neither is empty")
        }
    }

    /// A node that holds nothing takes over the other's cluster; of two such nodes the one with the greater cluster id does.
    private static func joins(_ joiner: Hello, _ other: Hello) -> Bool {
        joiner.isEmpty && (!other.isEmpty || other.cluster < joiner.cluster)
    }

    // MARK: Introductions

    /// A node of the same cluster. Where one with its id is linked that has started at another time, it first has to be seen whether that is still there.
    private func meetMember(_ link: PeerLink, at now: Instant) {
        if let reason = self.standingRefusal(of: link.peer!, at: now) { return self.refuse(link, because: reason) }
        link.reader.maximumMessageBytes = PeerWire.maximumIntroductionBytes
        guard let other = self.peers!.link(to: link.peer!), other.hello!.start != link.hello!.start else { return self.introduce(link, at: now) }
        link.state = .contested
        guard other.probe == nil else { return }
        let number = self.peers!.random.next()
        other.probe = PeerLink.Probe(number: number, deadline: now + Self.probePatience)
        self.send(.ping(number), on: other)
    }

    /// A process on the other side of the world answers in less.
    static let probePatience = Duration.seconds(1)

    /// Says who belongs to the cluster, and what this node remembers of the other side.
    private func introduce(_ link: PeerLink, at now: Instant) {
        let peer = link.peer!
        link.state = .meeting
        let relation = self.peers!.relation(to: peer)
        // What a joiner has been given it has not seen yet, and will have.
        let given = self.isJoining ? self.peers!.joining.progress?.capture.seen.greatest(of: peer) ?? 0 : 0
        // What it took along when it gave up its store nobody but itself knows of, it may be; and what a client read there and replaced here.
        let known = max(
            self.store.seen.greatest(of: peer), self.store.exportCounts.greatest(of: peer), self.store.named.greatest(of: peer),
            relation?.greatestNotTaken ?? 0, given)
        let introduction = Introduction(
            start: self.peers!.table.roster[peer]?.member.start ?? .none,
            sequence: known, announced: relation?.announced, roster: self.peers!.table.encodedRoster, wall: self.lastMoment.wall)
        self.send(.introduction(introduction), on: link, dependsOn: self.store.appliedPosition)
        if let early = link.earlyIntroduction {
            link.earlyIntroduction = nil
            self.take(early, on: link, at: now)
        }
    }

    /// A linked process has shown that it is there, although another with its id has come.
    func probed(_ number: UInt64, on link: PeerLink) {
        guard let probe = link.probe, probe.number == number else { return }
        link.probe = nil
        self.send(.twin(nonce: link.hello!.start.nonce), on: link)
        for other in self.peers!.links where other.state == .contested && other.peer == link.peer {
            self.send(.twin(nonce: other.hello!.start.nonce), on: other)
            self.refuse(other, because: "another process runs with its replica id \(link.peer!); two nodes must not share a data folder's copy")
        }
    }

    /// The process that was linked under an id is gone: that which has come may be introduced.
    func proceed(_ peer: ReplicaID, at now: Instant) {
        for link in self.peers!.links where link.state == .contested && link.peer == peer { self.introduce(link, at: now) }
    }

    func take(_ introduction: Introduction, on link: PeerLink, at now: Instant) {
        guard link.state != .contested else {
            link.earlyIntroduction = introduction
            return
        }
        guard link.state == .meeting else { return }
        let hello = link.hello!
        guard let member = Member(hello), let roster = try? self.peers!.table.roster(decoding: introduction.roster) else {
            return self.refuse(link, because: "it sent a malformed introduction")
        }
        let known = self.peers!.table.roster[hello.replica]?.member.start ?? .none
        // It hears so from our introduction.
        guard hello.start >= known else { return self.close(link, because: "it is an older copy of a store that has started since") }
        if let refusal = self.merge(roster, at: now) { return self.refuse(link, because: refusal) }
        link.theirEpoch = roster.epoch
        guard !link.isClosing else { return }
        guard let status = self.peers!.table.roster[hello.replica]?.status else {
            return self.refuse(link, because: "it is no member of this cluster")
        }
        guard status == .active else { return self.refuse(link, because: Self.text(of: .gone(status))) }
        if let refusal = self.describe(member, at: now) { return self.refuse(link, because: refusal) }
        // It has said so after our hello.
        self.heard(introduction.wall, from: member.replica, roundTrip: now.since(link.openedAt), at: now)
        guard self.isOurs(introduction, from: member, at: now) else { return }
        self.becomeReady(link, member, at: now)
    }

    private func becomeReady(_ link: PeerLink, _ member: Member, at now: Instant) {
        guard self.isKept(link) else { return self.close(link, because: nil) }
        link.state = .ready
        link.reader.maximumMessageBytes = PeerWire.maximumMessageBytes
        self.perform(self.peers!.dialer.handle(.linked(member.replica, address: member.address), at: now))
        self.peers!.withRelation(to: member.replica, at: now) { relation in
            relation.trigger.linkCameUp()
            relation.gaps.linkCameUp()
        }
        self.peers!.rounds.noticedChange(at: now)
        link.owesSummary = true
        // Before anything else: a node that has never seen what was dropped here must not take what is left for all there is (I24).
        if !self.store.clearance.isEmpty { self.sendClearance(on: link) }
        if let bytes = link.earlyClearance.take() { self.learnClearance(bytes, on: link, at: now) }
    }

    /// Of two links to one node one goes: that of an earlier process of the other's; else that which the greater id has dialled; else the older.
    /// Both sides judge alike, so one stays.
    private func isKept(_ link: PeerLink) -> Bool {
        guard let other = self.peers!.link(to: link.peer!) else { return true }
        let (own, start, otherStart) = (self.store.identity.replica, link.hello!.start, other.hello!.start)
        func isDialedByLesser(_ link: PeerLink) -> Bool { (link.dialed != nil) == (own < link.peer!) }
        if start == otherStart ? isDialedByLesser(other) && !isDialedByLesser(link) : start < otherStart { return false }
        self.close(other, because: nil)
        return true
    }

    // MARK: Ending

    /// Tells the other side why, and closes.
    func refuse(_ link: PeerLink, because reason: String) {
        self.peers!.counters.refusedHandshakes += 1
        self.send(.refuse(reason), on: link)
        self.close(link, because: "refused: \(reason)")
    }

    func close(_ link: PeerLink, because reason: String?) {
        guard !link.isClosing else { return }
        link.state = .closing
        self.peers!.requests.append(.close(link: link.id, reason: reason))
    }

    /// Queues a message that depends on everything applied so far, or on nothing.
    func send(_ message: PeerMessage, on link: PeerLink, dependsOn position: LogPosition = 0) {
        var bytes: [UInt8] = []
        PeerWire.append(message, to: &bytes)
        link.output.append(bytes, dependsOn: position)
    }
}
