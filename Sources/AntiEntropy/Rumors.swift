import Basics
import Versioning

/// Writes on their way to peers that may not have them: what a push message carries.
package struct Push: Equatable, Sendable {
    /// How many nodes have sent it before this one: 0 from the node that took the writes.
    package var hops: UInt8
    /// The replicas that it has been sent to, its sender and its origin among them; at most `maximumNamed`, ascending.
    package var named: [ReplicaID]
    /// Records, one behind the other, as a log has them. Never empty.
    package var records: [UInt8]

    package static let maximumNamed = 64
    /// A push that has come this far is told no further: any set of nodes is crossed in fewer hops, unless it is a very long line.
    package static let maximumHops: UInt8 = 16

    package init(hops: UInt8, named: [ReplicaID], records: [UInt8]) {
        (self.hops, self.named, self.records) = (hops, named, records)
    }
}

/// Pushes that brought something new and wait to be told on until our own log has them.
///
/// A rumour dies where it is known: one that arrives again while it waits counts against it, and what its other bearer has named is not told
/// again. After `deadlyDuplicates` it is not told at all.
///
/// - Bound: `maximumBytes` wait; what does not fit is dropped and counted. Nobody depends on it: rounds find what is missing.
/// - Source: Demers et al., "Epidemic Algorithms for Replicated Database Maintenance" (PODC 1987), §1.4: rumour mongering with counters. There a
///   node is told that its rumour was known; here it concludes that from hearing it.
package struct Rumors: Sendable {
    package static let deadlyDuplicates = 2
    package static let maximumBytes = 8 << 20

    private struct Rumor: Sendable {
        let first: Dot
        let position: UInt64
        var push: Push
        var duplicates = 0
    }

    private var rumors: [Rumor] = []
    package private(set) var byteCount = 0
    /// Not told for want of room, and because they were known.
    package private(set) var dropped = 0
    package private(set) var died = 0

    package init() {}

    /// Takes a push that brought something new.
    ///
    /// - Parameters:
    ///   - first: the dot of its first record, by which it is recognised.
    ///   - position: told once the log is durable beyond this.
    package mutating func add(_ push: Push, first: Dot, position: UInt64) {
        guard push.hops < Push.maximumHops else { return }
        guard self.byteCount + push.records.count <= Self.maximumBytes else {
            self.dropped += 1
            return
        }
        self.byteCount += push.records.count
        self.rumors.append(Rumor(first: first, position: position, push: push))
    }

    /// A push came of which everything was known.
    package mutating func heardAgain(_ push: Push, first: Dot) {
        guard let index = self.rumors.firstIndex(where: { $0.first == first }) else { return }
        self.rumors[index].duplicates += 1
        self.rumors[index].push.named = merged(self.rumors[index].push.named, push.named)
        guard self.rumors[index].duplicates >= Self.deadlyDuplicates else { return }
        self.byteCount -= self.rumors[index].push.records.count
        self.rumors.remove(at: index)
        self.died += 1
    }

    /// Whether there is something to `take`.
    package func hasDurable(_ position: UInt64) -> Bool { self.rumors.first.map { $0.position < position } ?? false }

    /// The pushes that may be told now, in the order in which they came.
    package mutating func take(durable: UInt64) -> [Push] {
        guard self.hasDurable(durable) else { return [] }
        let count = self.rumors.firstIndex { $0.position >= durable } ?? self.rumors.count
        defer { self.rumors.removeFirst(count) }
        let taken = self.rumors[..<count].map(\.push)
        self.byteCount -= taken.reduce(0) { $0 + $1.records.count }
        return taken
    }

    /// The log was cut back to `origin`: what came from there on is not ours to tell.
    package mutating func logWasCut(back origin: UInt64) {
        self.rumors.removeAll { $0.position >= origin }
        self.byteCount = self.rumors.reduce(0) { $0 + $1.push.records.count }
    }
}

/// Both lists as one, ascending and without repetition, as far as a push has room.
package func merged(_ left: [ReplicaID], _ right: [ReplicaID]) -> [ReplicaID] {
    var all: [ReplicaID] = []
    all.reserveCapacity(left.count + right.count)
    all += left
    for replica in right where !left.contains(replica) { all.append(replica) }
    all.removeLast(max(0, all.count - Push.maximumNamed))
    all.sort()
    return all
}
