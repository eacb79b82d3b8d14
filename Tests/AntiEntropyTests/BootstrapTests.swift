import AntiEntropy
import Basics
import Digests
import TestSupport
import Testing
import Versioning

/// Both machines of a bootstrap with a network between them that the test decides on. An entry is its token, in eight bytes.
private struct BootstrapWorld {
    static let capture: BootstrapCapture = {
        var seen = Seen()
        _ = seen.insert(Dot(replica: ReplicaID(high: 1, low: 2), sequence: 1))
        return BootstrapCapture(seen: seen, entries: 5)
    }()

    var receiver: BootstrapReceiver
    var giver: BootstrapGiver
    var now = Instant(nanoseconds: 1)
    let entries: [UInt64]
    /// On their way to the giver, and to the receiver.
    var (there, back): ([(BootstrapMessage, UInt16)], [(BootstrapMessage, UInt16)]) = ([], [])
    var kept: [BootstrapCapture] = []
    /// What the receiver had stored, and what waits to be.
    var (stored, waiting): ([UInt64], [(tokens: [UInt64], isLast: Bool)]) = ([], [])
    var hasFinished = false
    var fault: BootstrapFault?
    var (givenFault, hasGiven): (BootstrapFault?, Bool) = (nil, false)
    var greatestBacklog = 0

    init(entries: [UInt64], after place: BootstrapPlace? = nil) {
        self.entries = entries
        self.giver = BootstrapGiver(at: self.now)
        let (receiver, actions) = BootstrapReceiver.begin(after: place, at: self.now)
        self.receiver = receiver
        self.perform(actions)
    }

    static func bytes(_ tokens: some Sequence<UInt64>, padding: Int) -> [UInt8] {
        tokens.flatMap { token in (0..<8).map { UInt8(truncatingIfNeeded: token >> UInt64(56 - 8 * $0)) } + [UInt8](repeating: 0, count: padding) }
    }

    mutating func perform(_ actions: [BootstrapReceiver.Action]) {
        for action in actions {
            switch action {
            case .send(let message, let sequence): self.there.append((message, sequence))
            case .keep(let capture): self.kept.append(capture)
            case .store(let bytes, let isLast):
                let tokens = stride(from: 0, to: bytes.count, by: Self.entryBytes).map { start in
                    bytes[start..<start + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                }
                self.waiting.append((tokens, isLast))
                let backlog = self.waiting.reduce(0) { $0 + $1.tokens.count * Self.entryBytes }
                self.greatestBacklog = max(self.greatestBacklog, backlog)
            case .finish: self.hasFinished = true
            case .giveUp(let fault): self.fault = fault
            }
        }
    }

    mutating func perform(_ actions: [BootstrapGiver.Action], capture: BootstrapCapture? = Self.capture) {
        for action in actions {
            switch action {
            case .send(let message, let sequence): self.back.append((message, sequence))
            case .capture: self.perform(self.giver.handle(.captured(capture), at: self.now))
            case .end(let fault): (self.givenFault, self.hasGiven) = (fault, true)
            }
        }
    }

    static let entryBytes = 1_000

    /// The giver reads as many entries as it may.
    mutating func read(_ count: Int) {
        guard self.giver.room > 0 else { return }
        let rest = self.entries.drop { token in self.giver.place.map { $0.token.rawValue >= token } ?? false }
        let some = rest.prefix(min(count, max(1, self.giver.room / Self.entryBytes)))
        let bytes = Self.bytes(some, padding: Self.entryBytes - 8)
        let through = some.last.map { BootstrapPlace(token: Token(rawValue: $0), key: [7]) }
        self.perform(self.giver.handle(.read(bytes, through: through, isLast: some.count == rest.count), at: self.now))
    }

    mutating func keep() { self.perform(self.receiver.handle(.kept, at: self.now)) }

    mutating func store() {
        guard !self.waiting.isEmpty else { return }
        let (tokens, isLast) = self.waiting.removeFirst()
        self.stored += tokens
        self.perform(self.receiver.handle(.stored(bytes: tokens.count * Self.entryBytes, isLast: isLast), at: self.now))
    }

    mutating func deliver() {
        for (message, sequence) in self.there.taken() { self.perform(self.giver.handle(.heard(message, sequence: sequence), at: self.now)) }
        for (message, sequence) in self.back.taken() { self.perform(self.receiver.handle(.heard(message, sequence: sequence), at: self.now)) }
    }

    /// Goes on until nobody can.
    mutating func run(reading count: Int = 100) {
        while !self.receiver.isEnded {
            let before = (self.there.count, self.back.count, self.stored.count, self.receiver)
            self.deliver()
            if self.kept.count == 1, self.receiver.deadline == nil, self.waiting.isEmpty, self.stored.isEmpty, self.giver.room == 0 { self.keep() }
            self.read(count)
            self.store()
            if before == (self.there.count, self.back.count, self.stored.count, self.receiver), self.there.isEmpty, self.back.isEmpty { return }
        }
    }
}

extension Array {
    fileprivate mutating func taken() -> [Element] {
        defer { self = [] }
        return self
    }
}

@Suite struct BootstrapTests {
    @Test(arguments: [0, 1, 99, 100, 101, 40_000])
    func `everything comes in order, and the end once all of it is stored`(count: Int) {
        let entries = (0..<UInt64(count)).map { $0 * 3 + 1 }
        var world = BootstrapWorld(entries: entries)
        world.run()
        #expect(world.hasFinished && world.stored == entries && world.fault == nil)
        #expect(world.kept == [BootstrapWorld.capture] && world.hasGiven && world.givenFault == nil)
    }

    @Test func `nothing is asked for before what the member had seen is kept`() {
        var world = BootstrapWorld(entries: [1, 2, 3])
        world.deliver()
        world.deliver()
        #expect(world.kept.count == 1 && world.there.isEmpty && world.giver.room == 0)
        world.keep()
        #expect(world.there.map(\.0) == [.give(after: nil)])
    }

    @Test func `what goes on behind a place asks for nothing else and keeps nothing anew`() {
        var world = BootstrapWorld(entries: [10, 20, 30, 40], after: BootstrapPlace(token: Token(rawValue: 20), key: [7]))
        world.run()
        #expect(world.hasFinished && world.stored == [30, 40] && world.kept.isEmpty)
    }

    @Test func `no more than a window is under way, however slowly it is stored, and the giver reads no further`() {
        var world = BootstrapWorld(entries: (1...60_000).map { $0 })
        world.deliver()
        world.deliver()
        world.keep()
        for _ in 0..<1_000 {
            world.deliver()
            world.read(60)
        }
        #expect(world.greatestBacklog < BootstrapReceiver.window + 1_000 && world.greatestBacklog > BootstrapReceiver.window - 120_000)
        #expect(world.giver.room < 1_000 || world.back.isEmpty)
        // It is not the member that is waited for, and nor is it given up.
        #expect(world.receiver.deadline == nil && world.giver.deadline == world.now + BootstrapGiver.patience)
        world.run()
        #expect(world.hasFinished && world.stored.count == 60_000)
    }

    @Test(arguments: seeds(200))
    func `a lost frame ends it on the side that misses it, a repeated one changes nothing`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var world = BootstrapWorld(entries: (0..<3_000).map { $0 })
        let (isLoss, at) = (Bool.random(using: &random), Int.random(in: 0..<30, using: &random))
        var (delivered, hasHappened) = (0, false)
        func disturb(_ queue: inout [(BootstrapMessage, UInt16)]) {
            guard !queue.isEmpty else { return }
            delivered += 1
            guard delivered == at else { return }
            hasHappened = true
            if isLoss { queue.removeFirst() } else { queue.insert(queue[0], at: Int.random(in: 1...queue.count, using: &random)) }
        }
        for _ in 0..<300 where !world.receiver.isEnded {
            disturb(&world.there)
            disturb(&world.back)
            world.deliver()
            if world.kept.count == 1, world.stored.isEmpty, world.waiting.isEmpty, world.giver.room == 0, world.there.isEmpty, world.back.isEmpty,
                world.receiver.deadline == nil
            {
                world.keep()
            }
            world.read(100)
            world.store()
        }
        if isLoss && hasHappened {
            // What nothing follows is missed by waiting.
            world.now = world.now + .seconds(61)
            world.perform(world.receiver.handle(.deadlinePassed, at: world.now))
            world.perform(world.giver.handle(.deadlinePassed, at: world.now))
            // An acknowledgement that nobody waits for any more may be missing.
            #expect(world.fault == .gap || world.fault == .stalled || world.givenFault == .gap || world.stored.count == 3_000)
            #expect(!world.hasFinished || world.stored.count == 3_000)
            #expect(world.stored == (0..<UInt64(world.stored.count)).map { $0 }, "what came before is whole")
        } else {
            #expect(world.hasFinished && world.stored.count == 3_000)
        }
    }

    @Test func `a member that says nothing is given up, and one that joins itself gives nothing`() {
        var silent = BootstrapWorld(entries: [])
        silent.now = silent.now + BootstrapReceiver.patience
        silent.perform(silent.receiver.handle(.deadlinePassed, at: silent.now))
        #expect(silent.fault == .stalled)
        var world = BootstrapWorld(entries: [1])
        for (message, sequence) in world.there.taken() {
            world.perform(world.giver.handle(.heard(message, sequence: sequence), at: world.now), capture: nil)
        }
        world.deliver()
        #expect(world.fault == .incomplete && world.givenFault == .incomplete && world.kept.isEmpty)
    }

    @Test func `damage that is found on the way ends it: what was seen is not all there`() {
        var world = BootstrapWorld(entries: (0..<500).map { $0 })
        world.deliver()
        world.deliver()
        world.keep()
        world.deliver()
        world.read(100)
        world.perform(world.giver.handle(.foundDamage, at: world.now))
        world.deliver()
        #expect(world.fault == .incomplete && !world.hasFinished && world.giver.isEnded)
    }

    @Test func `messages that do not belong where they come end it`() {
        let wrong: [BootstrapMessage] = [.ask, .give(after: nil), .records([1]), .end, .acknowledge(bytes: 0)]
        for message in wrong {
            var world = BootstrapWorld(entries: [])
            world.perform(world.receiver.handle(.heard(message, sequence: 0), at: world.now))
            #expect(world.fault == .outOfOrder, "\(message)")
        }
        for message in [BootstrapMessage.capture(BootstrapWorld.capture), .records([1]), .end, .acknowledge(bytes: 1)] {
            var world = BootstrapWorld(entries: [])
            world.perform(world.giver.handle(.heard(message, sequence: 0), at: world.now))
            #expect(world.givenFault == .outOfOrder, "\(message)")
        }
        for (bytes, isRight) in [(1_000, true), (1_001, false), (-1, false)] {
            var world = BootstrapWorld(entries: [5, 6], after: BootstrapPlace(token: Token(rawValue: 0), key: []))
            world.deliver()
            world.read(1)
            world.perform(world.giver.handle(.heard(.acknowledge(bytes: bytes), sequence: 1), at: world.now))
            #expect((world.givenFault == nil) == isRight, "\(bytes) acknowledged of 1000")
        }
    }

    @Test func `records beyond the window end it, at the bound, not below`() {
        for (count, isTaken) in [(BootstrapReceiver.window - 1, true), (BootstrapReceiver.window, false)] {
            var world = BootstrapWorld(entries: [], after: BootstrapPlace(token: Token(rawValue: 0), key: []))
            let large = [UInt8](repeating: 0, count: count)
            _ = world.receiver.handle(.heard(.records(large), sequence: 0), at: world.now)
            let actions = world.receiver.handle(.heard(.records([1]), sequence: 1), at: world.now)
            #expect((actions == [.store([1], isLast: false)]) == isTaken)
        }
    }

    @Test func `a place is before what has a greater token, or the same and a greater key`() {
        func precedes(_ token: UInt64, _ key: [UInt8]) -> Bool {
            let place = BootstrapPlace(token: Token(rawValue: 5), key: [1, 2])
            return key.withUnsafeBytes { place.precedes(Token(rawValue: token), $0) }
        }
        #expect(precedes(6, []) && precedes(5, [1, 2, 0]) && precedes(5, [1, 3]))
        #expect(!precedes(5, [1, 2]) && !precedes(5, [1]) && !precedes(5, []) && !precedes(4, [9]))
    }
}

@Suite struct BootstrapProgressTests {
    private static func progress(key: [UInt8]?, isWhole: Bool) -> BootstrapProgress {
        var progress = BootstrapProgress(
            donor: ReplicaStart(replica: ReplicaID(high: 1, low: 2), start: Start(counter: 3, nonce: 4)), capture: BootstrapWorld.capture)
        progress.stored(entries: 7, bytes: 800, through: key.map { BootstrapPlace(token: Token(rawValue: 1 << 63), key: $0) }, isLast: isWhole)
        return progress
    }

    @Test func `reads back as it was written, and any changed bit is noticed`() throws {
        for progress in [
            Self.progress(key: nil, isWhole: false), Self.progress(key: [], isWhole: true), Self.progress(key: [1, 2, 3], isWhole: false),
        ] {
            let bytes = progress.encoded
            #expect(try bytes.withUnsafeBytes { try BootstrapProgress(decoding: $0) } == progress)
            for bit in 0..<8 * bytes.count {
                var changed = bytes
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(throws: UnreadableProgress.self) { try changed.withUnsafeBytes { try BootstrapProgress(decoding: $0) } }
            }
            for count in 0..<bytes.count {
                #expect(throws: UnreadableProgress.self) { try Array(bytes[..<count]).withUnsafeBytes { try BootstrapProgress(decoding: $0) } }
            }
        }
    }

    @Test func `its share is that of the tokens`() {
        #expect(Self.progress(key: nil, isWhole: false).share == 0)
        #expect(Self.progress(key: [1], isWhole: false).share == 0.5)
        #expect(Self.progress(key: [1], isWhole: true).share == 1)
    }
}

@Suite struct ThrottleTests {
    @Test(arguments: [1, 3, 20])
    func `over any stretch the rate is given and no more, and two portions, however late the timers are`(milliseconds: Int) {
        var (throttle, now, given) = (Throttle(bytesPerSecond: 100_000), Instant(nanoseconds: 1) + .seconds(1), 0)
        let start = now
        while now < start + .seconds(10) {
            if now >= throttle.next {
                throttle.gave(bytes: throttle.portion(of: 60_000), at: now)
                given += throttle.portion(of: 60_000)
            }
            now = now + .milliseconds(milliseconds)
        }
        #expect(throttle.portion(of: 60_000) == 5_000)
        #expect((990_000...1_010_000).contains(given), "\(given)")
    }

    @Test func `without a rate nothing waits`() {
        var throttle = Throttle(bytesPerSecond: 0)
        let now = Instant(nanoseconds: 9)
        throttle.gave(bytes: 1 << 30, at: now)
        #expect(throttle.next <= now && throttle.portion(of: 60_000) == 60_000)
    }

    @Test func `of a pause hardly anything is saved up, and no record puts the next moment off for longer than whoever waits is patient`() {
        var throttle = Throttle(bytesPerSecond: 1_000)
        let later = Instant(nanoseconds: 1) + .seconds(100)
        throttle.gave(bytes: 500, at: later)
        #expect(throttle.next == later + .milliseconds(450))
        throttle.gave(bytes: 64 << 20, at: later)
        #expect(throttle.next == later + Throttle.longestPause)
        #expect(Throttle.longestPause < BootstrapReceiver.patience)
        #expect(throttle.portion(of: 60_000) == 50 && Throttle(bytesPerSecond: 1).portion(of: 60_000) == 1)
    }
}
