import Basics

/// Which addresses a node dials, and when: every seed and every known member that no link reaches, for ever.
///
/// The first try comes at once; after a failure the next waits 100 ms, doubling to 5 s, each wait multiplied by 0.5 to 1.5, so that nodes that lost
/// each other together do not come back together. After a link that was up is lost, the waits start from the short end again.
///
/// Each `.dial` is answered by exactly one of `.connected`, `.isSelf` and `.failed`. `.linked` comes with the first link to a replica, whoever
/// dialled, and may come again; `.unlinked` comes after its last. `.connected` alone is no link: what was dialled may have been one too many.
///
/// - Invariant: an address has one target, so it is never dialled twice at once. No target waits while its replica is linked, none rests
///   while it is not, and one that showed to be this node is never dialled again.
/// - Bound: `maximumDials` under way, the longest due first; `maximumAddresses` targets, beyond which none is learned. An event costs one pass.
/// - Source: ours; jitter against synchronised retries: Floyd and Jacobson, "The Synchronization of Periodic Routing Messages" (SIGCOMM 1993).
package struct Dialer: Equatable, Sendable {
    package enum Event: Equatable, Sendable {
        case started
        /// A member's address.
        case learned(PeerAddress)
        /// No member has this address any longer. A seed stays.
        case forgot(PeerAddress)
        /// The handshake of a dial has shown who listens there.
        case connected(PeerAddress, ReplicaID)
        /// The handshake of a dial has shown that we listen there.
        case isSelf(PeerAddress)
        /// A link exists, in either direction; `address` is where the peer says that it can be dialled.
        case linked(ReplicaID, address: PeerAddress?)
        case unlinked(ReplicaID)
        /// A dial was refused, timed out, or ended before its handshake did.
        case failed(PeerAddress)
        case deadlinePassed
    }

    package enum Action: Equatable, Sendable {
        case dial(PeerAddress)
    }

    private struct Target: Equatable, Sendable {
        let address: PeerAddress
        let isSeed: Bool
        /// False for one that was forgotten while it was being dialled: it goes when that ends.
        var isWanted = true
        /// Who was last seen there.
        var replica: ReplicaID?
        var failureCount = 0
        var phase: Phase

        var dueAt: Instant? { if case .waiting(let until) = self.phase { until } else { nil } }
    }

    private enum Phase: Equatable, Sendable {
        case waiting(until: Instant)
        case dialling
        /// A link to its replica exists.
        case resting
        case ourselves
    }

    private struct Link: Equatable, Sendable {
        let replica: ReplicaID
        let address: PeerAddress?
    }

    package static let maximumDials = 16
    package static let maximumAddresses = 4_096

    private var generator: SplitMix64
    private var isStarted = false
    /// Ascending by address.
    private var targets: [Target]
    /// Ascending by replica.
    private var links: [Link] = []

    /// - Precondition: There are at most `maximumAddresses` seeds.
    package init(seeds: [PeerAddress], generator: SplitMix64) {
        precondition(seeds.count <= Self.maximumAddresses, "\(seeds.count) seeds")
        self.generator = generator
        self.targets = []
        for seed in seeds { self.add(seed, isSeed: true, at: Instant(nanoseconds: 0)) }
    }

    /// True where every address is this node's own.
    package var isAlone: Bool { self.targets.allSatisfy { $0.phase == .ourselves } }

    /// When the next address is due. None while as many dials as may be are under way: the end of one starts the next.
    ///
    /// Kept, as it is asked for several times in every tick.
    package private(set) var deadline: Instant?

    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        switch event {
        case .started: self.isStarted = true
        case .deadlinePassed: break
        case .learned(let address): self.add(address, isSeed: false, at: now)
        case .forgot(let address):
            if let index = self.index(of: address), !self.targets[index].isSeed { self.targets[index].isWanted = false }
        case .connected(let address, let replica):
            let index = self.endDial(of: address, event)
            self.targets[index].replica = replica
            self.delay(index, at: now)  // If no link comes of it, this was a failure.
        case .failed(let address): self.delay(self.endDial(of: address, event), at: now)
        case .isSelf(let address): self.targets[self.endDial(of: address, event)].phase = .ourselves
        case .linked(let replica, let address):
            self.links.removeAll { $0.replica == replica }
            let index = self.links.firstIndex { $0.replica > replica } ?? self.links.endIndex
            self.links.insert(Link(replica: replica, address: address), at: index)
            if let address, let index = self.index(of: address) { self.targets[index].replica = replica }
        case .unlinked(let replica): self.links.removeAll { $0.replica == replica }
        }
        self.settle(at: now)
        let actions = self.dialDue(at: now)
        self.deadline = self.isStarted && self.freeDials > 0 ? self.targets.lazy.compactMap(\.dueAt).min() : nil
        return actions
    }

    private mutating func add(_ address: PeerAddress, isSeed: Bool, at now: Instant) {
        let index = self.targets.partitionIndex { $0.address >= address }
        if index < self.targets.count, self.targets[index].address == address {
            self.targets[index].isWanted = true
        } else if self.targets.count < Self.maximumAddresses {
            let replica = self.links.first { $0.address == address }?.replica
            self.targets.insert(Target(address: address, isSeed: isSeed, replica: replica, phase: .waiting(until: now)), at: index)
        }
    }

    private func index(of address: PeerAddress) -> Int? {
        let index = self.targets.partitionIndex { $0.address >= address }
        return index < self.targets.count && self.targets[index].address == address ? index : nil
    }

    private func endDial(of address: PeerAddress, _ event: Event) -> Int {
        guard let index = self.index(of: address), self.targets[index].phase == .dialling else {
            preconditionFailure("\(event), which was not being dialled, in \(self)")
        }
        return index
    }

    private mutating func delay(_ index: Int, at now: Instant) {
        self.targets[index].failureCount += 1
        let jitter = 0.5 + Double(self.generator.next() >> 11) * 0x1p-53
        self.targets[index].phase = .waiting(until: now + redialDelay(afterFailures: self.targets[index].failureCount, jitter: jitter))
    }

    /// Brings every target in line with the links, and drops those that were forgotten.
    private mutating func settle(at now: Instant) {
        // What showed to be this node is remembered even so: it may be learned again.
        self.targets.removeAll { !$0.isWanted && $0.phase != .dialling && $0.phase != .ourselves }
        for index in self.targets.indices {
            switch (self.targets[index].phase, self.isLinked(self.targets[index].replica)) {
            case (.waiting, true):
                self.targets[index].phase = .resting
                self.targets[index].failureCount = 0
            case (.resting, false): self.delay(index, at: now)
            case (.waiting, false), (.resting, true), (.dialling, _), (.ourselves, _): break
            }
        }
    }

    private func isLinked(_ replica: ReplicaID?) -> Bool {
        guard let replica else { return false }
        let index = self.links.partitionIndex { $0.replica >= replica }
        return index < self.links.count && self.links[index].replica == replica
    }

    private var freeDials: Int { Self.maximumDials - self.targets.count { $0.phase == .dialling } }

    private mutating func dialDue(at now: Instant) -> [Action] {
        let free = self.freeDials
        guard self.isStarted, free > 0 else { return [] }
        let due = self.targets.indices.compactMap { index in
            self.targets[index].dueAt.flatMap { $0 <= now ? (instant: $0, index: index) : nil }
        }
        let next = due.sorted { ($0.instant, $0.index) < ($1.instant, $1.index) }.prefix(free)
        for (_, index) in next { self.targets[index].phase = .dialling }
        return next.map { .dial(self.targets[$0.index].address) }
    }
}

/// How long an address waits after so many failures in a row: 100 ms, doubling to 5 s, times `jitter`.
package func redialDelay(afterFailures failures: Int, jitter: Double) -> Duration {
    precondition(failures > 0)
    let milliseconds = min(100 << min(failures - 1, 6), 5_000)  // 100 << 6 = 6,400, so more doublings change nothing.
    return .nanoseconds(Int64(Double(milliseconds) * 1e6 * jitter))
}

extension Array {
    /// The first index whose element and all that follow satisfy `isBehind`, in an array so ordered.
    fileprivate func partitionIndex(_ isBehind: (Element) -> Bool) -> Int {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
