import Basics
import Digests
import Versioning

/// What a client has seen of a key, as it carries it from a read to a write: opaque to it, and good for that key of that cluster only.
///
/// The code at the end is XXH3-128 keyed by the digest key: it keeps a client from handing in what no node gave, by mistake or by guessing. Who knows
/// the digest key, every member, can make any.
struct CausalToken {
    let context: CausalContext
    /// The greatest stamp time of what the context names: a write in its place is given a greater one, wherever it is made.
    let stampTime: UInt64
    /// The register that was beneath what was read. The context may name writes that this had taken, of which nothing else tells what they had replaced.
    let beneath: Siblings.Register?

    /// Texts that are longer are no token: room for the greatest context.
    static let maximumTextBytes = 192 << 10
    private static let version: UInt8 = 1
    private static let codeByteCount = 16
    /// Version, stamp time, and whether there is a register.
    private static let fixedByteCount = 10

    enum Failure: Error, Equatable {
        case tooLong
        /// Not what a node gave, or given for another key or by another cluster.
        case foreign
    }

    /// What a token is good for.
    struct Scope {
        let cluster: ClusterID
        let digestKey: DigestKey
        let key: UnsafeRawBufferPointer

        fileprivate func code(of body: [UInt8]) -> [UInt8] {
            var bytes = Array("hearsay context".utf8)
            for word in [self.cluster.high, self.cluster.low, UInt64(self.key.count)] { bytes += withUnsafeBytes(of: word.bigEndian) { [UInt8]($0) } }
            bytes += self.key
            bytes += body
            let code = bytes.withUnsafeBytes { self.digestKey.fingerprint(of: $0) }
            return withUnsafeBytes(of: code.bigEndian) { [UInt8]($0) }
        }
    }

    init(_ context: CausalContext, stampTime: UInt64, beneath: Siblings.Register?) {
        (self.context, self.stampTime, self.beneath) = (context, stampTime, beneath)
    }

    /// Version 1 | stamp time 8 | 0, or 1 and a register, 2 for one that is a tombstone: stamp time 8, its replica 16, the dot's 16, sequence 8 | the context's
    /// encoding | code 16; numbers big endian, in letters, digits, `-` and `_`.
    func text(for scope: Scope) -> [UInt8] {
        var body = [Self.version]
        func append(_ words: UInt64...) { for word in words { withUnsafeBytes(of: word.bigEndian) { body += $0 } } }
        append(self.stampTime)
        body.append(self.beneath.map { $0.isTombstone ? 2 : 1 } ?? 0)
        if let beneath {
            append(beneath.stamp.time, beneath.stamp.replica.high, beneath.stamp.replica.low)
            append(beneath.dot.replica.high, beneath.dot.replica.low, beneath.dot.sequence)
        }
        body += self.context.encoded
        return base64(body + scope.code(of: body))
    }

    init(_ text: UnsafeRawBufferPointer, for scope: Scope) throws(Failure) {
        guard text.count <= Self.maximumTextBytes else { throw .tooLong }
        guard let bytes = bytes(ofBase64: text), bytes.count >= Self.fixedByteCount + Self.codeByteCount, bytes[0] == Self.version else {
            throw .foreign
        }
        let body = Array(bytes.dropLast(Self.codeByteCount))
        guard scope.code(of: body).elementsEqual(bytes.suffix(Self.codeByteCount)), body[9] <= 2 else { throw .foreign }
        let words = body[9] == 0 ? 0 : 6
        guard body.count >= Self.fixedByteCount + 8 * words else { throw .foreign }
        func word(at offset: Int) -> UInt64 { body[offset..<offset + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        func replica(at offset: Int) -> ReplicaID { ReplicaID(high: word(at: offset), low: word(at: offset + 8)) }
        var beneath: Siblings.Register?
        if words > 0 {
            let stamp = Stamp(time: word(at: 10), replica: replica(at: 18))
            beneath = Siblings.Register(stamp: stamp, isTombstone: body[9] == 2, dot: Dot(replica: replica(at: 34), sequence: word(at: 50)))
        }
        let context = body.withUnsafeBytes { CausalContext(decoding: UnsafeRawBufferPointer(rebasing: $0[(Self.fixedByteCount + 8 * words)...])) }
        guard let context, context.count <= CausalContext.maximumCount else { throw .foreign }
        self.init(context, stampTime: word(at: 1), beneath: beneath)
    }
}

/// The alphabet of RFC 4648 §5, without padding.
private let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

func base64(_ bytes: [UInt8]) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count * 4 + 2) / 3)
    var (bits, count): (UInt32, UInt32) = (0, 0)
    for byte in bytes {
        (bits, count) = (bits << 8 | UInt32(byte), count + 8)
        while count >= 6 {
            count -= 6
            text.append(alphabet[Int(bits >> count & 63)])
        }
    }
    if count > 0 { text.append(alphabet[Int(bits << (6 - count) & 63)]) }
    return text
}

/// Nil where it is not what `base64` writes.
func bytes(ofBase64 text: UnsafeRawBufferPointer) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count * 3 / 4)
    var (bits, count): (UInt32, UInt32) = (0, 0)
    for character in text {
        guard let value = alphabet.firstIndex(of: character) else { return nil }
        (bits, count) = (bits << 6 | UInt32(value), count + 6)
        if count >= 8 {
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        }
    }
    return count < 6 && bits & (1 << count - 1) == 0 ? bytes : nil
}
