import AntiEntropy
import Basics
import Digests
import PeerWire
import Storage
import Versioning

/// A node that joins: gets everything from one member, in order, and applies nothing else until it has it (I24, I28).
extension Replica {
    /// True until everything that the cluster had when this node joined has come.
    package var isJoining: Bool { self.store.isJoining }

    /// How often this process asked for everything from the first entry on, and behind what was stored.
    package var bootstraps: (begun: Int, resumed: Int) { self.peers.map { ($0.joining.counters.begun, $0.joining.counters.resumed) } ?? (0, 0) }

    /// What a bootstrap does in time: asks, stores what has come, gives up, ends.
    func tendBootstrap(at now: Instant) {
        guard self.isJoining else { return }
        self.storeGathered(at: now)
        if let deadline = self.peers!.joining.current?.receiver.deadline, now >= deadline { self.receive(.deadlinePassed, at: now) }
        guard self.peers!.joining.current == nil, !self.store.isLoading, now >= self.peers!.joining.askAt else { return }
        if let progress = self.peers!.joining.progress, progress.isWhole { self.finishWhenDue(progress, at: now) } else { self.askMember(at: now) }
    }

    /// When `tendBootstrap` has something to do; nil where it waits for others.
    var bootstrapDeadline: Instant? {
        guard self.isJoining else { return nil }
        let joining = self.peers!.joining
        if let current = joining.current {
            let gathered = self.store.isLoading ? nil : current.gathered.since.map { $0 + Joining.gatherTime }
            return [current.receiver.deadline, gathered].compactMap(\.self).min()
        }
        guard !self.store.isLoading, self.peers!.links.contains(where: \.isReady) || joining.progress?.isWhole == true else { return nil }
        return joining.askAt
    }

    // MARK: Asking

    private func askMember(at now: Instant) {
        let joining = self.peers!.joining
        let ready = self.peers!.links.filter(\.isReady).sorted { $0.peer! < $1.peer! }
        guard !ready.isEmpty else { return }
        if let progress = joining.progress, progress.place != nil {
            if let link = ready.first(where: { $0.hello!.replicaStart == progress.donor }), joining.avoided != progress.donor.replica {
                return self.begin(on: link, after: progress.place, at: now)
            }
            // Another start of it has come: the one that gave so far will not.
            let isGone = joining.avoided == progress.donor.replica || ready.contains { $0.peer == progress.donor.replica }
            if !isGone, now < joining.waitsUntil {
                self.peers!.joining.askAt = min(now + Joining.retryPause, joining.waitsUntil)
                return
            }
        }
        let others = ready.filter { $0.peer != joining.avoided }
        self.begin(on: (others.isEmpty ? ready : others).randomElement(using: &self.peers!.random)!, after: nil, at: now)
    }

    private func begin(on link: PeerLink, after place: BootstrapPlace?, at now: Instant) {
        link.lastBootstrap &+= 1
        // The highest bit tells who asked, so that the numbers of both sides never meet.
        let number = link.lastBootstrap & 0x7fff | (link.dialed == nil ? 0 : 0x8000)
        let (receiver, actions) = BootstrapReceiver.begin(after: place, at: now)
        var current = Joining.Current(
            receiver: receiver, link: link.id, number: number, donor: link.hello!.replicaStart, name: link.hello!.name, began: now)
        current.place = place
        self.peers!.joining.current = current
        if place != nil { self.peers!.joining.counters.resumed += 1 }
        self.perform(actions, at: now)
    }

    // MARK: Hearing

    /// - Returns: false where the message belongs to no bootstrap that this node gets.
    func receives(_ message: BootstrapMessage, number: UInt16, sequence: UInt16, on link: PeerLink, at now: Instant) -> Bool {
        guard let current = self.peers!.joining.current, current.link == link.id, current.number == number else { return false }
        self.receive(.heard(message, sequence: sequence), at: now)
        return true
    }

    private func receive(_ event: BootstrapReceiver.Event, at now: Instant) {
        guard let actions = self.peers!.joining.current?.receiver.handle(event, at: now) else { return }
        self.perform(actions, at: now)
    }

    private func perform(_ actions: [BootstrapReceiver.Action], at now: Instant) {
        for action in actions {
            guard let current = self.peers!.joining.current else { return }
            switch action {
            case .send(let message, let sequence):
                guard let link = self.peers!.links.first(where: { $0.id == current.link }) else { continue }
                self.send(.bootstrap(number: current.number, sequence: sequence, message), on: link)
            case .keep(let capture): self.keep(capture, current)
            case .store(let bytes, let isLast): self.gather(bytes, isLast: isLast, at: now)
            case .finish:
                self.peers!.joining.current = nil
                self.finishWhenDue(self.peers!.joining.progress!, at: now)
            case .giveUp(let fault): self.end(current, because: fault, at: now)
            }
        }
    }

    private func end(_ current: Joining.Current, because fault: BootstrapFault, at now: Instant) {
        self.peers!.joining.current = nil
        self.peers!.joining.counters.failed += 1
        self.peers!.joining.askAt = now + Joining.retryPause
        self.peers!.joining.waitsUntil = now + Joining.donorPatience
        switch fault {
        case .incomplete, .malformed, .outOfOrder, .tooMuch: self.peers!.joining.avoided = current.donor.replica
        // One that has given a part is worth waiting for.
        case .busy where current.place == nil: self.peers!.joining.avoided = current.donor.replica
        case .busy, .gap, .stalled, .cancelled: self.peers!.joining.avoided = nil
        }
    }

    /// The link that a bootstrap came over is gone.
    func bootstrapLost(_ link: PeerLink, at now: Instant) {
        guard let current = self.peers!.joining.current, current.link == link.id else { return }
        self.end(current, because: .cancelled, at: now)
    }

    // MARK: Storing

    /// Keeps what the member had seen before the first range is asked for.
    private func keep(_ capture: BootstrapCapture, _ current: Joining.Current) {
        self.peers!.joining.counters.begun += 1
        let progress = BootstrapProgress(donor: current.donor, capture: capture)
        self.store.foresee(entries: capture.entries)
        self.store([], progress, current, isCapture: true)
    }

    private func store(_ chunks: [[UInt8]], _ progress: BootstrapProgress, _ current: Joining.Current, isCapture: Bool) {
        self.peers!.joining.storing = Joining.Storing(
            link: current.link, number: current.number, bytes: chunks.reduce(0) { $0 + $1.count }, progress: progress, isCapture: isCapture)
        self.store.load(chunks, .bootstrap, progress.encoded, clears: isCapture)
    }

    /// Checks what has come: each record, and that each lies behind the one before it.
    private func gather(_ bytes: [UInt8], isLast: Bool, at now: Instant) {
        var current = self.peers!.joining.current!
        guard let link = self.peers!.links.first(where: { $0.id == current.link }) else { return }
        if !bytes.isEmpty {
            guard let (entries, place) = self.check(bytes, behind: current.place, on: link) else {
                return self.receive(.rejected(.malformed), at: now)
            }
            current.place = place
            current.gathered.chunks.append(bytes)
            current.gathered.place = place
            current.gathered.entries += entries
            current.gathered.bytes += bytes.count
            current.entries += entries
            current.bytes += bytes.count
            self.peers!.joining.counters.entries += entries
            self.peers!.joining.counters.bytes += bytes.count
        }
        current.gathered.isLast = isLast
        if current.gathered.since == nil { current.gathered.since = now }
        self.peers!.joining.current = current
        self.storeGathered(at: now)
    }

    /// - Returns: how many records there are, and the place of the last; nil where one is not what it must be, and the link is closed.
    private func check(_ bytes: [UInt8], behind place: BootstrapPlace?, on link: PeerLink) -> (Int, BootstrapPlace)? {
        let bounds = self.stampBounds
        return bytes.span.bytes.withUnsafeBytes { bytes in
            var (offset, entries) = (0, 0)
            var last: (token: Token, key: UnsafeRawBufferPointer)?
            while offset < bytes.count {
                guard let frame = RecordLayout.firstFrame(in: UnsafeRawBufferPointer(rebasing: bytes[offset...])),
                    let (record, token) = RecordView.received(frame, under: self.store.identity.digestKey)
                else {
                    self.refuse(link, because: "it gave a record that is damaged or not one")
                    return nil
                }
                let follows =
                    if let last {
                        last.token != token ? last.token < token : last.key.lexicographicallyPrecedes(record.key)
                    } else { place?.precedes(token, record.key) ?? true }
                guard follows else {
                    self.refuse(link, because: "it gave records out of order")
                    return nil
                }
                // What is ahead by less is stored, and counts with all else once its time has come.
                if case .refused(let refusal) = bounds.verdict(on: record.stampTime) {
                    self.refuse(link, for: record, refusal)
                    return nil
                }
                last = (token, record.key)
                (offset, entries) = (offset + frame.count, entries + 1)
            }
            return last.map { (entries, BootstrapPlace(token: $0.token, key: Array($0.key))) }
        }
    }

    /// Has the store take what is gathered: one job at a time, each of some size where much comes.
    private func storeGathered(at now: Instant) {
        guard let current = self.peers!.joining.current, let since = current.gathered.since, !self.store.isLoading, self.store.isDrained else {
            return
        }
        let gathered = current.gathered
        guard gathered.isLast || gathered.bytes >= Joining.jobBytes || now >= since + Joining.gatherTime else { return }
        var progress = self.peers!.joining.progress!
        progress.stored(entries: gathered.entries, bytes: gathered.bytes, through: gathered.place, isLast: gathered.isLast)
        self.peers!.joining.current!.gathered = Joining.Gathered()
        self.store(gathered.chunks, progress, current, isCapture: false)
    }

    /// What the store was given is in the base, durably.
    package func loaded(_ outcome: LoadOutcome, at now: Instant) throws(StoreError) {
        try self.store.loaded(outcome)
        guard let storing = self.peers!.joining.storing.take() else { preconditionFailure("loaded without a bootstrap") }
        self.peers!.joining.progress = storing.progress
        guard let current = self.peers!.joining.current, (current.link, current.number) == (storing.link, storing.number) else { return }
        if storing.isCapture { return self.receive(.kept, at: now) }
        if storing.bytes > 0, !storing.progress.isWhole { self.receive(.stored(bytes: storing.bytes, isLast: false), at: now) }
        if storing.progress.isWhole { self.receive(.stored(bytes: storing.bytes, isLast: true), at: now) }
        self.storeGathered(at: now)
    }

    // MARK: Ending

    /// Everything is stored. Where some of it is stamped ahead of this node's time, nobody is shown it before that has come (I11).
    private func finishWhenDue(_ progress: BootstrapProgress, at now: Instant) {
        guard let wait = self.wait(until: self.store.greatestStamp >> UInt64(Stamp.counterBits)) else {
            return self.finishJoining(progress, at: now)
        }
        self.peers!.joining.askAt = now + min(wait, Joining.longestWait)
    }

    /// Everything is stored: from here on this node has what the member had seen before the first entry was read (I26 ii), in one batch of the log.
    ///
    /// Where that cannot be appended it is done again.
    private func finishJoining(_ progress: BootstrapProgress, at now: Instant) {
        self.peers!.joining.askAt = now + Joining.retryPause
        self.store.setControl(.joining, [])
        self.store.setControl(.bootstrap, [])
        self.clock.observe(self.store.greatestStamp)
        self.store.takeOver(progress.capture.clearance)
        self.join(progress.capture.seen, at: now)
        self.tell("has everything that the cluster had when it joined; reads are answered from now on")
        // What was written meanwhile comes from the logs.
        for link in self.peers!.links where link.isReady { link.owesSummary = true }
        self.peers!.rounds.noticedChange(at: now)
    }
}

extension Hello {
    /// Which start of which replica is there.
    var replicaStart: ReplicaStart { ReplicaStart(replica: self.replica, start: self.start) }
}
