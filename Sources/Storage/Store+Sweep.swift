import Basics
import Digests
import Versioning

/// Dropping tombstones.
///
/// Nothing but floors is logged: a tombstone at or below the floor of its replica is as absent from the moment at which the raised floor is durable. Then it
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
        /// The floors become these in the end, whether there was anything left to drop or not: another node's are taken over.
        package var isAdoption: Bool

        package init(floors: Floors, stampTime: UInt64 = .max, isAdoption: Bool = false) {
            (self.floors, self.stampTime, self.isAdoption) = (floors, stampTime, isAdoption)
        }
    }

    package enum SweepProgress: Equatable, Sendable {
        /// Nothing can be dropped before a drain has ended, or a raised floor is durable.
        case waits
        /// Tombstones were dropped; there may be more.
        case dropped(Int)
        case done
    }

    /// Floors that are in the log, and what goes with them.
    struct Raise {
        let floors: Floors
        let behind: LogPosition
        let places: [TombstonePlace]
    }

    /// The floors that count.
    package var floors: Floors { self.countingFloors }

    package var settled: Settled { self.clearance.settled }

    /// What counts of what is in the log.
    package var countingClearance: Clearance {
        var clearance = self.clearance
        clearance.floors = self.countingFloors
        return clearance
    }

    /// Floors have been raised that do not count yet.
    package var isSweeping: Bool { self.raise != nil }

    /// The tombstones that there are, as far as folded.
    package var tombstones: Int { max(0, Int(clamping: self.tree.root.entries) - self.liveKeys) }

    /// The least stamp time of the tombstones that the base has; nil where it has none.
    package func oldestTombstone() throws(StoreError) -> UInt64? {
        try self.reader.open()
        var oldest: UInt64?
        for replica in self.seen.replicas {
            let floor = self.countingFloors.floor(of: replica)
            guard floor < .max, let first = try self.reader.tombstones(of: replica, floor + 1 ... .max, limit: 1).first,
                let time = try self.record(at: first)?.stampTime
            else { continue }
            oldest = min(time, oldest ?? time)
        }
        return oldest
    }

    /// The bytes of log that are kept, drained ones for members that may ask for them among them.
    package var keptLogBytes: UInt64 { self.segments.first.map { self.head - $0 } ?? 0 }

    /// Whether a record is a tombstone that was dropped.
    @inline(__always)
    func isDropped(_ record: RecordView) -> Bool { !self.countingFloors.isEmpty && self.countingFloors.haveDropped(record) }

    /// Drops up to `budget` tombstones.
    package func sweep(_ limit: SweepLimit, budget: Int) throws(StoreError) -> SweepProgress {
        guard self.raise == nil, !self.isBaseMoving else { return .waits }
        try self.reader.open()
        var (floors, places, isWhole) = (self.clearance.floors, [TombstonePlace](), true)
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
            let found = try self.droppable(of: entry.replica, floor + 1...last, limit.stampTime, budget: budget - places.count)
            places += found.places
            // Behind the last that was found there is nothing up to `last`, unless the budget ended before.
            if limit.isAdoption, found.isAll {
                floors.raise(entry.replica, to: last, stampTime: found.stampTime)
            } else if let lastFound = found.places.last {
                floors.raise(entry.replica, to: lastFound.dot.sequence, stampTime: found.stampTime)
            }
            if !found.isAll { isWhole = false }
        }
        guard floors != self.clearance.floors else { return isWhole ? .done : .waits }
        var clearance = self.clearance
        clearance.floors = floors
        clearance.floors.join(limit.floors.onlyConfirmed)
        let bytes = clearance.encoded
        guard bytes.count <= ControlRecord.maximumValueByteCount else { return .done }
        if limit.isAdoption { self.counters.adoptions += 1 }
        self.raise = Raise(floors: clearance.floors, behind: self.setControl(.clearance, bytes), places: places)
        return .dropped(places.count)
    }

    /// Tombstones of a replica that are old enough, ascending: stamps ascend with sequence numbers.
    private func droppable(
        of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, _ stampTime: UInt64, budget: Int
    ) throws(StoreError) -> (places: [TombstonePlace], stampTime: UInt64, isAll: Bool) {
        let indexed = try self.reader.tombstones(of: replica, sequences, limit: budget)
        var (places, greatest): ([TombstonePlace], UInt64) = ([], 0)
        for place in indexed {
            let time = try self.record(at: place)?.stampTime ?? 0
            guard time <= stampTime else { return (places, greatest, false) }
            greatest = max(greatest, time)
            places.append(place)
        }
        return (places, greatest, indexed.count < budget)
    }

    /// The tombstone that the index names, if it is still what its key has in the base.
    private func record(at place: TombstonePlace) throws(StoreError) -> RecordView? {
        try place.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            guard let entry = try self.findInBase(place.token, key: key), !self.isLost(entry), let record = entry.record, record.isTombstone,
                record.dot == place.dot
            else { return nil }
            return record
        }
    }

    /// Up to where all writes of a replica that this node has seen are in the base.
    private func drainedSequence(of replica: ReplicaID) -> UInt64 {
        guard self.live.count > 0 else { return self.seen.watermark(of: replica) }
        // A tombstone came again that had been drained before: where it lies now no index says.
        return self.drainedPosition > self.lateTombstone ? self.drainedSeen.watermark(of: replica) : 0
    }

    /// Takes over what a member had dropped and settled when it began to give this store all that it has: nothing of that is here.
    package func takeOver(_ clearance: Clearance) {
        guard clearance != self.clearance else { return }
        self.raise = Raise(floors: clearance.floors, behind: self.setControl(.clearance, clearance.encoded), places: [])
    }

    /// Lets raised floors count once they are durable.
    package func tendSweep() throws(StoreError) {
        guard let raise, raise.behind < self.synced, !self.isBaseMoving else { return }
        for place in raise.places { try self.letGo(place) }
        (self.countingFloors, self.raise) = (raise.floors, nil)
        self.floorsRevision &+= 1
        self.undrainedDrops += raise.places.count
        self.counters.droppedTombstones += raise.places.count
    }

    /// Takes a tombstone out of the digest, if that contains it.
    private func letGo(_ place: TombstonePlace) throws(StoreError) {
        guard let record = try self.record(at: place) else { return }
        let index = place.key.span.bytes.withUnsafeBytes { self.live.index(of: place.token, key: $0) }
        guard let index else { return self.unfold(record, at: place.token) }
        guard self.live[index].fold == .below else { return }
        self.unfold(record, at: place.token)
        self.live.setFold(.nothing, at: index)
    }

    /// True where `tendSweep` has something to do.
    package var wantsSweepTended: Bool { self.raise.map { $0.behind < self.synced && !self.isBaseMoving } ?? false }

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

    /// What has been seen, without what counts as seen because no member has it.
    package var seenWithoutGaps: Seen {
        self.settled.ids.reduce(into: self.seen) { seen, replica in
            seen = seen.without(replica)
            seen.join(self.settled.writes.only(replica))
        }
    }

    private func keep(_ clearance: Clearance, settled new: [ReplicaID]) {
        let bytes = clearance.encoded
        guard !new.isEmpty, bytes.count <= ControlRecord.maximumValueByteCount else { return }
        self.setControl(.clearance, bytes)
        for replica in new { self.join(clearance.settled.gaps(of: replica)) }
    }
}

extension Floors {
    /// Whether a record is a tombstone that was dropped.
    func haveDropped(_ record: RecordView) -> Bool { record.isTombstone && self.covers(record.dot) }

    /// The same without floors: what is confirmed is known from the first step on.
    fileprivate var onlyConfirmed: Floors {
        var floors = Floors()
        for entry in self.confirmed { floors.confirm(entry.replica, through: entry.sequence) }
        return floors
    }
}
