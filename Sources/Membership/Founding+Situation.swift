import Basics

extension Founding {
    /// Where founding stands, for a person: the log, status commands, the answer to a client that comes too early.
    package enum Situation: Equatable, Sendable {
        /// `met` counts this node too.
        case waitingForOthers(met: Int, expected: Int)
        case tooMany(met: Int, expected: Int)
        case waitingForOffer(of: ReplicaID)
        case storing(offerOf: ReplicaID)
        /// `absent` are those of them that are not connected.
        case waitingForAcceptance(of: [ReplicaID], absent: [ReplicaID])
        case waitingForFounding(by: ReplicaID, isConnected: Bool)
        /// One that we list has accepted another offer, so that ours waits for ever, or until that one has to give up its own.
        case blocked(by: ReplicaID, offerOf: ReplicaID, expected: Int)
        case founded(ClusterID)
    }

    package var situation: Situation {
        switch self.state {
        case .meeting where self.met.count < self.expected - 1:
            return .waitingForOthers(met: self.met.count + 1, expected: self.expected)
        case .meeting where self.met.count > self.expected - 1:
            return .tooMany(met: self.met.count + 1, expected: self.expected)
        case .meeting:
            return .waitingForOffer(of: self.met[0])  // Were we the smallest, we would be storing one.
        case .storing(let offer):
            return .storing(offerOf: offer.proposer)
        case .accepted(let offer) where offer.proposer == self.replica:
            if let refusal = self.refusals.first(where: \.isFinal) ?? self.refusals.first {
                return .blocked(by: refusal.member, offerOf: refusal.proposer, expected: self.expected)
            }
            let missing = offer.members.filter { $0 != self.replica && !self.acceptances.contains($0) }
            return .waitingForAcceptance(of: missing, absent: missing.filter { !self.met.contains($0) })
        case .accepted(let offer):
            return .waitingForFounding(by: offer.proposer, isConnected: self.met.contains(offer.proposer))
        case .founded(let offer):
            return .founded(offer.cluster)
        }
    }
}

extension Founding.Situation: CustomStringConvertible {
    /// One line, without a full stop.
    package var description: String {
        switch self {
        case .waitingForOthers(let met, let expected):
            "waiting for \(expected - met) of \(expected): \(met) \(met == 1 ? "has" : "have") met"
        case .tooMany(let met, let expected):
            "\(met) have met, but \(expected) are expected: stop those that are too many, and let them join later"
        case .waitingForOffer(let proposer):
            "all have met, waiting for the offer of \(proposer)"
        case .storing(let proposer):
            "storing the offer of \(proposer)"
        case .waitingForAcceptance(let missing, let absent):
            "waiting for the acceptance of " + list(missing) { "\($0)" + (absent.contains($0) ? " (not connected)" : "") }
        case .waitingForFounding(let proposer, let isConnected):
            "accepted the offer of \(proposer), waiting for it to found" + (isConnected ? "" : " (not connected)")
        case .blocked(let member, let proposer, let expected):
            "\(member) has accepted another offer, by \(proposer); empty the folders of all \(expected) to start over"
        case .founded(let cluster):
            "founded cluster \(cluster)"
        }
    }
}

/// Three by name and the rest as a number: 64 ids would be no line.
private func list(_ replicas: [ReplicaID], describe: (ReplicaID) -> String) -> String {
    let named = replicas.prefix(3).map(describe).joined(separator: ", ")
    return replicas.count > 3 ? "\(named) and \(replicas.count - 3) more" : named
}
