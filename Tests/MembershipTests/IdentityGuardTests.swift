import Basics
import Membership
import Testing

/// I20: who may write under its id.
@Suite struct IdentityGuardTests {
    private let start = Start(counter: 5, nonce: 50)
    private let name = try! MemberName("n2")
    private func now(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func identity(_ members: [UInt64]) -> IdentityGuard {
        IdentityGuard(start: self.start, members: members.map(replica), patience: .seconds(2), at: self.now(0))
    }

    private func memory(_ counter: UInt64 = 4, nonce: UInt64 = 40, sequence: UInt64 = 9, hasForgotten: Bool = false) -> IdentityGuard.Memory {
        IdentityGuard.Memory(start: Start(counter: counter, nonce: nonce), sequence: sequence, hasForgotten: hasForgotten)
    }

    @Test func `who is alone may write at once`() { #expect(self.identity([]).state == .sure) }

    @Test func `nothing is written before every other member has answered`() {
        var identity = self.identity([2, 3])
        #expect(identity.isAsking && identity.deadline == self.now(2_000))
        let first = identity.answered(replica(2), named: self.name, self.memory(), ownSequence: 9)
        #expect(first == nil && identity.isAsking && identity.unanswered == [replica(3)])
        let repeated = identity.answered(replica(2), named: self.name, self.memory(), ownSequence: 9)
        #expect(repeated == nil && identity.isAsking)
        let second = identity.answered(replica(3), named: self.name, self.memory(5, nonce: 50), ownSequence: 9)
        #expect(second == nil && identity.state == .sure && identity.deadline == nil)
    }

    @Test func `what a member remembers and the store does not shows an older copy, at once and later`() {
        for isLater in [false, true] {
            var identity = self.identity(isLater ? [] : [2, 3])
            let reasons = [
                self.memory(6, nonce: 1), self.memory(5, nonce: 51), self.memory(5, nonce: 49), self.memory(sequence: 10),
                self.memory(hasForgotten: true),
            ].map { identity.answered(replica(2), named: self.name, $0, ownSequence: 9) }
            let later = IdentityGuard.Reason.laterStart(knownBy: self.name)
            #expect(reasons == [later, later, later, .unknownWrites(of: self.name, theirs: 10, own: 9), .forgottenAnnouncement(to: self.name)])
        }
    }

    @Test func `silence costs the id when the time is over, and not before`() throws {
        var identity = self.identity([2, 3])
        _ = identity.answered(replica(3), named: self.name, self.memory(), ownSequence: 9)
        let before = identity.deadlinePassed(at: self.now(1_999))
        let after = identity.deadlinePassed(at: self.now(2_000))
        #expect(before == nil && after == .silence(of: [replica(2)]))
        identity.renewed(because: try #require(after))
        let renewed = identity.deadlinePassed(at: self.now(3_000))
        #expect(identity.state == .sure && renewed == nil)
    }

    @Test func `an id that could not be kept is taken again, and nothing is written under the old one meanwhile`() throws {
        var identity = self.identity([2])
        let forgotten = identity.answered(replica(2), named: self.name, self.memory(sequence: 10), ownSequence: 9)
        identity.renewed(because: try #require(forgotten))
        #expect(identity.state == .sure)
        identity.tookBack(at: self.now(100))
        // Whatever is answered now: it was true once.
        _ = identity.answered(replica(2), named: self.name, self.memory(), ownSequence: 9)
        let (before, after) = (identity.deadlinePassed(at: self.now(1_099)), identity.deadlinePassed(at: self.now(1_100)))
        #expect(identity.isAsking && before == nil && after == forgotten)
    }

    @Test func `those who come to count have to answer too, those who go need not`() {
        var identity = self.identity([2, 3])
        identity.membersChanged(from: [replica(2), replica(3)], to: [replica(3), replica(4)])
        #expect(identity.unanswered == [replica(3), replica(4)])
        _ = identity.answered(replica(3), named: self.name, self.memory(), ownSequence: 9)
        identity.membersChanged(from: [replica(3), replica(4)], to: [replica(3)])
        #expect(identity.state == .sure)
        // Nobody has to be asked again.
        identity.membersChanged(from: [replica(3)], to: [replica(3), replica(5)])
        #expect(identity.state == .sure)
    }

    @Test func `a live process with the same id stops writes for good, whatever else comes`() {
        var identity = self.identity([2])
        identity.metTwin()
        let answers = [self.memory(), self.memory(6, nonce: 1)].map { identity.answered(replica(2), named: self.name, $0, ownSequence: 9) }
        #expect(answers == [nil, nil])
        identity.renewed(because: .silence(of: []))
        identity.tookBack(at: self.now(0))
        let reason = identity.deadlinePassed(at: self.now(9_000))
        #expect(identity.state == .contested && reason == nil)
    }
}
