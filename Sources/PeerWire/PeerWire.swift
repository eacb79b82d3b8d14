import AntiEntropy
import Basics
import Digests
import Versioning

/// The frames between nodes. All numbers are little endian, ids most significant byte first.
///
///     u32 length of what follows   u8 type   payload
///
/// A message that does not fit into a frame travels as parts: frames of their own type whose payloads, one behind the other, are type and
/// payload of the message.
package enum PeerWire {
    /// Type and payload of one frame.
    package static let maximumFrameBytes = 64 << 10
    /// Type and payload of one message: the longest record, and room for what is around it.
    package static let maximumMessageBytes = (64 << 20) + (1 << 20)
    /// Type and payload of what a node of the same cluster may say before it is known to be a member: a full roster, and as long a vector.
    package static let maximumIntroductionBytes = 2 << 20
    package static let lengthByteCount = 4
    /// Each side's first frames on a link between members: hello and introduction.
    package static let greetingFrames = 2
    static let magic = Array("HEARSAYP".utf8)
    /// Of things of which a message gives the number only.
    static let maximumCount = UInt64(Int32.max)

    /// Appends a message's frame or frames.
    package static func append(_ message: PeerMessage, to bytes: inout [UInt8]) {
        let start = bytes.count
        if bytes.isEmpty { bytes.reserveCapacity(Self.usualByteCount(of: message)) }
        bytes.append(contentsOf: [0, 0, 0, 0])
        Self.appendBody(message, to: &bytes)
        let byteCount = bytes.count - start - Self.lengthByteCount
        guard byteCount > Self.maximumFrameBytes else { return bytes.store(UInt32(byteCount), at: start) }
        let body = Array(bytes[(start + Self.lengthByteCount)...])
        bytes.removeSubrange(start...)
        Self.appendParts(body, to: &bytes)
    }

    /// Enough for the frame of one of the messages that there are most of: their bytes need not move while they are appended.
    private static func usualByteCount(of message: PeerMessage) -> Int {
        switch message {
        case .push(let push): 16 + 16 * push.named.count + push.records.count
        case .summary(let summary): 80 + (summary.seen?.encodedByteCount ?? 0)
        case .introduction(let introduction): 80 + introduction.roster.count + (introduction.announced?.encodedByteCount ?? 0)
        case .roster(let bytes), .clearance(let bytes): 16 + bytes.count
        default: 64
        }
    }

    private static func appendParts(_ body: [UInt8], to bytes: inout [UInt8]) {
        precondition(body.count <= Self.maximumMessageBytes, "a message of \(body.count) bytes")
        var rest = body[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.maximumFrameBytes - 1)
            rest = rest.dropFirst(part.count)
            bytes.append(UInt32(part.count + 1))
            bytes.append((rest.isEmpty ? FrameType.lastPart : .part).rawValue)
            bytes.append(contentsOf: part)
        }
    }

    private static func appendBody(_ message: PeerMessage, to bytes: inout [UInt8]) {
        switch message {
        case .hello(let hello):
            bytes.append(FrameType.hello.rawValue)
            Self.append(hello, to: &bytes)
        case .refuse(let reason):
            bytes.append(FrameType.refuse.rawValue)
            bytes.append(contentsOf: reason.utf8.prefix(Self.maximumReasonBytes))
        case .welcome(let digestKey, let roster):
            bytes.append(FrameType.welcome.rawValue)
            bytes.append(contentsOf: digestKey)
            bytes.append(contentsOf: roster)
        case .introduction(let introduction):
            bytes.append(FrameType.introduction.rawValue)
            Self.append(introduction, to: &bytes)
        case .ping(let number):
            bytes.append(FrameType.ping.rawValue)
            bytes.append(number)
        case .pong(let number):
            bytes.append(FrameType.pong.rawValue)
            bytes.append(number)
        case .usedUp: bytes.append(FrameType.usedUp.rawValue)
        case .mayReturn(let roster):
            bytes.append(FrameType.mayReturn.rawValue)
            bytes.append(contentsOf: roster)
        case .comeBack(let seen):
            bytes.append(FrameType.comeBack.rawValue)
            seen.encode(into: &bytes)
        case .twin(let nonce):
            bytes.append(FrameType.twin.rawValue)
            bytes.append(nonce)
        case .offer(let offer):
            bytes.append(FrameType.offer.rawValue)
            bytes.append(contentsOf: offer)
        case .answer(let offer):
            bytes.append(FrameType.answer.rawValue)
            bytes.append(contentsOf: offer)
        case .summary(let summary):
            bytes.append(FrameType.summary.rawValue)
            Self.append(summary, to: &bytes)
        case .roster(let roster):
            bytes.append(FrameType.roster.rawValue)
            bytes.append(contentsOf: roster)
        case .clearance(let clearance):
            bytes.append(FrameType.clearance.rawValue)
            bytes.append(contentsOf: clearance)
        case .push(let push):
            bytes.append(FrameType.push.rawValue)
            bytes.append(push.hops)
            bytes.append(UInt8(push.named.count))
            for replica in push.named { bytes.append(replica) }
            bytes.append(contentsOf: push.records)
        case .session(let number, let sequence, let message):
            bytes.append(Self.type(of: message).rawValue)
            bytes.append(number)
            bytes.append(sequence)
            Self.append(message, to: &bytes)
        case .catchUp(let number, let message):
            bytes.append(Self.type(of: message).rawValue)
            bytes.append(number)
            Self.append(message, to: &bytes)
        case .bootstrap(let number, let sequence, let message):
            bytes.append(Self.type(of: message).rawValue)
            bytes.append(number)
            bytes.append(sequence)
            Self.append(message, to: &bytes)
        }
    }

    static let maximumReasonBytes = 512

    private static func append(_ hello: Hello, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: Self.magic)
        bytes.append(contentsOf: [hello.lowest, hello.highest])
        bytes.append(hello.features)
        bytes.append(hello.cluster.high.byteSwapped)
        bytes.append(hello.cluster.low.byteSwapped)
        bytes.append(hello.replica)
        bytes.append(hello.start)
        bytes.append(contentsOf: [hello.expected, hello.isEmpty ? 1 : 0])
        bytes.append(UInt8(hello.name.utf8.count))
        bytes.append(contentsOf: hello.name.utf8)
        bytes.append(UInt8(hello.host?.utf8.count ?? 0))
        bytes.append(contentsOf: (hello.host ?? "").utf8)
        bytes.append(hello.port)
    }

    private enum SummaryFlags {
        static let root: UInt8 = 1
        static let seen: UInt8 = 2
        static let complete: UInt8 = 4
        static let holding: UInt8 = 8
        static let damage: UInt8 = 16
        static let sure: UInt8 = 32
        static let known: UInt8 = 63
    }

    private static func append(_ summary: Summary, to bytes: inout [UInt8]) {
        var flags: UInt8 = summary.isComplete ? SummaryFlags.complete : 0
        if summary.root != nil { flags |= SummaryFlags.root }
        if summary.seen != nil { flags |= SummaryFlags.seen }
        if summary.isHolding { flags |= SummaryFlags.holding }
        if summary.hasDamage { flags |= SummaryFlags.damage }
        if summary.isSure { flags |= SummaryFlags.sure }
        bytes.append(contentsOf: [summary.part.rawValue, flags])
        bytes.append(summary.clock.mark)
        bytes.append(summary.clock.wall)
        bytes.append(summary.seenHash)
        bytes.append(summary.membersHash)
        bytes.append(summary.clearanceHash)
        if let root = summary.root { bytes.append(root) }
        summary.seen?.encode(into: &bytes)
    }

    // MARK: Reading

    /// Reads a message's type and payload.
    static func read(_ body: UnsafeRawBufferPointer) throws(PeerWireError) -> PeerMessage {
        guard let first = body.first else { throw .frameLength(0) }
        guard let type = FrameType(rawValue: first) else { throw .unknownType(first) }
        var reader = WireReader(UnsafeRawBufferPointer(rebasing: body.dropFirst()), type: first)
        return try Self.read(type, &reader)
    }

    private static func read(_ type: FrameType, _ reader: inout WireReader) throws(PeerWireError) -> PeerMessage {
        switch type {
        case .hello: return .hello(try Self.readHello(&reader))
        case .refuse:
            let text = reader.rest()
            guard text.count <= Self.maximumReasonBytes else { throw reader.malformed }
            return .refuse(printable(text))
        case .welcome:
            return .welcome(digestKey: try reader.bytes(DigestKey.byteCount), roster: reader.rest())
        case .introduction: return .introduction(try Self.readIntroduction(&reader))
        case .ping: return .ping(try reader.lastNumber())
        case .pong: return .pong(try reader.lastNumber())
        case .usedUp:
            try reader.end()
            return .usedUp
        case .twin: return .twin(nonce: try reader.lastNumber())
        case .offer: return .offer(reader.rest())
        case .answer: return .answer(reader.rest())
        case .summary: return .summary(try Self.readSummary(&reader))
        case .roster: return .roster(reader.rest())
        case .mayReturn: return .mayReturn(roster: reader.rest())
        case .comeBack:
            let seen = try reader.restAsSeen()
            try reader.end()
            return .comeBack(seen: seen)
        case .clearance: return .clearance(reader.rest())
        case .push: return .push(try Self.readPush(&reader))
        case .part, .lastPart: throw .misplacedPart
        case .ask, .tell, .told: return .catchUp(number: try reader.number(UInt16.self), try Self.readCatchUp(type, &reader))
        case .bootstrapAsk, .bootstrapCapture, .bootstrapGive, .bootstrapRecords, .bootstrapEnd, .bootstrapAcknowledge, .bootstrapStop:
            let (number, sequence) = (try reader.number(UInt16.self), try reader.number(UInt16.self))
            return .bootstrap(number: number, sequence: sequence, try Self.readBootstrap(type, &reader))
        default:
            let (number, sequence) = (try reader.number(UInt16.self), try reader.number(UInt16.self))
            return .session(number: number, sequence: sequence, try Self.readSession(type, &reader))
        }
    }

    /// - Note: What a later version may add behind the port is passed over.
    private static func readHello(_ reader: inout WireReader) throws(PeerWireError) -> Hello {
        guard try reader.bytes(Self.magic.count) == Self.magic else { throw .notAPeer }
        let (lowest, highest) = (try reader.number(UInt8.self), try reader.number(UInt8.self))
        let features = try reader.number(UInt64.self)
        let cluster = ClusterID(high: try reader.number(UInt64.self).byteSwapped, low: try reader.number(UInt64.self).byteSwapped)
        let replica = try reader.replica()
        let start = try reader.start()
        let (expected, flags) = (try reader.number(UInt8.self), try reader.number(UInt8.self))
        let name = try reader.text(maximumBytes: Hello.maximumNameBytes)
        let host = try reader.text(maximumBytes: Hello.maximumHostBytes)
        let port = try reader.number(UInt16.self)
        guard lowest <= highest, !name.isEmpty else { throw reader.malformed }
        var hello = Hello(
            cluster: cluster, replica: replica, start: start, expected: expected, isEmpty: flags & 1 != 0, name: name,
            host: host.isEmpty ? nil : host, port: port)
        (hello.lowest, hello.highest, hello.features) = (lowest, highest, features)
        return hello
    }

    private static func append(_ introduction: Introduction, to bytes: inout [UInt8]) {
        bytes.append(introduction.start)
        bytes.append(introduction.sequence)
        bytes.append(introduction.wall)
        bytes.append(UInt32(introduction.roster.count))
        bytes.append(contentsOf: introduction.roster)
        bytes.append(introduction.announced)
    }

    private static func readIntroduction(_ reader: inout WireReader) throws(PeerWireError) -> Introduction {
        let (start, sequence, wall) = (try reader.start(), try reader.number(UInt64.self), try reader.wall())
        let roster = try reader.bytes(Int(try reader.number(UInt32.self)))
        return Introduction(start: start, sequence: sequence, announced: try reader.optionalSeen(), roster: roster, wall: wall)
    }

    private static func readSummary(_ reader: inout WireReader) throws(PeerWireError) -> Summary {
        guard let part = Summary.Part(rawValue: try reader.number(UInt8.self)) else { throw reader.malformed }
        let flags = try reader.number(UInt8.self)
        guard flags & ~SummaryFlags.known == 0 else { throw reader.malformed }
        let clock = ClockWord(mark: try reader.number(UInt32.self), wall: try reader.wall())
        let (seenHash, membersHash, clearanceHash) = (try reader.number(UInt64.self), try reader.number(UInt64.self), try reader.number(UInt64.self))
        let root = flags & SummaryFlags.root != 0 ? try reader.digest() : nil
        let seen = flags & SummaryFlags.seen != 0 ? try reader.restAsSeen() : nil
        try reader.end()
        return Summary(
            part: part, root: root, seenHash: seenHash, membersHash: membersHash, clearanceHash: clearanceHash, seen: seen,
            isComplete: flags & SummaryFlags.complete != 0, isHolding: flags & SummaryFlags.holding != 0, clock: clock,
            hasDamage: flags & SummaryFlags.damage != 0, isSure: flags & SummaryFlags.sure != 0)
    }

    private static func readPush(_ reader: inout WireReader) throws(PeerWireError) -> Push {
        let hops = try reader.number(UInt8.self)
        let count = Int(try reader.number(UInt8.self))
        guard count <= Push.maximumNamed else { throw reader.malformed }
        var named: [ReplicaID] = []
        named.reserveCapacity(count)
        for _ in 0..<count {
            let replica = try reader.replica()
            if let last = named.last, replica <= last { throw reader.malformed }
            named.append(replica)
        }
        let records = reader.rest()
        guard !records.isEmpty else { throw reader.malformed }
        return Push(hops: hops, named: named, records: records)
    }
}

/// A peer's text as it may stand in a log line: what is not printable ASCII becomes a question mark.
private func printable(_ text: [UInt8]) -> String {
    String(decoding: text.map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
}
