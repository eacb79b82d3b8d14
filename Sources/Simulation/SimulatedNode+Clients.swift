import Basics
import Digests
import Node
import RESP
import Storage
import Versioning

/// One try of a client to have something done.
struct Attempt {
    /// Never given twice: it begins the value.
    var number: UInt64
    let client: Int
    var node: Int
    let operation: Step.Operation
    var tries = 0
    /// Of a modification: what its first half was shown.
    var shown: Shown?
    /// Of siblings that are to be replaced: what came with them.
    var context: [UInt8] = []
    /// Nothing follows its answer.
    var isDone = false

    enum Shown { case nothing, version(Stamp) }

    var key: [UInt8] { Self.key(self.operation.key) }

    /// A key by its number. Checks ask for all of them again and again.
    static func key(_ number: Int) -> [UInt8] { Self.keys.indices.contains(number) ? Self.keys[number] : Array("key\(number)".utf8) }
    private static let keys = (0..<256).map { Array("key\($0)".utf8) }

    var value: [UInt8] {
        withUnsafeBytes(of: self.number.littleEndian) { Array($0) }
            + [UInt8](repeating: UInt8(truncatingIfNeeded: self.number), count: self.operation.padding)
    }

    static func number(in payload: UnsafeRawBufferPointer) -> UInt64 {
        payload.count >= 8 ? payload.loadUnaligned(as: UInt64.self).littleEndian : 0
    }
}

/// What clients do on a simulated node.
extension SimulatedNode {
    enum Answer {
        /// It does not take commands now: it is down, starting, or both its tables are full.
        case notNow
        case error(String)
        /// The reply leaves once the position is durable.
        case answered(LogPosition, [UInt8])
        case job(Job)
    }

    func execute(_ words: [[UInt8]], client: Int, at now: Instant) throws(StoreError) -> Answer {
        try self.execute(words, client: client, at: self.moment(at: now))
    }

    func execute(_ words: [[UInt8]], client: Int, at moment: Replica.Moment) throws(StoreError) -> Answer {
        guard let replica else { return .notNow }
        let session = self.sessions[client]
        let bytes = Self.request(words)
        var parser = CommandParser(limits: .authenticated(valueBytes: 1 << 20))
        var writer = ReplyWriter()
        let outcome = try bytes.span.bytes.withUnsafeBytes { input throws(StoreError) -> Replica.Outcome? in
            guard case .command = parser.next(in: input), !replica.mustWait(parser.arguments, session) else { return nil }
            return try replica.execute(parser.arguments, session, at: moment, to: &writer)
        }
        switch outcome {
        case nil, .answeredAndCloses: return .notNow
        case .job(let job): return .job(job)
        case .answered(let position):
            let reply = writer.withBytes { Array($0) }
            guard reply.first == UInt8(ascii: "-") else { return .answered(position, reply) }
            let text = String(decoding: reply.dropFirst().dropLast(2), as: UTF8.self)
            return text.hasPrefix("LOADING") ? .notNow : .error(text)
        }
    }

    /// As a client sends it: `*2\r\n$3\r\nGET\r\n$4\r\nkey1\r\n`.
    private static func request(_ words: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(words.reduce(16) { $0 + 16 + $1.count })
        let lineEnd = [UInt8(ascii: "\r"), UInt8(ascii: "\n")]
        func append(digitsOf count: Int) {
            if count >= 10 { append(digitsOf: count / 10) }
            bytes.append(UInt8(ascii: "0") + UInt8(count % 10))
        }
        bytes.append(UInt8(ascii: "*"))
        append(digitsOf: words.count)
        bytes += lineEnd
        for word in words {
            bytes.append(UInt8(ascii: "$"))
            append(digitsOf: word.count)
            bytes += lineEnd
            bytes += word
            bytes += lineEnd
        }
        return bytes
    }

    /// One slice of a WAIT.
    ///
    /// - Returns: what it answers; nil while it waits.
    func advance(_ job: Job, at now: Instant) throws(StoreError) -> Int? {
        var writer = ReplyWriter()
        guard case .finished = try self.replica!.advance(job, at: self.moment(at: now), to: &writer) else { return nil }
        self.replica!.end(job)
        return writer.withBytes { bytes in Int(String(decoding: bytes.dropFirst().dropLast(2), as: UTF8.self)) } ?? 0
    }

    /// The newest version of a key.
    func version(of key: [UInt8]) throws(StoreError) -> VersionHeader? {
        let store = self.replica!.store
        return try key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            guard case .record(let record, _, _) = try store.find(store.token(of: key), key: key) else { return nil }
            return record.versionHeader
        }
    }

    /// What the last write of a key was, by its stamp.
    func newest(of key: [UInt8]) throws(StoreError) -> (dot: Dot, version: Ledger.Version)? {
        let store = self.replica!.store
        return try key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            guard case .record(let record, _, _) = try store.find(store.token(of: key), key: key) else { return nil }
            return (record.dot, Ledger.Version(record))
        }
    }

    /// Whether it has a write as one of a key's siblings, or its only one.
    func holds(_ write: Acknowledged) -> Bool {
        guard let store = self.replica?.store else { return false }
        return Attempt.key(write.version.key).span.bytes.withUnsafeBytes { key in
            guard case .record(let record, _, _)? = try? store.find(store.token(of: key), key: key) else { return false }
            return Ledger.Version.all(in: record).contains { $0.dot == write.dot }
        }
    }

    /// Whether it has a write, or what came over it, and no power cut takes that any more.
    func hasDurably(_ write: Acknowledged) -> Bool {
        guard let store = self.replica?.store, store.seen.covers(write.dot) else { return false }
        return Attempt.key(write.version.key).span.bytes.withUnsafeBytes { key in
            guard case .record(let record, let position, _)? = try? store.find(store.token(of: key), key: key) else { return false }
            return position < store.synced && record.stamp >= write.version.stamp
        }
    }

    /// What it took along from a store that it gave up.
    var exports: [Exported] {
        let exports = self.replica == nil ? self.storedExports : self.committedExports
        let versions = exports.compactMap { export in try? export.withUnverifiedRecord { Ledger.Version.all(in: $0) } }
        return versions.joined().map { Exported(dot: $0.dot, version: $0.version) }
    }

    // MARK: Looking inside

    /// All entries as a scan shows them.
    func entries() throws(StoreError) -> [[UInt8]: Entry] {
        var entries: [[UInt8]: Entry] = [:]
        try self.replica!.store.scan(Token.first...Token.last) { entry in
            entries[Array(entry.key)] = Entry(
                header: entry.record!.versionHeader, checksum: entry.record!.checksum,
                payload: entry.record!.isHeaderOnly ? nil : Array(entry.record!.payload))
            return true
        }
        return entries
    }

    /// A checksum of every byte of every entry, in the order of a scan, but of values with a deadline, which may have left on one node and not yet on
    /// another: nothing of it comes from a digest tree.
    ///
    /// - Parameter deadline: entries that have one up to here are left out.
    func contentChecksum(besidesDeadlinesThrough deadline: UInt64 = 0) throws(StoreError) -> UInt64 {
        var sum = StreamingChecksum(seed: 0)
        try self.replica!.store.scan(Token.first...Token.last) { entry in
            let deadlines = entry.record!.deadlines
            if deadlines.contains(where: { $0 <= deadline }) { return true }
            let bytes = !deadlines.isEmpty ? entry.record!.headerBytes : entry.record!.value
            withUnsafeBytes(of: (UInt64(entry.key.count), UInt64(bytes.count))) { sum.update($0) }
            sum.update(entry.key)
            sum.update(bytes)
            return true
        }
        return sum.finish()
    }

    struct Entry: Equatable {
        /// The siblings, where it has such.
        var siblings: [(dot: Dot, version: Ledger.Version)] {
            guard self.header.kind == .siblings, let payload else { return [] }
            return payload.withUnsafeBytes { bytes in (Siblings(decoding: bytes)?.versions ?? []).map { ($0.dot, Ledger.Version($0, key: 0)) } }
        }

        /// The last register that was beneath them.
        var beneath: Stamp? { self.payload.flatMap { $0.withUnsafeBytes { Siblings(decoding: $0)?.beneath?.stamp } } }

        /// The numbers of the writes that a client would be shown.
        var numbers: [UInt64] {
            guard let payload else { return [] }
            return payload.withUnsafeBytes { bytes in
                guard self.header.kind == .siblings else { return [Attempt.number(in: bytes)] }
                return (Siblings(decoding: bytes)?.versions.filter { !$0.isDelete } ?? []).map { Attempt.number(in: $0.value!) }
            }
        }

        let header: VersionHeader
        let checksum: UInt64
        /// Nil where the value has left, which it does on one node sooner than on another.
        let payload: [UInt8]?

        static func == (left: Self, right: Self) -> Bool {
            guard left.header == right.header, left.checksum == right.checksum else { return false }
            return left.payload == nil || right.payload == nil || left.payload == right.payload
        }
    }
}
