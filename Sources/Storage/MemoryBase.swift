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

        /// The write that it is where it is a delete.
        var tombstone: Dot? {
            self.value.withUnsafeBytes { value in
                RecordView(key: UnsafeRawBufferPointer(start: nil, count: 0), value: value).flatMap { $0.isTombstone ? $0.dot : nil }
            }
        }

        static func precedes(_ left: Entry, _ token: Token, _ key: UnsafeRawBufferPointer) -> Bool {
            left.token != token ? left.token < token : left.key.lexicographicallyPrecedes(key)
        }
    }

    /// What a crash leaves: everything committed.
    package struct Contents: Equatable, Sendable {
        package var entries: [Entry] = []
        package var checkpoint: Checkpoint?
        /// By place, ascending.
        package var exports: [Export] = []

        package init() {}

        func exportIndex(of place: ExportPlace) -> (index: Int, isPresent: Bool) {
            let index = self.exports.firstIndex { !$0.place.rowKey.lexicographicallyPrecedes(place.rowKey) } ?? self.exports.endIndex
            return (index, index < self.exports.endIndex && self.exports[index].place == place)
        }

        /// There is no index: all entries are looked at.
        func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>) -> [TombstonePlace] {
            let found = self.entries.compactMap { entry -> TombstonePlace? in
                guard let dot = entry.tombstone, dot.replica == replica, sequences.contains(dot.sequence) else { return nil }
                return TombstonePlace(dot: dot, token: entry.token, key: entry.key)
            }
            return found.sorted { $0.dot.sequence < $1.dot.sequence }
        }

        /// The index of a key's entry, or of the first one behind its place.
        func place(_ token: Token, _ key: UnsafeRawBufferPointer) -> (index: Int, isPresent: Bool) {
            var (low, high) = (0, self.entries.count)
            while low < high {
                let middle = (low + high) / 2
                if Entry.precedes(self.entries[middle], token, key) { low = middle + 1 } else { high = middle }
            }
            guard low < self.entries.count, self.entries[low].token == token else { return (low, false) }
            return (low, self.entries[low].key.elementsEqual(key))
        }
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

    package func makeReader() -> any BaseReader { Reader(base: self) }
    package func makeWriter() -> any BaseWriter { Writer(base: self) }
    package func readCheckpoint() -> Checkpoint? { self.contents.checkpoint }

    package func statistics() -> BaseStatistics {
        let contents = self.contents
        let tombstones = contents.entries.count { entry in
            entry.value.withUnsafeBytes { RecordView(key: UnsafeRawBufferPointer(start: nil, count: 0), value: $0)?.isTombstone ?? false }
        }
        let bytes = contents.entries.reduce(0) { $0 + $1.key.count + $1.value.count + 8 }
        return BaseStatistics(
            entries: UInt64(contents.entries.count), tombstones: UInt64(tombstones), exports: UInt64(contents.exports.count), usedBytes: UInt64(bytes)
        )
    }

    /// Keeps the bytes it lends at a fixed address until the snapshot goes.
    private final class Lender {
        private var lent: [UnsafeMutableRawBufferPointer] = []

        func lend(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
            copy.copyBytes(from: bytes)
            self.lent.append(copy)
            return UnsafeRawBufferPointer(copy)
        }

        func entry(_ entry: Entry) -> BaseEntry {
            let key = self.lend(entry.key)
            return BaseEntry(token: entry.token, key: key, record: RecordView(key: key, value: self.lend(entry.value)))
        }

        func takeBack() {
            for bytes in self.lent { bytes.deallocate() }
            self.lent.removeAll()
        }

        deinit { self.takeBack() }
    }

    private final class Reader: BaseReader {
        private let base: MemoryBase
        private var snapshot: Contents?
        private var position = 0
        private let lender = Lender()

        init(base: MemoryBase) { self.base = base }

        func open() { if self.snapshot == nil { self.snapshot = self.base.contents } }

        func reset() {
            self.snapshot = nil
            self.lender.takeBack()
        }

        func baseChanged() {}
        func prefetch(_ tokens: UnsafeBufferPointer<Token>) {}

        func find(_ token: Token, key: UnsafeRawBufferPointer) -> BaseEntry? {
            let (index, isPresent) = self.held.place(token, key)
            return isPresent ? self.lender.entry(self.held.entries[index]) : nil
        }

        func seek(_ token: Token) -> BaseEntry? {
            self.position = self.held.place(token, UnsafeRawBufferPointer(start: nil, count: 0)).index
            return self.current()
        }

        func advance() -> BaseEntry? {
            self.position += 1
            return self.current()
        }

        func tombstones(of replica: ReplicaID, _ sequences: ClosedRange<UInt64>, limit: Int) -> [TombstonePlace] {
            Array(self.held.tombstones(of: replica, sequences).prefix(limit))
        }

        func exports(behind place: ExportPlace?, limit: Int) -> [Export] {
            guard let place else { return Array(self.held.exports.prefix(limit)) }
            let (index, isPresent) = self.held.exportIndex(of: place)
            return Array(self.held.exports[(isPresent ? index + 1 : index)...].prefix(limit))
        }

        private func current() -> BaseEntry? {
            self.position < self.held.entries.count ? self.lender.entry(self.held.entries[self.position]) : nil
        }

        private var held: Contents {
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
            let (index, isPresent) = self.staged!.place(token, key)
            return isPresent ? self.lender.entry(self.staged!.entries[index]) : nil
        }

        func put(_ record: RecordView, token: Token) {
            let (index, isPresent) = self.staged!.place(token, record.key)
            if isPresent {
                self.staged!.entries[index].value = Array(record.value)
            } else {
                self.staged!.entries.insert(Entry(token: token, key: Array(record.key), value: Array(record.value)), at: index)
            }
            self.lender.takeBack()
        }

        func firstTombstone(of replica: ReplicaID, through sequence: UInt64) -> TombstonePlace? {
            self.staged!.tombstones(of: replica, 0...sequence).first
        }

        func forgetTombstone(_ dot: Dot) {}

        func keep(_ export: Export) {
            let (index, isPresent) = self.staged!.exportIndex(of: export.place)
            if isPresent { self.staged!.exports[index] = export } else { self.staged!.exports.insert(export, at: index) }
        }

        func removeExport(at place: ExportPlace) {
            let (index, isPresent) = self.staged!.exportIndex(of: place)
            if isPresent { self.staged!.exports.remove(at: index) }
        }

        func removeAll() { self.staged!.entries.removeAll() }

        func remove(_ token: Token, key: UnsafeRawBufferPointer) {
            let (index, isPresent) = self.staged!.place(token, key)
            precondition(isPresent, "nothing to remove at \(token)")
            self.staged!.entries.remove(at: index)
        }

        func append(_ record: RecordView, token: Token) -> Bool {
            let last = self.staged!.entries.last
            if let last, !Entry.precedes(last, token, record.key) { return false }
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
