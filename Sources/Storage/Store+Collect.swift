import Basics
import Digests
import Versioning

/// Dropping entries that have expired.
///
/// They are dropped as tombstones are, but do not become droppable in the order of their dots: a floor passes over entries whose deadlines are to come,
/// and never touches those. So there are two bounds, and dropped is what lies within both: the floors, and a place in the order of deadlines, which a sweep
/// of that order moves on. What that passes over at or below a floor goes at once; what lies above waits for a floor that is raised for it, under the
/// conditions of a tombstone.
///
///          sequence numbers
///             ↑   waits         to come
///     floor ──┼───────────────┬───────────
///             │   dropped     │ to come
///             └───────────────┴──────────→ deadlines
///                          collected
///
/// What waits for a floor, which may be long where a member is away, keeps its header alone: its value leaves with the next drain, and is shown to nobody
/// from then on, whatever a clock says later.
///
/// - Invariant: both bounds are in the log before they count, so that digest, scans and every start agree on what was dropped.
/// - Invariant: the sweep of the deadlines stays behind the clock that it is told, and a floor is never raised over an entry within it that this
///   clock does not hold for expired: a clock that was set back would otherwise have it dropped alive.
/// - Source: I22c and I27 of the invariants.
extension Store {
    /// From where on entries may wait for a floor: what lies below has been looked at, and does not. Nothing is lost but time where it says too little.
    struct WaitingExpired {
        private var firsts: [ReplicaID: UInt64] = [:]

        func first(of replica: ReplicaID) -> UInt64 { self.firsts[replica] ?? 0 }

        mutating func startsNow(at sequence: UInt64, of replica: ReplicaID) { self.firsts[replica] = sequence }

        mutating func mayHave(_ dot: Dot) {
            if let first = self.firsts[dot.replica], dot.sequence < first { self.firsts[dot.replica] = dot.sequence }
        }

        /// A table has been drained in which may be what followed this.
        mutating func mayHaveAll(behind seen: Seen) {
            for (replica, first) in self.firsts { self.firsts[replica] = min(first, seen.watermark(of: replica) + 1) }
        }
    }

    /// The rows of the index that a sweep looks at in one go: each is read once, whether it waits or not.
    private static let rowsPerLook = 1_024

    /// Entries with a deadline, as far as folded, and those of the base that have expired and not been dropped, as far as they are counted.
    ///
    /// - Parameter limit: so many are counted at most.
    package func expiredWaiting(at wall: WallTime, limit: Int) throws(StoreError) -> Int {
        guard self.mayExpire, wall.milliseconds > 0 else { return 0 }
        try self.reader.open()
        let expired = try self.reader.expiring(behind: .none, through: .last(at: wall.milliseconds - 1), limit: limit)
        return expired.count { $0.expiration > self.drops.expired || !self.drops.floors.covers($0.place.dot) }
    }

    /// False where nothing has a deadline. Among siblings some may although their key has none.
    package var mayExpire: Bool { self.expiringKeys > 0 || self.hasSiblings }

    /// The deadline up to which entries have been looked at, in milliseconds since 1970.
    package var collectedThrough: UInt64 { self.drops.expired.milliseconds }

    /// The deadline up to which the values of entries may leave before the entries do, in milliseconds since 1970.
    package var passedThrough: UInt64 { self.passed.milliseconds }

    /// The entries whose values leave with a drain that begins now, and those that it stores without them; nil where none has been passed.
    var leavingValues: ExpirationRange? { self.passed > .none ? ExpirationRange(behind: self.emptied, through: self.passed) : nil }

    /// Looks at up to `budget` entries more of those whose deadlines are no later than a moment, and drops what lies at or below the floors.
    ///
    /// - Parameter milliseconds: since 1970; by this node's clock the drift bound has passed since then.
    package func collect(through milliseconds: UInt64, budget: Int) throws(StoreError) -> SweepProgress {
        guard self.raise == nil, !self.isBaseMoving else { return .waits }
        try self.reader.open()
        let (start, end) = (self.passed, Expiration.last(at: milliseconds))
        let found = start < end ? try self.reader.expiring(behind: start, through: end, limit: budget) : []
        guard let last = found.last else {
            self.nextDeadline = try self.reader.expiring(behind: max(start, end), through: .last(at: .max), limit: 1).first?.milliseconds
            return .done
        }
        guard self.hasDrainedLateEntries else {
            self.wantsDrain = true
            return .waits
        }
        var (places, stampTime): ([IndexedPlace], UInt64) = ([], 0)
        for expiring in found {
            guard self.drops.floors.covers(expiring.place.dot) else {
                self.waitingExpired.mayHave(expiring.place.dot)
                continue
            }
            stampTime = max(stampTime, try self.record(at: expiring.place)?.stampTime(ofListed: expiring.place.dot) ?? 0)
            places.append(expiring.place)
        }
        self.passed = last.expiration
        guard !places.isEmpty else { return .advanced }
        var clearance = self.clearance
        clearance.floors.dropped(stampTime: stampTime)
        if clearance != self.clearance { self.setControl(.clearance, clearance.encoded) }
        let position = self.setControl(.collected, last.expiration.controlValue)
        let drops = Drops(floors: clearance.floors, expired: last.expiration)
        self.raise = Raise(drops: drops, behind: position, places: places, expired: places.count)
        return .dropped(places.count)
    }

    /// False while the table may hold something with a dot that was drained before, or that floors pass over: where it lies no index says.
    var hasDrainedLateEntries: Bool { self.live.count == 0 || self.drainedPosition > self.lateEntry }

    /// The base has more entries: when the next of them expires, and which of them wait, is to be looked at.
    ///
    /// - Parameter seen: as of the drain before.
    func noteDrainedDeadlines(from seen: Seen) {
        self.waitingExpired.mayHaveAll(behind: seen)
        self.nextDeadline = nil
    }

    /// Entries of a replica that were passed over and may be dropped with a floor, ascending.
    func droppableExpired(
        of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, _ limit: SweepLimit, budget: Int
    ) throws(StoreError) -> Droppable {
        var found = Droppable(through: sequences.upperBound)
        let first = max(sequences.lowerBound, self.waitingExpired.first(of: replica))
        guard self.passed > .none, first <= sequences.upperBound else { return found }
        let expirations = try self.reader.expirations(of: replica, first...sequences.upperBound, limit: Self.rowsPerLook)
        if expirations.count == Self.rowsPerLook { found.stop(behind: expirations.last!.dot.sequence, because: .more) }
        var firstWaiting: UInt64?
        for expiration in expirations where expiration <= self.passed {
            firstWaiting = firstWaiting ?? expiration.dot.sequence
            guard found.entries.count < budget else {
                found.stop(behind: expiration.dot.sequence - 1, because: .more)
                break
            }
            let place = try self.reader.place(of: expiration)
            let time = try place.flatMap { place throws(StoreError) in try self.record(at: place)?.stampTime(ofListed: place.dot) } ?? 0
            guard expiration.milliseconds <= limit.expired, time <= limit.stampTime else {
                found.stop(behind: expiration.dot.sequence - 1, because: .early)
                break
            }
            if let place { found.entries.append((place, time)) }
        }
        self.waitingExpired.startsNow(at: firstWaiting ?? found.through + 1, of: replica)
        return found
    }
}

/// What of a replica may be dropped with a floor.
struct Droppable {
    enum Reason { case more, early }

    /// Ascending.
    var entries: [(place: IndexedPlace, stampTime: UInt64)] = []
    /// Everything up to here was looked at, and may be dropped where it is found.
    private(set) var through: UInt64
    /// Why not further.
    private(set) var reason: Reason?

    init(through: UInt64) { self.through = through }

    mutating func stop(behind sequence: UInt64, because reason: Reason) { (self.through, self.reason) = (sequence, reason) }

    /// Both, as far as both reach.
    func merged(with other: Droppable) -> Droppable {
        var merged = Droppable(through: min(self.through, other.through))
        merged.reason = self.through < other.through ? self.reason : other.reason ?? self.reason
        merged.entries = (self.entries + other.entries).filter { $0.place.dot.sequence <= merged.through }
        merged.entries.sort { $0.place.dot.sequence < $1.place.dot.sequence }
        return merged
    }
}
