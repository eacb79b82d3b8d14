import Basics
import Digests
import RESP
import Storage
import Versioning

/// Reading and writing single keys, for the commands.
extension Replica {
    /// What a command sees of a key.
    enum Value {
        /// Never written, deleted or expired. An answer that says so depends on the delete, or on what has expired.
        case absent(LogPosition)
        /// The deadline is 0 where there is none.
        case bytes(UnsafeRawBufferPointer, LogPosition, expiryMilliseconds: UInt64)
        case damaged

        /// What an answer that shows it depends on.
        var position: LogPosition {
            switch self {
            case .absent(let position), .bytes(_, let position, _): position
            case .damaged: 0
            }
        }

        var isPresent: Bool {
            if case .absent = self { false } else { true }
        }
    }

    /// Looks a key up without counting a hit or a miss.
    func value(of key: Bytes, at moment: Moment) throws(StoreError) -> Value {
        switch try self.store.find(self.store.token(of: key.buffer), key: key.buffer) {
        case .nothing: .absent(0)
        case .damaged: .damaged
        case .record(let record, let position, _): record.isReadable(at: moment.wall) ? self.shown(record, position, at: moment) : .absent(position)
        }
    }

    /// Looks a key up for a read command and counts where it was found.
    func readCounted(_ key: Bytes, at moment: Moment) throws(StoreError) -> Value {
        switch try self.store.find(self.store.token(of: key.buffer), key: key.buffer) {
        case .nothing:
            self.statistics.misses += 1
            return .absent(0)
        case .damaged:
            return .damaged
        case .record(let record, let position, let layer):
            guard record.isReadable(at: moment.wall) else {
                self.statistics.misses += 1
                return .absent(position)
            }
            self.countHit(in: layer)
            if record.kind == .siblings { self.statistics.siblingReads += 1 }
            return self.shown(record, position, at: moment)
        }
    }

    /// Counts where a read has found what it asked for.
    func countHit(in layer: Store.Layer) {
        switch layer {
        case .live: self.statistics.hitsInTable += 1
        case .frozen: self.statistics.hitsInFrozenTable += 1
        case .base: self.statistics.hitsInBase += 1
        }
    }

    /// What a command for one value sees of a record that is readable: of siblings the newest. The key's deadline is that of the last of them.
    private func shown(_ record: RecordView, _ position: LogPosition, at moment: Moment) -> Value {
        guard record.kind == .siblings else { return .bytes(record.payload, position, expiryMilliseconds: record.expiryMilliseconds) }
        guard let value = record.siblings?.newestReadable(at: moment.wall)?.value else { return .damaged }
        return .bytes(value, position, expiryMilliseconds: record.expiryMilliseconds)
    }

    /// Writes a value over whatever the key has: of siblings over those that this node has.
    ///
    /// - Parameter expiryMilliseconds: its deadline; 0 for none.
    @discardableResult
    func put(_ value: Bytes, for key: Bytes, expiryMilliseconds: UInt64 = 0, at moment: Moment) throws(StoreError) -> LogPosition {
        try self.put(for: key, byteCount: value.count, expiryMilliseconds: expiryMilliseconds, at: moment) {
            value.buffer.isEmpty ? () : $0.copyMemory(from: value.buffer)
        }
    }

    /// Writes a value that `fill` lays out.
    @discardableResult
    func put(
        for key: Bytes, byteCount: Int, expiryMilliseconds: UInt64 = 0, at moment: Moment, fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(StoreError) -> LogPosition {
        let token = self.store.token(of: key.buffer)
        if self.store.hasSiblings || self.peers?.hasPolicies ?? false, let place = try self.placeOfSibling(of: key.buffer, token, at: moment) {
            let value = [UInt8](unsafeUninitializedCapacity: byteCount) { bytes, count in
                fill(UnsafeMutableRawBufferPointer(bytes))
                count = byteCount
            }
            return try value.span.bytes.withUnsafeBytes { value throws(StoreError) in
                try self.replace(place, with: value, expiryMilliseconds: expiryMilliseconds, key.buffer, token, at: moment)
            }
        }
        var header = self.nextVersion(isTombstone: false, at: moment)
        header.expiryMilliseconds = expiryMilliseconds
        return self.store.put(header, key: key.buffer, token: token, payloadByteCount: byteCount, at: moment.now, fill: fill)
    }

    /// Writes a delete over whatever the key has: of siblings over those that this node has.
    @discardableResult
    func putTombstone(for key: Bytes, at moment: Moment) throws(StoreError) -> LogPosition {
        let token = self.store.token(of: key.buffer)
        if self.store.hasSiblings, let place = try self.placeOfSibling(of: key.buffer, token, isNewToo: false, at: moment) {
            return try self.replace(place, with: nil, key.buffer, token, at: moment)
        }
        let header = self.nextVersion(isTombstone: true, at: moment)
        return self.store.put(header, key: key.buffer, token: token, payloadByteCount: 0, at: moment.now) { _ in }
    }

    /// The header of the next write of this node.
    func nextVersion(isTombstone: Bool, at moment: Moment) -> VersionHeader {
        let replica = self.store.identity.replica
        let dot = Dot(replica: replica, sequence: self.store.seen.watermark(of: replica) + 1)
        return VersionHeader(dot: dot, stamp: self.clock.issue(at: self.time(at: moment)), isTombstone: isTombstone)
    }

    /// Answers that a stored version does not have its checksum.
    func answerDamaged(_ writer: inout ReplyWriter) {
        self.statistics.errors += 1
        writer.error("ERR damaged")
    }

    func answerSyntaxError(_ writer: inout ReplyWriter) {
        self.statistics.errors += 1
        writer.error("ERR syntax error")
    }

    func answerNotInteger(_ writer: inout ReplyWriter) {
        self.statistics.errors += 1
        writer.error("ERR value is not an integer or out of range")
    }

    /// Counts a command whose outcome depends on a condition; where the operator refuses those, answers the error and returns false.
    func judgesConditions(_ writer: inout ReplyWriter) -> Bool {
        guard self.configuration.localConditions == .allow else {
            self.statistics.refusedConditions += 1
            self.statistics.errors += 1
            writer.error("ERR conditions are judged on one node alone and are refused here (--local-conditions refuse)")
            return false
        }
        self.statistics.localConditions += 1
        return true
    }
}
