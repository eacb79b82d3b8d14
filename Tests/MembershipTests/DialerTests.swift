import Basics
import Membership
import Testing

private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

/// A started dialer, whose seeds are being dialled.
private func started(_ seeds: [PeerAddress], at now: Instant = at(0)) -> Dialer {
    var dialer = Dialer(seeds: seeds, generator: SplitMix64(seed: 1))
    _ = dialer.handle(.started, at: now)
    return dialer
}

private let (a, b, c) = (address("a"), address("b"), address("c"))

@Suite struct RedialDelayTests {
    @Test(
        arguments: [
            (1, 100), (2, 200), (3, 400), (4, 800), (5, 1_600), (6, 3_200), (7, 5_000), (8, 5_000), (100, 5_000), (.max, 5_000),
        ] as [(Int, Int)])
    func `waits double from 100 ms to 5 s, and are multiplied by the jitter`(failures: Int, milliseconds: Int) {
        #expect(redialDelay(afterFailures: failures, jitter: 1) == .milliseconds(milliseconds))
        #expect(redialDelay(afterFailures: failures, jitter: 0.5) == .milliseconds(milliseconds / 2))
        #expect(redialDelay(afterFailures: failures, jitter: 1.5) == .milliseconds(milliseconds * 3 / 2))
    }
}

@Suite struct DialerTests {
    @Test func `seeds are dialled when it starts, each once, in order`() {
        var dialer = Dialer(seeds: [b, a, b], generator: SplitMix64(seed: 1))
        #expect(dialer.deadline == nil)
        #expect(dialer.handle(.learned(c), at: at(1)) == [])
        #expect(dialer.handle(.deadlinePassed, at: at(2)) == [])
        #expect(dialer.deadline == nil)
        #expect(dialer.handle(.started, at: at(3)) == [.dial(a), .dial(b), .dial(c)])
        #expect(dialer.handle(.deadlinePassed, at: at(99_999)) == [])
    }

    @Test func `an address that is learned is dialled at once, and not again while that is under way`() {
        var dialer = started([])
        #expect(dialer.handle(.learned(a), at: at(5)) == [.dial(a)])
        #expect(dialer.handle(.learned(a), at: at(6)) == [])
        #expect(dialer.deadline == nil)
    }

    @Test func `a failed address is dialled again for ever, with jittered waits that double to 5 s`() {
        var dialer = started([a])
        var now = at(0)
        var factors: [Double] = []
        for failures in 1...200 {
            #expect(dialer.handle(.failed(a), at: now) == [])
            let due = dialer.deadline!
            factors.append(due.since(now).inSeconds / redialDelay(afterFailures: failures, jitter: 1).inSeconds)
            #expect(dialer.handle(.deadlinePassed, at: Instant(nanoseconds: due.nanoseconds - 1)) == [])
            #expect(dialer.handle(.deadlinePassed, at: due) == [.dial(a)])
            now = due
        }
        #expect(factors.allSatisfy { (0.5...1.5).contains($0) })
        #expect(factors.min()! < 0.55 && factors.max()! > 1.45)
    }

    @Test func `what is linked is not dialled, and after the loss waits are short again`() {
        var dialer = started([a])
        var now = at(0)
        for _ in 1...9 {
            _ = dialer.handle(.failed(a), at: now)
            now = dialer.deadline!
            _ = dialer.handle(.deadlinePassed, at: now)
        }
        #expect(dialer.handle(.connected(a, replica(1)), at: now) == [])
        #expect(dialer.handle(.linked(replica(1), address: nil), at: now) == [])
        #expect(dialer.deadline == nil)
        #expect(dialer.handle(.unlinked(replica(1)), at: now) == [])
        #expect(dialer.deadline!.since(now) <= .milliseconds(150))
        now = dialer.deadline!
        #expect(dialer.handle(.deadlinePassed, at: now) == [.dial(a)])
        _ = dialer.handle(.failed(a), at: now)
        #expect(dialer.deadline!.since(now) >= .milliseconds(100) && dialer.deadline!.since(now) <= .milliseconds(300))
    }

    @Test func `a dial that no link came of waits as a failed one`() {
        var dialer = started([a])
        var now = at(0)
        for failures in 1...9 {
            #expect(dialer.handle(.connected(a, replica(1)), at: now) == [])
            let due = dialer.deadline!
            #expect(due.since(now) >= redialDelay(afterFailures: failures, jitter: 0.5))
            #expect(dialer.handle(.deadlinePassed, at: due) == [.dial(a)])
            now = due
        }
    }

    @Test func `an address that is our own is never dialled again, even if it is forgotten and learned`() {
        var dialer = started([a])
        _ = dialer.handle(.learned(b), at: at(0))
        for own in [a, b] { _ = dialer.handle(.isSelf(own), at: at(1)) }
        #expect(dialer.deadline == nil)
        for event in [.forgot(b), .learned(b), .learned(a), .unlinked(replica(1)), .deadlinePassed] as [Dialer.Event] {
            #expect(dialer.handle(event, at: at(100_000)) == [])
        }
    }

    @Test func `a forgotten address is dialled no more, but a seed is`() {
        var dialer = started([a])
        _ = dialer.handle(.learned(b), at: at(0))
        for address in [a, b] {
            _ = dialer.handle(.failed(address), at: at(0))
            _ = dialer.handle(.forgot(address), at: at(1))
        }
        #expect(dialer.handle(.deadlinePassed, at: at(200)) == [.dial(a)])
    }

    @Test func `an address that is forgotten while it is dialled keeps its place until that ends`() {
        var dialer = started([])
        _ = dialer.handle(.learned(a), at: at(0))
        #expect(dialer.handle(.forgot(a), at: at(1)) == [])
        #expect(dialer.handle(.learned(a), at: at(2)) == [])
        #expect(dialer.handle(.forgot(a), at: at(3)) == [])
        #expect(dialer.handle(.failed(a), at: at(4)) == [])
        #expect(dialer.deadline == nil)
        #expect(dialer.handle(.learned(a), at: at(5)) == [.dial(a)])
    }

    @Test func `no dial is missing from the 16 under way, and the longest due goes first`() {
        let addresses = (0..<20).map { address("h\(10 + $0)") }
        var dialer = started(addresses.reversed())
        #expect(dialer.deadline == nil)
        #expect(dialer.handle(.learned(a), at: at(1)) == [])
        #expect(dialer.handle(.failed(addresses[3]), at: at(2)) == [.dial(addresses[16])])
        #expect(dialer.handle(.isSelf(addresses[0]), at: at(500)) == [.dial(addresses[17])])
        #expect(dialer.handle(.connected(addresses[1], replica(1)), at: at(500)) == [.dial(addresses[18])])
        #expect(dialer.handle(.failed(addresses[2]), at: at(500)) == [.dial(addresses[19])])
        #expect(dialer.handle(.failed(addresses[4]), at: at(500)) == [.dial(a)])
        #expect(dialer.handle(.failed(addresses[5]), at: at(500)) == [.dial(addresses[3])])
    }

    @Test func `more addresses than the bound are not learned`() {
        var dialer = Dialer(seeds: [], generator: SplitMix64(seed: 1))
        for port in 1...UInt16(Dialer.maximumAddresses) { _ = dialer.handle(.learned(address("h", port)), at: at(0)) }
        let before = dialer
        _ = dialer.handle(.learned(address("h", 65_535)), at: at(0))
        #expect(dialer == before)
    }
}

@Suite struct DialerLinkTests {
    @Test func `an address where a linked replica says that it can be dialled is not dialled, whichever is heard first`() {
        var dialer = started([a])
        _ = dialer.handle(.failed(a), at: at(0))
        #expect(dialer.handle(.linked(replica(1), address: a), at: at(10)) == [])
        #expect(dialer.handle(.linked(replica(2), address: b), at: at(10)) == [])
        #expect(dialer.handle(.learned(b), at: at(20)) == [])
        #expect(dialer.deadline == nil)
        #expect(dialer.handle(.unlinked(replica(2)), at: at(1_000)) == [])
        #expect(dialer.handle(.deadlinePassed, at: at(1_150)) == [.dial(b)])
    }

    @Test func `a seed whose replica is linked otherwise is dialled when that link goes`() {
        var dialer = started([a])
        _ = dialer.handle(.connected(a, replica(1)), at: at(0))
        _ = dialer.handle(.linked(replica(1), address: b), at: at(0))
        #expect(dialer.handle(.learned(b), at: at(1)) == [])
        _ = dialer.handle(.unlinked(replica(1)), at: at(2))
        #expect(Set(dialer.handle(.deadlinePassed, at: at(152)).map(String.init(describing:))).count == 2)
    }

    @Test func `a link that comes while its address is dialled leaves the dial alone, and the address rests after it`() {
        for end in [.failed(a), .connected(a, replica(1))] as [Dialer.Event] {
            var dialer = started([a])
            #expect(dialer.handle(.linked(replica(1), address: a), at: at(1)) == [])
            #expect(dialer.handle(end, at: at(2)) == [])
            #expect(dialer.deadline == nil)
        }
    }

    @Test func `a link is one however often it is reported`() {
        var dialer = started([a])
        _ = dialer.handle(.connected(a, replica(1)), at: at(0))
        for _ in 0..<2 { _ = dialer.handle(.linked(replica(1), address: nil), at: at(0)) }
        _ = dialer.handle(.unlinked(replica(1)), at: at(0))
        #expect(dialer.deadline != nil)
        let before = dialer
        _ = dialer.handle(.unlinked(replica(1)), at: at(1))
        #expect(dialer == before)
    }

    @Test func `of the addresses that a replica has given, the last counts`() {
        var dialer = started([])
        for address in [a, b] { _ = dialer.handle(.linked(replica(1), address: address), at: at(0)) }
        #expect(dialer.handle(.learned(b), at: at(1)) == [])
        #expect(dialer.handle(.learned(a), at: at(1)) == [.dial(a)])
    }

    @Test func `an address follows the replica that was last seen there`() {
        var dialer = started([a])
        _ = dialer.handle(.connected(a, replica(1)), at: at(0))
        _ = dialer.handle(.linked(replica(1), address: nil), at: at(0))
        _ = dialer.handle(.linked(replica(2), address: a), at: at(0))
        _ = dialer.handle(.unlinked(replica(1)), at: at(1))
        #expect(dialer.deadline == nil)
        _ = dialer.handle(.unlinked(replica(2)), at: at(2))
        #expect(dialer.deadline != nil)
    }
}
