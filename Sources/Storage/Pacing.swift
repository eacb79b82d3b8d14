import Basics

/// How many writes are let in while a table is being drained.
///
/// While the live table is under half full, all. From there on the room left is spread over the time that the drain still needs, as
/// measured: when the drain ends, the table is about full, and it was never met as a wall. Without a drain only a full table stops writes.
///
/// The unit is a share of the table: an entry takes the greater of one entry's share and its bytes' share.
package struct Pacing: Equatable, Sendable {
    private let entryShare: Double
    private let byteShare: Double
    /// Seconds that draining one entry took last time, commits included.
    private var secondsPerEntry: Double
    private var drain: RunningDrain?
    /// The share that may still be let in before `replenish` is called again.
    package private(set) var allowance = 1.0
    private var replenishedAt: Instant?

    private struct RunningDrain: Equatable, Sendable {
        let entries: Int
        let started: Instant
    }

    /// Before the first measurement: what a store of ten million entries drains at.
    private static let initialSecondsPerEntry = 1.0 / 150_000
    /// From this progress on a running drain's own rate is taken.
    private static let trustedProgress = 0.1
    /// Allowance is not saved up for longer than this, or a pause would end in a burst.
    private static let longestSaving = 0.01
    /// While the drain is late the rest of the room is spread over at least this share of a drain.
    private static let leastRemaining = 0.05

    init(configuration: StoreConfiguration) {
        self.entryShare = 1 / Double(configuration.tableEntries)
        self.byteShare = 1 / Double(configuration.tableBytes)
        self.secondsPerEntry = Self.initialSecondsPerEntry
    }

    mutating func drainStarted(entries: Int, at now: Instant) {
        self.drain = RunningDrain(entries: entries, started: now)
        self.replenishedAt = now
    }

    mutating func drainEnded(at now: Instant) {
        if let drain, drain.entries > 0 { self.secondsPerEntry = now.since(drain.started).inSeconds / Double(drain.entries) }
        self.drain = nil
    }

    mutating func admitted(recordBytes: Int) {
        self.allowance -= max(self.entryShare, Double(recordBytes) * self.byteShare)
    }

    /// Sets the allowance for the work that comes now.
    ///
    /// - Parameters:
    ///   - fill: the share of the live table that is taken.
    ///   - drained: entries that the running drain has stored or taken out; nil where none runs.
    mutating func replenish(fill: Double, drained: Int?, at now: Instant) {
        guard let drain, let drained else {
            self.allowance = 1 - fill
            return
        }
        defer { self.replenishedAt = now }
        guard fill >= 0.5 else {
            self.allowance = 0.5 - fill + Self.longestSaving
            return
        }
        let progress = min(1, Double(drained) / Double(max(1, drain.entries)))
        let elapsed = now.since(drain.started).inSeconds
        let measured = progress > Self.trustedProgress ? elapsed / (progress * Double(drain.entries)) : self.secondsPerEntry
        let whole = measured * Double(drain.entries)
        let remaining = max((1 - progress) * whole, Self.leastRemaining * whole, 1e-3)
        let passed = now.since(self.replenishedAt ?? now).inSeconds
        let room = max(0, 1 - fill)
        self.allowance = min(room, max(min(self.allowance, Self.longestSaving), 0) + room / remaining * passed)
    }
}

extension Store {
    /// Says how much may be written now; called once a tick.
    package func replenish(at now: Instant) {
        self.pacing.replenish(fill: self.fill, drained: self.frozen?.progress?.work, at: now)
    }

    /// The share of the live table that is taken, by entries or by bytes.
    package var fill: Double {
        max(
            Double(self.live.count) / Double(self.configuration.tableEntries), Double(self.live.recordBytes) / Double(self.configuration.tableBytes))
    }

    /// True where a write may be executed now. Otherwise it waits, unread.
    package var admitsWrites: Bool { self.pacing.allowance > 0 }
}
