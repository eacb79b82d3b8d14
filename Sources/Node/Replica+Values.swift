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
        case .record(let record, let position, _):
            record.isReadable(at: moment.wall)
                ? .bytes(record.payload, position, expiryMilliseconds: record.expiryMilliseconds) : .absent(position)
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
            switch layer {
            case .live: self.statistics.hitsInTable += 1
            case .frozen: self.statistics.hitsInFrozenTable += 1
            case .base: self.statistics.hitsInBase += 1
            }
            return .bytes(record.payload, position, expiryMilliseconds: record.expiryMilliseconds)
        }
    }

    /// Writes a value over whatever the key has.
    ///
    /// - Parameter expiryMilliseconds: its deadline; 0 for none.
    @discardableResult
    func put(_ value: Bytes, for key: Bytes, expiryMilliseconds: UInt64 = 0, at moment: Moment) -> LogPosition {
        self.put(for: key, byteCount: value.count, expiryMilliseconds: expiryMilliseconds, at: moment) {
            value.buffer.isEmpty ? () : $0.copyMemory(from: value.buffer)
        }
    }

    /// Writes a value that `fill` lays out.
    @discardableResult
    func put(
        for key: Bytes, byteCount: Int, expiryMilliseconds: UInt64 = 0, at moment: Moment, fill: (UnsafeMutableRawBufferPointer) -> Void
    ) -> LogPosition {
        var header = self.nextVersion(isTombstone: false, at: moment)
        header.expiryMilliseconds = expiryMilliseconds
        return self.store.put(
            header, key: key.buffer, token: self.store.token(of: key.buffer), payloadByteCount: byteCount, at: moment.now, fill: fill)
    }

    /// Writes a tombstone over whatever the key has.
    @discardableResult
    func putTombstone(for key: Bytes, at moment: Moment) -> LogPosition {
        self.store.put(
            self.nextVersion(isTombstone: true, at: moment), key: key.buffer, token: self.store.token(of: key.buffer), payloadByteCount: 0,
            at: moment.now
        ) { _ in }
    }

    private func nextVersion(isTombstone: Bool, at moment: Moment) -> VersionHeader {
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
