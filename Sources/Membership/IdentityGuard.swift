import Basics

/// Whether a process may write under its store's replica id: two writes under one (replica id, sequence number) would be taken for one, and one of
/// them would be lost (I20).
///
/// A store that was restored from an older copy, or copied, does not know it. The others do: after each start every other member is asked what it remembers
/// of this one, and until all have answered nothing is written. What shows that the store has forgotten something makes the node take a new id, and so
/// does silence, as a member that is down may be the one that knows; the data stay.
///
/// - Invariant: once `sure`, never `asking` again. `contested` stays until the process ends.
/// - Source: ours, after the incarnations of Riak's vnode ids ("Epochs", riak_kv 2.1).
package struct IdentityGuard: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        /// No own writes yet.
        case asking(until: Instant)
        case sure
        /// Another live process has this id: neither may write.
        case contested
    }

    /// What a member remembers of this node, told in each handshake.
    package struct Memory: Equatable, Sendable {
        /// The last start of this id that the member knows of.
        package let start: Start
        /// The greatest sequence number of a write of this id that it has.
        package let sequence: UInt64
        /// This node once announced to have seen what it does not know now.
        package let hasForgotten: Bool

        package init(start: Start, sequence: UInt64, hasForgotten: Bool) {
            (self.start, self.sequence, self.hasForgotten) = (start, sequence, hasForgotten)
        }
    }

    /// Why a new id has to be taken.
    package enum Reason: Equatable, Sendable {
        case laterStart(knownBy: MemberName)
        case unknownWrites(of: MemberName, theirs: UInt64, own: UInt64)
        case forgottenAnnouncement(to: MemberName)
        case silence(of: [ReplicaID])
    }

    package private(set) var state: State
    private let start: Start
    /// Members that have not answered yet, ascending.
    package private(set) var unanswered: [ReplicaID]
    /// Why a new id was taken that could not be kept: it has to be taken all the same.
    private var standing: Reason?

    /// - Parameters:
    ///   - members: the others that count. Without any there is nobody who could know better.
    ///   - patience: how long they may take.
    package init(start: Start, members: [ReplicaID], patience: Duration, at now: Instant) {
        (self.start, self.unanswered) = (start, members.sorted())
        self.state = members.isEmpty ? .sure : .asking(until: now + patience)
    }

    package var deadline: Instant? { if case .asking(let until) = self.state { until } else { nil } }

    /// True while own writes have to wait.
    package var isAsking: Bool { if case .asking = self.state { true } else { false } }

    /// A member has told what it remembers.
    ///
    /// - Parameter sequence: that of this node's last write.
    package mutating func answered(_ member: ReplicaID, named name: MemberName, _ memory: Memory, ownSequence sequence: UInt64) -> Reason? {
        // Whose the id is an operator has to say.
        guard self.state != .contested else { return nil }
        // Of the same count with another nonce: two copies of one store have started.
        if memory.start.counter >= self.start.counter, memory.start != self.start { return .laterStart(knownBy: name) }
        if memory.sequence > sequence { return .unknownWrites(of: name, theirs: memory.sequence, own: sequence) }
        if memory.hasForgotten { return .forgottenAnnouncement(to: name) }
        self.unanswered.removeAll { $0 == member }
        self.becomeSure()
        return nil
    }

    /// Others count now. Those who are new have to answer too, while anybody has.
    package mutating func membersChanged(from before: [ReplicaID], to members: [ReplicaID]) {
        guard self.isAsking else { return }
        self.unanswered = members.filter { self.unanswered.contains($0) || !before.contains($0) }.sorted()
        self.becomeSure()
    }

    package mutating func deadlinePassed(at now: Instant) -> Reason? {
        guard case .asking(let until) = self.state, now >= until else { return nil }
        return self.standing ?? .silence(of: self.unanswered)
    }

    /// Another live process with this id has been met.
    package mutating func metTwin() { self.state = .contested }

    /// The node has taken an id that nobody ever had.
    package mutating func renewed(because reason: Reason) {
        guard self.state != .contested else { return }
        (self.state, self.unanswered, self.standing) = (.sure, [], reason)
    }

    /// The new id could not be made durable, and the node has the old one again: nothing may be written under that.
    package mutating func tookBack(at now: Instant) {
        guard self.state != .contested else { return }
        self.state = .asking(until: now + Self.retryPause)
    }

    /// The disk may have room by then.
    static let retryPause = Duration.seconds(1)

    private mutating func becomeSure() {
        if self.isAsking, self.unanswered.isEmpty, self.standing == nil { self.state = .sure }
    }
}

extension IdentityGuard.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .laterStart(let name): "\(name) knows a later start of this store: this is an older copy of it"
        case .unknownWrites(let name, let theirs, let own):
            "\(name) has \(theirs) writes of this store, which knows of \(own): this is an older copy of it"
        case .forgottenAnnouncement(let name): "\(name) was told of writes that this store does not know: this is an older copy of it"
        case .silence(let members): "\(members.count) of the members did not answer in time whether this store is its newest copy"
        }
    }
}
