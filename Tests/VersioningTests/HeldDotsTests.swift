import Basics
import TestSupport
import Testing
import Versioning

/// Writes that wait for their time (I11).
@Suite struct HeldDotsTests {
    private static let now: UInt64 = 1_800_000_000_000

    private func dot(_ sequence: UInt64, of replica: UInt64 = 1) -> Dot { Dot(replica: ReplicaID(high: 1, low: replica), sequence: sequence) }

    @Test(arguments: seeds(60))
    func `what is held, due and let go is what single writes would be`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var (held, model, seen, time) = (HeldDots(), [Dot: UInt64](), Seen(), Self.now)
        for _ in 0..<300 {
            switch random.next() % 10 {
            case 0:
                time += random.next() % 700
                let isDue = held.release(through: time, seen: Seen())
                #expect(isDue == model.values.contains { self.due($0) <= time })
                model = model.filter { self.due($0.value) > time }
            case 1:
                let dot = self.dot(1 + random.next() % 30, of: random.next() % 3)
                _ = seen.insert(dot)
            default:
                let dot = self.dot(1 + random.next() % 30, of: random.next() % 3)
                guard !seen.covers(dot) else { continue }
                let stamp = time + 1 + random.next() % 2_000
                if model[dot] == nil { model[dot] = stamp }
                held.insert(dot, stampedAt: stamp)
            }
            #expect(held.count() == model.count && held.isEmpty == model.isEmpty)
            #expect(held.earliestDue == model.values.map(self.due).min())
            var expected = seen
            for dot in model.keys.sorted() { _ = expected.insert(dot) }
            #expect(held.added(to: seen) == expected)
            #expect(held.has(anyOf: seen) == false || model.keys.contains { seen.covers($0) })
        }
    }

    private func due(_ milliseconds: UInt64) -> UInt64 {
        milliseconds / HeldDots.spanMilliseconds * HeldDots.spanMilliseconds + HeldDots.spanMilliseconds - 1
    }

    @Test func `a write is due no earlier than its stamp and at most a span later`() {
        for stamp in Self.now..<Self.now + 600 {
            var held = HeldDots()
            held.insert(self.dot(1), stampedAt: stamp)
            #expect((stamp..<stamp + HeldDots.spanMilliseconds).contains(held.earliestDue!))
            let due = held.earliestDue!
            let isDueBefore = held.release(through: due - 1, seen: Seen())
            #expect(!isDueBefore && !held.isEmpty)
            let isDue = held.release(through: due, seen: Seen())
            #expect(isDue && held.isEmpty)
        }
    }

    @Test func `however much a clock that is ahead makes its node write, a few entries hold it`() {
        var held = HeldDots()
        for sequence in 1...100_000 as ClosedRange<UInt64> { held.insert(self.dot(sequence), stampedAt: Self.now + sequence / 20) }
        #expect(held.count() == 100_000 && held.entryCount <= 5_000 / Int(HeldDots.spanMilliseconds) + 1)
    }

    @Test func `of more than the bound that which is due first is forgotten, and may be held again`() {
        let most = UInt64(HeldDots.maximumEntries)
        var held = HeldDots()
        for index in 1...most { held.insert(self.dot(2 * index), stampedAt: Self.now + 1_000 + index * HeldDots.spanMilliseconds) }
        #expect(held.entryCount == HeldDots.maximumEntries && held.count() == HeldDots.maximumEntries)
        let first = held.earliestDue!
        held.insert(self.dot(2 * most + 2), stampedAt: Self.now + 9_000_000)
        #expect(held.entryCount == HeldDots.maximumEntries && held.earliestDue! > first)
        #expect(!held.added(to: Seen()).covers(self.dot(2)), "it is asked for again")
        held.insert(self.dot(2), stampedAt: Self.now)
        #expect(held.entryCount == HeldDots.maximumEntries)
    }

    @Test func `what has been seen meanwhile is let go with the next that is due`() {
        var (held, seen) = (HeldDots(), Seen())
        for sequence in 1...3 as ClosedRange<UInt64> { held.insert(self.dot(sequence), stampedAt: Self.now + 10_000) }
        held.insert(self.dot(9), stampedAt: Self.now)
        for sequence in 1...3 as ClosedRange<UInt64> { _ = seen.insert(self.dot(sequence)) }
        let isDue = held.release(through: Self.now + 1_000, seen: seen)
        #expect(isDue && held.isEmpty && held.earliestDue == nil)
    }

    @Test func `a peer that has seen one of them is told from one that has not`() {
        var (held, seen) = (HeldDots(), Seen())
        held.insert(self.dot(4), stampedAt: Self.now)
        _ = seen.insert(self.dot(3))
        #expect(!held.has(anyOf: seen))
        _ = seen.insert(self.dot(4))
        #expect(held.has(anyOf: seen) && held.count(of: self.dot(4).replica) == 1 && held.count(of: ReplicaID(high: 0, low: 0)) == 0)
    }
}
