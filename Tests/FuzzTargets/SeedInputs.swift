import AntiEntropy
import Basics
import Digests
import Membership
import PeerWire
import Versioning

/// Where fuzzing begins: valid inputs of each kind, as programs of today write them.
///
/// They are kept in `Tests/Fuzz/Corpus` under their names, beside inputs that have failed once; a test compares them.
package struct SeedInput {
    package let name: String
    package let bytes: [UInt8]
}

extension FuzzTarget {
    package func seedInputs() throws -> [SeedInput] {
        let inputs =
            switch self {
            case .resp: Self.requests + Self.replies
            case .peerFrames: try Self.messages().map { SeedInput(name: $0, bytes: Self.frame($1)) }
            case .handshake: try Self.conversations() + Self.encodings()
            case .logRecords: try StoredSeeds.logs()
            case .lmdbRecords: try StoredSeeds.items()
            }
        return try inputs + self.denseInputs(byteCount: Self.keptByteCount)
    }
}

// MARK: RESP

extension FuzzTarget {
    private static let requests = [
        ("get", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
        ("pipelined", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nget\r\n$2\r\nbc\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n\u{0}x\r\n"),
        ("inline", "SET key \"va\\x41\\n lue\"\r\nGET 'it\\'s'\n\r\nPING\n"),
        ("empty", "*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n"),
        ("too-long", "*2\r\n$3\r\nGET\r\n$13\r\naaaaaaaaaaaaa\r\n*1\r\n$4\r\nPING\r\n"),
        ("too-many", "*6\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\nPING\r\n"),
        ("announced", "*1048576\r\n$536870912\r\nabc"),
        ("unbalanced", "GET \"k\r\n"),
        ("browser", "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ].map { SeedInput(name: "request-\($0)", bytes: Array($1.utf8)) }

    private static let replies = [
        ("two", "+OK\r\n-ERR no\r\n:-12\r\n$3\r\nabc\r\n$-1\r\n*2\r\n$0\r\n\r\n*-1\r\n"),
        ("three", "%1\r\n+a\r\n~2\r\n#t\r\n#f\r\n>1\r\n_\r\n,1.5e3\r\n,nan\r\n(12345678901234567890\r\n=7\r\ntxt:abc\r\n!5\r\nERR x\r\n"),
        ("deep", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
        ("attribute", "|1\r\n+ttl\r\n:3\r\n*1\r\n$1\r\nx\r\n"),
    ].map { SeedInput(name: "reply-\($0)", bytes: Array($1.utf8)) }
}

// MARK: Frames

extension FuzzTarget {
    static func frame(_ message: PeerMessage) -> [UInt8] {
        var bytes: [UInt8] = []
        PeerWire.append(message, to: &bytes)
        return bytes
    }

    private static let seen: Seen = {
        var seen = Seen()
        for sequence: UInt64 in [1, 2, 3, 6, 7, 9] { _ = seen.insert(Dot(replica: ReplicaID(high: 1, low: 2), sequence: sequence)) }
        _ = seen.insert(Dot(replica: ReplicaID(high: 1, low: 3), sequence: 1))
        return seen
    }()

    private static let clearance: Clearance = {
        var clearance = Clearance()
        clearance.floors.raise(ReplicaID(high: 1, low: 2), to: 3, stampTime: 77)
        clearance.floors.raise(ReplicaID(high: 1, low: 3), to: 1, stampTime: 78)
        clearance.floors.confirm(ReplicaID(high: 1, low: 2), through: 3)
        clearance.settled.settle(ReplicaID(high: 1, low: 2), with: Self.seen)
        return clearance
    }()

    private static func messages() throws -> [(String, PeerMessage)] {
        let hello = Hello(
            cluster: LoneNode.cluster, replica: ReplicaID(high: 3, low: 4), start: Start(counter: 5, nonce: 6), expected: 3, isEmpty: true,
            name: "n1",
            host: "127.0.0.1", port: 7_380)
        let wall = WallTime(milliseconds: 1_800_000_000_123)
        let summary = Summary(
            part: .answer, root: Digest(entries: 1, sum: 2), seenHash: 3, membersHash: 4, seen: Self.seen, isComplete: true, isHolding: true,
            clock: ClockWord(mark: 7, wall: wall))
        let named: [(String, PeerMessage)] = [
            ("hello", .hello(hello)), ("refuse", .refuse("the name n2 is taken")),
            ("welcome", .welcome(digestKey: LoneNode.digestKey.bytes, roster: try Self.roster())),
            ("offer", .offer(Self.offer)), ("answer", .answer(Self.offer)), ("summary", .summary(summary)), ("roster", .roster(try Self.roster())),
            ("clearance", .clearance(Self.clearance.encoded)),
            (
                "introduction",
                .introduction(Introduction(start: hello.start, sequence: 9, announced: Self.seen, roster: try Self.roster(), wall: wall))
            ),
            ("ping", .ping(1)), ("pong", .pong(1)), ("twin", .twin(nonce: 6)), ("used-up", .usedUp),
            ("may-return", .mayReturn(roster: try Self.roster())), ("come-back", .comeBack(seen: Self.seen)),
            ("push", .push(Push(hops: 1, named: [ReplicaID(high: 1, low: 2)], records: [1, 2, 3]))),
        ]
        return named + Self.sessions().map { ("session-\($0)", .session(number: 7, sequence: 0, $1)) }
            + Self.catchUps.map { ("log-\($0)", .catchUp(number: 7, $1)) }
            + Self.bootstraps().map { ("bootstrap-\($0)", .bootstrap(number: 7, sequence: 1, $1)) }
    }

    private static func sessions() -> [(String, SessionMessage)] {
        let (nodes, root) = (NodeList(depth: 12, indexes: [0, 5, 300]), Digest(entries: 9, sum: 1 << 100))
        let stamps = nodes.map { Stamp(time: $0, replica: ReplicaID(high: 1, low: $0)) }
        var tally = Tally()
        (tally.ranges, tally.onlyHere, tally.onlyThere, tally.inBoth) = (1, 200, 30_000, 4)
        return [
            ("open", .open(SessionOpening(purpose: .repair, width: .short, leafBits: 16, root: root, seen: Self.seen))),
            ("accept", .accept(SessionAcceptance(leafBits: 12, root: root, seen: nil))), ("refuse", .refuse(.crossed)),
            ("compare", .compare(Comparison(parents: nodes, childDepth: 13, sums: Array(0..<30)))),
            ("leaves", .leaves(LeafList(leaves: nodes, counts: PackedNumbers([1, 0, 300]), entries: Array(0..<12)))),
            ("want-all", .wantAll(nodes)), ("want", .want(nodes)), ("stamps", .stamps(StampList(places: nodes, stamps: stamps))),
            ("records", .records([1, 2, 3])), ("headers", .headers([4, 5])), ("end-turn", .endTurn(isFinal: true)),
            ("root", .root(SessionRoot(digest: root, seen: Self.seen, tally: tally))), ("acknowledge", .acknowledge(units: 64)),
            ("abort", .abort(.stalled)), ("found", .found(entries: 1_000)),
        ]
    }

    private static let catchUps: [(String, CatchUpMessage)] = [
        (
            "ask",
            .ask([DotRange(replica: ReplicaID(high: 1, low: 2), sequences: 3...9), DotRange(replica: ReplicaID(high: 1, low: 3), sequences: 1...1)])
        ),
        ("tell", .tell([1, 2, 3])), ("told", .told(isWhole: false)),
    ]

    private static func bootstraps() -> [(String, BootstrapMessage)] {
        [
            ("ask", .ask), ("capture", .capture(BootstrapCapture(seen: Self.seen, entries: 1_000, clearance: Self.clearance))),
            ("give-all", .give(after: nil)),
            ("give", .give(after: BootstrapPlace(token: Token(rawValue: 1 << 40), key: Array("key".utf8)))), ("records", .records([1, 2, 3])),
            ("end", .end), ("acknowledge", .acknowledge(bytes: 1 << 20)), ("stop", .stop(.incomplete)),
        ]
    }

    private static let offer: [UInt8] = {
        let members = (1...3).map { ReplicaID(high: 5, low: $0) }
        var bytes: [UInt8] = []
        Offer(cluster: LoneNode.cluster, digestKey: LoneNode.digestKey, members: members).encode(into: &bytes)
        return bytes
    }()

    private static func roster() throws -> [UInt8] {
        var roster = Roster(founders: [ReplicaID(high: 0, low: 1)])
        for low: UInt64 in 2...4 {
            let address = low == 3 ? nil : try PeerAddress(host: "host\(low).example.org", port: 7_380)
            let member = Member(
                replica: ReplicaID(high: 0, low: low), name: try MemberName("n\(low)"), address: address, start: Start(counter: low, nonce: 1))
            _ = try roster.admit(member) { _ in true }
        }
        _ = roster.retire(ReplicaID(high: 0, low: 2), as: .removed)
        try roster.set("identity.patience", to: "500", by: ReplicaID(high: 0, low: 4))
        return roster.encoded
    }
}

// MARK: Conversations

extension FuzzTarget {
    private static func encodings() throws -> [SeedInput] {
        var (member, seen): ([UInt8], [UInt8]) = ([], [])
        let address = try PeerAddress(host: "::1", port: 1)
        Member(replica: ReplicaID(high: 0, low: 2), name: try MemberName("n2"), address: address, start: .none).encode(into: &member)
        Self.seen.encode(into: &seen)
        return [
            SeedInput(name: "bare-offer", bytes: Self.offer), SeedInput(name: "bare-member", bytes: member),
            SeedInput(name: "bare-roster", bytes: try self.roster()), SeedInput(name: "bare-seen", bytes: seen),
            SeedInput(name: "bare-clearance", bytes: Self.clearance.encoded),
        ]
    }

    /// What real nodes say to the node of `HandshakeCheck`: each is a whole conversation, from the hello on.
    private static func conversations() throws -> [SeedInput] {
        func other(_ keys: ClosedRange<UInt8>?, seed: UInt64) -> LoneNode.Part { LoneNode.Part(name: "other", seed: seed, keys: keys, dials: true) }
        func ahead(by milliseconds: UInt64) -> LoneNode.Part {
            LoneNode.Part(name: "other", seed: 2, keys: 11...30, dials: true, stampedAt: LoneNode.began + milliseconds)
        }
        return [
            SeedInput(name: "founding", bytes: try self.conversation(0, with: other(nil, seed: 2))),
            SeedInput(name: "founding-of-the-other", bytes: try self.conversation(2, with: other(nil, seed: 3))),
            SeedInput(name: "let-in", bytes: try self.conversation(0, with: other(1...9, seed: 2))),
            SeedInput(name: "letting-in", bytes: try self.conversation(1, with: other(nil, seed: 2))),
            SeedInput(name: "repair", bytes: try self.conversation(1, with: other(11...30, seed: 2))),
            SeedInput(name: "held", bytes: try self.conversation(1, with: ahead(by: 60_000))),
            SeedInput(name: "stamped-too-far-ahead", bytes: try self.conversation(1, with: ahead(by: 3_600_000))),
            SeedInput(name: "bootstrap-ahead", bytes: try self.conversation(4, with: ahead(by: 60_000))),
            SeedInput(name: "repair-dialed", bytes: try self.conversation(3, with: other(40...60, seed: 3))),
            SeedInput(name: "bootstrap", bytes: try self.conversation(4, with: other(11...30, seed: 2))),
            SeedInput(name: "bootstrap-dialed", bytes: try self.conversation(6, with: other(40...60, seed: 3))),
            SeedInput(
                name: "giving", bytes: try self.conversation(1, with: LoneNode.Part(name: "other", seed: 2, keys: nil, dials: true, joins: true))),
            SeedInput(name: "name-taken", bytes: try self.conversation(1, with: LoneNode.Part(name: "subject", seed: 2, keys: 1...2, dials: true))),
        ]
    }

    private static func conversation(_ choice: UInt8, with part: LoneNode.Part) throws -> [UInt8] {
        var part = part
        let subject = try LoneNode(HandshakeCheck.part(choice))
        part.dials = !subject.part.dials
        let other = try LoneNode(part)
        var (said, queue, quiet) = ([choice], [[UInt8]](), 0)
        var heard = other.greeting.withUnsafeBytes { HandshakeCheck.frames($0) }
        queue += heard
        var answer = subject.greeting
        while quiet < 30, said.count < 4_000, !subject.isClosed {
            heard = try answer.withUnsafeBytes { try other.receive($0).output }.withUnsafeBytes { HandshakeCheck.frames($0) }
            answer = []
            queue += heard
            quiet = queue.isEmpty ? quiet + 1 : 0
            guard !queue.isEmpty else { continue }
            let frame = queue.removeFirst()
            said += frame
            answer = try frame.withUnsafeBytes { try subject.receive($0).output }
        }
        return said
    }
}
