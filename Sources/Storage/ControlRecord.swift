import Basics
import Versioning

/// A piece of a node's durable state besides its entries.
package enum ControlKey: UInt8, CaseIterable, Sendable {
    /// The members that this node knows.
    case members = 1
    /// What this node has accepted to found a cluster with.
    case founding = 2
    /// Not empty while a node that has joined does not have everything yet.
    case joining = 3
    /// How often the store was started, and the nonce of the last time. LMDB alone has it, written before anything else of a start.
    case start = 4
    /// The replica id that the store has taken, and the one that it had before.
    case replica = 5
    /// What was lost to damage here and has not come back: `DamageMarks`.
    case damage = 6
    /// Up to where tombstones were dropped, and which replicas are settled: `Clearance`.
    case clearance = 7
    /// Not empty where the store is older than what other members have forgotten: it serves nobody.
    case forgetful = 8
    /// The node gives up this store for that of the others: `ReturnOrder`. The next start begins with it.
    case returning = 9
    /// How far a bootstrap has got. The base has it with the entries that it counts; the log only ends it.
    case bootstrap = 10
    /// The list of members that a store had that was given up: whom to ask to be let in again.
    case formerMembers = 11
    /// Up to where entries that have expired were looked at, to be dropped: `Expiration`.
    case collected = 12
}

extension Start {
    /// Both numbers, little endian.
    var controlValue: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: self.counter)
        bytes.append(littleEndian: self.nonce)
        return bytes
    }

    /// Nil where the bytes are none.
    init?(controlValue bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self = bytes.withUnsafeBytes { Start(counter: $0.baseAddress!.integer(at: 0), nonce: $0.baseAddress!.integer(at: 8)) }
    }
}

/// A store's change from one replica id to another.
struct ReplicaChange: Equatable {
    let new: ReplicaID
    let old: ReplicaID

    init(new: ReplicaID, old: ReplicaID) { (self.new, self.old) = (new, old) }

    /// The words of both ids, little endian.
    var controlValue: [UInt8] {
        var bytes: [UInt8] = []
        for word in [self.new.high, self.new.low, self.old.high, self.old.low] { bytes.append(littleEndian: word) }
        return bytes
    }

    /// Nil where the bytes are none.
    init?(controlValue bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self = bytes.withUnsafeBytes { bytes in
            let start = bytes.baseAddress!
            return ReplicaChange(
                new: ReplicaID(high: start.integer(at: 0), low: start.integer(at: 8)),
                old: ReplicaID(high: start.integer(at: 16), low: start.integer(at: 24)))
        }
    }
}

extension Clearance {
    /// Nil where the bytes are none.
    init?(controlValue bytes: [UInt8]) {
        guard let clearance = bytes.span.bytes.withUnsafeBytes({ try? Clearance(decoding: $0) }) else { return nil }
        self = clearance
    }
}

/// A control record: the whole new value of one key. Little endian.
///
///     frame    0  u32 length of the whole record    4  u8 record type (2)    5  u8 0    6  u16 control key
///     value    8  ...
enum ControlRecord {
    /// The longest value, in bytes: a thousand members with long addresses.
    static let maximumValueByteCount = 1 << 20

    static func encode(_ key: ControlKey, _ value: [UInt8], into target: UnsafeMutableRawBufferPointer) {
        FrameOnly.encode(.control, tag: UInt16(key.rawValue), value, into: target)
    }

    /// Nil where this program does not know the key.
    static func read(_ frame: UnsafeRawBufferPointer) -> (key: ControlKey, value: [UInt8])? {
        let raw = frame.baseAddress!.integer(UInt16.self, at: 6)
        guard let key = UInt8(exactly: raw).flatMap(ControlKey.init(rawValue:)) else { return nil }
        return (key, Array(frame[RecordLayout.frameByteCount...]))
    }
}

/// A record that is a frame and bytes behind it.
enum FrameOnly {
    static func encode(_ type: RecordType, tag: UInt16, _ value: [UInt8], into target: UnsafeMutableRawBufferPointer) {
        precondition(target.count == RecordLayout.frameByteCount + value.count)
        let start = target.baseAddress!
        start.store(UInt32(target.count), at: 0)
        start.store(type.rawValue, at: 4)
        start.store(FrameFlags.none, at: 5)
        start.store(tag, at: 6)
        UnsafeMutableRawBufferPointer(rebasing: target[RecordLayout.frameByteCount...]).copyBytes(from: value)
    }
}
