import Basics
import Digests

/// What a check found that is not as it was written: how much, and the first of it in words.
package struct Findings: Equatable, Sendable {
    /// So many are told in words; the rest is counted.
    package static let maximumTexts = 16

    package private(set) var count = 0
    package private(set) var texts: [String] = []

    package init() {}

    package var isEmpty: Bool { self.count == 0 }

    package mutating func add(_ text: String) {
        self.count += 1
        if self.texts.count < Self.maximumTexts { self.texts.append(text) }
    }
}

/// What a check of the base reports as it goes. What it has found must be told at once: it may not live to see the end.
package enum BaseCheckEvent: Equatable, Sendable {
    /// It goes on: some pages or rows further.
    case advanced
    /// One entry is not what was written. A node marks it, and gets it back from the others by itself.
    case damagedEntry(String)
    /// The file is damaged beyond single entries: no lookup in it can be relied on.
    case damagedFile(String)
    /// Another version of the program has written it.
    case otherFormat(UInt32)
    /// The machine keeps it from being read.
    case failed(String)
    /// All of it has been looked at.
    case finished(BaseCounts)
}

/// What a check counted in a base that it got to the end of.
package struct BaseCounts: Equatable, Sendable {
    /// Entries that are what was written, tombstones included.
    package var entries: UInt64 = 0
    package var tombstones: UInt64 = 0
    /// Entries with a deadline, and those of them whose deadline has passed by this machine's clock.
    package var expiring: UInt64 = 0
    package var expired: UInt64 = 0
    /// The sum of the fingerprints of `entries`.
    package var sum: UInt128 = 0
    /// Pages that hold something, and those that LMDB may use again.
    package var usedPages: UInt64 = 0
    package var freePages: UInt64 = 0
    package var pageBytes: UInt64 = 0
    /// What the checkpoint says; nil where there is none that reads.
    package var identity: CheckpointFacts?

    package init() {}

    package var digest: Digest { Digest(entries: self.entries, sum: self.sum) }
}

/// What a checkpoint says of the store that a report shows.
package struct CheckpointFacts: Equatable, Sendable {
    package let cluster: ClusterID
    package let replica: ReplicaID
    /// Where in the log the base ends.
    package let position: LogPosition
    /// Places that were lost to damage and have not come back.
    package let openMarks: Int

    package init(cluster: ClusterID, replica: ReplicaID, position: LogPosition, openMarks: Int) {
        (self.cluster, self.replica, self.position, self.openMarks) = (cluster, replica, position, openMarks)
    }
}

/// All that a check of the base has found.
package struct BaseReport: Equatable, Sendable {
    package private(set) var entries = Findings()
    package private(set) var file = Findings()
    /// Set where another version of the program has written the store: then nothing more has been looked at.
    package private(set) var otherFormat: UInt32?
    /// Why the check did not get to the end, where it could say so.
    package private(set) var obstacle: String?
    /// Nil where the check did not get to the end.
    package private(set) var counts: BaseCounts?

    package init() {}

    package mutating func take(_ event: BaseCheckEvent) {
        switch event {
        case .advanced: break
        case .damagedEntry(let text): self.entries.add(text)
        case .damagedFile(let text): self.file.add(text)
        case .otherFormat(let version): self.otherFormat = version
        case .failed(let text): self.obstacle = text
        case .finished(let counts): self.counts = counts
        }
    }

    package var isIntact: Bool { self.entries.isEmpty && self.file.isEmpty }
}
