import Basics
import Digests
import Membership
import Testing

/// A founding of node `number`, whose identity is drawn from its number.
private func founding(_ number: UInt64, of expected: Int, accepted: Offer? = nil) throws -> Founding {
    var generator = SplitMix64(seed: number)
    return try Founding(replica: replica(number), expected: expected, accepted: accepted, using: &generator)
}

/// What `founding(members[0], ...)` offers.
private func drawn(_ members: [UInt64]) -> Offer { offer(members, seed: members[0]) }

/// A proposer that has stored its offer and sent it to all.
private func proposer(_ members: [UInt64]) throws -> Founding {
    var founding = try founding(members[0], of: members.count)
    for other in members.dropFirst() { _ = founding.handle(.met(replica(other))) }
    _ = founding.handle(.stored)
    return founding
}

@Suite struct FoundingTests {
    @Test func `the smallest of n that have met stores its offer, sends it, and founds when all have accepted`() throws {
        var founding = try founding(1, of: 3)
        let own = drawn([1, 2, 3])
        #expect(founding.handle(.met(replica(3))) == [])
        #expect(founding.handle(.met(replica(2))) == [.store(own)])
        #expect(founding.accepted == nil)
        #expect(founding.handle(.stored) == [.offer(own, to: replica(2)), .offer(own, to: replica(3))])
        #expect(founding.accepted == own)
        #expect(founding.handle(.answered(own, by: replica(3))) == [])
        #expect(founding.handle(.answered(own, by: replica(3))) == [])
        #expect(founding.handle(.answered(own, by: replica(2))) == [.found(own)])
        #expect(founding.handle(.answered(own, by: replica(2))) == [])
        #expect(founding.handle(.met(replica(2))) == [])
    }

    @Test func `one that is not the smallest waits for an offer, stores it before it answers, and never stores another`() throws {
        var founding = try founding(2, of: 3)
        let first = offer([1, 2, 3])
        for other in [1, 3] { #expect(founding.handle(.met(replica(UInt64(other)))) == []) }
        #expect(founding.handle(.offered(first, by: replica(1))) == [.store(first)])
        #expect(founding.accepted == nil)
        #expect(founding.handle(.stored) == [.answer(first, to: replica(1))])
        #expect(founding.accepted == first)
        let later = offer([0, 2, 3], seed: 9)
        #expect(founding.handle(.offered(later, by: replica(0))) == [.answer(first, to: replica(0))])
        #expect(founding.handle(.answered(later, by: replica(3))) == [])
        #expect(founding.accepted == first)
    }

    @Test func `whoever offers while one is being stored is answered once it is`() throws {
        var founding = try founding(2, of: 2)
        let first = offer([1, 2])
        _ = founding.handle(.offered(first, by: replica(1)))
        #expect(founding.handle(.offered(offer([0, 2]), by: replica(0))) == [])
        #expect(founding.handle(.offered(first, by: replica(1))) == [])
        #expect(founding.handle(.stored) == [.answer(first, to: replica(0)), .answer(first, to: replica(1))])
    }

    @Test func `offers that list another number, not us, or come from another than their smallest are not answered`() throws {
        var founding = try founding(2, of: 3)
        for (wrong, sender) in [([1, 2], 1), ([1, 2, 3, 4], 1), ([1, 3, 4], 1), ([1, 2, 3], 3), ([2, 3, 4], 2), ([2, 3, 4], 3)]
            as [([UInt64], UInt64)]
        {
            #expect(founding.handle(.offered(offer(wrong), by: replica(sender))) == [])
        }
        #expect(founding == (try Founding(replica: replica(2), expected: 3, accepted: nil, seed: 2)))
    }

    @Test func `answers of others than the listed, and impossible ones, count for nothing`() throws {
        var founding = try proposer([1, 2, 3])
        let (before, own) = (founding, drawn([1, 2, 3]))
        for (answer, sender) in [(own, 1), (own, 4), (offer([0, 3, 4]), 2), (offer([0, 2]), 2), (offer([0, 4, 5]), 4)] as [(Offer, UInt64)] {
            #expect(founding.handle(.answered(answer, by: replica(sender))) == [])
        }
        #expect(founding == before)
    }

    @Test func `a copy of our own folder is not met`() throws {
        var founding = try founding(1, of: 2)
        #expect(founding.handle(.met(replica(1))) == [])
        #expect(founding.situation == .waitingForOthers(met: 1, expected: 2))
    }

    @Test func `more than are expected do not found until some are gone`() throws {
        var founding = try founding(2, of: 2)
        #expect(founding.handle(.met(replica(1))) == [])
        #expect(founding.handle(.met(replica(3))) == [])
        #expect(founding.situation == .tooMany(met: 3, expected: 2))
        #expect(founding.handle(.lost(replica(1))) == [.store(drawn([2, 3]))])
    }
}

@Suite struct FoundingRestartTests {
    @Test func `a restarted proposer offers the same again to every listed member that it meets`() throws {
        let own = offer([1, 2, 3], seed: 77)
        var founding = try founding(1, of: 3, accepted: own)
        #expect(founding.handle(.met(replica(3))) == [.offer(own, to: replica(3))])
        #expect(founding.handle(.met(replica(9))) == [])
        #expect(founding.handle(.lost(replica(3))) == [])
        #expect(founding.handle(.met(replica(3))) == [.offer(own, to: replica(3))])
        #expect(founding.handle(.answered(own, by: replica(3))) == [])
        #expect(founding.handle(.met(replica(3))) == [])
        #expect(founding.handle(.met(replica(2))) == [.offer(own, to: replica(2))])
        #expect(founding.handle(.answered(own, by: replica(2))) == [.found(own)])
    }

    @Test func `a restarted acceptor keeps its acceptance and answers with it`() throws {
        let accepted = offer([1, 2])
        var founding = try founding(2, of: 2, accepted: accepted)
        #expect(founding.accepted == accepted)
        #expect(founding.handle(.met(replica(1))) == [])
        #expect(founding.handle(.offered(accepted, by: replica(1))) == [.answer(accepted, to: replica(1))])
        #expect(founding.handle(.met(replica(3))) == [])
    }

    @Test func `an acceptance that does not go with the node is refused and says what to do`() {
        let other = #expect(throws: UnusableAcceptance.otherReplicas(proposer: replica(1))) { try founding(3, of: 2, accepted: offer([1, 2])) }
        #expect(other?.description.contains("empty it to start over") == true)
        let count = #expect(throws: UnusableAcceptance.otherCount(2, expected: 3)) { try founding(2, of: 3, accepted: offer([1, 2])) }
        #expect(count?.description.contains("start with --expect 2, or empty it") == true)
    }
}

@Suite struct FoundingTakeOverTests {
    @Test func `a proposer keeps its offer while a member that refuses it may still have to take it`() throws {
        var founding = try proposer([1, 2])
        let own = drawn([1, 2])
        #expect(founding.handle(.answered(offer([2, 3]), by: replica(2))) == [])
        #expect(founding.handle(.offered(offer([0, 1]), by: replica(0))) == [.answer(own, to: replica(0))])
        #expect(founding.handle(.answered(own, by: replica(2))) == [.found(own)])
    }

    @Test func `a member that gave up its own offer for ours is waited for no longer, nor named`() throws {
        var founding = try proposer([1, 2, 3])
        _ = founding.handle(.answered(offer([2, 3, 4]), by: replica(2)))
        #expect(founding.situation == .blocked(by: replica(2), offerOf: replica(2), expected: 3))
        _ = founding.handle(.answered(drawn([1, 2, 3]), by: replica(2)))
        #expect(founding.situation == .waitingForAcceptance(of: [replica(3)], absent: []))
    }

    @Test func `a proposer whose offer is lost takes over the one that the answer shows`() throws {
        var founding = try proposer([2, 3, 4])
        let other = offer([1, 2, 3])
        #expect(founding.handle(.answered(other, by: replica(3))) == [.store(other)])
        #expect(founding.accepted == nil)
        _ = founding.handle(.met(replica(1)))
        #expect(founding.handle(.stored) == [.answer(other, to: replica(1))])
        #expect(founding.accepted == other)
        #expect(founding.handle(.answered(drawn([2, 3, 4]), by: replica(4))) == [])
        #expect(founding.situation == .waitingForFounding(by: replica(1), isConnected: true))
    }

    @Test func `a proposer whose offer is lost to one that does not list it takes a later offer`() throws {
        var founding = try proposer([2, 3, 4])
        #expect(founding.handle(.answered(offer([1, 3, 5]), by: replica(3))) == [])
        #expect(founding.situation == .blocked(by: replica(3), offerOf: replica(1), expected: 3))
        let other = offer([0, 2, 6])
        #expect(founding.handle(.offered(other, by: replica(0))) == [.store(other)])
        #expect(founding.handle(.stored) == [.answer(other, to: replica(0))])
        // That was not its own, so it stays, whatever comes.
        #expect(founding.handle(.offered(offer([1, 2, 7]), by: replica(1))) == [.answer(other, to: replica(1))])
        #expect(founding.accepted == other)
    }

    @Test func `a proposer does not alternate between its offer and one that it made before its folder was restored`() throws {
        var founding = try proposer([1, 2, 3])
        #expect(founding.handle(.answered(offer([1, 2, 3], seed: 99), by: replica(2))) == [])
        #expect(founding.accepted == drawn([1, 2, 3]))
        #expect(founding.situation == .blocked(by: replica(2), offerOf: replica(1), expected: 3))
    }

    @Test func `a final refusal is not undone by an older answer`() throws {
        var founding = try proposer([1, 2, 3])
        _ = founding.handle(.answered(offer([0, 2, 4]), by: replica(2)))
        _ = founding.handle(.answered(offer([2, 3, 4]), by: replica(2)))
        #expect(founding.situation == .blocked(by: replica(2), offerOf: replica(0), expected: 3))
    }

    @Test func `one that has accepted nothing may accept what an answer shows, an offer of its own too`() throws {
        for other in [offer([1, 2]), offer([2, 3])] {
            let peer = other.members.first { $0 != replica(2) }!
            var founding = try founding(2, of: 2)
            #expect(founding.handle(.answered(other, by: peer)) == [.store(other)])
        }
        var unlisted = try founding(2, of: 2)
        #expect(unlisted.handle(.answered(offer([1, 3]), by: replica(3))) == [])
    }
}

@Suite struct FoundingSituationTests {
    private func text(_ founding: Founding) -> String { founding.situation.description }

    @Test func `every situation tells a person what is waited for`() throws {
        var one = try founding(1, of: 3)
        #expect(text(one) == "waiting for 2 of 3: 1 has met")
        _ = one.handle(.met(replica(2)))
        #expect(text(one) == "waiting for 1 of 3: 2 have met")
        _ = one.handle(.met(replica(3)))
        #expect(text(one) == "storing the offer of \(replica(1))")
        _ = one.handle(.stored)
        #expect(text(one) == "waiting for the acceptance of \(replica(2)), \(replica(3))")
        _ = one.handle(.answered(drawn([1, 2, 3]), by: replica(2)))
        #expect(text(one) == "waiting for the acceptance of \(replica(3))")
        _ = one.handle(.lost(replica(3)))
        #expect(text(one) == "waiting for the acceptance of \(replica(3)) (not connected)")
        var blocked = one
        _ = blocked.handle(.answered(offer([0, 2, 3]), by: replica(3)))
        #expect(
            text(blocked) == "\(replica(3)) has accepted another offer, by \(replica(0)); empty the folders of all 3 to start over")
        _ = one.handle(.answered(drawn([1, 2, 3]), by: replica(3)))
        #expect(text(one) == "founded cluster \(drawn([1, 2, 3]).cluster)")
    }

    @Test func `one that waits for another names it`() throws {
        var two = try founding(2, of: 2)
        _ = two.handle(.met(replica(1)))
        #expect(text(two) == "all have met, waiting for the offer of \(replica(1))")
        _ = two.handle(.met(replica(3)))
        #expect(text(two) == "3 have met, but 2 are expected: stop those that are too many, and let them join later")
        _ = two.handle(.offered(offer([1, 2]), by: replica(1)))
        _ = two.handle(.stored)
        #expect(text(two) == "accepted the offer of \(replica(1)), waiting for it to found")
        _ = two.handle(.lost(replica(1)))
        #expect(text(two) == "accepted the offer of \(replica(1)), waiting for it to found (not connected)")
    }

    @Test func `of many that are missing three are named`() throws {
        let founding = try proposer(Array(1...6))
        #expect(text(founding) == "waiting for the acceptance of \(replica(2)), \(replica(3)), \(replica(4)) and 2 more")
    }
}

extension Founding {
    fileprivate init(replica: ReplicaID, expected: Int, accepted: Offer?, seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        try self.init(replica: replica, expected: expected, accepted: accepted, using: &generator)
    }
}
