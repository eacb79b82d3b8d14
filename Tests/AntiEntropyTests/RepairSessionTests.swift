import AntiEntropy
import Basics
import Digests
import TestSupport
import Testing
import Versioning

@Suite("A repair session")
struct RepairSessionTests {
    @Test("makes two replicas equal, from any difference, with exactly the entries that differ", arguments: seeds(60))
    func converges(seed: UInt64) throws {
        var drawing = Drawing(seed: seed)
        func some(_ limit: Int) -> Int { Bool.random(using: &drawing.random) ? 0 : Int.random(in: 1...limit, using: &drawing.random) }
        let (common, first, second, versions) = (some(4_000), some(300), some(300), some(100))
        let bits = Bool.random(using: &drawing.random) ? (nil, nil) : (some(12), some(12))
        let (left, right) = drawing.pair(common: common, first: first, second: second, versions: versions, leafBits: bits)
        for width in [DigestWidth.short, .full] {
            var world = SessionWorld(left, right)
            world.run(width: width)
            #expect(world.ends == [.some(nil), .some(nil)])
            #expect(world.replicas[0].entries == world.replicas[1].entries)
            #expect(world.replicas[0].tree.root == world.replicas[1].tree.root)
            #expect(world.roots[0]?.digest == world.replicas[1].tree.root && world.roots[1]?.digest == world.replicas[0].tree.root)
            // In full width both versions of an entry cross, and merging decides.
            let crossed = width == .short ? versions : 2 * versions
            #expect(world.received[0].count + world.received[1].count == first + second + crossed)
            let tally = world.sessions[0].tally + world.roots[0]!.tally
            #expect((tally.onlyHere, tally.onlyThere, tally.inBoth) == (first, second, versions))
        }
    }

    @Test("that only counts or lists changes nothing, and finds the same", arguments: seeds(20))
    func looks(seed: UInt64) throws {
        var drawing = Drawing(seed: seed)
        let (left, right) = drawing.pair(common: 3_000, first: 40, second: 30, versions: 20)
        for purpose in [SessionPurpose.count, .list] {
            var world = SessionWorld(left, right)
            world.run(purpose)
            #expect(world.replicas[0].entries == left.entries && world.replicas[1].entries == right.entries)
            let tally = world.sessions[0].tally + world.roots[0]!.tally
            #expect((tally.onlyHere, tally.onlyThere, tally.inBoth) == (40, 30, 20))
            #expect(world.covered == [nil, nil])
            if purpose == .list {
                // Each side is shown what the other has: its own entries, and its versions of those that both have.
                #expect(world.shown[0].count == 30 + 20 && world.shown[1].count == 40 + 20)
            } else {
                #expect(world.shown == [[], []])
            }
        }
    }

    @Test("of an empty replica gets everything without a descent")
    func bootstraps() throws {
        var drawing = Drawing(seed: 1)
        let (full, empty) = drawing.pair(common: 0, first: 20_000, second: 0, versions: 0)
        for replicas in [[full, empty], [empty, full]] {
            var world = SessionWorld(replicas[0], replicas[1])
            world.run()
            #expect(world.replicas[0].entries == world.replicas[1].entries)
            #expect(world.turns <= 6)
            #expect(world.messages < 20_000 * ModelEntry.recordByteCount / (RepairSession.messageBytes / 2) + 20)
        }
    }

    @Test("of equal replicas is over after one exchange, and no entry crosses")
    func equal() throws {
        var drawing = Drawing(seed: 2)
        let (left, right) = drawing.pair(common: 5_000, first: 0, second: 0, versions: 0)
        var world = SessionWorld(left, right)
        world.run()
        #expect(world.received == [[], []] && world.turns <= 3)
        #expect(world.sessions[0].tally.ranges == 0)
    }

    @Test("covers what the peer had seen when it began, on both sides (I26)")
    func covers() throws {
        var drawing = Drawing(seed: 3)
        var (left, right) = drawing.pair(common: 500, first: 5, second: 5, versions: 0)
        _ = left.seen.insert(Dot(replica: ReplicaID(high: 0, low: 1), sequence: 1))
        _ = right.seen.insert(Dot(replica: ReplicaID(high: 0, low: 2), sequence: 1))
        var world = SessionWorld(left, right)
        world.run()
        #expect(world.covered == [right.seen, left.seen])
    }

    @Test("covers no write that comes to a side while it compares, as it may have compared that place already (I26)", arguments: [0, 1])
    func coversNothingLater(side: Int) throws {
        var drawing = Drawing(seed: 6)
        let (left, right) = drawing.pair(common: 500, first: 5, second: 5, versions: 0)
        var world = SessionWorld(left, right)
        var late: [ModelEntry] = []
        world.whenTaken = { message, taker, replicas in
            guard taker == side else { return }
            switch message {
            case .compare, .leaves: break
            default: return
            }
            for _ in 0..<20 {
                let drawn = drawing.entry()
                let dot = Dot(replica: ReplicaID(high: 0, low: 9), sequence: UInt64(late.count) + 1)
                late.append(ModelEntry(token: drawn.token, stamp: drawn.stamp, dot: dot))
                replicas[side].merge(late.last!)
                _ = replicas[side].seen.insert(dot)
            }
        }
        world.run()
        #expect(late.count >= 20)
        let other = world.replicas[1 - side]
        for entry in late { #expect(other.entries.contains(entry) || !(world.covered[1 - side]!.covers(entry.dot))) }
    }

    @Test("takes no more round trips than the tree is deep")
    func roundTrips() throws {
        var drawing = Drawing(seed: 4)
        let (left, right) = drawing.pair(common: 60_000, first: 50, second: 50, versions: 0, leafBits: (12, 12))
        var world = SessionWorld(left, right)
        world.run()
        #expect(world.replicas[0].entries == world.replicas[1].entries)
        // Sums of depth 8, of depth 12, entries, records and wants, records and root, root.
        #expect(world.turns == 6)
    }

    @Test("never sends a damaged entry")
    func damaged() throws {
        var drawing = Drawing(seed: 5)
        var (left, right) = drawing.pair(common: 100, first: 1, second: 0, versions: 0)
        let index = left.entries.firstIndex { entry in !right.entries.contains { $0.token == entry.token } }!
        left.damage(at: index)
        var world = SessionWorld(left, right)
        world.run()
        #expect(world.received == [[], []] && world.ends == [.some(nil), .some(nil)])
        right = world.replicas[1]
        #expect(right.entries.count == 100)
    }

    @Test("has at most a window under way")
    func window() throws {
        var drawing = Drawing(seed: 6)
        let (full, empty) = drawing.pair(common: 0, first: 20_000, second: 0, versions: 0)
        var world = SessionWorld(full, empty)
        world.run()
        #expect(world.replicas[1].entries.count == 20_000)
        #expect(world.units > RepairSession.window)
        // The last message may reach over the window, and acknowledgements do not count.
        #expect(world.greatestBacklog <= RepairSession.window + RepairSession.window / 16)
    }

    @Test("tells both sides how many entries differ before the first of them crosses")
    func expects() throws {
        var drawing = Drawing(seed: 7)
        let (left, right) = drawing.pair(common: 5_000, first: 300, second: 200, versions: 0)
        var world = SessionWorld(left, right)
        world.run()
        #expect(!world.expected.isEmpty && world.expected.allSatisfy { $0 == 500 }, "\(world.expected)")
    }

    @Test("in short overlooks what looks alike; the roots show it, and a session in full finds it (I18)")
    func collision() throws {
        var drawing = Drawing(seed: 8)
        let (left, right) = drawing.pair(common: 1_000, first: 0, second: 0, versions: 0)
        // Two keys in one leaf with the same 24 bits behind it: by its stamp, one of them looks like a version of the other.
        let token = Token(rawValue: 0x1234_5678_9abc_def0)
        let (here, there) = (drawing.entry(token: token, time: 1), drawing.entry(token: Token(rawValue: token.rawValue ^ 1), time: 2))
        var world = SessionWorld(ModelReplica(left.entries + [here]), ModelReplica(right.entries + [there]))
        world.run()
        #expect(world.replicas[0].entries != world.replicas[1].entries)
        #expect(world.roots[0]?.digest != world.replicas[0].tree.root)
        world.run(width: .full)
        #expect(world.replicas[0].entries == world.replicas[1].entries && world.replicas[0].entries.count == 1_002)
        #expect(world.roots[0]?.digest == world.replicas[0].tree.root)
    }

    @Test("survives any change of a message: it ends, or goes on, and never traps", arguments: seeds(300))
    func mutations(seed: UInt64) throws {
        var drawing = Drawing(seed: seed)
        let (left, right) = drawing.pair(common: 2_000, first: 30, second: 30, versions: 10)
        var random = SplitMix64(seed: seed)
        let victim = Int.random(in: 0..<12, using: &random)
        var world = SessionWorld(left, right)
        world.run { message, number in
            guard number == victim else { return message }
            return Mutation.apply(to: message, using: &random)
        }
        #expect(world.messages < 10_000)
    }

    @Test("ends when nothing comes for its patience, and tells the peer")
    func stalls() throws {
        var session = RepairSession(opening: .repair, width: .short, at: Instant(nanoseconds: 0))
        let replica = ModelReplica([])
        while session.next(replica, seen: nil, at: Instant(nanoseconds: 0)) != nil {}
        let late = Instant(nanoseconds: 0) + RepairSession.patience
        #expect(session.deadline == late)
        #expect(session.deadlinePassed(at: Instant(nanoseconds: 5)) == [])
        #expect(session.deadlinePassed(at: late) == [.ended(.stalled)])
        #expect(session.next(replica, seen: nil, at: late)?.message == .abort(.stalled))
        #expect(session.next(replica, seen: nil, at: late) == nil)
        #expect(session.deadline == nil)
    }
}

/// Damages messages as no honest peer does.
enum Mutation {
    static func apply(to message: SessionMessage, using random: inout SplitMix64) -> SessionMessage {
        switch message {
        case .open(var opening):
            opening.leafBits = Int.random(in: -1...40, using: &random)
            return .open(opening)
        case .accept(var acceptance):
            acceptance.leafBits = Int.random(in: -1...40, using: &random)
            return .accept(acceptance)
        case .compare(var comparison):
            switch random.next() % 4 {
            case 0: comparison.childDepth = Int.random(in: 0...64, using: &random)
            case 1: comparison.sums.removeLast(min(comparison.sums.count, Int.random(in: 1...100, using: &random)))
            case 2: comparison.parents = NodeList(depth: comparison.parents.depth, indexes: comparison.parents.map { $0 / 2 })
            default: comparison.sums = comparison.sums.map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            return .compare(comparison)
        case .found: return .found(entries: Int(truncatingIfNeeded: random.next()))
        case .leaves(var list):
            switch random.next() % 3 {
            case 0: list.counts = PackedNumbers(list.counts.map { _ in [.random(in: 0...30, using: &random), .max].randomElement(using: &random)! })
            case 1: list.leaves = NodeList(depth: Int.random(in: 0...64, using: &random), indexes: list.leaves)
            default: list.entries = list.entries.map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            return .leaves(list)
        case .want(let places): return .wantAll(places)
        case .wantAll: return .wantAll(NodeList(depth: 3, indexes: [0, 1, 7]))
        case .stamps(var list):
            list.places = NodeList(depth: Int.random(in: 0...40, using: &random), indexes: [0])
            return .stamps(list)
        case .endTurn(let isFinal): return .endTurn(isFinal: !isFinal)
        case .root, .records, .headers: return .acknowledge(units: Int.random(in: -1...100, using: &random))
        case .acknowledge: return .acknowledge(units: 1_000_000)
        case .refuse, .abort: return .endTurn(isFinal: true)
        }
    }
}
