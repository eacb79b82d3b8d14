import Basics
import Membership
import TestSupport
import Testing

/// A dialer among hosts that come and go, with its driver's own account of what it was told.
private struct DialerWorld {
    var generator: SplitMix64
    var dialer: Dialer
    var now = Instant(nanoseconds: 1)
    let seeds: [PeerAddress]
    let addresses: [PeerAddress]
    /// The replica behind each address; address 0 is our own, and the last two are one replica's.
    var learned: [PeerAddress] = []
    var dialling: [PeerAddress] = []
    var linked: [ReplicaID] = []
    /// Addresses whose replica the dialer has been told, by `.connected` or `.linked`.
    var shown: [PeerAddress] = []
    var ownShown = false
    var dialCount = 0

    init(seed: UInt64) {
        self.generator = SplitMix64(seed: seed)
        self.addresses = (0..<30).map { address("h\(10 + $0)") }
        self.seeds = Array(self.addresses.prefix(Int.random(in: 0...24, using: &self.generator)))
        self.dialer = Dialer(seeds: self.seeds, generator: SplitMix64(seed: seed))
    }

    func replica(at address: PeerAddress) -> ReplicaID { MembershipTests.replica(UInt64(min(28, self.addresses.firstIndex(of: address)!))) }

    mutating func handle(_ event: Dialer.Event) {
        switch event {
        case .linked(let replica, let address):
            if !self.linked.contains(replica) { self.linked.append(replica) }
            if let address, self.learned.contains(address) || self.seeds.contains(address) { self.shown.append(address) }
        case .unlinked(let replica): self.linked.removeAll { $0 == replica }
        case .connected(let address, _):
            self.dialling.removeAll { $0 == address }
            self.shown.append(address)
        case .failed(let address): self.dialling.removeAll { $0 == address }
        case .isSelf(let address):
            self.dialling.removeAll { $0 == address }
            self.ownShown = true
        case .learned(let address): self.learned.append(address)
        case .forgot(let address):
            self.learned.removeAll { $0 == address }
        case .started, .deadlinePassed: break
        }
        // What is forgotten, and not under way, is known no longer.
        self.shown.removeAll { !self.seeds.contains($0) && !self.learned.contains($0) && !self.dialling.contains($0) }
        for case .dial(let address) in self.dialer.handle(event, at: self.now) {
            self.dialCount += 1
            #expect(!self.dialling.contains(address), "dialled twice")
            #expect(!(address == self.addresses[0] && self.ownShown), "dialled itself again")
            #expect(!(self.linked.contains(self.replica(at: address)) && self.shown.contains(address)), "dialled what is linked")
            #expect(self.seeds.contains(address) || self.learned.contains(address), "dialled what nobody named")
            self.dialling.append(address)
        }
        #expect(self.dialling.count <= Dialer.maximumDials)
    }

    /// Ends a dial that is under way: with a link, where `isUp`, or a failure.
    mutating func endDial(isUp: Bool) {
        guard let address = self.dialling.randomElement(using: &self.generator) else { return }
        if !isUp { return self.handle(.failed(address)) }
        if address == self.addresses[0] { return self.handle(.isSelf(address)) }
        let replica = self.replica(at: address)
        let hasLink = self.linked.contains(replica)
        self.handle(.connected(address, replica))
        if !hasLink { self.handle(.linked(replica, address: Bool.random(using: &self.generator) ? address : nil)) }
    }

    mutating func step() {
        self.now = self.now + .milliseconds(Int.random(in: 0...400, using: &self.generator))
        let address = self.addresses.randomElement(using: &self.generator)!
        switch Int.random(in: 0..<10, using: &self.generator) {
        case 0: self.handle(.learned(address))
        case 1: self.handle(.forgot(address))
        case 2 where address != self.addresses[0]: self.handle(.linked(self.replica(at: address), address: address))
        case 3: if let replica = self.linked.randomElement(using: &self.generator) { self.handle(.unlinked(replica)) }
        case 4, 5, 6: self.endDial(isUp: Bool.random(using: &self.generator))
        case 7: self.handle(.deadlinePassed)
        default: if let due = self.dialer.deadline, due <= self.now { self.handle(.deadlinePassed) }
        }
    }
}

@Suite struct DialerModelTests {
    @Test(arguments: seeds(200))
    func `whatever happens, nothing is dialled twice at once or in vain, and once all are up all are linked`(seed: UInt64) {
        var world = DialerWorld(seed: seed)
        world.handle(.started)
        for _ in 0..<300 { world.step() }
        for address in world.addresses where !world.learned.contains(address) { world.handle(.learned(address)) }
        // A wait is 7.5 s at most. Dials now succeed at once, so every address has its turn within that.
        let end = world.now + .milliseconds(7_500)
        while true {
            if !world.dialling.isEmpty {
                world.endDial(isUp: true)
            } else if let due = world.dialer.deadline {
                guard due <= end else { break }
                world.now = max(world.now, due)
                world.handle(.deadlinePassed)
            } else {
                break
            }
        }
        #expect(world.linked.count == 28 && world.dialCount > 0)
        #expect(world.dialer.deadline == nil)
    }

    @Test func `a dialer's course depends on its seed and what it was told, and on nothing else`() {
        func course(_ seed: UInt64) -> DialerWorld {
            var world = DialerWorld(seed: seed)
            world.handle(.started)
            for _ in 0..<300 { world.step() }
            return world
        }
        for seed in 1...10 as ClosedRange<UInt64> { #expect(course(seed).dialer == course(seed).dialer) }
        #expect(course(1).dialer != course(2).dialer)
    }
}
