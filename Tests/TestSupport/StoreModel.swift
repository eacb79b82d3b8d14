import Basics
import Digests
import Storage
import Versioning

/// What a store should hold, kept in the plainest way: the list of its writes.
///
/// It shares no code with the store but XXH3: the encoding that fingerprints cover is written out a second time here.
package struct StoreModel: Sendable {
    /// One version, and the position of the batch that carries it.
    package struct Write: Equatable, Sendable {
        package let key: [UInt8]
        package let header: VersionHeader
        package let payload: [UInt8]
        package let position: LogPosition

        package init(key: [UInt8], header: VersionHeader, payload: [UInt8], position: LogPosition) {
            (self.key, self.header, self.payload, self.position) = (key, header, payload, position)
        }
    }

    /// A promise that the store did not keep.
    package struct Violation: Error, CustomStringConvertible {
        package let description: String
    }

    /// All writes in the order of the log, but for those taken back.
    package private(set) var writes: [Write] = []
    /// Writes that were once acknowledged; a dot names one of them for ever.
    private var acknowledged: [Dot: Stamp] = [:]
    private var acknowledgedCount = 0
    /// The greatest stamp time that left the node.
    private var greatestAcknowledgedStamp: UInt64 = 0

    package init() {}

    /// The newest version of each key whose batch lies before a position.
    package func entries(before position: LogPosition = .max) -> [[UInt8]: Write] {
        self.writes.prefix { $0.position < position }.reduce(into: [:]) { $0[$1.key] = $1 }
    }

    package mutating func append(_ write: Write) throws {
        if let last = self.writes.last, write.position < last.position {
            throw Violation(description: "position \(write.position) after \(last.position)")
        }
        if let stamp = self.acknowledged[write.header.dot], stamp != write.header.stamp {
            throw Violation(description: "dot \(write.header.dot) was acknowledged as \(stamp) and is issued again as \(write.header.stamp)")
        }
        if write.header.stamp.time <= self.greatestAcknowledgedStamp {
            throw Violation(description: "stamp \(write.header.stamp) is issued after \(self.greatestAcknowledgedStamp) was")
        }
        self.writes.append(write)
    }

    /// Everything before a position has been answered OK.
    package mutating func acknowledge(before position: LogPosition) {
        while self.acknowledgedCount < self.writes.count, self.writes[self.acknowledgedCount].position < position {
            let header = self.writes[self.acknowledgedCount].header
            self.acknowledged[header.dot] = header.stamp
            self.greatestAcknowledgedStamp = max(self.greatestAcknowledgedStamp, header.stamp.time)
            self.acknowledgedCount += 1
        }
    }

    /// Everything from a position on has been answered ERR.
    package mutating func cut(back origin: LogPosition) throws {
        if let first = self.writes.firstIndex(where: { $0.position >= origin }) {
            guard first >= self.acknowledgedCount else {
                throw Violation(description: "a write at \(self.writes[first].position) was acknowledged and is taken back by a cut to \(origin)")
            }
            self.writes.removeSubrange(first...)
        }
    }

    /// The store was opened again and its log ends at `head`: what lies behind is gone, which may be nothing that was acknowledged.
    package mutating func reopened(at head: LogPosition) throws {
        let kept = self.writes.prefix { $0.position < head }.count
        guard kept >= self.acknowledgedCount else {
            throw Violation(description: "\(self.acknowledgedCount) writes were acknowledged, \(kept) lie before the new end \(head)")
        }
        self.writes.removeSubrange(kept...)
    }

    /// The rest of a log was given up, acknowledged or not, and the store has a new replica id: only its old dots stay taken.
    package mutating func giveUp(from head: LogPosition) {
        self.writes.removeAll { $0.position >= head }
        self.acknowledgedCount = min(self.acknowledgedCount, self.writes.count)
        self.greatestAcknowledgedStamp = 0
    }

    /// What the digest of all entries should be.
    package func digest(under key: DigestKey) -> Digest {
        self.entries().values.reduce(into: .empty) { $0.add($1.fingerprint(under: key)) }
    }

    package var liveKeys: Int { self.entries().values.count { !$0.header.isTombstone } }
    package var expiringKeys: Int { self.entries().values.count { !$0.header.isTombstone && $0.header.expiryMilliseconds != 0 } }

    /// The last sequence number of each replica: no write is missing before it.
    package func watermark(of replica: ReplicaID) -> UInt64 {
        self.writes.last { $0.header.dot.replica == replica }?.header.dot.sequence ?? 0
    }
}

extension StoreModel.Write {
    /// Key length, key, checksum, flags, kind, payload length, dot, stamp and the optional fields: numbers little endian, ids big endian.
    package func fingerprint(under key: DigestKey) -> Fingerprint {
        var rest: [UInt8] = []
        let hasOwnStamp = self.header.stamp.replica == self.header.dot.replica
        let hasExpiry = self.header.expiryMilliseconds != 0
        rest.append((self.header.isTombstone ? 1 : 0) | (hasExpiry ? 2 : 0) | (hasOwnStamp ? 0 : 4))
        rest += [self.header.kind.rawValue, 0, 0] + Self.little(UInt32(self.payload.count))
        rest += Self.big(self.header.dot.replica.high) + Self.big(self.header.dot.replica.low)
        rest += Self.little(self.header.dot.sequence) + Self.little(self.header.stamp.time)
        if hasExpiry { rest += Self.little(self.header.expiryMilliseconds) }
        if !hasOwnStamp { rest += Self.big(self.header.stamp.replica.high) + Self.big(self.header.stamp.replica.low) }
        let token = self.key.withUnsafeBytes { key.token(of: $0) }
        let sum = (rest + self.payload).withUnsafeBytes { checksum(of: $0, seed: token.rawValue) }
        let encoding = Self.little(UInt16(self.key.count)) + self.key + Self.little(sum) + rest
        return encoding.withUnsafeBytes { key.fingerprint(of: $0) }
    }

    private static func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    private static func big(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}
