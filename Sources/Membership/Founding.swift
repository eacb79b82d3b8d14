import Basics
import Digests

/// How n empty nodes, each started with `--expect n`, found one cluster together.
///
/// Once n have met, the smallest of them, the *proposer*, draws an offer, accepts it durably itself, and sends it to the others. Each accepts
/// one offer, durably, and answers every later one with that one. The proposer founds when the other n - 1 have answered with its offer.
///
/// What is safe: only its proposer founds an offer, and only while all n have accepted it. An acceptance of another's offer is never taken
/// back, since that proposer may have counted it. A proposer may take back its own in one case only: when a member that it lists
/// has accepted a third node's offer, which that member never takes back, so that its own can never be founded. Therefore a node is in at most
/// one offer that is ever founded, and the same n nodes never found two clusters, whatever is lost, delayed, repeated or restarted.
///
/// With exactly n nodes there is one list, one proposer and one offer, and they found once all are up and linked. With more, or
/// with one that was emptied halfway, nodes may end up with acceptances that nobody can use; `situation` names them.
///
/// - Invariant: what `.offer` and `.answer` carry is durable here. `acceptances` and `refusals` concern our own offer, and each other.
/// - Bound: one store under way; at most n - 1 acceptances and refusals; of the rest one entry for each linked node, which the driver limits.
/// - Source: the promise of an acceptor in Lamport, "Paxos Made Simple" (2001), §2.2, with one ballot and all n as the quorum. Ours: the
///   smallest member as proposer, so that nodes that know the same n never compete.
package struct Founding: Equatable, Sendable {
    package enum Event: Equatable, Sendable {
        /// A link to another unfounded node that expects the same n is up; once more for each new link to it.
        case met(ReplicaID)
        /// No link to it is left, or it is unfounded no longer.
        case lost(ReplicaID)
        case offered(Offer, by: ReplicaID)
        /// The peer's standing acceptance, of our offer or of another.
        case answered(Offer, by: ReplicaID)
        /// The offer of the last `.store` is durable as the one that this node has accepted.
        case stored
    }

    package enum Action: Equatable, Sendable {
        /// Makes the offer the accepted one on disk, in place of any other.
        case store(Offer)
        case offer(Offer, to: ReplicaID)
        case answer(Offer, to: ReplicaID)
        /// All have accepted our offer. The driver makes the identity durable, then tells everybody as a member of the new cluster.
        case found(Offer)
    }

    enum State: Equatable, Sendable {
        case meeting
        case storing(Offer)
        case accepted(Offer)
        case founded(Offer)
    }

    /// A listed member's answer with another offer than ours.
    struct Refusal: Equatable, Sendable {
        let member: ReplicaID
        /// Whose offer it has accepted.
        let proposer: ReplicaID
        /// A member that accepted another's offer never takes ours; one that made its own may yet have to.
        var isFinal: Bool { self.member != self.proposer }
    }

    package let replica: ReplicaID
    package let expected: Int
    /// The identity that this node would offer, drawn beforehand. It is known to nobody before it is stored.
    private let cluster: ClusterID
    private let digestKey: DigestKey
    private(set) var state = State.meeting
    /// Unfounded nodes that are linked, ascending.
    private(set) var met: [ReplicaID] = []
    /// Whom to answer once the store under way has ended, ascending.
    private var asking: [ReplicaID] = []
    /// Who has accepted our offer, ascending.
    private(set) var acceptances: [ReplicaID] = []
    /// Who has accepted another, ascending.
    private(set) var refusals: [Refusal] = []

    /// - Parameters:
    ///   - accepted: what was stored before a restart.
    ///   - generator: where the identity comes from that is offered if this node is the proposer. Production passes the system's: the first
    ///     outputs of a seeded one become the cluster id, which is public, and would give away the digest key.
    /// - Throws: where the folder's acceptance does not go with this node; it is kept, and the operator decides.
    package init(
        replica: ReplicaID, expected: Int, accepted: Offer?, using generator: inout some RandomNumberGenerator
    ) throws(UnusableAcceptance) {
        precondition((2...Offer.maximumFounders).contains(expected), "\(expected) nodes cannot found a cluster")
        (self.replica, self.expected) = (replica, expected)
        (self.cluster, self.digestKey) = (ClusterID(using: &generator), DigestKey(using: &generator))
        guard let accepted else { return }
        guard accepted.lists(replica) else { throw .otherReplicas(proposer: accepted.proposer) }
        guard accepted.members.count == expected else { throw .otherCount(accepted.members.count, expected: expected) }
        self.state = .accepted(accepted)
    }

    /// The offer that this node has accepted durably. Of a founded member it adopts this cluster and no other.
    package var accepted: Offer? {
        switch self.state {
        case .meeting, .storing: nil
        case .accepted(let offer), .founded(let offer): offer
        }
    }

    package mutating func handle(_ event: Event) -> [Action] {
        switch event {
        case .met(let peer): return self.meet(peer)
        case .lost(let peer):
            self.met.removeAll { $0 == peer }
            self.asking.removeAll { $0 == peer }
            return self.proposeIfDue()  // One fewer may be the right number, and the least of those left may be we.
        case .offered(let offer, let peer):
            guard peer == offer.proposer, peer != self.replica, self.concerns(offer) else { return [] }
            return self.consider(offer, by: peer)
        case .answered(let offer, let peer):
            guard peer != self.replica, offer.lists(peer), offer.members.count == self.expected else { return [] }
            return self.count(offer, by: peer)
        case .stored: return self.finishStore()
        }
    }

    private mutating func meet(_ peer: ReplicaID) -> [Action] {
        guard peer != self.replica else { return [] }  // A copy of our folder; the handshake tells.
        self.met.insertInOrder(peer)
        switch self.state {
        case .meeting: return self.proposeIfDue()
        case .accepted(let offer) where offer.proposer == self.replica && offer.lists(peer) && !self.acceptances.contains(peer):
            return [.offer(offer, to: peer)]  // Also what it had on the link before: neither we nor it may remember.
        case .storing, .accepted, .founded: return []
        }
    }

    private mutating func proposeIfDue() -> [Action] {
        guard self.state == .meeting, self.met.count == self.expected - 1, self.replica < self.met[0] else { return [] }
        return self.store(Offer(cluster: self.cluster, digestKey: self.digestKey, members: [self.replica] + self.met))
    }

    /// An offer that may be accepted, as far as it goes: it lists as many as are expected, and us.
    private func concerns(_ offer: Offer) -> Bool {
        offer.members.count == self.expected && offer.lists(self.replica)
    }

    private mutating func consider(_ offer: Offer, by peer: ReplicaID) -> [Action] {
        switch self.state {
        case .meeting:
            self.asking.insertInOrder(peer)
            return self.store(offer)
        case .storing:
            self.asking.insertInOrder(peer)
            return []
        case .accepted where self.isOwnOfferLost:
            self.asking.insertInOrder(peer)
            return self.store(offer)
        case .accepted(let accepted), .founded(let accepted):
            return [.answer(accepted, to: peer)]
        }
    }

    private mutating func count(_ offer: Offer, by peer: ReplicaID) -> [Action] {
        switch self.state {
        case .meeting:
            // We have no memory of having asked: a restored folder. Nothing is accepted, so anything may be, an offer of our own too.
            return self.concerns(offer) ? self.store(offer) : []
        case .accepted(let own) where own.proposer == self.replica:
            guard own.lists(peer), !self.acceptances.contains(peer) else { return [] }
            guard offer == own else { return self.noteRefusal(Refusal(member: peer, proposer: offer.proposer), showing: offer) }
            self.refusals.removeAll { $0.member == peer }  // It made an offer of its own, and took ours when that was lost.
            self.acceptances.insertInOrder(peer)
            guard self.acceptances.count == self.expected - 1 else { return [] }
            self.state = .founded(own)
            return [.found(own)]
        case .storing, .accepted, .founded:
            return []  // Late, or repeated.
        }
    }

    private mutating func noteRefusal(_ refusal: Refusal, showing offer: Offer) -> [Action] {
        if let index = self.refusals.firstIndex(where: { $0.member == refusal.member }) {
            if !self.refusals[index].isFinal { self.refusals[index] = refusal }
        } else {
            let index = self.refusals.firstIndex { $0.member > refusal.member } ?? self.refusals.endIndex
            self.refusals.insert(refusal, at: index)
        }
        // An older offer of ours, by a folder since restored, is not gone back to: others may stand by the present one, and we would alternate.
        guard self.isOwnOfferLost, offer.proposer != self.replica, self.concerns(offer) else { return [] }
        return self.store(offer)
    }

    /// Our own offer can never be founded, so our acceptance of it promises nothing. Never so of another's: `refusals` is empty then.
    private var isOwnOfferLost: Bool { self.refusals.contains(where: \.isFinal) }

    private mutating func store(_ offer: Offer) -> [Action] {
        (self.acceptances, self.refusals) = ([], [])
        self.state = .storing(offer)
        return [.store(offer)]
    }

    private mutating func finishStore() -> [Action] {
        guard case .storing(let offer) = self.state else { preconditionFailure("stored out of order in \(self)") }
        self.state = .accepted(offer)
        defer { self.asking = [] }
        if offer.proposer == self.replica {
            return self.asking.map { .answer(offer, to: $0) } + self.met.filter(offer.lists).map { .offer(offer, to: $0) }
        }
        if self.met.contains(offer.proposer) { self.asking.insertInOrder(offer.proposer) }
        return self.asking.map { .answer(offer, to: $0) }
    }
}

/// Why what a folder has accepted cannot be gone on with.
package enum UnusableAcceptance: Error, Equatable, Sendable {
    /// The offer does not list this replica: the folder's identity has changed since.
    case otherReplicas(proposer: ReplicaID)
    case otherCount(Int, expected: Int)
}

extension UnusableAcceptance: CustomStringConvertible {
    package var description: String {
        switch self {
        case .otherReplicas(let proposer):
            "this folder has accepted the offer of \(proposer) under another replica id; empty it to start over"
        case .otherCount(let count, let expected):
            "this folder has accepted to found a cluster of \(count), not of \(expected); start with --expect \(count), or empty it to start over"
        }
    }
}

extension [ReplicaID] {
    /// Inserts into ascending ids, once.
    fileprivate mutating func insertInOrder(_ replica: ReplicaID) {
        let index = self.firstIndex { $0 >= replica } ?? self.endIndex
        if index == self.endIndex || self[index] != replica { self.insert(replica, at: index) }
    }
}
