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
        if let dialed = link.dialed, !link.hasReportedDial { self.perform(self.peers!.dialer.handle(.failed(dialed), at: now)) }
        guard let peer = link.peer else { return }
        if self.foundingLink(to: peer) == nil { self.advanceFounding(.lost(peer), at: now) }
        guard wasReady || wasClosing, self.peers!.link(to: peer) == nil else { return }
        self.perform(self.peers!.dialer.handle(.unlinked(peer), at: now))
    }

    /// An address that was to be dialled does not answer.
    package func dialFailed(_ address: PeerAddress, at now: Instant) { self.perform(self.peers!.dialer.handle(.failed(address), at: now)) }

    func perform(_ actions: [Dialer.Action]) {
        for case .dial(let address) in actions { self.peers!.requests.append(.dial(address)) }
    }

    // MARK: Greeting

    var ownHello: Hello {
        let (peers, identity) = (self.peers!, self.store.identity)
        return Hello(
            cluster: self.store.isFounded ? identity.cluster : .none, replica: identity.replica, nonce: peers.configuration.nonce,
            generation: peers.configuration.generation, expected: UInt8(clamping: peers.founding?.expected ?? 0), isEmpty: self.store.isEmpty,
            name: peers.table.ownName.text, host: peers.configuration.advertised?.host, port: peers.configuration.advertised?.port ?? 0)
    }

    /// The other side has said who it is.
    func greet(_ hello: Hello, on link: PeerLink, at now: Instant) {
        guard link.hello == nil else { return self.close(link, because: "it greeted twice") }
        link.hello = hello
        let own = self.store.identity
        if hello.replica == own.replica {
            guard hello.nonce == self.peers!.configuration.nonce else {
                return self.refuse(
                    link, because: "another process runs with this node's replica id \(own.replica); two nodes must not share a data folder's copy")
            }
            if let dialed = link.dialed { self.report(.isSelf(dialed), of: link, at: now) }
            self.foundAloneIfOnlySelf(at: now)
            return self.close(link, because: nil)
        }
        if let dialed = link.dialed { self.report(.connected(dialed, hello.replica), of: link, at: now) }
        guard hello.lowest <= Hello.highestVersion, hello.highest >= Hello.lowestVersion else {
            return self.refuse(
                link,
                because:
                    "it speaks versions \(hello.lowest) to \(hello.highest) of the peer protocol, this node \(Hello.lowestVersion) to \(Hello.highestVersion)"
            )
        }
        guard hello.name != self.peers!.table.ownName.text else {
            return self.refuse(link, because: "the name \(hello.name) is taken by \(own.replica)")
        }
        self.meet(hello, on: link, at: now)
    }

    private func report(_ event: Dialer.Event, of link: PeerLink, at now: Instant) {
        link.hasReportedDial = true
        self.perform(self.peers!.dialer.handle(event, at: now))
    }

    /// What two nodes are to each other, by their clusters. Both sides come to the same answer.
    private func meet(_ hello: Hello, on link: PeerLink, at now: Instant) {
        let own = self.ownHello
        switch (own.cluster.isNone, hello.cluster.isNone) {
        case (true, true):
            link.state = .founding
            if own.expected > 0, hello.expected == own.expected { self.advanceFounding(.met(hello.replica), at: now) }
        case (false, true):
            self.welcome(link)
        case (true, false):
            self.awaitWelcome(link)
        case (false, false) where own.cluster == hello.cluster:
            self.becomeReady(link, at: now)
        case (false, false) where Self.joins(hello, own):
            self.welcome(link)
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

    /// Lets the other side in: it says hello again once it has what it needs.
    private func welcome(_ link: PeerLink) {
        link.state = .founding
        self.send(.welcome(digestKey: self.store.identity.digestKey.bytes), on: link)
    }

    private func awaitWelcome(_ link: PeerLink) {
        link.state = .founding
        if let accepted = self.peers!.founding?.accepted, accepted.cluster != link.hello!.cluster {
            self.refuse(link, because: "it belongs to cluster \(link.hello!.cluster), and this node has accepted to found \(accepted.cluster)")
        }
    }

    /// The digest key of the other side's cluster has come: this node becomes its member, with everything still to get.
    func joinCluster(_ digestKey: [UInt8], on link: PeerLink, at now: Instant) throws(StoreError) {
        guard link.state == .founding, let hello = link.hello, !hello.cluster.isNone, self.ownHello.cluster != hello.cluster, self.store.isEmpty
        else {
            return self.close(link, because: "it sent a welcome that nobody waits for")
        }
        let identity = Identity(cluster: hello.cluster, digestKey: DigestKey(bytes: digestKey), replica: self.store.identity.replica)
        try self.store.adopt(identity, control: [.joining: [1]])
        self.peers!.founding = nil
        self.tell("joined cluster \(identity.cluster) through \(hello.name)")
        // Everybody has to hear who we are now.
        for other in self.peers!.links where !other.isClosing { self.close(other, because: nil) }
    }

    private func becomeReady(_ link: PeerLink, at now: Instant) {
        let hello = link.hello!
        guard let name = try? MemberName(hello.name) else { return self.refuse(link, because: "\(hello.name) is no name") }
        let address = hello.host.flatMap { try? PeerAddress(host: $0, port: hello.port) }
        let linked = self.peers!.linked
        do throws(MemberRefusal) {
            if try self.peers!.table.learn(Member(replica: hello.replica, name: name, address: address), isConnected: linked.contains) {
                self.storeMembers(at: now)
            }
        } catch {
            switch error {
            case .nameTaken(let name, let holder): return self.refuse(link, because: "the name \(name) is taken by \(holder)")
            case .tableFull(let limit): return self.refuse(link, because: "the cluster has \(limit) members already")
            }
        }
        guard self.isKept(link) else { return self.close(link, because: nil) }
        link.state = .ready
        link.reader.maximumMessageBytes = PeerWire.maximumMessageBytes
        self.perform(self.peers!.dialer.handle(.linked(hello.replica, address: address), at: now))
        self.peers!.withRelation(to: hello.replica, at: now) { relation in
            relation.trigger.linkCameUp()
            relation.gaps.linkCameUp()
        }
        self.peers!.rounds.noticedChange(at: now)
        link.owesSummary = true
    }

    /// Of two links to one node one goes: that of an earlier process of the other's; else that which the greater id has dialled; else the older.
    /// Both sides judge alike, so one stays.
    private func isKept(_ link: PeerLink) -> Bool {
        guard let other = self.peers!.link(to: link.peer!) else { return true }
        let own = self.store.identity.replica
        func isDialedByLesser(_ link: PeerLink) -> Bool { (link.dialed != nil) == (own < link.peer!) }
        if other.hello!.nonce == link.hello!.nonce, isDialedByLesser(other), !isDialedByLesser(link) { return false }
        self.close(other, because: nil)
        return true
    }

    func storeMembers(at now: Instant) {
        self.peers!.tickIsMixed = true
        _ = self.store.setControl(.members, self.peers!.table.encoded)
        for address in self.peers!.table.addresses { self.perform(self.peers!.dialer.handle(.learned(address), at: now)) }
    }

    // MARK: Founding

    func advanceFounding(_ event: Founding.Event, at now: Instant) {
        guard self.peers!.founding != nil else { return }
        for action in self.peers!.founding!.handle(event) {
            switch action {
            case .store(let offer):
                self.adoptNow(self.store.identity, control: [.founding: offer.encoded])
                self.advanceFounding(.stored, at: now)
            case .offer(let offer, let peer):
                self.foundingLink(to: peer).map { self.send(.offer(offer.encoded), on: $0) }
            case .answer(let offer, let peer):
                self.foundingLink(to: peer).map { self.send(.answer(offer.encoded), on: $0) }
            case .found(let offer):
                self.found(Identity(cluster: offer.cluster, digestKey: offer.digestKey, replica: self.store.identity.replica))
            }
        }
    }

    private func foundingLink(to replica: ReplicaID) -> PeerLink? { self.peers!.links.first { $0.state == .founding && $0.peer == replica } }

    private func found(_ identity: Identity) {
        self.adoptNow(identity, control: [:])
        self.peers!.founding = nil
        self.tell("founded cluster \(identity.cluster)")
        for link in self.peers!.links where !link.isClosing { self.close(link, because: nil) }
    }

    /// A node that has nobody to ask but itself founds a cluster alone.
    private func foundAloneIfOnlySelf(at now: Instant) {
        guard !self.store.isFounded, self.peers!.founding == nil, self.peers!.dialer.isAlone else { return }
        self.found(self.peers!.candidate)
    }

    /// - Note: What fails here stops the process: the disk cannot be written before the first write.
    private func adoptNow(_ identity: Identity, control: [ControlKey: [UInt8]]) {
        do throws(StoreError) { try self.store.adopt(identity, control: control) } catch { self.peerFailure = error }
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

    func tell(_ text: String) { self.peers!.requests.append(.tell(text)) }

    /// Queues a message that depends on everything applied so far, or on nothing.
    func send(_ message: PeerMessage, on link: PeerLink, dependsOn position: LogPosition = 0) {
        var bytes: [UInt8] = []
        PeerWire.append(message, to: &bytes)
        link.output.append(bytes, dependsOn: position)
    }
}
