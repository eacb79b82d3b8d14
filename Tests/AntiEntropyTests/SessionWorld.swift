import AntiEntropy
import Basics
import Digests
import Versioning

/// An entry of a model replica. Its record is token, stamp and dot, which is all that tells versions apart here, and zeros for a value.
struct ModelEntry: ReadableEntry, Equatable {
    let token: Token
    let stamp: Stamp
    let dot: Dot
    var isIntact = true
    var isMerged: Bool { false }

    static let recordByteCount = 240
    var recordByteCount: Int { Self.recordByteCount }

    var fingerprint: Fingerprint {
        self.encoded.withUnsafeBytes { Self.key.fingerprint(of: $0) }
    }

    private static let key = {
        var random = SplitMix64(seed: 7); return DigestKey(using: &random)
    }()

    var encoded: [UInt8] {
        [self.token.rawValue, self.stamp.time, self.stamp.replica.high, self.stamp.replica.low, self.dot.replica.low, self.dot.sequence].flatMap {
            number in (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (7 - $0))) }
        }
    }

    func appendRecord(to bytes: inout [UInt8]) {
        let end = bytes.count + Self.recordByteCount
        bytes += self.encoded
        bytes += repeatElement(0, count: end - bytes.count)
    }
    func appendHeader(to bytes: inout [UInt8]) { self.appendRecord(to: &bytes) }

    static func decode(_ bytes: [UInt8]) -> [ModelEntry] {
        stride(from: 0, to: bytes.count, by: Self.recordByteCount).map { start in
            let numbers = (0..<6).map { field in
                bytes[(start + 8 * field)..<(start + 8 * field + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            let replica = ReplicaID(high: numbers[2], low: numbers[3])
            return ModelEntry(
                token: Token(rawValue: numbers[0]), stamp: Stamp(time: numbers[1], replica: replica),
                dot: Dot(replica: ReplicaID(high: 0, low: numbers[4]), sequence: numbers[5]))
        }
    }
}

/// A replica that is a sorted array: one entry a token, the greatest stamp wins.
struct ModelReplica: EntryReader {
    private(set) var entries: [ModelEntry] = []
    private(set) var tree: DigestTree
    var seen = Seen()
    /// Answers for a tree of another size than its entries ask for.
    let leafBits: Int

    init(_ entries: [ModelEntry], leafBits: Int? = nil) {
        self.leafBits = leafBits ?? DigestTree.leafBits(forEntries: UInt64(entries.count))
        self.tree = DigestTree(leafBits: self.leafBits)
        // The greatest stamp of each token comes first, and the others of that token are passed over.
        for entry in entries.sorted(by: { ($0.token, $1.stamp) < ($1.token, $0.stamp) }) where self.entries.last?.token != entry.token {
            self.entries.append(entry)
            self.tree.add(entry.fingerprint, at: entry.token)
        }
    }

    private func place(of token: Token) -> Int {
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].token < token { low = middle + 1 } else { high = middle }
        }
        return low
    }

    mutating func merge(_ entry: ModelEntry) {
        let index = self.place(of: entry.token)
        if index < self.entries.count, self.entries[index].token == entry.token {
            guard self.entries[index].stamp < entry.stamp else { return }
            self.tree.subtract(self.entries[index].fingerprint, at: entry.token)
            self.entries[index] = entry
        } else {
            self.entries.insert(entry, at: index)
        }
        self.tree.add(entry.fingerprint, at: entry.token)
    }

    mutating func damage(at index: Int) { self.entries[index].isIntact = false }

    func digest(of node: DigestNode) -> Digest {
        if node.depth <= self.leafBits { return self.tree.digest(depth: node.depth, index: Int(node.index)) }
        var digest = Digest.empty
        self.visit(node.tokens) { entry in
            digest.add(entry.fingerprint)
            return true
        }
        return digest
    }

    func visit(_ range: ClosedRange<Token>, _ body: (ModelEntry) -> Bool) {
        var index = self.place(of: range.lowerBound)
        while index < self.entries.count, self.entries[index].token <= range.upperBound, body(self.entries[index]) { index += 1 }
    }
}

/// Two replicas and the session between them. Messages arrive in order; `corrupt` may change them on the way.
struct SessionWorld {
    var replicas: [ModelReplica]
    private(set) var sessions: [RepairSession] = []
    /// Entries that crossed, towards each side.
    private(set) var received = [[ModelEntry](), []]
    private(set) var shown = [[ModelEntry](), []]
    private(set) var covered: [Seen?] = [nil, nil]
    private(set) var roots: [SessionRoot?] = [nil, nil]
    private(set) var ends: [SessionFault??] = [nil, nil]
    private(set) var messages = 0
    /// How often the direction changed: half of the round trips.
    private(set) var turns = 0
    /// What they count against the window.
    private(set) var units = 0
    /// The most units that were under way to one side.
    private(set) var greatestBacklog = 0
    /// What both sides expected to cross, each time records came.
    private(set) var expected: [Int] = []
    var now = Instant(nanoseconds: 1)
    private var queues = [[SessionMessage](), []]
    /// What happens to the replicas after a side has taken a message.
    var whenTaken: (SessionMessage, _ side: Int, inout [ModelReplica]) -> Void = { _, _, _ in }

    init(_ opener: ModelReplica, _ accepter: ModelReplica) { self.replicas = [opener, accepter] }

    /// Runs a session until nobody has anything more to say.
    mutating func run(
        _ purpose: SessionPurpose = .repair, width: DigestWidth = .short, corrupt: (SessionMessage, Int) -> SessionMessage = { m, _ in m }
    ) {
        self.sessions = [RepairSession(opening: purpose, width: width, at: self.now)]
        var side = 0
        while true {
            self.speak(side, corrupt)
            self.speak(1 - side, corrupt)
            if self.queues[0].isEmpty && self.queues[1].isEmpty { return }
            side = self.queues[1].isEmpty ? 0 : 1
            self.turns += 1
            for queue in self.queues { self.greatestBacklog = max(self.greatestBacklog, queue.reduce(0) { $0 + $1.units }) }
            for message in self.queues[side] { self.hear(message, side) }
            self.queues[side] = []
        }
    }

    private mutating func speak(_ side: Int, _ corrupt: (SessionMessage, Int) -> SessionMessage) {
        guard side < self.sessions.count else { return }
        while let (message, actions) = self.sessions[side].next(self.replicas[side], seen: self.replicas[side].seen, at: self.now) {
            self.queues[1 - side].append(corrupt(message, self.messages))
            self.messages += 1
            self.units += message.units
            self.perform(actions, side)
        }
    }

    private mutating func hear(_ message: SessionMessage, _ side: Int) {
        if side == self.sessions.count {
            guard case .open(let opening) = message else { return }
            self.sessions.append(RepairSession(accepting: opening, seen: self.replicas[side].seen, at: self.now))
        }
        if case .records = message { self.expected += self.sessions.map(\.expectedEntries) }
        self.perform(self.sessions[side].handle(message, self.replicas[side], at: self.now), side)
        self.whenTaken(message, side, &self.replicas)
    }

    private mutating func perform(_ actions: [RepairSession.Action], _ side: Int) {
        for action in actions {
            switch action {
            case .merge(let bytes):
                let entries = ModelEntry.decode(bytes)
                self.received[side] += entries
                for entry in entries { self.replicas[side].merge(entry) }
            case .show(let bytes): self.shown[side] += ModelEntry.decode(bytes)
            case .covered(let seen): self.covered[side] = seen
            case .compareRoot(let root): self.roots[side] = root
            case .ended(let fault): self.ends[side] = fault
            }
        }
    }
}

/// Draws entries and differences between two replicas.
struct Drawing {
    var random: SplitMix64

    init(seed: UInt64) { self.random = SplitMix64(seed: seed) }

    mutating func entry(token: Token? = nil, time: UInt64? = nil) -> ModelEntry {
        let replica = ReplicaID(high: 1, low: self.random.next() % 5)
        return ModelEntry(
            token: token ?? Token(rawValue: self.random.next()), stamp: Stamp(time: time ?? self.random.next() >> 8, replica: replica),
            dot: Dot(replica: ReplicaID(high: 0, low: replica.low), sequence: self.random.next() >> 1))
    }

    /// Two replicas with `common` equal entries and so many that differ: only in the first, only in the second, in other versions.
    mutating func pair(common: Int, first: Int, second: Int, versions: Int, leafBits: (Int?, Int?) = (nil, nil)) -> (ModelReplica, ModelReplica) {
        let shared = (0..<common).map { _ in self.entry() }
        var (left, right) = (shared, shared)
        for _ in 0..<first { left.append(self.entry()) }
        for _ in 0..<second { right.append(self.entry()) }
        for _ in 0..<versions {
            let token = Token(rawValue: self.random.next())
            left.append(self.entry(token: token))
            right.append(self.entry(token: token))
        }
        return (ModelReplica(left, leafBits: leafBits.0), ModelReplica(right, leafBits: leafBits.1))
    }
}
