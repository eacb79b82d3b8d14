import Basics
import Digests
import Membership
import PeerWire
import Storage

/// How a node comes to belong to a cluster: it founds one, alone or with others, or a member lets it in.
extension Replica {
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
                let identity = Identity(cluster: offer.cluster, digestKey: offer.digestKey, replica: self.store.identity.replica)
                self.found(identity, with: offer.members)
            }
        }
    }

    func foundingLink(to replica: ReplicaID) -> PeerLink? { self.peers!.links.first { $0.state == .founding && $0.peer == replica } }

    private func found(_ identity: Identity, with founders: [ReplicaID]) {
        let roster = self.describingOurselves(Roster(founders: founders))
        self.adoptNow(identity, control: [.members: roster.encoded])
        self.peers!.founding = nil
        self.peers!.table.moved(to: identity.replica, roster: roster)
        self.tell("founded cluster \(identity.cluster)")
        for link in self.peers!.links where !link.isClosing { self.close(link, because: nil) }
    }

    /// A node that has nobody to ask but itself founds a cluster alone.
    func foundAloneIfOnlySelf(at now: Instant) {
        guard !self.store.isFounded, self.formerRoster == nil, self.peers!.founding == nil, self.peers!.dialer.isAlone else { return }
        self.found(self.peers!.candidate, with: [self.peers!.candidate.replica])
    }

    /// - Note: What fails here stops the process: the disk cannot be written before the first write.
    private func adoptNow(_ identity: Identity, control: [ControlKey: [UInt8]]) {
        do throws(StoreError) { try self.store.adopt(identity, control: control) } catch { self.peerFailure = error }
    }

    // MARK: Letting in, and being let in

    /// Lets the other side in, as a member from now on: it counts before it has got anything. It says hello again once it has what it needs.
    func welcome(_ link: PeerLink, at now: Instant) {
        let hello = link.hello!
        guard let member = Member(hello) else { return self.refuse(link, because: "\(hello.name) is no name") }
        let (linked, before) = (self.peers!.linked, self.peers!.table.roster)
        do throws(RosterRefusal) {
            // Who has not everything lets nobody take another's place: that may be the last who has.
            let isReachable = { self.isJoining || linked.contains($0) }
            let isNew = try self.peers!.table.change { roster throws(RosterRefusal) in try roster.admit(member, isReachable: isReachable) }
            if isNew { self.rosterChanged(from: before, at: now) }
        } catch {
            if case .gone = error { self.send(.usedUp, on: link) }
            return self.refuse(link, because: Self.text(of: error))
        }
        link.state = .founding
        let roster = self.peers!.table.encodedRoster
        self.send(.welcome(digestKey: self.store.identity.digestKey.bytes, roster: roster), on: link, dependsOn: self.store.appliedPosition)
    }

    /// This node was let in once, and replaced before it heard of it. It holds nothing, so that another id costs nothing.
    func renewEmpty(on link: PeerLink) throws(StoreError) {
        guard !self.store.isFounded, self.store.isEmpty else { return self.refuse(link, because: "it sent a message out of order") }
        var identity = self.store.identity
        identity.replica = self.peers!.drawReplica()
        try self.store.adopt(identity, control: self.store.control(.formerMembers).map { [.formerMembers: $0] } ?? [:])
        self.resumeClock()
        self.peers!.founding = nil
        self.peers!.table.moved(to: identity.replica, roster: Roster())
        self.tell("asks to be let in under the new replica id \(identity.replica)")
        for other in self.peers!.links where !other.isClosing { self.close(other, because: nil) }
    }

    static func text(of refusal: RosterRefusal) -> String {
        guard case .gone(let status) = refusal else { return "\(refusal)" }
        return "it \(status.text); with an empty data folder it can join anew"
    }

    func awaitWelcome(_ link: PeerLink) {
        link.state = .founding
        link.reader.maximumMessageBytes = PeerWire.maximumIntroductionBytes
        if let accepted = self.peers!.founding?.accepted, accepted.cluster != link.hello!.cluster {
            self.refuse(link, because: "it belongs to cluster \(link.hello!.cluster), and this node has accepted to found \(accepted.cluster)")
        }
    }

    /// A member of another cluster has let this node in: it belongs to that from now on, with everything still to get.
    func joinCluster(_ digestKey: [UInt8], _ roster: [UInt8], on link: PeerLink, at now: Instant) throws(StoreError) {
        let own = self.store.identity.replica
        guard link.state == .founding, let hello = link.hello, !hello.cluster.isNone, self.ownHello.cluster != hello.cluster, self.store.isEmpty
        else {
            return self.close(link, because: "it sent a welcome that nobody waits for")
        }
        guard let roster = roster.withUnsafeBytes({ try? Roster(decoding: $0) }), roster.isActive(own) else {
            return self.refuse(link, because: "it sent a welcome to somebody else")
        }
        let identity = Identity(cluster: hello.cluster, digestKey: DigestKey(bytes: digestKey), replica: own)
        // A founder of this cluster has nothing to get: it counts as complete once its root is a complete member's.
        try self.store.adopt(identity, control: [.joining: [1], .members: roster.encoded])
        self.peers!.founding = nil
        self.peers!.table.moved(to: own, roster: roster)
        self.learnAddresses(before: [], at: now)
        self.tell("joined cluster \(identity.cluster) through \(hello.name)")
        // Everybody has to hear who we are now.
        for other in self.peers!.links where !other.isClosing { self.close(other, because: nil) }
    }
}

extension Member {
    /// What a node says of itself; nil where its name is none.
    init?(_ hello: Hello) {
        guard let name = try? MemberName(hello.name) else { return nil }
        self.init(
            replica: hello.replica, name: name, address: hello.host.flatMap { try? PeerAddress(host: $0, port: hello.port) }, start: hello.start)
    }
}
