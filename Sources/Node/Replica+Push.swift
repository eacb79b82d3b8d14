import AntiEntropy
import Basics
import Digests
import PeerWire
import Storage
import Versioning

/// Writes that are told to peers as soon as they are durable, and those that peers tell.
extension Replica {
    /// Notes a sealed batch, so that its writes are pushed once it is synced.
    func noteBatch(_ batch: Batch) {
        guard self.peers != nil else { return }
        let isMixed = self.peers!.tickIsMixed
        self.peers!.tickIsMixed = false
        guard !self.peers!.links.isEmpty else { return }
        self.peers!.unsynced.append(PeerSet.OwnWrites(batch: batch, isMixed: isMixed))
        self.peers!.rounds.noticedChange(at: self.lastTick)
    }

    /// The log is durable up to where the store says: pushes what waited for that.
    package func pushSynced() {
        guard self.peers != nil else { return }
        let synced = self.store.synced
        guard self.peers!.unsynced.first.map({ $0.batch.position < synced }) ?? false || self.peers!.rumors.hasDurable(synced) else { return }
        // A joiner drops what it is told until it has everything, and asks for it then.
        let linked = self.linked.filter { $0.giving == nil }
        while let first = self.peers!.unsynced.first, first.batch.position < synced {
            self.peers!.unsynced.removeFirst()
            if !linked.isEmpty { self.push(first, to: linked) }
        }
        for push in self.peers!.rumors.take(durable: synced) {
            let targets = self.targets(among: linked.filter { !push.named.contains($0.peer!) })
            self.tell(Push(hops: push.hops + 1, named: merged(push.named, self.responsive(targets)), records: push.records), to: targets)
        }
    }

    /// The links to members, ascending by these.
    private var linked: [PeerLink] { self.peers!.links.filter(\.isReady).sorted { $0.peer! < $1.peer! } }

    /// Up to fanout of the links, all in a small set.
    private func targets(among linked: [PeerLink]) -> [PeerLink] {
        let fanout = self.peers!.rounds.fanout
        guard linked.count > fanout else { return linked }
        var targets = linked
        targets.shuffle(using: &self.peers!.random)
        targets.removeLast(targets.count - fanout)
        targets.sort { $0.peer! < $1.peer! }
        return targets
    }

    /// Whose links have answered lately. Others are pushed to and not named: they may hear nothing, and who knows them better tells
    /// them.
    private func responsive(_ linked: [PeerLink]) -> [ReplicaID] {
        let patience = self.peers!.rounds.answerPatience
        var responsive: [ReplicaID] = []
        responsive.reserveCapacity(linked.count)
        for link in linked where link.askedAt.map({ self.lastTick.since($0) < patience }) ?? true { responsive.append(link.peer!) }
        return responsive
    }

    private func push(_ writes: PeerSet.OwnWrites, to linked: [PeerLink]) {
        let targets = self.targets(among: linked)
        let own = self.store.identity.replica
        let named = merged([own], self.responsive(targets))
        var records: [UInt8] = []
        writes.batch.forEachEntry { frame, record in
            if writes.isMixed, !record.isOwnWrite(of: own, frame: frame) { return }
            if !records.isEmpty, records.count + frame.count > RepairSession.messageBytes {
                self.tell(Push(hops: 0, named: named, records: records), to: targets)
                records.removeAll(keepingCapacity: true)
            }
            let start = records.count
            records.append(contentsOf: frame)
            records[start + 5] = FrameFlags.none  // One that is written again stands beside what came over it.
        }
        if !records.isEmpty { self.tell(Push(hops: 0, named: named, records: records), to: targets) }
    }

    private func tell(_ push: Push, to targets: [PeerLink]) {
        guard !targets.isEmpty else { return }
        var bytes: [UInt8] = []
        PeerWire.append(.push(push), to: &bytes)
        for link in targets {
            let isTaken = link.output.appendPush(bytes)
            self.peers!.withRelation(to: link.peer!, at: self.lastTick) { relation in
                if isTaken { relation.statistics.pushesOut += 1 } else { relation.statistics.pushesDropped += 1 }
            }
        }
    }

    /// Applies what a peer has pushed, and keeps what is new to tell it on.
    func take(_ push: Push, on link: PeerLink, at moment: Moment) throws(StoreError) {
        // What is missing then comes from the log, once there is everything that it follows (I24).
        guard !self.isJoining else {
            self.peers!.joining.counters.dropped += 1
            return
        }
        var (first, fresh, known): (Dot?, [UInt8], Int) = (nil, [], 0)
        var position: LogPosition = 0
        let receipt = try push.records.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
            try self.forEachReceived(bytes, .push, on: link) { frame, record, token throws(StoreError) in
                if first == nil { first = record.dot }
                switch try self.merge(record, token, .push, at: moment) {
                case .known: known += 1
                case .applied(let at), .superseded(let at):
                    position = max(position, at)
                    fresh.append(contentsOf: frame)
                }
            }
        }
        guard receipt != .refused else { return }
        self.peers!.counters.pushesIn += 1
        guard let first else { return }  // All of it is held.
        self.peers!.counters.duplicates += known
        guard !fresh.isEmpty else { return self.peers!.rumors.heardAgain(push, first: first) }
        self.peers!.counters.arrived(hops: push.hops &+ 1, records: RecordLayout.frameCount(in: fresh))
        self.peers!.rounds.noticedChange(at: moment.now)
        let hasOthers = self.peers!.links.contains { $0.isReady && !push.named.contains($0.peer!) }
        guard hasOthers else { return }
        self.peers!.rumors.add(Push(hops: push.hops, named: push.named, records: fresh), first: first, position: position)
    }

    /// What came of records that a peer has sent.
    enum Receipt: Equatable {
        case taken
        /// Some were stamped too far ahead, and are held.
        case partlyHeld
        /// One was not what it must be, or stamped beyond what is waited for: the link is closed, and what followed was not looked at.
        case refused
    }

    /// Goes through records that a peer has sent, but for those that are held.
    func forEachReceived(
        _ bytes: UnsafeRawBufferPointer, _ source: Store.Source, on link: PeerLink,
        _ body: (UnsafeRawBufferPointer, RecordView, Token) throws(StoreError) -> Void
    ) throws(StoreError) -> Receipt {
        let bounds = self.stampBounds
        var (offset, receipt) = (0, Receipt.taken)
        while offset < bytes.count {
            guard let frame = RecordLayout.firstFrame(in: UnsafeRawBufferPointer(rebasing: bytes[offset...])),
                let (record, token) = RecordView.received(frame, under: self.store.identity.digestKey)
            else {
                self.refuse(link, because: "it sent a record that is damaged or not one")
                return .refused
            }
            offset += frame.count
            if self.hasForgotten(whatNames: record, from: link, at: self.lastMoment.now) { return .refused }
            switch bounds.verdict(on: record.stampTime) {
            case .taken: try body(frame, record, token)
            // Of a push what is known changes nothing, whatever this node's clock was when it came first.
            case _ where source == .push && self.store.seen.covers(record.dot): try body(frame, record, token)
            case .held:
                self.hold(record, from: link)
                receipt = .partlyHeld
            case .refused(let refusal):
                self.refuse(link, for: record, refusal)
                return .refused
            }
        }
        return receipt
    }

    /// Merges one received version. Stamps that are issued from now on are greater than it, once it is applied (I10).
    func merge(_ record: RecordView, _ token: Token, _ source: Store.Source, at moment: Moment) throws(StoreError) -> Store.Merged {
        self.peers!.tickIsMixed = true
        let merged = try self.store.merge(record, token: token, source, at: moment.now)
        if merged != .known { self.clock.observe(record.stampTime) }
        return merged
    }
}
