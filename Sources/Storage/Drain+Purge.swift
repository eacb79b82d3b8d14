import Digests
import Versioning

/// Taking dropped entries out of the base, behind all that a table brings.
///
/// Tombstones at or below the floors are all dropped, so that the first of each replica is the next. Among entries with a deadline those that are not
/// dropped lie in between: only those are looked at that were behind the one or the other bound at the last purge.
extension Drain {
    /// Where it is: in each part of the index of deadlines behind what was purged before.
    struct Purge {
        fileprivate enum Place {
            /// Among those that have expired since, in the order of deadlines, whatever their floors.
            case deadlines(behind: Expiration)
            /// Among those that floors have reached since: which floor, and from where on.
            case dots(floor: Int, from: UInt64)
        }

        fileprivate var place: Place

        init(_ job: DrainJob) { self.place = .deadlines(behind: job.purged?.expired ?? .none) }
    }

    /// Takes some out.
    ///
    /// - Returns: nil where none is left.
    mutating func purgeSome() throws(StoreError) -> Step? {
        guard let purged = self.job.purged else { return nil }
        try self.begin(at: .last)
        // Each lies anywhere: a page for it, and some for the indexes.
        guard self.transaction!.entries < self.transactionPages else { return .committed(try self.commit(nil)) }
        if try self.purgeTombstones() { return .stored }
        return try self.purgeExpired(purged) ? .stored : nil
    }

    /// - Returns: false where there are none.
    private mutating func purgeTombstones() throws(StoreError) -> Bool {
        for entry in self.job.drops.floors.floors {
            var count = 0
            while count < Self.stepEntries, self.transaction!.entries < self.transactionPages,
                let place = try self.writer.firstTombstone(of: entry.replica, through: entry.sequence)
            {
                try self.take(place) { writer throws(StoreError) in try writer.forgetTombstone(place.dot) }
                (self.transaction!.entries, count) = (self.transaction!.entries + 2, count + 1)
            }
            if count > 0 { return true }
        }
        return false
    }

    /// - Returns: false where all have been looked at.
    private mutating func purgeExpired(_ purged: Drops) throws(StoreError) -> Bool {
        let drops = self.job.drops
        switch self.purge.place {
        case .deadlines(let start):
            let found = try self.writer.expiring(behind: start, through: drops.expired, limit: Self.stepEntries)
            for place in found where drops.floors.covers(place.place.dot) { try self.take(place.expiration, at: place.place) }
            self.purge.place = found.last.map { .deadlines(behind: $0.expiration) } ?? Self.place(in: drops.floors, at: 0, behind: purged)
        case .dots(let floor, _) where floor == drops.floors.floors.count: return false
        case .dots(let floor, let start):
            let entry = drops.floors.floors[floor]
            let found =
                start > entry.sequence
                ? [] : try self.writer.expirations(of: entry.replica, start...entry.sequence, limit: Self.stepEntries)
            for expiration in found where expiration <= drops.expired {
                if let place = try self.writer.place(of: expiration) { try self.take(expiration, at: place) }
            }
            self.purge.place =
                found.last.map { .dots(floor: floor, from: $0.dot.sequence + 1) }
                ?? Self.place(in: drops.floors, at: floor + 1, behind: purged)
        }
        return true
    }

    private static func place(in floors: Floors, at index: Int, behind purged: Drops) -> Purge.Place {
        .dots(floor: index, from: index < floors.floors.count ? purged.floors.floor(of: floors.floors[index].replica) + 1 : 0)
    }

    private mutating func take(_ expiration: Expiration, at place: IndexedPlace) throws(StoreError) {
        try self.take(place) { writer throws(StoreError) in try writer.forget(expiration) }
        self.transaction!.entries += 3
    }

    /// Takes an entry out, or its place in the index where its key has another version.
    private func take(_ place: IndexedPlace, forget: (any BaseWriter) throws(StoreError) -> Void) throws(StoreError) {
        try place.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            let entry = try self.writer.seek(place.token, key: key)
            if let record = entry?.record, record.mayBeDropped, record.dot == place.dot {
                try self.writer.remove(place.token, key: key)
            } else {
                try forget(self.writer)
            }
        }
    }
}
