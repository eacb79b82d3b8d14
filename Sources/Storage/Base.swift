import Basics
import Digests
import Versioning

/// Where entries live once drained: an ordered map from token ‖ key to the newest version, and the checkpoint that says what it contains.
///
/// Production passes `LMDBBase`. The simulator passes one in memory with the same promises: a transaction is there whole and
/// durable after its commit, or not at all.
package protocol Base: AnyObject, Sendable {
    /// A view for the calling thread. It must be gone before the base is.
    func makeReader() throws(StoreError) -> any BaseReader
    /// The one writer, for the thread that drains.
    func makeWriter() -> any BaseWriter
    /// Nil before the first one was written.
    func readCheckpoint() throws(StoreError) -> Checkpoint?
    func statistics() throws(StoreError) -> BaseStatistics
}

/// Sizes for INFO and STATUS.
package struct BaseStatistics: Equatable, Sendable {
    /// Entries in the base, tombstones included.
    package var entries: UInt64 = 0
    /// Tombstones among these, and deletes beside siblings.
    package var tombstones: UInt64 = 0
    /// Of these, entries with a deadline; of siblings each that has one.
    package var expiring: UInt64 = 0
    /// Beside the entries, what its node took along from an earlier store.
    package var exports: UInt64 = 0
    /// The file's used pages, in bytes.
    package var usedBytes: UInt64 = 0
    /// Readers that pin old pages, this process's own included.
    package var readers: Int = 0

    package init(
        entries: UInt64 = 0, tombstones: UInt64 = 0, expiring: UInt64 = 0, exports: UInt64 = 0, usedBytes: UInt64 = 0, readers: Int = 0
    ) {
        (self.entries, self.tombstones, self.expiring, self.exports) = (entries, tombstones, expiring, exports)
        (self.usedBytes, self.readers) = (usedBytes, readers)
    }
}

/// What a base holds for a place in token order.
package struct BaseEntry {
    package let token: Token
    package let key: UnsafeRawBufferPointer
    /// Nil where the bytes do not form a record; `isIntact` is then false.
    package let record: RecordView?

    /// False where the checksum does not fit: never served, never sent. Computed at each call.
    package var isIntact: Bool { self.record?.isIntact(token: self.token) ?? false }

    /// The same for an entry that a walk has met: of its key nobody has said what it should be, and the checksum covers it by its token alone.
    package func isIntact(under digestKey: DigestKey) -> Bool { self.isIntact && digestKey.token(of: self.key) == self.token }
}

extension BaseEntry {
    /// The order of a base: by token, of equal tokens by key.
    func isAhead(of other: BaseEntry) -> Bool { self.token != other.token ? self.token < other.token : self.key.precedes(other.key) }
}

/// A snapshot of a base, used by one thread. Views that it gives are valid until `renew` or `reset`.
package protocol BaseReader: DeadlineIndex {
    /// Takes the newest snapshot if none is held; one that is held stays.
    func open() throws(StoreError)
    /// Lets go of the snapshot. One that is kept pins pages and makes the file grow.
    func reset()
    /// Ends a walk: `seek` comes before the next `advance`.
    func find(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) -> BaseEntry?
    /// Adapts what `prefetch` remembers to a base that may have grown.
    func baseChanged() throws(StoreError)
    /// Brings what lookups of these tokens will read into the processor's caches, as far as it can be guessed. Says nothing about them.
    func prefetch(_ tokens: UnsafeBufferPointer<Token>)
    /// Moves to the first entry at or behind a token.
    func seek(_ token: Token) throws(StoreError) -> BaseEntry?
    /// Moves to the entry after the last one sought or advanced to.
    func advance() throws(StoreError) -> BaseEntry?
    /// Where the tombstones of a replica are, ascending by sequence number, no more than so many. Another version may have taken their place.
    func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [IndexedPlace]
    /// Exports in the order of their places, behind one of them, no more than so many.
    func exports(behind place: ExportPlace?, limit: Int) throws(StoreError) -> [Export]
}

/// What an index of the base knows of an entry.
package struct IndexedPlace: Equatable, Sendable {
    package let dot: Dot
    package let token: Token
    package let key: [UInt8]
}

/// What the index of deadlines knows of an entry.
package struct ExpiringPlace: Equatable, Sendable {
    package let milliseconds: UInt64
    package let place: IndexedPlace

    package var expiration: Expiration { Expiration(milliseconds: self.milliseconds, dot: self.place.dot) }
}

/// The base's index of entries with a deadline, in two orders. Another version may have taken an entry's place.
package protocol DeadlineIndex: AnyObject {
    /// Where the entries are that expire behind one place in the order and up to another, in that order, no more than so many.
    func expiring(behind start: Expiration, through end: Expiration, limit: Int) throws(StoreError) -> [ExpiringPlace]
    /// When a replica's entries expire, ascending by sequence number, no more than so many.
    func expirations(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [Expiration]
    /// Where an entry is that the index names; nil where it names none.
    func place(of expiration: Expiration) throws(StoreError) -> IndexedPlace?
}

/// The writing side of a base: one transaction at a time, on one thread.
package protocol BaseWriter: DeadlineIndex {
    func begin() throws(StoreError)
    /// The pages that hold the base's entries, as of the transaction's beginning; what they are spread over tells how many a run of
    /// puts dirties.
    var entryPages: Int { get }
    /// Moves to a key and shows what the transaction sees for it. Valid until the next `put`.
    func seek(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) -> BaseEntry?
    /// Stores a version in place of whatever the key has. The last `seek` must have been for that key.
    func put(_ record: RecordView, token: Token) throws(StoreError)
    /// Stores an entry behind all others, without a `seek`.
    ///
    /// - Returns: false, with nothing stored, where its place is not behind all others.
    func append(_ record: RecordView, token: Token) throws(StoreError) -> Bool
    /// Where the tombstones of a replica are, ascending by sequence number, no more than so many.
    func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) throws(StoreError) -> [IndexedPlace]
    /// Takes a tombstone out of the index: what has its key is another version.
    func forgetTombstone(_ dot: Dot) throws(StoreError)
    /// Takes an entry with a deadline out of the index: what has its key is another version.
    func forget(_ expiration: Expiration) throws(StoreError)
    /// Stores an export in place of what lies there.
    func keep(_ export: Export) throws(StoreError)
    func removeExport(at place: ExportPlace) throws(StoreError)
    /// Takes all entries out; exports stay.
    func removeAll() throws(StoreError)
    /// Takes a key's entry out. The last `seek` must have been for that key, and have found it.
    func remove(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError)
    /// Makes the transaction durable: entries, and the checkpoint where one is given. After a failure nothing of it is visible.
    func commit(_ checkpoint: Checkpoint?) throws(StoreError)
    /// The same with some control values beside the entries; the checkpoint's position stays, and so do all other values.
    ///
    /// - Precondition: there is a checkpoint.
    func commit(_ control: [ControlKey: [UInt8]]) throws(StoreError)
    /// Forgets the transaction, if there is one.
    func abort()
}
