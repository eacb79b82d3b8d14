import Basics
import Digests

/// A digest of everything that has happened, in its order.
struct EventLog {
    private(set) var digest: UInt64 = 0

    mutating func add(_ word: UInt64) {
        // As `SplitMix64` mixes, with what was before: finds differences, proves nothing.
        var mixed = (self.digest ^ word) &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        self.digest = mixed ^ (mixed >> 27)
    }

    mutating func note(_ event: World.Event, at now: Instant) {
        self.add(now.nanoseconds)
        switch event {
        case .operate(let attempt): self.add(1, UInt64(attempt.node), attempt.number)
        case .happen: self.add(2)
        case .connect(let from, _, let address): self.add(3, UInt64(from), UInt64(address.host.utf8.last!))
        case .deliver(let connection, let side, let bytes):
            self.add(4, UInt64(connection.id * 2 + side), bytes.withUnsafeBytes { checksum(of: $0, seed: 0) })
        case .hangUp(let connection, let side, _): self.add(5, UInt64(connection.id * 2 + side))
        case .wake(let node, _): self.add(6, UInt64(node))
        case .append(let node, _): self.add(7, UInt64(node))
        case .sync(let node, _): self.add(8, UInt64(node))
        case .drain(let node, _): self.add(9, UInt64(node))
        case .readLog(let node, _, let link, let number, let read): self.add(10, UInt64(node), link, UInt64(number), read.block.start, read.block.end)
        case .rejoin(let partition): self.add(11, UInt64(partition))
        case .restart(let node): self.add(12, UInt64(node))
        case .makeRoom(let node): self.add(13, UInt64(node))
        case .retire(let node): self.add(14, UInt64(node))
        case .load(let node, _): self.add(15, UInt64(node))
        case .reopen(let node, _): self.add(16, UInt64(node))
        }
    }

    private mutating func add(_ words: UInt64...) { for word in words { self.add(word) } }
}
