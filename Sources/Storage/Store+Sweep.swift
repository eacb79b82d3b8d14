import Basics
import Digests
import Versioning

/// Dropping tombstones.
///
/// What has expired is dropped with it, as `Store+Collect.swift` says. Nothing but floors is logged: a tombstone at or below the floor of its replica is as absent from the moment at which the raised floor is durable. Then it
/// leaves the digest, and with one of the next drains LMDB. A sweep reads the base's index of tombstones, in slices, and of it only what it drops.
///
///     raise floors in the log ─ synced → floors count, digest lets go ─ drain → LMDB lets go
///
/// - Invariant: a tombstone at or below a floor that counts is in no digest and shown by no scan.
/// - Source: I22c of the invariants.
extension Store {
    /// What a sweep may drop.
    package struct SweepLimit {
        /// Up to where of each replica.
        package var floors: Floors
        /// Only what has no greater stamp time.
        package var stampTime: UInt64
        /// Of entries with a deadline only those whose deadline is no later, in milliseconds since 1970.
        package var expired: UInt64
        /// The floors become these in the end, whether there was anything left to drop or not: another node's are taken over.
        package var isAdoption: Bool

        package init(floors: Floors, stampTime: UInt64 = .max, expired: UInt64 = 0, isAdoption: Bool = false) {
            (self.floors, self.stampTime, self.expired, self.isAdoption) = (floors, stampTime, expired, isAdoption)
        }
    }

    package enum SweepProgress: Equatable, Sendable {
        /// Nothing can be dropped before a drain has ended, or a raised floor is durable.
        case waits
        /// What comes next may not be dropped yet.
        case early
        /// Entries were looked at of which none is to be dropped; there is more to look at.
        case advanced
        /// Entries were dropped; there may be more.
        case dropped(Int)
        case done
    }

    /// Bounds that are in the log, and what goes with them.
    struct Raise {
        let drops: Drops
        let behind: LogPosition
        let places: [IndexedPlace]
        /// So many of these had expired.
        let expired: Int
    }

    /// The floors that count.
    package var floors: Floors { self.drops.floors }

    package var settled: Settled { self.clearance.settled }

    /// What counts of what is in the log.
    package var countingClearance: Clearance {
        var clearance = self.clearance
        clearance.floors = self.drops.floors
        return clearance
    }

    /// Something was dropped that counts still.
    package var isSweeping: Bool { self.raise != nil }

    /// The tombstones that there are, as far as folded.
    package var tombstones: Int { max(0, Int(clamping: self.tree.root.entries) - self.liveKeys) }

    /// False where there is nothing that could be dropped some day. Among siblings deletes may be although their key is none.
    package var mayDrop: Bool { self.tombstones > 0 || self.mayExpire }

    /// The least stamp time of the tombstones that the base has; nil where it has none.
    package func oldestTombstone() throws(StoreError) -> UInt64? {
        try self.reader.open()
        var oldest: UInt64?
        for replica in self.seen.replicas {
            let floor = self.drops.floors.floor(of: replica)
            guard floor < .max, let first = try self.reader.tombstones(of: replica, floor + 1 ... .max, limit: 1).first,
                let time = try self.record(at: first)?.stampTime(ofListed: first.dot)
            else { continue }
            oldest = min(time, oldest ?? time)
        }
        return oldest
    }

    /// How many tombstones the base has that are at least as old as a stamp time, as far as they are counted.
    ///
    /// - Parameter limit: so many are counted at most. The stamps of a replica ascend with its sequence numbers, so that few are looked at.
    package func agedTombstones(through stampTime: UInt64, limit: Int) throws(StoreError) -> Int {
        try self.reader.open()
        var count = 0
        for replica in self.seen.replicas where count < limit {
            let floor = self.drops.floors.floor(of: replica)
            guard floor < .max else { continue }
            let places = try self.reader.tombstones(of: replica, floor + 1 ... .max, limit: limit - count)
            var (low, high) = (0, places.count)
            while low < high {
                let middle = (low + high) / 2
                if try self.record(at: places[middle])?.stampTime(ofListed: places[middle].dot) ?? 0 <= stampTime {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            count += low
        }
        return count
    }

    /// The bytes of log that are kept, drained ones for members that may ask for them among them.
    package var keptLogBytes: UInt64 { self.segments.first.map { self.head - $0 } ?? 0 }

    /// Whether a record was dropped.
    @inline(__always)
    func isDropped(_ record: RecordView) -> Bool { record.mayBeDropped && self.drops.contain(record) }

    /// Drops up to `budget` tombstones, and as many entries that have expired.
    package func sweep(_ limit: SweepLimit, budget: Int) throws(StoreError) -> SweepProgress {
        guard self.raise == nil, !self.isBaseMoving else { return .waits }
        try self.reader.open()
        var (floors, places, expired) = (self.clearance.floors, [IndexedPlace](), 0)
        var (isWhole, reason) = (true, nil as Droppable.Reason?)
        for entry in limit.floors.floors {
            let floor = floors.floor(of: entry.replica)
            guard floor < entry.sequence else { continue }
            guard places.count < budget else {
                isWhole = false
                break
            }
            let last = min(entry.sequence, self.drainedSequence(of: entry.replica))
            if last < entry.sequence, limit.isAdoption {
                (isWhole, self.wantsDrain) = (false, true)
            }
            guard floor < last else { continue }
            let found = try self.droppable(of: entry.replica, floor + 1...last, limit, budget: budget - places.count)
            places += found.all.entries.map(\.place)
            expired += found.expired
            let stampTime = found.all.entries.map(\.stampTime).max() ?? 0
            // Behind the last that was found there is nothing up to `through`.
            if let raised = limit.isAdoption ? found.all.through : found.all.entries.last?.place.dot.sequence {
                floors.raise(entry.replica, to: raised, stampTime: stampTime)
            }
            if found.all.through < last { (isWhole, reason) = (false, reason == .more ? .more : found.all.reason) }
        }
        if limit.isAdoption, !floors.isEmpty { floors.dropped(stampTime: limit.floors.stampTime) }
        guard floors != self.clearance.floors else {
            switch reason {
            case .more: return .advanced
            case .early: return .early
            case nil: return isWhole ? .done : .waits
            }
        }
        var clearance = self.clearance
        clearance.floors = floors
        clearance.floors.join(limit.floors.onlyConfirmed)
        let bytes = clearance.encoded
        guard bytes.count <= ControlRecord.maximumValueByteCount else { return .done }
        if limit.isAdoption { self.counters.adoptions += 1 }
        if expired > 0 { self.setControl(.collected, self.passed.controlValue) }
        let drops = Drops(floors: clearance.floors, expired: self.collected)
        self.raise = Raise(drops: drops, behind: self.setControl(.clearance, bytes), places: places, expired: expired)
        return .dropped(places.count)
    }

    private func droppable(
        of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, _ limit: SweepLimit, budget: Int
    ) throws(StoreError) -> (all: Droppable, expired: Int) {
        let tombstones = try self.droppableTombstones(of: replica, sequences, limit.stampTime, budget: budget)
        let expired = try self.droppableExpired(of: replica, sequences, limit, budget: budget)
        let all = tombstones.merged(with: expired)
        return (all, expired.entries.count { $0.place.dot.sequence <= all.through })
    }

    /// Tombstones of a replica that are old enough, ascending: stamps ascend with sequence numbers.
    private func droppableTombstones(
        of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, _ stampTime: UInt64, budget: Int
    ) throws(StoreError) -> Droppable {
        var found = Droppable(through: sequences.upperBound)
        let indexed = try self.reader.tombstones(of: replica, sequences, limit: budget)
        if indexed.count == budget { found.stop(behind: indexed.last!.dot.sequence, because: .more) }
        for place in indexed {
            let time = try self.record(at: place)?.stampTime(ofListed: place.dot) ?? 0
            guard time <= stampTime else {
                found.stop(behind: place.dot.sequence - 1, because: .early)
                break
            }
            found.entries.append((place, time))
        }
        return found
    }

    /// What an index names, if it is still what its key has in the base.
    func record(at place: IndexedPlace) throws(StoreError) -> RecordView? {
        try place.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            guard let entry = try self.findInBase(place.token, key: key), !self.isLost(entry), let record = entry.record, record.names(place.dot)
            else { return nil }
            return record
        }
    }

    /// Up to where all writes of a replica that this node has seen are in the base.
    private func drainedSequence(of replica: ReplicaID) -> UInt64 {
        guard self.live.count > 0 else { return self.settled.watermark(of: replica, in: self.seen) }
        return self.hasDrainedLateEntries ? self.settled.watermark(of: replica, in: self.drainedSeen) : 0
    }

    /// Takes over what a member had dropped and settled when it began to give this store all that it has: nothing of that is here.
    package func takeOver(_ clearance: Clearance) {
        guard clearance != self.clearance else { return }
        let drops = Drops(floors: clearance.floors, expired: self.drops.expired)
        self.raise = Raise(drops: drops, behind: self.setControl(.clearance, clearance.encoded), places: [], expired: 0)
    }

    /// Lets raised bounds count once they are durable.
    package func tendSweep(at now: Instant) throws(StoreError) {
        try self.trim(at: now)
        guard let raise, raise.behind < self.synced, !self.isBaseMoving else { return }
        for place in raise.places { try self.letGo(place, raise.drops) }
        if self.live.count > 0, self.lateEntry >= raise.behind { self.letGoOfLateEntries(raise.drops) }
        if raise.drops.floors.floors != self.drops.floors.floors { self.floorsRevision &+= 1 }
        (self.drops, self.raise) = (raise.drops, nil)
        try self.trim(at: now)
        self.undrainedDrops += raise.places.count
        self.counters.droppedTombstones += raise.places.count - raise.expired
        self.counters.droppedExpired += raise.expired
    }

    /// Takes an entry out of the digest, if that contains it.
    private func letGo(_ place: IndexedPlace, _ drops: Drops) throws(StoreError) {
        guard let record = try self.record(at: place) else { return }
        if record.kind == .siblings, !drops.contain(record) || self.wasLetGo(place) { return self.untrimmed.append((place.token, place.key)) }
        let index = place.key.span.bytes.withUnsafeBytes { self.live.index(of: place.token, key: $0) }
        guard let index else { return self.unfold(record, at: place.token) }
        let slot = self.live[index]
        if slot.fold == .below {
            self.unfold(record, at: place.token)
            self.live.setFold(.nothing, at: index)
        }
        guard let newer = slot.record?.view, newer.kind == .siblings else { return }
        if !drops.contain(newer) { return self.untrimmed.append((place.token, place.key)) }
        if slot.fold == .this {
            self.unfold(newer, at: place.token)
            self.live.setFold(.nothing, at: index)
        }
    }

    /// True where another of the same siblings has led to them in this raise.
    private func wasLetGo(_ place: IndexedPlace) -> Bool {
        guard let raise, let first = raise.places.first(where: { $0.token == place.token && $0.key == place.key }) else { return false }
        return first != place
    }

    /// Siblings may hold what was dropped: of a store that was opened, or whose floors have been raised.
    func noteUntrimmed(_ keys: [(token: Token, key: [UInt8])]) {
        self.untrimmed += keys
        guard self.hasSiblings else { return }
        var index = self.live.firstIndex(in: .first ... .last)
        while let place = index {
            let slot = self.live[place]
            if let record = slot.record?.view, record.siblings?.trimmed(self.drops) != nil {
                self.untrimmed.append((slot.token, Array(record.key)))
            }
            index = self.live.index(after: place)
        }
    }

    /// Writes siblings again without what was dropped of them: every node has to have the same of them.
    private func trim(at now: Instant) throws(StoreError) {
        guard !self.untrimmed.isEmpty || !self.trimmed.isEmpty else { return }
        if self.trimmedBehind < self.synced { self.trimmed.removeAll() }
        let keys = self.untrimmed
        self.untrimmed.removeAll()
        for (token, key) in keys {
            try key.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
                guard case .record(let record, _, _) = try self.find(token, key: bytes), let rest = record.siblings?.trimmed(self.drops) else {
                    return
                }
                self.trimmedBehind = self.put(joined: rest, key: bytes, token: token, at: now)
                self.trimmed.append((token, key))
                self.counters.trimmed += 1
            }
        }
    }

    /// The log was cut: what was written last may be gone, and what was trimmed with it.
    func trimAgain() {
        self.untrimmed += self.trimmed
        self.trimmed.removeAll()
    }

    /// Takes out of the digest what a session brought again while the bounds that drop it were on their way to the disk: it lies in the table.
    private func letGoOfLateEntries(_ drops: Drops) {
        var index = self.live.firstIndex(in: .first ... .last)
        while let place = index {
            let slot = self.live[place]
            if let record = slot.record?.view {
                if slot.fold == .this, drops.contain(record) { self.unfold(record, at: slot.token) }
                if record.siblings?.trimmed(drops) != nil { self.untrimmed.append((slot.token, Array(record.key))) }
            }
            index = self.live.index(after: place)
        }
    }

    /// True where `tendSweep` has something to do.
    package var wantsSweepTended: Bool { !self.untrimmed.isEmpty || self.raise.map { $0.behind < self.synced && !self.isBaseMoving } ?? false }

    // MARK: Settling

    /// Replicas write no more, and these are all of their writes that count.
    package func settle(_ replicas: [(ReplicaID, Seen)]) {
        var clearance = self.clearance
        let new = replicas.filter { clearance.settled.settle($0.0, with: $0.1) }.map(\.0)
        self.keep(clearance, settled: new)
    }

    /// Takes over which replicas another node has settled.
    package func settle(_ other: Settled) {
        var clearance = self.clearance
        let new = clearance.settled.join(other)
        self.keep(clearance, settled: new)
    }

    private func keep(_ clearance: Clearance, settled new: [ReplicaID]) {
        let bytes = clearance.encoded
        guard !new.isEmpty, bytes.count <= ControlRecord.maximumValueByteCount else { return }
        // What a session that broke has brought of them may lie in the table, and floors pass over their gaps from now on.
        self.lateEntry = self.setControl(.clearance, bytes)
    }
}

extension Floors {
    /// The same without floors: what is confirmed is known from the first step on.
    fileprivate var onlyConfirmed: Floors {
        var floors = Floors()
        for entry in self.confirmed { floors.confirm(entry.replica, through: entry.sequence) }
        return floors
    }
}
