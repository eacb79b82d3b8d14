import Basics
import TestSupport
import Testing

@testable import Storage

/// Admission while a table drains, with a drain of a chosen rate and clients that take all they get (I7b).
@Suite struct PacingTests {
    private static let tick = Duration.microseconds(200)

    /// Two tables in turn: one fills while the other drains.
    private struct World {
        let entries: Int
        let entriesPerSecond: Double
        var pacing: Pacing
        var now = Instant(nanoseconds: 0)
        var live = 0
        /// The entries that the running drain has still to store; nil where none runs.
        var draining: Double?
        var admitted = 0
        /// The longest time in which nothing was let in.
        var longestPause = Duration.zero
        private var pausedSince: Instant?

        init(entries: Int, entriesPerSecond: Double) {
            var configuration = StoreConfiguration()
            (configuration.tableEntries, configuration.tableBytes) = (entries, entries * 100)
            (self.entries, self.entriesPerSecond, self.pacing) = (entries, entriesPerSecond, Pacing(configuration: configuration))
        }

        /// A tick of the loop, in which clients offer up to `offered` writes.
        mutating func tick(offered: Int, recordBytes: Int = 50) {
            self.now = self.now + PacingTests.tick
            if let left = self.draining {
                let rest = left - self.entriesPerSecond * PacingTests.tick.inSeconds
                self.draining = rest > 0 ? rest : nil
                if rest <= 0 { self.pacing.drainEnded(at: self.now) }
            }
            let fill = Double(self.live) * Double(max(1, recordBytes / 100)) / Double(self.entries)
            self.pacing.replenish(fill: fill, drained: self.draining.map { self.entries - Int($0) }, at: self.now)
            var count = 0
            while count < offered, self.pacing.allowance > 0 {
                self.pacing.admitted(recordBytes: recordBytes)
                count += 1
            }
            self.live += count
            self.admitted += count
            self.notePause(count == 0)
            if self.draining == nil, self.live >= self.entries { self.freeze() }
        }

        private mutating func freeze() {
            (self.draining, self.live) = (Double(self.entries), 0)
            self.pacing.drainStarted(entries: self.entries, at: self.now)
        }

        private mutating func notePause(_ isPaused: Bool) {
            guard isPaused else {
                self.pausedSince = nil
                return
            }
            let since = self.pausedSince ?? self.now
            self.pausedSince = since
            self.longestPause = max(self.longestPause, self.now.since(since) + PacingTests.tick)
        }
    }

    @Test(arguments: [20_000.0, 150_000, 1_000_000], [50, 1_000])
    func `a full table is never met as a wall, and what is let in follows the drain`(entriesPerSecond: Double, offered: Int) {
        var world = World(entries: 20_000, entriesPerSecond: entriesPerSecond)
        // Two drains for the rate to be known.
        let drain = Duration.seconds(Double(world.entries) / entriesPerSecond)
        while world.now < Instant(nanoseconds: 0) + drain * 2 { world.tick(offered: offered) }
        let (start, admitted) = (world.now, world.admitted)
        world.longestPause = .zero
        while world.now < start + drain * 10 { world.tick(offered: offered) }
        let rate = Double(world.admitted - admitted) / world.now.since(start).inSeconds
        let possible = min(entriesPerSecond, Double(offered) / Self.tick.inSeconds)
        #expect(rate >= 0.85 * possible && rate <= 1.25 * possible, "\(rate) of \(possible) a second")
        // A quarter of a drain is the bound asked for; a wall would be about half of one.
        #expect(world.longestPause <= max(drain / 8, .milliseconds(5)), "\(world.longestPause) of \(drain)")
    }

    @Test func `a drain that stalls lets in what there is room for, and then nothing`() {
        var world = World(entries: 1_000, entriesPerSecond: 1)
        for _ in 0..<200_000 { world.tick(offered: 100) }
        #expect(world.admitted <= 2_000 && world.live <= 1_001)
    }

    @Test func `without a drain a table takes all it has room for, by entries or by bytes`() {
        var world = World(entries: 1_000, entriesPerSecond: 1_000)
        world.tick(offered: 10_000)
        #expect(world.admitted == 1_000 && world.draining != nil)
        world = World(entries: 1_000, entriesPerSecond: 1_000)
        world.tick(offered: 10_000, recordBytes: 1_000)
        #expect(world.admitted == 100)
    }

    @Test func `below half a table everything is let in while a drain runs`() {
        var world = World(entries: 1_000, entriesPerSecond: 10)
        world.tick(offered: 1_000)
        world.tick(offered: 400)
        #expect(world.live == 400)
    }
}
