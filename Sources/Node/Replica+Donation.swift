import AntiEntropy
import Basics
import PeerWire
import Storage

/// Giving everything to nodes that join: read in slices, from the tables and from short snapshots of the base.
extension Replica {
    /// So many joiners are given to at a time; others wait.
    package static let maximumGivings = 2

    /// How many records this process has given to joiners, and to how many of them it gives now.
    package var given: (entries: Int, joiners: Int) {
        self.peers.map { peers in (peers.given.entries, peers.links.count { $0.giving != nil }) } ?? (0, 0)
    }

    func take(_ message: BootstrapMessage, number: UInt16, sequence: UInt16, on link: PeerLink, at now: Instant) {
        guard !self.receives(message, number: number, sequence: sequence, on: link, at: now) else { return }
        switch message {
        case .ask, .give: self.openGiving(message, number: number, sequence: sequence, on: link, at: now)
        default: break
        }
        guard link.giving?.number == number else { return }  // What is left over of one that has ended.
        self.give(.heard(message, sequence: sequence), on: link, at: now)
    }

    /// Begins to give where this is the first word of a bootstrap. The peer's next one ends its last: it has one at a time.
    private func openGiving(_ message: BootstrapMessage, number: UInt16, sequence: UInt16, on link: PeerLink, at now: Instant) {
        guard sequence == 0, link.giving?.number != number else { return }
        if let last = link.lastGiven, !(1..<0x4000).contains((number &- last) & 0x7fff) { return }  // A repeated frame of an earlier one.
        link.lastGiven = number
        link.giving = nil
        guard self.offeredSeen != nil else {
            return self.send(.bootstrap(number: number, sequence: 0, .stop(.incomplete)), on: link)
        }
        guard self.peers!.links.count(where: { $0.giving != nil }) < Self.maximumGivings else {
            return self.send(.bootstrap(number: number, sequence: 0, .stop(.busy)), on: link)
        }
        if case .ask = message { self.peers!.given.begun += 1 } else { self.peers!.given.resumed += 1 }
        link.giving = Giving(giver: BootstrapGiver(at: now), number: number, began: now)
    }

    private func give(_ event: BootstrapGiver.Event, on link: PeerLink, dependsOn position: LogPosition = 0, at now: Instant) {
        guard let giving = link.giving, let actions = link.giving?.giver.handle(event, at: now) else { return }
        for action in actions {
            switch action {
            case .send(let message, let sequence):
                self.send(.bootstrap(number: giving.number, sequence: sequence, message), on: link, dependsOn: position)
            case .capture:
                // As of all that is applied; it leaves when that is durable (I6).
                let capture = self.offeredSeen.map { BootstrapCapture(seen: $0, entries: self.entryCount, clearance: self.store.countingClearance) }
                self.give(.captured(capture), on: link, dependsOn: self.store.appliedPosition, at: now)
            case .end(let fault):
                if fault == nil { self.peers!.given.ended += 1 }
                link.giving = nil
            }
        }
    }

    /// About how many entries there are: those of the tables may be in the base too.
    private var entryCount: UInt64 { max(self.store.foldedDigest.entries, (try? self.store.baseStatistics().entries) ?? 0) }

    /// Reads the next slice for a joiner, if it may have one in this tick.
    func giveNext(on link: PeerLink, at now: Instant) throws(StoreError) {
        guard let giving = link.giving, giving.gaveAt != self.lastTick || giving.slices < self.slicesPerTick, self.mayGive(on: link, at: now) else {
            return
        }
        let place = giving.giver.place
        guard self.offeredSeen != nil else { return self.give(.foundDamage, on: link, at: now) }
        let slice = self.isIdle(at: self.lastTick) ? RepairSession.messageBytes : Self.politeBytes
        let byteCount = self.peers!.throttle.portion(of: min(giving.giver.room, slice))
        let portion = try self.store.records(behind: place?.token, key: place?.key, byteCount: byteCount)
        guard !portion.hasDamage else { return self.give(.foundDamage, on: link, at: now) }
        link.giving!.slices = giving.gaveAt == self.lastTick ? giving.slices + 1 : 1
        link.giving!.gaveAt = self.lastTick
        if !self.isIdle(at: self.lastTick) { link.giving!.pausesUntil = now + Self.politePause }
        link.giving!.entries += portion.entries
        link.giving!.bytes += portion.bytes.count
        self.peers!.given.entries += portion.entries
        self.peers!.given.bytes += portion.bytes.count
        self.peers!.throttle.gave(bytes: portion.bytes.count, at: now)
        let last = portion.entries == 0 ? nil : BootstrapPlace(token: portion.token, key: portion.key)
        self.give(.read(portion.bytes, through: last, isLast: portion.isLast), on: link, dependsOn: portion.position, at: now)
    }

    /// While clients ask: so much, which takes a thirtieth of a millisecond, and nothing for a while.
    private static let politeBytes = 16 << 10
    private static let politePause = Duration.milliseconds(1)

    /// More at a time where nobody asks.
    private var slicesPerTick: Int { self.isIdle(at: self.lastTick) ? 4 : 1 }

    private func mayGive(on link: PeerLink, at now: Instant) -> Bool {
        guard let giving = link.giving, link.isReady else { return false }
        return giving.giver.room > 0 && link.output.byteCount < Self.givenOutputBytes && now >= max(giving.pausesUntil, self.peers!.throttle.next)
    }

    /// So much of what is given may wait for the log to be synced.
    private static let givenOutputBytes = 512 << 10

    /// True where more could be given in a next tick. Where the connection takes nothing, nothing was given in this one.
    func wantsToGive(on link: PeerLink) -> Bool { link.giving?.gaveAt == self.lastTick && self.mayGive(on: link, at: self.lastTick) }

    /// When `tendGiving` or `giveNext` has something to do.
    func givingDeadline(of link: PeerLink) -> Instant? {
        guard let giving = link.giving else { return nil }
        guard giving.giver.room > 0 else { return giving.giver.deadline }
        let next = max(giving.pausesUntil, self.peers!.throttle.next)
        return next > self.lastTick ? next : nil
    }

    func tendGiving(on link: PeerLink, at now: Instant) {
        if let deadline = link.giving?.giver.deadline, now >= deadline { self.give(.deadlinePassed, on: link, at: now) }
    }
}
