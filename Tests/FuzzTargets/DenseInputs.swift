import AntiEntropy
import Basics
import Digests
import Membership
import PeerWire
import Storage
import Versioning

/// Valid inputs of a given length that hold as many things as fit into it, each of as few bytes as it can have: of all inputs these take most memory
/// for each byte.
///
/// Short ones are kept among the seeds, so that libFuzzer changes them; of what is as long as a peer or a client may make it, each fuzzing program
/// measures what it takes, once.
extension FuzzTarget {
    static let keptByteCount = 12 << 10
    /// More than a frame and more than a line.
    package static let greatestByteCount = 128 << 10

    package func denseInputs(byteCount: Int) throws -> [SeedInput] {
        switch self {
        case .resp: Self.denseRequests(byteCount) + Self.denseReplies(byteCount)
        case .peerFrames: Self.denseMessages(byteCount).map { SeedInput(name: "dense-\($0)", bytes: Self.frame($1)) }
        case .handshake: try Self.denseEncodings(byteCount)
        case .lmdbRecords: [Self.denseCheckpoint(byteCount)]
        case .logRecords: []  // A reader has the file and nothing else.
        }
    }
}

extension FuzzTarget {
    private static func denseRequests(_ byteCount: Int) -> [SeedInput] {
        let lineByteCount = min(byteCount, 64 << 10)
        let (words, empty, arguments) = (lineByteCount / 2, lineByteCount / 3, byteCount / 6)
        return [
            SeedInput(name: "request-dense-words", bytes: Self.repeated("a ", words) + Array("\n".utf8)),
            SeedInput(name: "request-dense-empty-words", bytes: Self.repeated("'' ", empty) + Array("\n".utf8)),
            // Words are as many as letters, and one of them is long: then the text grows last.
            SeedInput(name: "request-dense-line", bytes: Self.repeated("a ", words - 8) + Self.repeated("b", 16) + Array("\n".utf8)),
            SeedInput(name: "request-dense-array", bytes: Array("*\(arguments)\r\n".utf8) + Self.repeated("$0\r\n\r\n", arguments)),
        ]
    }

    private static func denseReplies(_ byteCount: Int) -> [SeedInput] {
        let elements = byteCount / 3
        return [
            SeedInput(name: "reply-dense-array", bytes: Array("*\(elements)\r\n".utf8) + Self.repeated("_\r\n", elements)),
            SeedInput(
                name: "reply-dense-map", bytes: Array("%\(elements / 2)\r\n".utf8) + Self.repeated("_\r\n", elements / 2 * 2)),
            SeedInput(
                name: "reply-dense-text", bytes: Array("+".utf8) + [UInt8](repeating: 0xff, count: min(byteCount, 65_000)) + Array("\r\n".utf8)),
            SeedInput(name: "reply-dense-bulk", bytes: Array("$\(byteCount)\r\n".utf8) + Self.repeated("a", byteCount) + Array("\r\n".utf8)),
        ]
    }

    private static func repeated(_ text: String, _ count: Int) -> [UInt8] { Array(String(repeating: text, count: count).utf8) }

    /// Each in one frame, but for the last two, which come in parts where they are longer.
    private static func denseMessages(_ byteCount: Int) -> [(String, PeerMessage)] {
        let frameByteCount = min(byteCount, PeerWire.maximumFrameBytes - 100)
        let (nodes, leaves, places) = (self.nodes(frameByteCount), self.nodes(frameByteCount / 2), self.nodes(frameByteCount / 25))
        let counts = PackedNumbers(leaves.map { _ in 0 })
        let stamps = places.map { Stamp(time: $0, replica: ReplicaID(high: 1, low: $0)) }
        let introduction = Introduction(
            start: .none, sequence: 0, announced: self.seen(byteCount, runs: 0), roster: [], wall: WallTime(milliseconds: 0))
        let messages: [(String, SessionMessage)] = [
            ("want", .want(nodes)), ("leaves", .leaves(LeafList(leaves: leaves, counts: counts, entries: []))),
            ("stamps", .stamps(StampList(places: places, stamps: stamps))), ("records", .records([UInt8](repeating: 1, count: byteCount))),
        ]
        return messages.map { ($0, .session(number: 7, sequence: 0, $1)) } + [("introduction", .introduction(introduction))]
    }

    private static func nodes(_ count: Int) -> NodeList { NodeList(depth: DigestNode.maximumDepth, indexes: 0..<UInt64(count)) }

    private static func seen(_ byteCount: Int, runs: UInt64) -> Seen {
        var seen = Seen()
        for low in 1...UInt64(min(byteCount / (25 + 16 * Int(runs)), Seen.maximumReplicas)) {
            for run in 0...runs { _ = seen.insert(Dot(replica: ReplicaID(high: 1, low: low), sequence: 1 + 2 * run)) }
        }
        return seen
    }

    private static func denseEncodings(_ byteCount: Int) throws -> [SeedInput] {
        var (bare, withRuns, offer): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
        self.seen(byteCount, runs: 0).encode(into: &bare)
        self.seen(byteCount, runs: 1).encode(into: &withRuns)
        let members = (1...UInt64(Offer.maximumFounders)).map { ReplicaID(high: 1, low: $0) }
        Offer(cluster: LoneNode.cluster, digestKey: LoneNode.digestKey, members: members).encode(into: &offer)
        return [
            SeedInput(name: "bare-dense-seen", bytes: bare), SeedInput(name: "bare-dense-runs", bytes: withRuns),
            SeedInput(name: "bare-dense-offer", bytes: offer),
            SeedInput(name: "bare-dense-roster", bytes: try self.roster(byteCount)),
            SeedInput(name: "bare-dense-clearance", bytes: self.clearance(byteCount)),
        ]
    }

    private static func clearance(_ byteCount: Int) -> [UInt8] {
        var clearance = Clearance()
        for low in 1...UInt64(min(byteCount / 64, Seen.maximumReplicas)) {
            clearance.floors.raise(ReplicaID(high: 1, low: low), to: 1, stampTime: 1)
            clearance.floors.confirm(ReplicaID(high: 1, low: low), through: 1)
            clearance.settled.settle(ReplicaID(high: 1, low: low), with: Seen())
        }
        return clearance.encoded
    }

    /// With names that are just too long to lie in a `String` itself.
    private static func roster(_ byteCount: Int) throws -> [UInt8] {
        var roster = Roster(founders: [])
        for low in 1...UInt64(min(byteCount / 60, Roster.maximumMembers)) {
            let name = try MemberName("member-\(String(1_000_000_000 - low).prefix(9))")
            let member = Member(replica: ReplicaID(high: 0, low: low), name: name, address: nil, start: Start(counter: 1, nonce: 1))
            _ = try roster.admit(member) { _ in true }
        }
        return roster.encoded
    }

    private static func denseCheckpoint(_ byteCount: Int) -> SeedInput {
        let identity = Identity(cluster: LoneNode.cluster, digestKey: LoneNode.digestKey, replica: ReplicaID(high: 0, low: 7))
        let checkpoint = Checkpoint(identity: identity, seen: self.seen(byteCount, runs: 1))
        return SeedInput(
            name: "dense-checkpoint", bytes: BaseCheck.bytes(of: [BaseCheck.Item(key: BaseCheck.checkpointKey, value: checkpoint.encode())]))
    }
}
