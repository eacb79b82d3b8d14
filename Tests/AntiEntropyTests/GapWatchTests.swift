import AntiEntropy
import Basics
import Testing
import Versioning

@Suite("A watch for gaps")
struct GapWatchTests {
    private let peer = ReplicaID(high: 1, low: 2)

    private func seen(_ sequences: ClosedRange<UInt64>) -> Seen {
        var seen = Seen()
        for sequence in sequences { _ = seen.insert(Dot(replica: self.peer, sequence: sequence)) }
        return seen
    }

    /// What a watch says in the round of a number, or in a later message of that round.
    private func advice(_ watch: inout GapWatch, _ own: ClosedRange<UInt64>, _ theirs: ClosedRange<UInt64>, round: Int, later: Bool = false)
        -> GapWatch.Advice
    {
        let now = Instant(nanoseconds: 1) + .milliseconds(200 * round) + (later ? .milliseconds(1) : .zero)
        return watch.compared(own: self.seen(own), theirs: self.seen(theirs), at: now, round: .milliseconds(150))
    }

    private func gap(_ sequences: ClosedRange<UInt64>) -> GapWatch.Advice { .ask([DotRange(replica: self.peer, sequences: sequences)]) }

    @Test("asks for what a peer shows in a second round, and at once after a link has come up")
    func secondRound() {
        var watch = GapWatch()
        #expect(self.advice(&watch, 1...3, 1...5, round: 0) == self.gap(4...5))
        #expect(self.advice(&watch, 1...5, 1...9, round: 1) == .wait)
        #expect(self.advice(&watch, 1...5, 1...9, round: 1, later: true) == .wait)
        // Six to nine were shown the round before and have not come; ten may be on its way.
        #expect(self.advice(&watch, 1...7, 1...10, round: 2) == self.gap(8...9))
        #expect(self.advice(&watch, 1...10, 1...10, round: 3) == .wait)
        watch.linkCameUp()
        #expect(self.advice(&watch, 1...10, 1...11, round: 4) == self.gap(11...11))
    }

    @Test("takes what a peer shows after equal roots for written just now")
    func equalRoots() {
        var watch = GapWatch()
        watch.sawEqualRoots()
        #expect(self.advice(&watch, 1...3, 1...4, round: 0) == .wait)
        #expect(self.advice(&watch, 1...3, 1...4, round: 0, later: true) == .wait)
        #expect(self.advice(&watch, 1...3, 1...4, round: 1) == self.gap(4...4))
    }

    @Test("does not ask twice for what the peer's log has not brought")
    func stuck() {
        var watch = GapWatch()
        guard case .ask(let gaps) = self.advice(&watch, 1...3, 1...5, round: 0) else { return #expect(Bool(false)) }
        watch.ask(for: gaps)
        // While the answer is under way it is asked for still.
        #expect(self.advice(&watch, 1...3, 1...5, round: 1) == self.gap(4...5))
        watch.answered()
        #expect(self.advice(&watch, 1...3, 1...5, round: 2) == .repair)
        // What came meanwhile leaves another gap.
        #expect(self.advice(&watch, 1...4, 1...5, round: 3) == self.gap(5...5))
        watch.linkCameUp()
        #expect(self.advice(&watch, 1...3, 1...5, round: 4) == self.gap(4...5))
    }

    @Test("asks again for what came and was held, once that is missing again")
    func held() {
        var watch = GapWatch()
        guard case .ask(let gaps) = self.advice(&watch, 1...3, 1...5, round: 0) else { return #expect(Bool(false)) }
        watch.ask(for: gaps)
        watch.answered(isHeld: true)
        // Held, the writes count as seen; then their time has come.
        #expect(self.advice(&watch, 1...5, 1...5, round: 1) == .wait)
        #expect(self.advice(&watch, 1...3, 1...5, round: 2) == self.gap(4...5))
    }

    @Test("asks for no more than a question holds")
    func bound() {
        var theirs = Seen()
        for number in 0..<UInt64(GapWatch.maximumGaps + 10) { _ = theirs.insert(Dot(replica: ReplicaID(high: 9, low: number), sequence: 1)) }
        var watch = GapWatch()
        guard case .ask(let gaps) = watch.compared(own: Seen(), theirs: theirs, at: Instant(nanoseconds: 1), round: .milliseconds(150)) else {
            return #expect(Bool(false))
        }
        #expect(gaps.count == GapWatch.maximumGaps)
    }
}
