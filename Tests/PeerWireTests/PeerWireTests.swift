import AntiEntropy
import Basics
import Digests
import TestSupport
import Testing
import Versioning

@testable import PeerWire

@Suite("Peer frames")
struct PeerWireTests {
    @Test("read back as they were written, whatever way the bytes are cut", arguments: seeds(100))
    func roundTrip(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let messages = (0..<20).map { _ in MessageDrawing.message(using: &random) }
        var bytes: [UInt8] = []
        for message in messages { PeerWire.append(message, to: &bytes) }
        #expect(try Self.read(bytes) == messages)
        var (reader, input, read, rest) = (FrameReader(), [UInt8](), [PeerMessage](), bytes[...])
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...3_000, using: &random))
            rest = rest.dropFirst(piece.count)
            input += piece
            try Self.drain(&input, &reader, &read)
        }
        #expect(read == messages && input.isEmpty)
    }

    @Test("longer than a frame travel in parts, and nothing is held once they are whole")
    func parts() throws {
        let limit = PeerWire.maximumFrameBytes - 5
        for count in [limit - 1, limit, limit + 1, 3 * limit, 1 << 20] {
            let message = PeerMessage.session(number: 3, sequence: 9, .records([UInt8](repeating: 7, count: count)))
            var bytes: [UInt8] = []
            PeerWire.append(message, to: &bytes)
            var (reader, read) = (FrameReader(), [PeerMessage]())
            #expect((bytes.count > count + 9) == (count > limit))
            try Self.drain(&bytes, &reader, &read)
            #expect(read == [message] && reader.heldBytes == 0)
        }
    }

    @Test("in parts are held in as many bytes as have come of them, and a piece that is not full", arguments: [700, 5_000, 40_000, 65_000])
    func heldParts(partByteCount: Int) throws {
        let body = [FrameType.sessionRecords.rawValue, 3, 0, 9, 0] + [UInt8](repeating: 7, count: 4 * PeerWire.maximumFrameBytes)
        var (reader, rest, received) = (FrameReader(), body[...], 0)
        while !rest.isEmpty {
            let part = rest.prefix(partByteCount)
            rest = rest.dropFirst(partByteCount)
            var frame: [UInt8] = []
            frame.append(UInt32(part.count + 1))
            frame.append((rest.isEmpty ? FrameType.lastPart : .part).rawValue)
            let message = try (frame + part).withUnsafeBytes { try reader.next(in: $0).message }
            received += part.count
            guard !rest.isEmpty else {
                #expect(message == .session(number: 3, sequence: 9, .records(Array(body.dropFirst(5)))))
                return
            }
            try #require(reader.heldBytes <= received + min(received, PeerWire.maximumFrameBytes / 2) + 64)
        }
    }

    @Test("that list nodes are kept in as many bytes as they came in, and each list ascends below 2^depth")
    func nodeLists() throws {
        let dense = PeerMessage.session(number: 1, sequence: 2, .want(NodeList(depth: 16, indexes: 0..<65_000)))
        var bytes: [UInt8] = []
        PeerWire.append(dense, to: &bytes)
        #expect(try Self.read(bytes) == [dense])
        guard case .session(_, _, .want(let nodes))? = try Self.read(bytes).first else { return #expect(Bool(false)) }
        #expect(nodes.gaps.bytes.capacity < bytes.count + 64)
        for indexes in [[65_535], [65_536], [7, 7], [7, 6], [0, 65_535], [1, 65_536]] as [[UInt64]] {
            bytes = []
            PeerWire.append(.session(number: 1, sequence: 2, .wantAll(NodeList(depth: 16, indexes: indexes))), to: &bytes)
            let isList = indexes.allSatisfy { $0 < 65_536 } && zip(indexes, indexes.dropFirst()).allSatisfy { $0 < $1 }
            if isList {
                #expect(try Self.read(bytes).count == 1)
            } else {
                #expect(throws: PeerWireError.malformed(type: FrameType.sessionWantAll.rawValue)) { try Self.read(bytes) }
            }
        }
    }

    @Test("of a length that none has are refused before anything is waited for", arguments: [0, 65_537, 1 << 31, UInt32.max])
    func lengths(length: UInt32) {
        var bytes: [UInt8] = []
        bytes.append(length)
        #expect(throws: PeerWireError.frameLength(length)) { try Self.read(bytes) }
    }

    @Test("that name a place have a key as long as a client's may be, and none that is longer")
    func places() throws {
        func bytes(_ count: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            let place = BootstrapPlace(token: Token(rawValue: 9), key: [UInt8](repeating: 1, count: count))
            PeerWire.append(.bootstrap(number: 1, sequence: 2, .give(after: place)), to: &bytes)
            return bytes
        }
        let most = BootstrapPlace.maximumKeyBytes
        for count in [0, most - 1, most] { #expect(try Self.read(bytes(count)).count == 1) }
        #expect(throws: PeerWireError.malformed(type: FrameType.bootstrapGive.rawValue)) { try Self.read(bytes(most + 1)) }
    }

    @Test("that ask for writes name ranges in ascending order, as many as the bound and no more")
    func gaps() throws {
        func range(_ low: UInt64, _ first: UInt64, _ last: UInt64) -> DotRange {
            DotRange(replica: ReplicaID(high: 0, low: low), sequences: first...last)
        }
        func bytes(_ gaps: [DotRange]) -> [UInt8] {
            var bytes: [UInt8] = []
            PeerWire.append(.catchUp(number: 7, .ask(gaps)), to: &bytes)
            return bytes
        }
        let most = (1...UInt64(GapWatch.maximumGaps)).map { range($0, 1, .max) }
        #expect(try Self.read(bytes(most)) == [.catchUp(number: 7, .ask(most))])
        let tooMany = most + [range(9_999, 1, 1)]
        for wrong in [[], tooMany, [range(1, 0, 1)], [range(2, 1, 1), range(1, 1, 1)], [range(1, 1, 5), range(1, 5, 9)]] {
            #expect(throws: PeerWireError.malformed(type: FrameType.ask.rawValue), "\(wrong.count) ranges") { try Self.read(bytes(wrong)) }
        }
    }

    @Test("of the greatest length are read")
    func greatestLength() throws {
        var bytes: [UInt8] = []
        PeerWire.append(.roster([UInt8](repeating: 1, count: PeerWire.maximumFrameBytes - 1)), to: &bytes)
        #expect(bytes.count == PeerWire.lengthByteCount + PeerWire.maximumFrameBytes)
        #expect(try Self.read(bytes).count == 1)
    }

    @Test("of one that is no member yet have at most a frame's bytes, in however many parts")
    func strangersParts() throws {
        var reader = FrameReader(maximumMessageBytes: PeerWire.maximumFrameBytes)
        func part(_ count: Int) throws {
            var bytes: [UInt8] = []
            bytes.append(UInt32(count + 1))
            bytes.append(40)  // The type of a part.
            bytes.append(contentsOf: [UInt8](repeating: 1, count: count))
            _ = try bytes.withUnsafeBytes { try reader.next(in: $0) }
        }
        try part(PeerWire.maximumFrameBytes - 1)
        try part(1)
        #expect(throws: PeerWireError.messageTooLong(limitBytes: PeerWire.maximumFrameBytes)) { try part(1) }
    }

    @Test("of an unknown type are refused by name")
    func unknownType() {
        let bytes: [UInt8] = [1, 0, 0, 0, 99]
        #expect(throws: PeerWireError.unknownType(99)) { try Self.read(bytes) }
        #expect("\(PeerWireError.unknownType(99))".contains("type 99"))
    }

    @Test("in parts end at the bound of a message, are not mixed with others, and none is empty")
    func partBounds() throws {
        func frame(_ type: FrameType, _ count: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.append(UInt32(count + 1))
            return bytes + [type.rawValue] + [UInt8](repeating: FrameType.roster.rawValue, count: count)
        }
        let whole = PeerWire.maximumFrameBytes - 1
        let count = PeerWire.maximumMessageBytes / whole
        let rest = PeerWire.maximumMessageBytes - count * whole
        var (reader, read) = (FrameReader(), [PeerMessage]())
        for _ in 0..<count {
            var bytes = frame(.part, whole)
            try Self.drain(&bytes, &reader, &read)
        }
        var over = reader
        #expect(throws: PeerWireError.messageTooLong(limitBytes: PeerWire.maximumMessageBytes)) {
            var bytes = frame(.lastPart, rest + 1)
            try Self.drain(&bytes, &over, &read)
        }
        var exact = frame(.lastPart, rest)
        try Self.drain(&exact, &reader, &read)
        #expect(read.count == 1)
        #expect(throws: PeerWireError.misplacedPart) { try Self.read(frame(.part, 0)) }
        #expect(throws: PeerWireError.misplacedPart) { try Self.read(frame(.part, 5) + frame(.roster, 5)) }
        #expect(throws: PeerWireError.misplacedPart) { try Self.read([2, 0, 0, 0, FrameType.lastPart.rawValue, FrameType.part.rawValue]) }
    }

    @Test("damaged in any byte or cut short read as something or are refused, and never trap", arguments: seeds(200))
    func mutations(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            var bytes: [UInt8] = []
            PeerWire.append(MessageDrawing.message(using: &random), to: &bytes)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 4..<bytes.count, using: &random)
                bytes[index] =
                    Bool.random(using: &random)
                    ? UInt8.random(in: 0...255, using: &random) : bytes[index] ^ 1 << UInt8.random(in: 0..<8, using: &random)
            }
            _ = try? Self.read(bytes)
            let body = Array(bytes[4...].prefix(Int.random(in: 0..<bytes.count - 4, using: &random)))
            _ = try? body.withUnsafeBytes { try PeerWire.read($0) }
        }
    }

    @Test("a stranger's first bytes are told from a peer's")
    func magic() {
        var bytes: [UInt8] = []
        PeerWire.append(.hello(MessageDrawing.hello), to: &bytes)
        bytes[6] ^= 0x20
        #expect(throws: PeerWireError.notAPeer) { try Self.read(bytes) }
    }

    @Test("a hello may have more behind what this version knows")
    func longerHello() throws {
        var bytes: [UInt8] = []
        PeerWire.append(.hello(MessageDrawing.hello), to: &bytes)
        bytes += [1, 2, 3]
        bytes.store(UInt32(bytes.count - 4), at: 0)
        #expect(try Self.read(bytes) == [.hello(MessageDrawing.hello)])
    }

    @Test("a round of equal nodes costs under 200 bytes")
    func roundSize() {
        let summary = Summary(
            part: .question, root: Digest(entries: 1, sum: 2), seenHash: 1, membersHash: 2, seen: nil, isComplete: true, isHolding: false,
            clock: ClockWord(mark: 1, wall: WallTime(milliseconds: 1_800_000_000_000)))
        var bytes: [UInt8] = []
        PeerWire.append(.summary(summary), to: &bytes)
        PeerWire.append(.summary(summary), to: &bytes)
        #expect(bytes.count == 130)
    }

    @Test("a wall clock crosses in 48 bits, and one that says more says that", arguments: [0, 1, 0xffff_ffff, 1 << 32, Stamp.maximumMilliseconds])
    func wallClock(milliseconds: UInt64) throws {
        for said in [milliseconds, milliseconds == Stamp.maximumMilliseconds ? .max : milliseconds] {
            let introduction = Introduction(start: .none, sequence: 0, announced: nil, roster: [], wall: WallTime(milliseconds: said))
            var bytes: [UInt8] = []
            PeerWire.append(.introduction(introduction), to: &bytes)
            guard case .introduction(let read) = try Self.read(bytes)[0] else { return #expect(Bool(false)) }
            #expect(read.wall == WallTime(milliseconds: milliseconds))
        }
    }

    @Test("a refusal's text is safe to log")
    func reasons() throws {
        var bytes: [UInt8] = []
        PeerWire.append(.refuse("no\nyou \u{1b}[31m" + String(repeating: "x", count: 600)), to: &bytes)
        guard case .refuse(let text) = try Self.read(bytes)[0] else { return #expect(Bool(false)) }
        #expect(text.hasPrefix("no?you ?[31mxxx") && text.utf8.count == PeerWire.maximumReasonBytes)
    }

    static func read(_ bytes: [UInt8]) throws -> [PeerMessage] {
        var (input, reader, read) = (bytes, FrameReader(), [PeerMessage]())
        try self.drain(&input, &reader, &read)
        return read
    }

    private static func drain(_ input: inout [UInt8], _ reader: inout FrameReader, _ read: inout [PeerMessage]) throws {
        while true {
            let (message, consumed) = try input.withUnsafeBytes { bytes throws(PeerWireError) in try reader.next(in: bytes) }
            guard consumed > 0 else { return }
            input.removeFirst(consumed)
            if let message { read.append(message) }
        }
    }
}

/// Draws any message that a node can send.
enum MessageDrawing {
    static let hello = Hello(
        cluster: ClusterID(high: 1, low: 2), replica: ReplicaID(high: 3, low: 4), start: Start(counter: 5, nonce: 6), expected: 3, isEmpty: true,
        name: "n1",
        host: "127.0.0.1", port: 7_380)

    static func message(using random: inout SplitMix64) -> PeerMessage {
        func bytes(_ limit: Int, _ random: inout SplitMix64) -> [UInt8] {
            (0..<Int.random(in: 1...limit, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        func wall(_ random: inout SplitMix64) -> WallTime { WallTime(milliseconds: random.next() >> 16) }
        switch random.next() % 14 {
        case 0:
            var hello = Self.hello
            hello.start = Start(counter: random.next(), nonce: random.next())
            (hello.host, hello.isEmpty) = (Bool.random(using: &random) ? nil : "example.org", Bool.random(using: &random))
            return .hello(hello)
        case 1: return .refuse("the name n2 is taken")
        case 2:
            let digestKey = (0..<DigestKey.byteCount).map { _ in UInt8.random(in: 0...255, using: &random) }
            return .welcome(digestKey: digestKey, roster: bytes(300, &random))
        case 3: return Bool.random(using: &random) ? .offer(bytes(300, &random)) : .answer(bytes(300, &random))
        case 4: return Bool.random(using: &random) ? .roster(bytes(500, &random)) : .clearance(bytes(500, &random))
        case 5:
            let named = Set((0..<random.next() % 5).map { _ in ReplicaID(using: &random) }).sorted()
            return .push(Push(hops: UInt8.random(in: 0...255, using: &random), named: named, records: bytes(2_000, &random)))
        case 6:
            let summary = Summary(
                part: .closing, root: Bool.random(using: &random) ? digest(&random) : nil, seenHash: random.next(), membersHash: random.next(),
                seen: Bool.random(using: &random) ? seen(&random) : nil, isComplete: Bool.random(using: &random),
                isHolding: Bool.random(using: &random), clock: ClockWord(mark: UInt32(truncatingIfNeeded: random.next()), wall: wall(&random)),
                hasDamage: Bool.random(using: &random), isSure: Bool.random(using: &random))
            return .summary(summary)
        case 8:
            let start = Start(counter: random.next(), nonce: random.next())
            return .introduction(
                Introduction(
                    start: start, sequence: random.next(), announced: Bool.random(using: &random) ? seen(&random) : nil, roster: bytes(500, &random),
                    wall: wall(&random)))
        case 9:
            return [
                .ping(random.next()), .pong(random.next()), .twin(nonce: random.next()), .usedUp, .mayReturn(roster: bytes(500, &random)),
                .comeBack(seen: seen(&random)),
            ].randomElement(using: &random)!
        case 7: return .catchUp(number: UInt16.random(in: 0...UInt16.max, using: &random), self.catchUp(using: &random))
        case 10:
            let (number, sequence) = (UInt16.random(in: 0...UInt16.max, using: &random), UInt16.random(in: 0...UInt16.max, using: &random))
            return .bootstrap(number: number, sequence: sequence, self.bootstrap(using: &random))
        default:
            let (number, sequence) = (UInt16.random(in: 0...UInt16.max, using: &random), UInt16.random(in: 0...UInt16.max, using: &random))
            return .session(number: number, sequence: sequence, self.session(using: &random))
        }
    }

    private static func digest(_ random: inout SplitMix64) -> Digest { Digest(entries: random.next(), sum: UInt128(random.next()) << 64 | 5) }

    private static func seen(_ random: inout SplitMix64) -> Seen {
        var seen = Seen()
        for _ in 0..<random.next() % 9 {
            _ = seen.insert(Dot(replica: ReplicaID(high: 0, low: random.next() % 3), sequence: 1 + random.next() % 9))
        }
        return seen
    }

    private static func catchUp(using random: inout SplitMix64) -> CatchUpMessage {
        switch random.next() % 3 {
        case 0:
            let gaps = (0..<1 + random.next() % 9).map { number in
                let first = UInt64.random(in: 1 ... .max, using: &random)
                return DotRange(
                    replica: ReplicaID(high: number / 2, low: number), sequences: first...UInt64.random(in: first ... .max, using: &random))
            }
            return .ask(gaps)
        case 1: return .tell((0..<1 + random.next() % 3_000).map { UInt8(truncatingIfNeeded: $0) })
        default: return .told(isWhole: Bool.random(using: &random))
        }
    }

    private static func bootstrap(using random: inout SplitMix64) -> BootstrapMessage {
        switch random.next() % 8 {
        case 0: return .ask
        case 1:
            var clearance = Clearance()
            clearance.floors.raise(ReplicaID(using: &random), to: 1 + random.next() >> 1, stampTime: 1)
            return .capture(BootstrapCapture(seen: seen(&random), entries: random.next(), clearance: clearance))
        case 2: return .give(after: nil)
        case 3:
            let key = [UInt8](repeating: 3, count: Int.random(in: 0...BootstrapPlace.maximumKeyBytes, using: &random))
            return .give(after: BootstrapPlace(token: Token(rawValue: random.next()), key: key))
        case 4: return .records((0..<1 + random.next() % 3_000).map { UInt8(truncatingIfNeeded: $0) })
        case 5: return .end
        case 6: return .acknowledge(bytes: Int.random(in: 0...Int(UInt32.max), using: &random))
        default: return .stop(.stalled)
        }
    }

    private static func nodes(_ random: inout SplitMix64) -> NodeList {
        let depth = Int.random(in: 0...64, using: &random)
        let indexes = Set((0..<1 + random.next() % 20).map { _ in depth == 64 ? random.next() : random.next() % (1 << UInt64(depth)) })
        return NodeList(depth: depth, indexes: indexes.sorted())
    }

    static func session(using random: inout SplitMix64) -> SessionMessage {
        let optional = Bool.random(using: &random) ? seen(&random) : nil
        switch random.next() % 13 {
        case 0: return .open(SessionOpening(purpose: .count, width: .full, leafBits: 16, root: digest(&random), seen: optional))
        case 1: return .accept(SessionAcceptance(leafBits: 26, root: digest(&random), seen: optional))
        case 2: return Bool.random(using: &random) ? .refuse(.crossed) : .abort(.stalled)
        case 3: return .compare(Comparison(parents: nodes(&random), childDepth: 12, sums: [1, 2, 3, 4, 5]))
        case 4:
            let leaves = nodes(&random)
            return .leaves(LeafList(leaves: leaves, counts: PackedNumbers(leaves.map { $0 % 300 }), entries: [1, 2, 3]))
        case 5: return Bool.random(using: &random) ? .want(nodes(&random)) : .wantAll(nodes(&random))
        case 6:
            let places = nodes(&random)
            return .stamps(StampList(places: places, stamps: places.map { Stamp(time: $0, replica: ReplicaID(high: 1, low: $0)) }))
        case 7: return .records((0..<random.next() % 3_000).map { UInt8(truncatingIfNeeded: $0) })
        case 8: return .headers([1, 2])
        case 9: return .endTurn(isFinal: Bool.random(using: &random))
        case 10:
            var tally = Tally()
            (tally.ranges, tally.onlyHere, tally.onlyThere, tally.inBoth) = (1, 200, 30_000, Int(Int32.max))
            return .root(SessionRoot(digest: digest(&random), seen: optional, tally: tally))
        case 11: return .found(entries: Int.random(in: 0...Int(Int32.max), using: &random))
        default: return .acknowledge(units: Int.random(in: 0...65_535, using: &random))
        }
    }
}
