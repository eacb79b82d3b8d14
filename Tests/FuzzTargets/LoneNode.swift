import Basics
import Digests
import Membership
import Node
import PeerWire
import Simulation
import Storage
import Versioning

/// A replica with its storage in memory and one link, at whose other end is whoever calls `receive`: equal inputs give equal runs.
final class LoneNode {
    /// What a node is when the other side connects.
    struct Part {
        var name: String
        var seed: UInt64
        /// Its keys; none for a node that has no cluster yet.
        var keys: ClosedRange<UInt8>?
        /// Who has dialled.
        var dials: Bool
        /// When its keys were written, by their stamps.
        var stampedAt: UInt64 = 1_700_000_000_000
        /// It is a member and has got nothing of what the cluster holds yet.
        var joins = false

        var isMember: Bool { self.keys != nil || self.joins }
    }

    /// The identity of all founded nodes but for the replica id, so that a peer's hello can name the cluster.
    static let digestKey: DigestKey = {
        var generator = SplitMix64(seed: 99)
        return DigestKey(using: &generator)
    }()
    static let cluster = ClusterID(high: 0x4865_6172, low: 0x7361_7921)
    /// All founded nodes are its members.
    static let roster = Roster(founders: (1...3).map { LoneNode.replica(seed: $0) })

    private static func replica(seed: UInt64) -> ReplicaID {
        var generator = SplitMix64(seed: seed)
        return ReplicaID(using: &generator)
    }

    let part: Part
    let replica: Replica
    private let base: MemoryBase
    private let disk = SimulatedDisk()
    private var writer: LogWriter
    private(set) var link: PeerLink!
    /// What it says first.
    private(set) var greeting: [UInt8] = []
    private var now = Instant(nanoseconds: 1_000_000_000)

    init(_ part: Part) throws {
        var generator = SplitMix64(seed: part.seed)
        var contents = MemoryBase.Contents()
        let isMember = part.isMember
        contents.checkpoint = Checkpoint(
            identity: Identity(cluster: isMember ? Self.cluster : .none, digestKey: Self.digestKey, replica: Self.replica(seed: part.seed)))
        if isMember { contents.checkpoint!.control[.members] = Self.roster.encoded }
        if part.joins { contents.checkpoint!.control[.joining] = [1] }
        self.part = part
        self.base = MemoryBase(contents)
        let store = try Store.open(disk: self.disk, base: self.base, configuration: StoreConfiguration(), using: &generator).store
        self.writer = LogWriter(disk: self.disk, head: store.head)
        if let keys = part.keys { for key in keys { Self.write(key, stampedAt: part.stampedAt, to: store) } }
        self.replica = Replica(
            store: store, configuration: ReplicaConfiguration(), randomSeed: part.seed, startedAt: self.now, surroundings: { Surroundings() })
        var peers = PeerConfiguration()
        peers.name = try MemberName(part.name)
        peers.advertised = try PeerAddress(host: "node-\(part.name)", port: 7_380)
        peers.expected = part.isMember ? 0 : 2
        let other = try PeerAddress(host: "other", port: 7_380)
        if part.dials { peers.seeds = [other] }
        try self.replica.startPeers(peers, at: self.now, using: &generator)
        precondition(!part.dials || self.replica.takePeerRequests() == [.dial(other)], "\(part) does not dial")
        self.greeting = try self.turn { self.link = $0.linkOpened(dialed: part.dials ? other : nil, at: self.now) }
    }

    /// What nodes' clocks read as they begin.
    static let began: UInt64 = 1_800_000_000_000

    private static func write(_ key: UInt8, stampedAt milliseconds: UInt64, to store: Store) {
        let id = store.identity.replica
        let header = VersionHeader(
            dot: Dot(replica: id, sequence: store.seen.watermark(of: id) + 1),
            stamp: Stamp(milliseconds: milliseconds + UInt64(key), counter: 0, replica: id), isTombstone: key % 8 == 0)
        withUnsafeBytes(of: key) { bytes in
            let count = header.isTombstone ? 0 : Int(key % 5)
            store.put(header, key: bytes, token: store.token(of: bytes), payloadByteCount: count, at: Instant(nanoseconds: 0)) {
                $0.initializeMemory(as: UInt8.self, repeating: key)
            }
        }
    }

    var isClosed: Bool { self.link.isClosing }

    /// Lets the time pass that it takes a node to give up on a silent peer.
    func waitLong() throws -> [UInt8] {
        self.now = self.now + .seconds(60)
        // What the first turn freezes is drained in the second, once the log behind it is synced.
        return try self.turn { _ in } + self.turn { _ in }
    }

    /// Takes what the other side has sent, as far as it can.
    ///
    /// - Returns: what leaves for the other side; and the bytes that were taken.
    func receive(_ bytes: UnsafeRawBufferPointer) throws -> (output: [UInt8], taken: Int) {
        var taken = 0
        let output = try self.turn { taken = try $0.received(bytes, on: self.link, at: self.moment) }
        return (output, taken)
    }

    private var moment: Replica.Moment {
        Replica.Moment(now: self.now, wall: WallTime(milliseconds: Self.began + self.now.nanoseconds / 1_000_000))
    }

    /// One tick of a core loop, after which the log is synced.
    private func turn(_ body: (Replica) throws -> Void) throws -> [UInt8] {
        self.now = self.now + .milliseconds(20)
        self.replica.beginTick(at: self.moment)
        try body(self.replica)
        try self.replica.tendPeers(at: self.moment)
        if self.replica.wantsTending { try self.replica.tendDigest(at: self.now) }
        for action in self.replica.endTick(at: self.now) { try self.perform(action) }
        self.replica.pushSynced()
        var output: [UInt8] = []
        while let bytes = try self.replica.nextOutput(self.link, at: self.moment) { output += bytes }
        for case .readLog(let link, let number, let read) in self.replica.takePeerRequests() {
            self.replica.logWasRead(link: link, number: number, read.run(on: self.disk), at: self.now)
        }
        while let bytes = try self.replica.nextOutput(self.link, at: self.moment) { output += bytes }
        if let failure = self.replica.peerFailure { throw failure }
        return output
    }

    private func perform(_ action: Store.Action) throws {
        switch action {
        case .append(let batch):
            _ = try self.writer.append([batch])
            self.replica.store.wrote(through: self.writer.written)
            self.replica.store.synced(through: try self.writer.sync())
        case .drain(let job):
            var drain = Drain(job, into: self.base.makeWriter())
            while true {
                switch try drain.step() {
                case .stored: continue
                case .committed(let adjustments): self.replica.store.drainCommitted(adjustments)
                case .finished(let adjustments): return try self.replica.store.drained(adjustments, at: self.now)
                }
            }
        case .load(let job):
            var load = BulkLoad(job, into: self.base.makeWriter())
            while true {
                if case .finished(let outcome) = try load.step() { return try self.replica.loaded(outcome, at: self.now) }
            }
        case .sweep: break  // The log is short.
        }
    }
}
