import AntiEntropy
import Basics
import PeerWire
import Storage
import Versioning

/// Catching up from a peer's log, and answering from ours.
extension Replica {
    // MARK: Asking

    /// Asks a peer's log for what it has and this node lacks.
    ///
    /// One peer at a time: what is missing would otherwise come from every member at once. A repair session brings all of it too.
    func ask(_ link: PeerLink, for gaps: [DotRange], at now: Instant) {
        guard !gaps.isEmpty, link.isReady, self.peers!.asking == nil, !self.isRepairing else { return }
        link.lastQuestion &+= 1
        self.peers!.asking = Asking(link: link.id, number: link.lastQuestion, began: now, heardAt: now, wanted: gaps.writeCount)
        self.peers!.withRelation(to: link.peer!, at: now) { $0.gaps.ask(for: gaps) }
        self.send(.catchUp(number: link.lastQuestion, .ask(gaps)), on: link)
    }

    /// A member has lost something of what it has seen. What nobody else has seen no session brings, but its log may hold it still: it is asked as long as
    /// there is something, whatever the roots are.
    func askForLost(_ seen: Seen, on link: PeerLink, at now: Instant) {
        guard !self.isJoining else { return }
        let own = self.peers!.held.added(to: self.store.seen)
        self.ask(link, for: own.missing(of: seen, limit: GapWatch.maximumGaps), at: now)
        if self.peers!.asking?.link == link.id { self.peers!.asking!.isForLost = true }
    }

    func take(_ message: CatchUpMessage, number: UInt16, on link: PeerLink, at moment: Moment) throws(StoreError) {
        switch message {
        case .ask(let gaps): self.answer(gaps, number: number, on: link, at: moment.now)
        case .tell(let records): try self.learn(records, number: number, on: link, at: moment)
        case .told(let isWhole):
            guard self.isAsking(link, number) else { return }  // It was waited for no longer.
            let (isHeld, isForLost) = (self.peers!.asking!.isHeld, self.peers!.asking!.isForLost)
            self.peers!.asking = nil
            self.peers!.withRelation(to: link.peer!, at: moment.now) { relation in
                relation.gaps.answered(isHeld: isHeld)
                if isWhole { relation.statistics.catchUps += 1 } else { relation.statistics.refusedCatchUps += 1 }
            }
            guard !isForLost else { return }  // What it has not got is nowhere.
            // What no log holds is found by comparing. Else there may be more to ask for, or nothing at all: roots tell.
            let isPaused = self.isPaused(link.peer!, at: moment.now)
            let compares = !isWhole && !self.isJoining && !isPaused && self.openExchange(.repair, width: .short, on: link, at: moment.now)
            if !compares, isWhole || !isPaused { link.owesSummary = true }
        }
    }

    private func isAsking(_ link: PeerLink, _ number: UInt16) -> Bool {
        self.peers!.asking.map { $0.link == link.id && $0.number == number } ?? false
    }

    /// Applies records in the order of the peer's log: their dots count as those of a push do (I26 i).
    private func learn(_ bytes: [UInt8], number: UInt16, on link: PeerLink, at moment: Moment) throws(StoreError) {
        guard !self.isJoining else {
            self.peers!.joining.counters.dropped += 1
            return
        }
        var entries = 0
        let receipt = try bytes.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
            try self.forEachReceived(bytes, .push, on: link) { _, record, token throws(StoreError) in
                entries += 1
                _ = try self.merge(record, token, .push, at: moment)
            }
        }
        guard receipt != .refused else { return }
        self.peers!.rounds.noticedChange(at: moment.now)
        self.peers!.withRelation(to: link.peer!, at: moment.now) { relation in
            relation.statistics.loggedIn += entries
            relation.statistics.logBytesIn += bytes.count
        }
        guard self.isAsking(link, number) else { return }
        self.peers!.asking!.heardAt = moment.now
        if receipt == .partlyHeld { self.peers!.asking!.isHeld = true }
        self.peers!.asking!.entries += entries
    }

    /// Gives up on a peer that says nothing.
    func tendAsking(at now: Instant) {
        if let asking = self.peers!.asking, now >= asking.deadline { self.peers!.asking = nil }
    }

    /// How often peers' logs brought what was missing, how often they did not, and how many sessions there were, with all members since the start.
    package var mendings: (catchUps: Int, refused: Int, sessions: Int) {
        (self.peers?.relations ?? []).reduce((0, 0, 0)) { sum, relation in
            let statistics = relation.statistics
            return (sum.0 + statistics.catchUps, sum.1 + statistics.refusedCatchUps, sum.2 + statistics.sessions)
        }
    }

    // MARK: Answering

    private func answer(_ gaps: [DotRange], number: UInt16, on link: PeerLink, at now: Instant) {
        let index = self.store.logIndex
        // After damage the log may have the only copy of a write, whatever it lacks besides.
        let held = self.store.hasDamage ? index.part(of: gaps) : gaps
        guard let blocks = index.blocks(holding: held) else {
            return self.send(.catchUp(number: number, .told(isWhole: false)), on: link)
        }
        link.answering = Answering(number: number, gaps: held, isWhole: held == gaps, blocks: blocks[...])
        if blocks.isEmpty { self.endAnswer(on: link, isWhole: held == gaps) }
    }

    /// Has the next block read where there is room for what it holds.
    func readOn(_ link: PeerLink) {
        guard let answering = link.answering, !answering.isReading, link.isReady, link.output.byteCount < Self.answerBytes,
            let block = answering.blocks.first
        else { return }
        link.answering!.isReading = true
        self.peers!.requests.append(.readLog(link: link.id, number: answering.number, LogRead(block: block, gaps: answering.gaps)))
    }

    /// So much of an answer may wait for its connection before the next block is read.
    private static let answerBytes = 512 << 10

    /// A block was read.
    ///
    /// - Parameter records: nil where it is gone or does not read.
    package func logWasRead(link id: UInt64, number: UInt16, _ records: [UInt8]?, at now: Instant) {
        guard let link = self.peers?.links.first(where: { $0.id == id }), link.isReady, let answering = link.answering, answering.number == number
        else { return }
        link.answering!.isReading = false
        let block = link.answering!.blocks.removeFirst()
        guard let records else {
            self.store.foundUnreadable(block)
            return self.endAnswer(on: link, isWhole: false)
        }
        self.tell(records, number: number, on: link, at: now)
        if link.answering!.blocks.isEmpty { self.endAnswer(on: link, isWhole: answering.isWhole) }
    }

    private func tell(_ records: [UInt8], number: UInt16, on link: PeerLink, at now: Instant) {
        var (start, end, entries) = (0, 0, 0)
        while end < records.count {
            let count = records.withUnsafeBytes { bytes in
                RecordLayout.firstFrame(in: UnsafeRawBufferPointer(rebasing: bytes[end...]))!.count  // Read from the log, whole.
            }
            if end > start, end + count - start > RepairSession.messageBytes {
                self.send(.catchUp(number: number, .tell(Array(records[start..<end]))), on: link)
                start = end
            }
            (end, entries) = (end + count, entries + 1)
        }
        if end > start { self.send(.catchUp(number: number, .tell(Array(records[start..<end]))), on: link) }
        self.peers!.withRelation(to: link.peer!, at: now) { relation in
            relation.statistics.loggedOut += entries
            relation.statistics.logBytesOut += records.count
        }
    }

    private func endAnswer(on link: PeerLink, isWhole: Bool) {
        self.send(.catchUp(number: link.answering!.number, .told(isWhole: isWhole)), on: link)
        link.answering = nil
    }
}

extension [DotRange] {
    /// How many writes there are in all; as many as a number can say where there are more.
    var writeCount: UInt64 {
        self.reduce(0) { sum, range in
            let (total, overflow) = sum.addingReportingOverflow(range.sequences.upperBound - range.sequences.lowerBound)
            return overflow || total == .max ? .max : total + 1
        }
    }
}

/// A question to a peer's log that is not answered yet.
struct Asking {
    let link: UInt64
    let number: UInt16
    let began: Instant
    var heardAt: Instant
    /// How many writes were asked for, and how many have come.
    let wanted: UInt64
    var entries = 0
    /// Some of what came is held.
    var isHeld = false
    /// The peer has lost something, and its log is asked for what it can still give.
    var isForLost = false

    var deadline: Instant { self.heardAt + GapWatch.patience }
}

/// A peer's question that is being answered.
struct Answering {
    let number: UInt16
    let gaps: [DotRange]
    /// The peer asked for nothing else.
    let isWhole: Bool
    /// Still to be read, the first one now if `isReading`.
    var blocks: ArraySlice<LogBlock>
    var isReading = false
}
