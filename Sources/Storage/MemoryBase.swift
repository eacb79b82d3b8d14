import Basics
import Digests
import Synchronization
import Versioning

/// A base in memory: a sorted array of entries. For the simulator and for tests, where a crash is "a copy of what was committed".
package final class MemoryBase: Base {
    /// Token, key and LMDB value of one entry.
    package struct Entry: Equatable, Sendable {
        package let token: Token
        package let key: [UInt8]
        package var value: [UInt8]

        package init(token: Token, key: [UInt8], value: [UInt8]) { (self.token, self.key, self.value) = (token, key, value) }

        /// What it says besides key and value; nil where the bytes form no record.
        package var header: VersionHeader? {
            self.key.span.bytes.withUnsafeBytes { key in
                self.value.span.bytes.withUnsafeBytes { RecordView(key: key, value: $0)?.versionHeader }
            }
        }

        /// The deletes in it.
        var tombstones: [Dot] { self.withValue(\.listed)?.tombstones ?? [] }

        /// When what it holds expires.
        var expirations: [Expiration] { self.withValue(\.listed)?.expirations ?? [] }

        private func withValue<Result>(_ body: (RecordView) -> Result?) -> Result? {
            self.value.withUnsafeBytes { RecordView(key: UnsafeRawBufferPointer(start: nil, count: 0), value: $0).flatMap(body) }
        }
    }

    /// What a crash leaves: everything committed.
    package struct Contents: Equatable, Sendable {
        package var entries: [Entry] = []
        package var checkpoint: Checkpoint?
        /// By place, ascending.
        package var exports: [Export] = []

        package init() {}
    }

    /// Called before a commit takes effect; throwing makes the commit fail. Tests plant full disks and crashes with it.
    package typealias CommitFault = @Sendable () throws(StoreError) -> Void

    private let committed: Mutex<Contents>
    private let commitFault: CommitFault

    package init(_ contents: Contents = Contents(), commitFault: @escaping CommitFault = { () throws(StoreError) in }) {
        self.committed = Mutex(contents)
        self.commitFault = commitFault
    }

    package var contents: Contents { self.committed.withLock { $0 } }
    private var entries: [Entry] { self.committed.withLock { $0.entries } }

    package func makeReader() -> any BaseReader { Reader(base: self) }
    package func makeWriter() -> any BaseWriter { Writer(base: self) }
    package func readCheckpoint() -> Checkpoint? { self.contents.checkpoint }

    package func statistics() -> BaseStatistics {
        let contents = self.contents
        let tombstones = contents.entries.reduce(0) { $0 + $1.tombstones.count }
        let expiring = contents.entries.reduce(0) { $0 + $1.expirations.count }
        let bytes = contents.entries.reduce(0) { $0 + $1.key.count + $1.value.count + 8 }
        return BaseStatistics(
            entries: UInt64(contents.entries.count), tombstones: UInt64(tombstones), expiring: UInt64(expiring),
            exports: UInt64(contents.exports.count), usedBytes: UInt64(bytes))
    }

    /// Keeps the bytes it lends at a fixed address until the snapshot goes.
    private final class Lender {
        private var lent: [UnsafeMutableRawBufferPointer] = []

        /// The key, and the value behind it.
        private func lend(_ entry: Entry) -> UnsafeMutableRawBufferPointer {
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: entry.key.count + entry.value.count, alignment: 8)
            copy.copyBytes(from: entry.key)
            UnsafeMutableRawBufferPointer(rebasing: copy[entry.key.count...]).copyBytes(from: entry.value)
            self.lent.append(copy)
            return copy
        }

        func entry(_ entry: Entry) -> BaseEntry {
            let bytes = UnsafeRawBufferPointer(self.lend(entry))
            let (key, value) = (bytes[..<entry.key.count], bytes[entry.key.count...])
            return BaseEntry(
                token: entry.token, key: UnsafeRawBufferPointer(rebasing: key),
                record: RecordView(key: UnsafeRawBufferPointer(rebasing: key), value: UnsafeRawBufferPointer(rebasing: value)))
        }

        func takeBack() {
            for bytes in self.lent { bytes.deallocate() }
            self.lent.removeAll(keepingCapacity: true)
        }

        deinit { self.takeBack() }
    }

    private final class Reader: BaseReader {
        private let base: MemoryBase
        private var snapshot: [Entry]?
        private var position = 0
        private let lender = Lender()

        init(base: MemoryBase) { self.base = base }

        func open() { if self.snapshot == nil { self.snapshot = self.base.entries } }

        func reset() {
            if self.snapshot == nil { return }  // As after most ticks.
            self.snapshot = nil
            self.lender.takeBack()
        }

        func baseChanged() {}
        func prefetch(_ tokens: UnsafeBufferPointer<Token>) {}

        func find(_ token: Token, key: UnsafeRawBufferPointer) -> BaseEntry? {
            let (index, isPresent) = self.held.place(token, key)
            return isPresent ? self.lender.entry(self.held[index]) : nil
        }

        func seek(_ token: Token) -> BaseEntry? {
            self.position = self.held.place(token, UnsafeRawBufferPointer(start: nil, count: 0)).index
            return self.current()
        }

        func advance() -> BaseEntry? {
            self.position += 1
            return self.current()
        }

        func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) -> [IndexedPlace] {
            Array(self.held.tombstones(of: replica, sequences).prefix(limit))
        }

        func expiring(behind start: Expiration, through end: Expiration, limit: Int) -> [ExpiringPlace] {
            Array(self.held.expiring(behind: start, through: end).prefix(limit))
        }

        func expirations(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) -> [Expiration] {
            Array(self.held.expirations(of: replica, sequences).prefix(limit))
        }

        func place(of expiration: Expiration) -> IndexedPlace? { self.held.place(of: expiration) }

        func exports(behind place: ExportPlace?, limit: Int) -> [Export] {
            // Nobody changes them but the thread that reads them.
            let exports = self.base.contents.exports
            guard let place else { return Array(exports.prefix(limit)) }
            let (index, isPresent) = exports.place(of: place)
            return Array(exports[(isPresent ? index + 1 : index)...].prefix(limit))
        }

        private func current() -> BaseEntry? {
            self.position < self.held.count ? self.lender.entry(self.held[self.position]) : nil
        }

        private var held: [Entry] {
            guard let snapshot else { preconditionFailure("read without a snapshot") }
            return snapshot
        }
    }

    private final class Writer: BaseWriter {
        private let base: MemoryBase
        private var staged: Contents?
        private let lender = Lender()

        init(base: MemoryBase) { self.base = base }

        /// As if every entry lay on a page of its own, so that small tables take several transactions.
        var entryPages: Int { 1 << 48 }

        func begin() {
            precondition(self.staged == nil, "a transaction is open")
            self.staged = self.base.contents
        }

        func seek(_ token: Token, key: UnsafeRawBufferPointer) -> BaseEntry? {
            let (index, isPresent) = self.staged!.entries.place(token, key)
            return isPresent ? self.lender.entry(self.staged!.entries[index]) : nil
        }

        func put(_ record: RecordView, token: Token) {
            let (index, isPresent) = self.staged!.entries.place(token, record.key)
            if isPresent {
                self.staged!.entries[index].value = Array(record.value)
            } else {
                self.staged!.entries.insert(Entry(token: token, key: Array(record.key), value: Array(record.value)), at: index)
            }
            self.lender.takeBack()
        }

        func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) -> [IndexedPlace] {
            Array(self.staged!.entries.tombstones(of: replica, sequences).prefix(limit))
        }

        func forgetTombstone(_ dot: Dot) {}

        func expiring(behind start: Expiration, through end: Expiration, limit: Int) -> [ExpiringPlace] {
            Array(self.staged!.entries.expiring(behind: start, through: end).prefix(limit))
        }

        func expirations(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) -> [Expiration] {
            Array(self.staged!.entries.expirations(of: replica, sequences).prefix(limit))
        }

        func place(of expiration: Expiration) -> IndexedPlace? { self.staged!.entries.place(of: expiration) }

        func forget(_ expiration: Expiration) {}

        func keep(_ export: Export) {
            let (index, isPresent) = self.staged!.exports.place(of: export.place)
            if isPresent { self.staged!.exports[index] = export } else { self.staged!.exports.insert(export, at: index) }
        }

        func removeExport(at place: ExportPlace) {
            let (index, isPresent) = self.staged!.exports.place(of: place)
            if isPresent { self.staged!.exports.remove(at: index) }
        }

        func removeAll() { self.staged!.entries.removeAll() }

        func remove(_ token: Token, key: UnsafeRawBufferPointer) {
            let (index, isPresent) = self.staged!.entries.place(token, key)
            precondition(isPresent, "nothing to remove at \(token)")
            self.staged!.entries.remove(at: index)
        }

        func append(_ record: RecordView, token: Token) -> Bool {
            if self.staged!.entries.last.map({ !$0.precedes(token, record.key) }) ?? false { return false }
            self.staged!.entries.append(Entry(token: token, key: Array(record.key), value: Array(record.value)))
            return true
        }

        func commit(_ control: [ControlKey: [UInt8]]) throws(StoreError) {
            guard var checkpoint = self.staged?.checkpoint else { preconditionFailure("control values without a checkpoint") }
            for (key, value) in control { checkpoint.control[key] = value.isEmpty ? nil : value }
            try self.commit(checkpoint)
        }

        func commit(_ checkpoint: Checkpoint?) throws(StoreError) {
            defer { self.abort() }
            try self.base.commitFault()
            if let checkpoint { self.staged!.checkpoint = checkpoint }
            let staged = self.staged!
            self.base.committed.withLock { $0 = staged }
        }

        func abort() {
            self.staged = nil
            self.lender.takeBack()
        }
    }
}

extension MemoryBase.Entry {
    fileprivate func precedes(_ token: Token, _ key: UnsafeRawBufferPointer) -> Bool {
        self.token != token ? self.token < token : self.key.lexicographicallyPrecedes(key)
    }
}

extension [MemoryBase.Entry] {
    /// There is no index: all entries are looked at.
    fileprivate func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>) -> [IndexedPlace] {
        let found = self.flatMap { entry in
            entry.tombstones.filter { $0.replica == replica && sequences.contains($0.sequence) }.map {
                IndexedPlace(dot: $0, token: entry.token, key: entry.key)
            }
        }
        return found.sorted { $0.dot.sequence < $1.dot.sequence }
    }

    fileprivate func expiring(behind start: Expiration, through end: Expiration) -> [ExpiringPlace] {
        let found = self.flatMap { entry in
            entry.expirations.filter { start < $0 && $0 <= end }.map { expiration in
                ExpiringPlace(
                    milliseconds: expiration.milliseconds, place: IndexedPlace(dot: expiration.dot, token: entry.token, key: entry.key))
            }
        }
        return found.sorted { $0.expiration < $1.expiration }
    }

    fileprivate func expirations(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>) -> [Expiration] {
        let found = self.flatMap(\.expirations).filter { $0.dot.replica == replica && sequences.contains($0.dot.sequence) }
        return found.sorted { $0.dot < $1.dot }
    }

    fileprivate func place(of expiration: Expiration) -> IndexedPlace? {
        self.first { $0.expirations.contains(expiration) }.map { IndexedPlace(dot: expiration.dot, token: $0.token, key: $0.key) }
    }

    /// The index of a key's entry, or of the first one behind its place.
    fileprivate func place(_ token: Token, _ key: UnsafeRawBufferPointer) -> (index: Int, isPresent: Bool) {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            // Of most the token decides: their keys are not touched.
            let other = self[middle].token.rawValue
            if other != token.rawValue ? other < token.rawValue : self[middle].precedes(token, key) { low = middle + 1 } else { high = middle }
        }
        guard low < self.count, self[low].token == token else { return (low, false) }
        return (low, self[low].key.elementsEqual(key))
    }
}

extension [Export] {
    /// The index of an export, or of the first one behind its place.
    fileprivate func place(of place: ExportPlace) -> (index: Int, isPresent: Bool) {
        let index = self.firstIndex { !$0.place.rowKey.lexicographicallyPrecedes(place.rowKey) } ?? self.endIndex
        return (index, index < self.endIndex && self[index].place == place)
    }
}
