/// What a store can be told. Sizes in bytes.
package struct StoreConfiguration: Equatable, Sendable {
    package enum Durability: String, Sendable, CaseIterable {
        /// Answers leave after fdatasync of what they depend on.
        case always
        /// Answers leave after write(); fdatasync follows within the sync interval.
        case interval
    }

    package var durability = Durability.always
    /// A table freezes at this many entries: the more it holds, the more of them share a page of LMDB that has to be written. In a store
    /// of a million 400,000 cost half the bytes an entry that 200,000 do …
    package var tableEntries = 400_000
    /// … or this many bytes of records …
    package var tableBytes = 128 << 20
    /// … or when its oldest entry has waited this long.
    package var tableAge = Duration.seconds(60)
    /// A segment takes no batch beyond this length.
    package var segmentBytes = 64 << 20
    /// So much of the log is kept at most for members that have not confirmed it, besides what is not drained. With 0 no peer is answered from it.
    package var logCapBytes = 1 << 30

    package init() {}
}

/// Events since the start, for INFO.
package struct StoreCounters: Equatable, Sendable {
    /// Entries that were found not to be what was written, most of them by the scan at the start.
    package var damagedEntries: Int
    /// Lookups that were for one of them, or for what was lost with one.
    package var damagedReads = 0
    package var recordsApplied = 0
    package var failedAppends = 0
    package var droppedTombstones = 0
    /// Entries that had expired.
    package var droppedExpired = 0
    /// Times that floors were raised because another node's were taken over.
    package var adoptions = 0
    /// Siblings that were written again without what had been dropped of them.
    package var trimmed = 0
    /// Versions that came and were known to have been removed (I23).
    package var knownRemoved = 0
    /// Of settled replicas, versions that were none of theirs (I25).
    package var refusedUnsettled = 0
    package var drains = 0

    package init(damagedEntries: Int = 0) { self.damagedEntries = damagedEntries }
}
