import AntiEntropy
import Basics
import Digests
import PeerWire
import Storage
import Versioning

/// Repair sessions on their links.
extension Replica {
    /// Begins a session with the peer of a link, if none is on.
    ///
    /// - Returns: false where one is.
    @discardableResult
    func openExchange(_ purpose: SessionPurpose, width: DigestWidth, on link: PeerLink, request: PeerRequestJob? = nil, at now: Instant) -> Bool {
        guard link.isReady, !self.isJoining, link.exchange == nil, purpose != .repair || !self.isRepairing else { return false }
        link.lastSession &+= 1
        // The highest bit tells who opened it, so that the numbers of both sides never meet.
        let number = link.lastSession & 0x7fff | (link.dialed == nil ? 0 : 0x8000)
        let exchange = Exchange(session: RepairSession(opening: purpose, width: width, at: now), number: number, began: now)
        exchange.request = request
        self.begin(exchange, on: link)
        return true
    }

    /// True while this node exchanges records with a member. One at a time: what is missing would otherwise come from every member at once.
    var isRepairing: Bool { self.peers!.links.contains { $0.exchange?.session.purpose == .repair } }

    private func begin(_ exchange: Exchange, on link: PeerLink) {
        link.exchange = exchange
        link.exchange!.clearance = self.store.floorsRevision
        link.exchange!.damage = self.store.counters.damagedEntries
        self.digestJobs += 1
    }

    /// True where nothing stands between a session and the digest: no drain runs, and all is folded, or could be just now.
    private func canReadDigest() throws(StoreError) -> Bool {
        guard try self.store.fold(budget: Self.sliceEntries) else { return false }
        return self.store.isFolded
    }

    func take(_ message: SessionMessage, number: UInt16, sequence: UInt16, on link: PeerLink, at moment: Moment) throws(StoreError) {
        if case .open(let opening) = message {
            guard try self.answers(opening, number: number, on: link, at: moment.now) else { return }
        }
        guard link.exchange?.number == number else { return }  // What is left over of one that has ended.
        guard sequence == link.exchange!.expectedSequence else {
            // A repeated frame has been handled; a missing one never will be.
            if sequence &- link.exchange!.expectedSequence < 0x8000 { self.fail(.gap, link, at: moment.now) }
            return
        }
        link.exchange!.expectedSequence &+= 1
        guard link.exchange!.inbox.take(message) else { return self.fail(.tooMuch, link, at: moment.now) }
        try self.tendExchange(of: link, at: moment)
    }

    /// Whether a session that the peer opens goes on.
    private func answers(_ opening: SessionOpening, number: UInt16, on link: PeerLink, at now: Instant) throws(StoreError) -> Bool {
        // A repeated frame, of a session that goes on, has ended, or was refused.
        if link.answeredSession == number { return link.exchange?.number == number }
        link.answeredSession = number
        // One that the peer has opened before it has given up since: it has one at a time.
        if link.exchange?.session.role == .accepter { self.endExchange(of: link, fault: .cancelled, at: now) }
        if let exchange = link.exchange {
            // Both opened at the same time: that of the smaller id goes on. What waits for ours begins it again.
            guard exchange.session.role == .opener, self.store.identity.replica > link.peer!, exchange.progress == SessionProgress() else {
                self.send(.session(number: number, sequence: 0, .refuse(.crossed)), on: link)
                return false
            }
            self.endExchange(of: link, fault: .cancelled, at: now)
        }
        guard !self.isJoining, opening.purpose != .repair || !self.isRepairing else {
            self.send(.session(number: number, sequence: 0, .refuse(.busy)), on: link)
            return false
        }
        self.begin(Exchange(session: RepairSession(accepting: opening, seen: self.offeredSeen, at: now), number: number, began: now), on: link)
        return true
    }

    /// A message of a session cannot be taken: the session ends on both sides.
    func cancel(_ message: SessionMessage, number: UInt16, on link: PeerLink, at now: Instant) {
        if link.exchange?.number == number {
            self.fail(.cancelled, link, at: now)
        } else if case .open = message {
            self.send(.session(number: number, sequence: 0, .refuse(.busy)), on: link)
        }
    }

    private func fail(_ fault: SessionFault, _ link: PeerLink, at now: Instant) {
        self.send(.session(number: link.exchange!.number, sequence: link.exchange!.sendSequence, .abort(fault)), on: link)
        self.endExchange(of: link, fault: fault, at: now)
    }

    /// Handles what waits, as far as the digest can be read; ends a session that has stalled.
    func tendExchange(of link: PeerLink, at moment: Moment) throws(StoreError) {
        guard link.exchange != nil else { return }
        while !link.isClosing, let message = link.exchange?.inbox.first {
            guard !self.isHeldUp, try self.canReadDigest() else { return }
            link.exchange!.inbox.removeFirst()
            let actions = try link.exchange!.session.handle(message, StoreReader(store: self.store), at: moment.now)
            try self.perform(actions, of: link, at: moment)
        }
        // Asked in place: to look at its deadline from here would copy the session.
        if let actions = link.exchange?.session.deadlinePassed(at: moment.now), !actions.isEmpty {
            try self.perform(actions, of: link, at: moment)
        }
    }

    private func perform(_ actions: [RepairSession.Action], of link: PeerLink, at moment: Moment) throws(StoreError) {
        for action in actions {
            switch action {
            case .merge(let bytes): try self.merge(bytes, of: link, at: moment)
            case .show(let bytes): link.exchange?.request?.show(bytes)
            case .covered(let seen):
                if let seen, link.exchange?.hasSkipped == false { self.join(seen, at: moment.now) }  // I26 (ii)
            case .compareRoot(let root): self.compare(root, of: link, at: moment.now)
            case .ended(let fault):
                // The last word still has to go out.
                if let fault { self.fail(fault, link, at: moment.now) } else { self.endExchange(of: link, fault: nil, at: moment.now) }
            }
        }
    }

    private func merge(_ bytes: [UInt8], of link: PeerLink, at moment: Moment) throws(StoreError) {
        var progress = link.exchange!.progress
        let known = self.store.seen
        let revives = link.exchange!.clearance == self.store.floorsRevision && link.exchange!.damage == self.store.counters.damagedEntries
        let receipt = try bytes.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
            try self.forEachReceived(bytes, .session(revives: revives), on: link) { frame, record, token throws(StoreError) in
                progress.entriesIn += 1
                progress.bytesIn += frame.count
                if !known.covers(record.dot) { progress.inFlight += 1 }
                _ = try self.merge(record, token, .session(revives: revives), at: moment)
            }
        }
        link.exchange?.progress = progress
        if receipt != .taken { link.exchange?.hasSkipped = true }
    }

    private func compare(_ root: SessionRoot, of link: PeerLink, at now: Instant) {
        link.exchange!.isComplete = true
        link.exchange!.theirTally = root.tally
        link.exchange!.theirSeen = root.seen
        guard self.store.isFolded else { return }
        let isEqual = root.digest == self.store.foldedDigest
        link.exchange!.hasEqualRoots = isEqual
        self.peers!.withRelation(to: link.peer!, at: now) { relation in
            relation.statistics.hasEqualRoots = isEqual
            if isEqual { relation.statistics.lastEqualRoots = now }
        }
        if isEqual, let seen = root.seen { self.join(seen, at: now) }  // I26 (iii)
    }

    /// The session on a link is over, in whatever way.
    func endExchange(of link: PeerLink, fault: SessionFault?, at now: Instant) {
        guard let exchange = link.exchange, let peer = link.peer else { return }
        link.exchange = nil
        self.digestJobs -= 1
        let tally = exchange.session.tally + (exchange.theirTally ?? Tally())
        let isRepair = exchange.session.purpose == .repair
        self.peers!.withRelation(to: peer, at: now) { relation in
            if exchange.isComplete { relation.statistics.sessions += 1 } else { relation.statistics.failedSessions += 1 }
            relation.statistics.ranges += tally.ranges
            relation.statistics.add(exchange.progress)
            if isRepair, exchange.isComplete, tally.entries == 0, exchange.hasEqualRoots { relation.statistics.falseAlarms += 1 }
        }
        var random = self.peers!.random
        self.peers!.withRelation(to: peer, at: now) { $0.trigger.ended(at: now, using: &random) }
        self.peers!.random = random
        if isRepair, exchange.hasSkipped || (exchange.isComplete && self.peers!.relation(to: peer)?.isHolding == true) { self.pause(peer, at: now) }
        self.peers!.rounds.noticedChange(at: now)
        exchange.request?.end(SessionOutcome(exchange: exchange, tally: tally, fault: fault, took: now.since(exchange.began)), at: now)
        // What short sums overlooked is found by full ones, unless writes that came meanwhile explain the difference.
        // After damage they are to show that nothing is missing here, where roots cannot: one side may have dropped tombstones that the other holds.
        let isDoubtful = exchange.session.role == .opener && tally.entries == 0 || self.store.hasDamage
        if isRepair, exchange.isComplete, !exchange.hasEqualRoots, exchange.session.width == .short, isDoubtful {
            self.openExchange(.repair, width: .full, on: link, at: now)
        } else if isRepair, exchange.isComplete, exchange.session.width == .full, !exchange.hasSkipped,
            exchange.damage == self.store.counters.damagedEntries
        {
            // One that has lost something itself says in its rounds alone what it had seen. Of two such each would wait for the other.
            let seen = exchange.theirSeen ?? self.peers!.relation(to: peer)?.told
            self.compared(.session, with: peer, seen: seen, isWhole: exchange.theirSeen != nil)
        }
    }

    // MARK: What leaves

    /// The next bytes for a peer; nil where nothing may leave now. The driver asks as long as the connection takes more.
    package func nextOutput(_ link: PeerLink, at moment: Moment) throws(StoreError) -> [UInt8]? {
        guard link.mayHaveOutput else { return nil }
        self.readOn(link)
        if let bytes = link.output.pop(synced: self.store.synced) { return bytes }
        try self.giveNext(on: link, at: moment.now)
        if let bytes = link.output.pop(synced: self.store.synced) { return bytes }
        guard link.exchange != nil, link.isReady, link.output.byteCount < Self.sessionOutputBytes, try self.canReadDigest() else { return nil }
        let said = try link.exchange!.session.next(StoreReader(store: self.store), seen: self.offeredSeen, at: moment.now)
        guard let (message, actions) = said else { return nil }
        self.count(message, of: link)
        let sequence = link.exchange!.sendSequence
        link.exchange!.sendSequence &+= 1
        self.send(.session(number: link.exchange!.number, sequence: sequence, message), on: link, dependsOn: self.store.appliedPosition)
        try self.perform(actions, of: link, at: moment)
        return link.output.pop(synced: self.store.synced)
    }

    /// So much of a session may wait for the log to be synced.
    private static let sessionOutputBytes = 512 << 10

    private func count(_ message: SessionMessage, of link: PeerLink) {
        switch message {
        case .records(let bytes):
            link.exchange!.progress.bytesOut += bytes.count
            link.exchange!.progress.entriesOut += RecordLayout.frameCount(in: bytes)
        case .headers(let bytes): link.exchange!.request?.give(bytes)
        default: break
        }
    }
}
