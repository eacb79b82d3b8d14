import Digests
import Versioning

/// Taking dropped entries out of the base, ahead of all that a table brings, and the values of those that have expired and wait to be dropped.
///
/// What is to go is looked up in the indexes, many at once, and taken in the order of tokens: what shares a page goes with one write of it. Tombstones at
/// or below the floors are all dropped, but for those among siblings, which wait for the last of these. Among entries with a deadline those that are not dropped lie in
/// between: only those are looked at that were behind the one or the other bound at the last purge.
extension Drain {
    struct Purge {
        /// Where the next look begins.
        fileprivate enum Place {
            /// Among the tombstones: which floor's, and from where on.
            case tombstones(floor: Int, from: UInt64)
            /// Among those that have expired since, in the order of deadlines, whatever their floors.
            case deadlines(behind: Expiration)
            /// Among those that floors have reached since: which floor, and from where on.
            case dots(floor: Int, from: UInt64)
            /// Among those that wait, in the order of deadlines.
            case waiting(behind: Expiration)
            case nowhere
        }

        fileprivate var place: Place
        /// What the last look has found, in the order of tokens, as far as it has not gone yet.
        fileprivate var found: ArraySlice<Found> = []

        /// Nothing is left to take out.
        var isOver: Bool { if case .nowhere = self.place { self.found.isEmpty } else { false } }

        init(_ job: DrainJob) {
            self.place = job.purged != nil ? .tombstones(floor: 0, from: 0) : job.expiring.map { .waiting(behind: $0.behind) } ?? .nowhere
        }
    }

    /// What is to go.
    fileprivate struct Found {
        enum Kind {
            case tombstone
            case expired(Expiration)
            case value
        }

        let kind: Kind
        let place: IndexedPlace
    }

    /// So many rows of an index are looked at in one go: some 20 MB of memory.
    private static let lookRows = 100_000

    /// Takes some out, or looks for what comes next.
    mutating func purgeSome() throws(StoreError) -> Step {
        guard let first = self.purge.found.first else {
            try self.begin(at: .first)
            let found = try self.look()
            self.purge.found = found.sorted { $0.place.token < $1.place.token }[...]
            return self.purge.isOver ? .committed(try self.commit(nil)) : .stored
        }
        try self.begin(at: first.place.token)
        var count = 0
        while count < Self.stepEntries, let next = self.purge.found.first, self.transaction!.pages(through: next.place.token) < self.transactionPages
        {
            try self.take(next)
            self.purge.found.removeFirst()
            count += 1
            self.transaction!.tookOut()
        }
        // What the next look finds may lie ahead of where this transaction began.
        return count < Self.stepEntries || self.purge.found.isEmpty ? .committed(try self.commit(nil)) : .stored
    }

    // MARK: Looking

    private mutating func look() throws(StoreError) -> [Found] {
        let floors = self.job.drops.floors.floors
        switch self.purge.place {
        case .nowhere: return []
        case .tombstones(let floor, _) where floor == floors.count:
            self.purge.place = .deadlines(behind: self.job.purged?.expired ?? .none)
            return []
        case .tombstones(let floor, let start):
            let entry = floors[floor]
            let found = start > entry.sequence ? [] : try self.writer.tombstones(of: entry.replica, start...entry.sequence, limit: Self.lookRows)
            self.purge.place = found.last.map { .tombstones(floor: floor, from: $0.dot.sequence + 1) } ?? .tombstones(floor: floor + 1, from: 0)
            return found.map { Found(kind: .tombstone, place: $0) }
        case .deadlines(let start):
            let found = try self.writer.expiring(behind: start, through: self.job.drops.expired, limit: Self.lookRows)
            self.purge.place = found.last.map { .deadlines(behind: $0.expiration) } ?? .dots(floor: 0, from: self.firstUnpurged(of: floors.first))
            return found.compactMap { self.job.drops.floors.covers($0.place.dot) ? Found(kind: .expired($0.expiration), place: $0.place) : nil }
        case .dots(let floor, _) where floor == floors.count:
            self.purge.place = self.job.expiring.map { .waiting(behind: $0.behind) } ?? .nowhere
            return []
        case .dots(let floor, let start): return try self.look(from: start, in: floors, at: floor)
        case .waiting(let start):
            let found = try self.writer.expiring(behind: start, through: self.job.expiring?.through ?? start, limit: Self.lookRows)
            self.purge.place = found.last.map { .waiting(behind: $0.expiration) } ?? .nowhere
            return found.map { Found(kind: .value, place: $0.place) }
        }
    }

    private mutating func look(from start: UInt64, in floors: [Floors.Entry], at floor: Int) throws(StoreError) -> [Found] {
        let entry = floors[floor]
        let expirations =
            start > entry.sequence ? [] : try self.writer.expirations(of: entry.replica, start...entry.sequence, limit: Self.lookRows)
        let next = floor + 1 < floors.count ? floors[floor + 1] : nil
        self.purge.place =
            expirations.last.map { .dots(floor: floor, from: $0.dot.sequence + 1) } ?? .dots(floor: floor + 1, from: self.firstUnpurged(of: next))
        var found: [Found] = []
        for expiration in expirations where expiration <= self.job.drops.expired {
            if let place = try self.writer.place(of: expiration) { found.append(Found(kind: .expired(expiration), place: place)) }
        }
        return found
    }

    private func firstUnpurged(of floor: Floors.Entry?) -> UInt64 {
        floor.map { (self.job.purged?.floors.floor(of: $0.replica) ?? 0) + 1 } ?? 0
    }

    // MARK: Taking

    private func take(_ found: Found) throws(StoreError) {
        let place = found.place
        try place.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            let entry = try self.writer.seek(place.token, key: key)
            let record = entry?.record.flatMap { $0.names(place.dot) ? $0 : nil }
            switch (found.kind, record) {
            case (.tombstone, nil): try self.writer.forgetTombstone(place.dot)
            case (.expired(let expiration), nil): try self.writer.forget(expiration)
            case (.tombstone, let record?), (.expired, let record?):
                // What is left of its siblings comes with a table.
                guard self.job.drops.contain(record) else { return }
                try self.writer.remove(place.token, key: key)
                self.job.progress.tookOut()
            case (.value, let record):
                // One that is damaged stays as it is, to be found.
                guard let record, entry?.isIntact ?? false else { return }
                _ = try self.storeHeader(of: record, key: key, token: place.token)
            }
        }
    }

    /// Stores a version without its value where the last `seek` was.
    ///
    /// - Returns: false where the value stays.
    func storeHeader(of record: RecordView, key: UnsafeRawBufferPointer, token: Token) throws(StoreError) -> Bool {
        guard let value = record.headerOnlyValue(token: token) else { return false }
        try value.span.bytes.withUnsafeBytes { value throws(StoreError) in
            guard let record = RecordView(key: key, value: value) else { preconditionFailure("a header of \(value.count) bytes is no record") }
            try self.writer.put(record, token: token)
        }
        return true
    }
}
