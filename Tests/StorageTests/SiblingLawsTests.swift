import Basics
import Digests
import TestSupport
import Testing
import Versioning

@testable import Storage

/// One key on a few replicas, written, read, and told of in any order; beside it who knows what, in the plainest way.
///
/// Everything that a replica ever has of the key is a record, as it is in the log.
private struct KeyWorld {
    enum Kinds: CaseIterable {
        case registers, siblings, both
    }

    struct Event {
        let dot: Dot
        let stamp: Stamp
        /// In the place of these, for a sibling.
        let replaced: Set<Dot>
        let isRegister: Bool
        let isDelete: Bool
        /// The register that its writer had seen beneath what it read.
        var beneath: Stamp?
    }

    struct State {
        var record: [UInt8]?
        /// The writes that it is made of.
        var known: Set<Dot> = []
    }

    /// What a client has read.
    struct Reading {
        var context = CausalContext()
        var stampTime: UInt64 = 0
        var beneath: Siblings.Register?
        /// What the replica was made of then, and what others' writes had replaced.
        var known: Set<Dot> = []
    }

    static let key: [UInt8] = Array("key".utf8)
    static let token = Token(rawValue: 0x1234_5678_9abc_def0)

    let replicas: [ReplicaID]
    private(set) var states: [State]
    private var seen: [Seen]
    private var clocks: [UInt64]
    private(set) var events: [Dot: Event] = [:]
    private(set) var records: [State] = []
    var reading = Reading()

    init(replicas: Int) {
        self.replicas = (1...UInt64(replicas)).map { ReplicaID(high: 0, low: $0) }
        self.states = Array(repeating: State(), count: replicas)
        self.seen = Array(repeating: Seen(), count: replicas)
        self.clocks = Array(repeating: 0, count: replicas)
    }

    /// All that any replica has, or was told.
    var all: [[UInt8]] { (self.records + self.states).compactMap(\.record) }

    static func view<Result>(_ record: [UInt8], _ body: (RecordView) -> Result) -> Result {
        record.withUnsafeBytes { body(RecordView(frame: $0)!) }
    }

    static func record(_ header: VersionHeader, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: RecordLayout.byteCount(of: header, keyByteCount: Self.key.count, payloadByteCount: payload.count))
        Self.key.withUnsafeBytes { key in
            bytes.withUnsafeMutableBytes {
                RecordLayout.encode(header, key: key, token: Self.token, payloadByteCount: payload.count, into: $0) { $0.copyBytes(from: payload) }
            }
        }
        return bytes
    }

    static func joined(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        Self.view(left) { leftView in
            Self.view(right) { rightView in
                switch Joined(leftView, rightView) {
                case .left: left
                case .right: right
                case .neither(let siblings): Self.record(VersionHeader(siblings), siblings.encoded)
                }
            }
        }
    }

    private mutating func next(at replica: Int) -> (dot: Dot, stamp: Stamp) {
        let id = self.replicas[replica]
        self.clocks[replica] += 1
        let sequence = self.seen[replica].watermark(of: id) + 1
        return (Dot(replica: id, sequence: sequence), Stamp(time: self.clocks[replica], replica: id))
    }

    private mutating func keep(_ record: [UInt8], _ event: Event, at replica: Int) {
        self.states[replica].record = record
        self.states[replica].known.insert(event.dot)
        self.events[event.dot] = event
        _ = self.seen[replica].insert(event.dot)
        self.records.append(self.states[replica])
    }

    // MARK: What happens

    mutating func read(at replica: Int) {
        self.reading = Reading()
        guard let record = self.states[replica].record else { return }
        Self.view(record) { view in
            guard let siblings = view.siblings else { return }
            self.reading = Reading(
                context: siblings.context(seen: self.seen[replica]), stampTime: siblings.newest.stamp.time, beneath: siblings.beneath,
                known: self.states[replica].known.reduce(into: self.states[replica].known) { $0.formUnion(self.events[$1]!.replaced) })
        }
    }

    /// - Returns: false where the key holds a value that is no sibling.
    mutating func write(at replica: Int, _ reading: Reading, isDelete: Bool = false) -> Bool {
        let current = self.states[replica].record
        if let current, Self.view(current, { $0.kind == .register && !$0.isTombstone }) { return false }
        self.clocks[replica] = max(self.clocks[replica], reading.stampTime)
        let (dot, stamp) = self.next(at: replica)
        let value: [UInt8] = Array("\(dot.replica.low)/\(dot.sequence)".utf8)
        let written = (current ?? []).withUnsafeBytes { bytes in
            let view = current == nil ? nil : RecordView(frame: bytes)
            return value.withUnsafeBytes { value in
                let siblings = Siblings.writing(
                    isDelete ? nil : value, expiryMilliseconds: dot.sequence % 3 == 0 ? 1_000 + dot.replica.low : 0, dot: dot, stamp: stamp,
                    context: reading.context, over: view?.siblings,
                    beneath: view.flatMap { $0.kind == .register ? $0.asRegister.joined(reading.beneath) : nil } ?? reading.beneath)
                return Self.record(VersionHeader(siblings), siblings.encoded)
            }
        }
        let replaced = self.events.keys.filter { reading.context.covers($0) }
        self.keep(
            written, Event(dot: dot, stamp: stamp, replaced: Set(replaced), isRegister: false, isDelete: isDelete, beneath: reading.beneath?.stamp),
            at: replica)
        return true
    }

    mutating func writeRegister(at replica: Int, isDelete: Bool) -> Bool {
        if let current = self.states[replica].record, Self.view(current, { $0.kind == .siblings && !$0.isTombstone }) { return false }
        let (dot, stamp) = self.next(at: replica)
        let record = Self.record(VersionHeader(dot: dot, stamp: stamp, isTombstone: isDelete), isDelete ? [] : Array("\(dot)".utf8))
        self.keep(record, Event(dot: dot, stamp: stamp, replaced: [], isRegister: true, isDelete: isDelete), at: replica)
        return true
    }

    /// A replica is told what was written: of that write it has seen then.
    mutating func tell(_ replica: Int, _ index: Int) {
        let dot = Self.view(self.records[index].record!) { $0.dot }
        self.merge(self.records[index], at: replica)
        _ = self.seen[replica].insert(dot)
    }

    /// A replica gets what another has, as in a session.
    mutating func exchange(from one: Int, to other: Int) { self.merge(self.states[one], at: other) }

    private mutating func merge(_ state: State, at replica: Int) {
        guard let record = state.record else { return }
        self.states[replica].record = self.states[replica].record.map { Self.joined($0, record) } ?? record
        self.states[replica].known.formUnion(state.known)
        self.clocks[replica] = max(self.clocks[replica], Self.view(record) { $0.stampTime })
    }

    // MARK: What must hold

    /// The live writes of those that a replica knows.
    private func expected(_ known: Set<Dot>) -> Set<Dot> {
        let events = known.map { self.events[$0]! }
        let floor = (events.filter(\.isRegister).map(\.stamp) + events.compactMap(\.beneath)).max()
        let newer = events.filter { event in !event.isRegister && floor.map { event.stamp > $0 } ?? true }
        let live = newer.filter { event in !event.isDelete && !newer.contains { $0.replaced.contains(event.dot) } }
        if !newer.isEmpty { return Set(live.map(\.dot)) }
        return Set(events.filter { $0.stamp == floor && !$0.isDelete }.map(\.dot))
    }

    /// What a replica shows against what it should, and what the last reader claims to have seen against what there was to see (I14).
    func problem() -> String? {
        for (index, state) in self.states.enumerated() {
            let shown: Set<Dot> =
                state.record.map { record in
                    Self.view(record) { view in
                        Set(view.siblings?.readable(at: WallTime(milliseconds: 0)).map(\.dot) ?? (view.isTombstone ? [] : [view.dot]))
                    }
                } ?? []
            if shown != self.expected(state.known) { return "replica \(index) shows \(shown) of \(state.known), not \(self.expected(state.known))" }
            let isConsistent = state.record.map { record in Self.view(record) { $0.isConsistent && $0.isCanonical } } ?? true
            if !isConsistent { return "replica \(index) has a record that contradicts itself" }
        }
        let claimed = self.events.keys.filter { self.reading.context.covers($0) }
        return claimed.allSatisfy { self.reading.known.contains($0) } ? nil : "\(self.reading.context) claims more than \(self.reading.known)"
    }

    /// A record for people.
    static func text(_ record: [UInt8]) -> String {
        Self.view(record) { view in
            guard let siblings = view.siblings else { return "\(view.isTombstone ? "delete" : "register") \(view.dot.short) at \(view.stamp.time)" }
            let versions = siblings.versions.map { version in
                let named = version.context.entries.map { "\($0.replica.low):\($0.through)\($0.beyond)" }.joined(separator: " ")
                return "\(version.isDelete ? "delete" : "sibling") \(version.dot.short) at \(version.stamp.time) over [\(named)]"
            }
            return "\(versions.joined(separator: ", ")), beneath \(siblings.beneath.map { "\($0.dot.short) at \($0.stamp.time)" } ?? "nothing")"
        }
    }

    static func brokenLaw(_ a: [UInt8], _ b: [UInt8], _ c: [UInt8]) -> String? {
        if Self.joined(a, a) != a { return "not idempotent" }
        if Self.joined(a, b) != Self.joined(b, a) { return "does not commute" }
        if Self.joined(Self.joined(a, b), c) != Self.joined(a, Self.joined(b, c)) { return "does not associate" }
        return nil
    }
}

extension Dot {
    fileprivate var short: String { "\(self.replica.low)/\(self.sequence)" }
}

extension KeyWorld {
    /// Something that one replica does, of a few things; false where it cannot be done now.
    mutating func act(_ action: Int, at replica: Int, _ kinds: Kinds) -> Bool {
        switch action {
        case 0: return kinds != .registers && self.write(at: replica, Reading())
        case 1:
            if kinds != .registers { self.read(at: replica) }
            return kinds != .registers
        case 2: return kinds != .registers && self.write(at: replica, self.reading)
        case 3: return kinds != .registers && self.write(at: replica, self.reading, isDelete: true)
        case 4: return kinds != .siblings && self.writeRegister(at: replica, isDelete: false)
        case 5: return kinds != .siblings && self.writeRegister(at: replica, isDelete: true)
        default:
            self.exchange(from: replica, to: (replica + 1) % self.replicas.count)
            return true
        }
    }

    static let actions = 7

    mutating func actRandomly(_ kinds: Kinds, using random: inout SplitMix64) {
        let replica = Int.random(in: 0..<self.replicas.count, using: &random)
        if !self.records.isEmpty, Bool.random(using: &random) {
            self.tell(replica, Int.random(in: 0..<self.records.count, using: &random))
        } else {
            _ = self.act(Int.random(in: 0..<Self.actions, using: &random), at: replica, kinds)
        }
    }
}

/// What two versions come to: the same in whatever order, however often, and nothing is lost that no reader had seen.
@Suite struct SiblingLawsTests {
    @Test func `after each four things that two replicas can do merging keeps its laws, and each shows what nobody replaced (I1, I14, I16)`() {
        let choices = 2 * KeyWorld.actions
        var worlds = 0
        for code in 0..<choices * choices * choices * choices {
            var (world, rest, isDone) = (KeyWorld(replicas: 2), code, true)
            for _ in 0..<4 where isDone {
                isDone = world.act(rest % choices / 2, at: rest % 2, .both)
                rest /= choices
            }
            guard isDone else { continue }
            worlds += 1
            if let problem = world.problem() { Issue.record("\(code): \(problem)") }
            let all = Set(world.all)
            for a in all { for b in all { for c in all { if let law = KeyWorld.brokenLaw(a, b, c) { Issue.record("\(code): \(law)") } } } }
        }
        #expect(worlds > 10_000)
    }

    @Test(arguments: KeyWorld.Kinds.allCases, seeds(20))
    fileprivate func `merging keeps its laws in long histories of three replicas (I1, I16)`(kinds: KeyWorld.Kinds, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<10 {
            var world = KeyWorld(replicas: 3)
            for _ in 0..<40 { world.actRandomly(kinds, using: &random) }
            let all = world.all
            guard !all.isEmpty else { continue }
            for _ in 0..<100 {
                let (a, b, c) = (all.randomElement(using: &random)!, all.randomElement(using: &random)!, all.randomElement(using: &random)!)
                if let law = KeyWorld.brokenLaw(a, b, c) { Issue.record("\(law): \([a, b, c].map(KeyWorld.text).joined(separator: " | "))") }
            }
        }
    }

    @Test(arguments: KeyWorld.Kinds.allCases, seeds(100))
    fileprivate func `siblings are exactly the writes that no later one had seen, whatever comes in which order (I14)`(
        kinds: KeyWorld.Kinds, seed: UInt64
    ) {
        var (random, world) = (SplitMix64(seed: seed), KeyWorld(replicas: 4))
        for _ in 0..<60 {
            world.actRandomly(kinds, using: &random)
            if let problem = world.problem() {
                Issue.record("\(problem)")
                return
            }
        }
    }
}
