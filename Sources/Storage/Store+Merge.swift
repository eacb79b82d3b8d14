import Basics
import Digests
import Versioning

/// Versions that come from peers.
extension Store {
    /// How a version came.
    package enum Source: Equatable, Sendable {
        /// Told by a push, or from a peer's log: its dot is seen now, whatever becomes of it (I26 i).
        case push
        /// Read from a peer's store in a repair session. Its dot is seen once the session has covered all tokens, and not before: in token order the
        /// dots would not fit into `Seen`'s runs.
        ///
        /// - Parameter revives: nothing that this node knows to be removed can have been dropped or lost since the session began, so that a live
        ///   version that it has seen and lacks was lost, and comes back (I23 b).
        case session(revives: Bool)
    }

    /// What became of it.
    package enum Merged: Equatable, Sendable {
        /// Nothing: it was known, or in a session a greater one is.
        case known
        /// It is the newest of its key now.
        case applied(LogPosition)
        /// A greater one is. The log has it all the same, so that a crash does not make its dot unseen.
        case superseded(LogPosition)
    }

    /// Merges a version that a peer has sent and `RecordView.received` has checked: the greater one wins (I1, I8).
    ///
    /// Where something was lost, only a session brings versions: what a push brings may be older than what was there, and is seen once all has been
    /// compared (I23).
    package func merge(_ record: RecordView, token: Token, _ source: Source, at now: Instant) throws(StoreError) -> Merged {
        let isSeen = self.seen.covers(record.dot)
        if source == .push, isSeen || self.damage.contains(token) { return .known }
        let isAllowed = self.settled.allows(record.dot)
        if source == .push, !isAllowed {
            self.counters.refusedUnsettled += 1
            return .known
        }
        if isSeen || !isAllowed, try self.isRemoved(record, at: token, source) {
            if isSeen { self.counters.knownRemoved += 1 } else { self.counters.refusedUnsettled += 1 }
            return .known
        }
        let (outcome, previous) = try self.outcome(of: record, at: token, source)
        guard outcome.changes || source == .push else { return .known }
        guard case .right = outcome else {
            if source == .push {
                let slot = self.log(record, token: token, flags: FrameFlags.superseded)
                _ = self.seen.insert(record.dot)
                self.greatestStamp = max(self.greatestStamp, record.stampTime)
                self.undo.append(Undo(position: slot.position, change: .seen(record.dot)))
                guard case .neither = outcome else { return .superseded(slot.position) }
            }
            guard case .neither(let siblings) = outcome else { return .known }
            let position = self.put(joined: siblings, key: record.key, token: token, at: now)
            self.noteLate(siblings.listed, besides: previous, nil, at: position)
            return .applied(position)
        }
        let slot = self.log(record, token: token, flags: source == .push ? FrameFlags.none : FrameFlags.uncounted)
        if source == .push { _ = self.seen.insert(record.dot) }
        self.put(slot, record, dot: source == .push ? record.dot : nil, at: now)
        if isSeen || !isAllowed, record.mayBeDropped {
            self.waitingExpired.mayHave(record.dot)
            self.passed = self.collected  // It may lie within that, and at or below a floor.
            self.lateEntry = slot.position
        }
        if let siblings = record.siblings {
            self.note(siblings)
            self.noteLate(siblings.listed, besides: previous, isSeen ? nil : record.dot, at: slot.position)
        }
        return .applied(slot.position)
    }

    /// Stores what two versions come to that no write made: no dot of it counts, as those of its parts do.
    func put(joined siblings: Siblings, key: UnsafeRawBufferPointer, token: Token, at now: Instant) -> LogPosition {
        let (header, payload) = (VersionHeader(siblings), siblings.encoded)
        let byteCount = RecordLayout.byteCount(of: header, keyByteCount: key.count, payloadByteCount: payload.count)
        let (bytes, chunk) = self.tail.reserve(byteCount: byteCount, synced: self.synced)
        RecordLayout.encode(header, key: key, token: token, payloadByteCount: payload.count, into: bytes) { $0.copyBytes(from: payload) }
        bytes[5] = FrameFlags.uncounted
        let position = self.tail.openPosition
        let slot = Table.Slot(token: token, record: RecordPointer(address: UnsafeRawPointer(bytes.baseAddress!)), position: position, fold: .below)
        self.put((slot, chunk, position, byteCount), slot.record!.view, dot: nil, at: now)
        self.note(siblings)
        return position
    }

    /// What an index will name in siblings that came may be of writes that were drained before: floors must not pass them while they lie in the table.
    ///
    /// - Parameters:
    ///   - previous: what the key had is named already, or has been noted.
    ///   - dot: of the write that brings them, where that is new.
    private func noteLate(_ listed: Listed, besides previous: Listed, _ dot: Dot?, at position: LogPosition) {
        if listed.tombstones.contains(where: { $0 != dot && !previous.tombstones.contains($0) }) { self.lateEntry = position }
        for expiration in listed.expirations where expiration.dot != dot && !previous.expirations.contains(expiration) {
            self.waitingExpired.mayHave(expiration.dot)
            if expiration <= self.passed { self.passed = self.collected }
            self.lateEntry = position
        }
    }

    private typealias Logged = (slot: Table.Slot, chunk: Chunk, position: LogPosition, byteCount: Int)

    private func put(_ logged: Logged, _ record: RecordView, dot: Dot?, at now: Instant) {
        self.greatestStamp = max(self.greatestStamp, record.stampTime)
        let previous = self.putFolded(logged.slot, logged.chunk)
        self.undo.append(Undo(position: logged.position, change: .put(logged.slot, previous: previous, dot: dot)))
        if self.oldestPut == nil { self.oldestPut = now }
        self.pacing.admitted(recordBytes: logged.byteCount)
        self.counters.recordsApplied += 1
    }

    /// Whether a version that was seen before, or that no settled replica ever wrote, is one that was removed: its key has nothing, and no session shows
    /// that it is there by right (I23, I25).
    private func isRemoved(_ record: RecordView, at token: Token, _ source: Source) throws(StoreError) -> Bool {
        // Of siblings each is looked at by itself.
        guard record.kind == .register, case .nothing = try self.find(token, key: record.key) else { return false }
        guard case .session(revives: true) = source else { return true }
        return record.isTombstone || self.isDropped(record)
    }

    /// What the key has, on the left, and what came come to. A damaged version counts as none: the one that came heals it.
    ///
    /// - Returns: that, and what of the key the indexes name, or will.
    private func outcome(
        of record: RecordView, at token: Token, _ source: Source
    ) throws(StoreError) -> (joined: Joined, previous: Listed) {
        // Of all that is stored, siblings too.
        if record.kind == .register, record.stampTime > self.greatestStamp { return (.right, Listed()) }
        switch try self.find(token, key: record.key) {
        case .damaged: return (.right, Listed())
        case .nothing:
            let joined = Joined(record) { self.counts($0, of: token, beside: nil, source) } ?? .left
            return (joined.trimmed(self.drops, nil, record), Listed())
        case .record(let stored, _, _):
            if stored.kind == .register, record.kind == .register { return (Joined(stored, record), Listed()) }
            let own = stored.siblings
            let joined = Joined(stored, record) { self.counts($0, of: token, beside: own, source) }
            return (joined.trimmed(self.drops, stored, record), stored.listed)
        }
    }

    /// Whether a sibling that a peer has sent is one of the key's: one that was seen before and is not there was removed, as a register is (I23, I25), but
    /// where something was lost to damage.
    private func counts(_ version: Sibling, of token: Token, beside own: Siblings?, _ source: Source) -> Bool {
        if own?.contains(version.dot) ?? false || self.damage.contains(token) { return true }
        guard self.seen.covers(version.dot) || !self.settled.allows(version.dot) else { return true }
        // A delete that others have harms nobody, and what was dropped here is: a retired id may have been settled without it.
        if case .session(revives: true) = source { return !self.drops.contain(version) }
        return false
    }

    private func log(_ record: RecordView, token: Token, flags: UInt8) -> Logged {
        let byteCount = RecordLayout.frameByteCount + record.key.count + record.value.count
        let (bytes, chunk) = self.tail.reserve(byteCount: byteCount, synced: self.synced)
        let start = bytes.baseAddress!
        start.store(UInt32(byteCount), at: 0)
        start.store(RecordType.entry.rawValue, at: 4)
        start.store(flags, at: 5)
        start.store(UInt16(record.key.count), at: RecordLayout.keyLengthOffset)
        if !record.key.isEmpty { (start + RecordLayout.frameByteCount).copyMemory(from: record.key.baseAddress!, byteCount: record.key.count) }
        (start + RecordLayout.frameByteCount + record.key.count).copyMemory(from: record.value.baseAddress!, byteCount: record.value.count)
        let position = self.tail.openPosition
        let slot = Table.Slot(token: token, record: RecordPointer(address: start), position: position, fold: .below)
        return (slot, chunk, position, byteCount)
    }

    /// Adds what a peer had seen, once this node's state reflects it (I26 ii, iii). What a peer says of this node's own writes adds nothing.
    ///
    /// - Returns: what depends on it; nil where it was seen already, and nothing was logged.
    @discardableResult
    package func join(_ other: Seen) -> LogPosition? {
        let (others, previous) = (other.without(self.identity.replica), self.seen)
        guard !previous.covers(all: others) else { return nil }
        self.seen.join(others)
        // What does not fit is forgotten again and again: that must not fill the log.
        guard self.seen != previous else { return nil }
        var bytes: [UInt8] = []
        others.encode(into: &bytes)
        let position = self.log(.seen, tag: 0, bytes)
        self.replaced.append(.seen(previous))
        self.undo.append(Undo(position: position, change: .joined))
        return position
    }

    private func log(_ type: RecordType, tag: UInt16, _ value: [UInt8]) -> LogPosition {
        let (bytes, _) = self.tail.reserve(byteCount: RecordLayout.frameByteCount + value.count, synced: self.synced)
        FrameOnly.encode(type, tag: tag, value, into: bytes)
        return self.tail.openPosition
    }

    // MARK: Control state

    /// Nil where there is none; an empty value is none.
    package func control(_ key: ControlKey) -> [UInt8]? { self.control[key] }

    /// Changes a piece of control state, durable as a write is.
    ///
    /// - Precondition: the value has at most 1 MiB.
    @discardableResult
    package func setControl(_ key: ControlKey, _ value: [UInt8]) -> LogPosition {
        precondition(value.count <= ControlRecord.maximumValueByteCount, "\(value.count) bytes of \(key)")
        let position = self.log(.control, tag: UInt16(key.rawValue), value)
        self.replaced.append(.control(self.control[key]))
        self.undo.append(Undo(position: position, change: .control(key)))
        self.keepControl(key, value.isEmpty ? nil : value)
        return position
    }

    /// The start of this process.
    package var start: Start { self.control[.start].flatMap(Start.init(controlValue:)) ?? .none }

    /// The replica id that the store had before this one; nil where it never had another.
    package var formerReplica: ReplicaID? { self.control[.replica].flatMap(ReplicaChange.init(controlValue:))?.old }

    /// Gives the store another replica id, which nothing was written under. What it wrote so far counts as another's from now on.
    ///
    /// - Returns: what depends on it.
    @discardableResult
    package func changeReplica(to replica: ReplicaID) -> LogPosition {
        let position = self.setControl(.replica, ReplicaChange(new: replica, old: self.identity.replica).controlValue)
        self.identity.replica = replica
        return position
    }

    // MARK: Founding

    /// False until the store belongs to a cluster.
    package var isFounded: Bool { self.identity.isFounded }

    /// True where nothing was ever written or seen, and nothing is on its way to the log.
    package var isEmpty: Bool {
        self.seen.isEmpty && !self.hasDamage && self.live.count == 0 && self.frozen == nil && self.tree.root.entries == 0 && self.tail.openBytes == 0
            && self.synced == self.tail.head
    }

    /// Makes an empty store part of a cluster, or keeps control values before it is, durable when it returns. Earlier control values go.
    ///
    /// The one time that the loop writes to the base itself: before the first write there is no drain that could, and nobody to keep waiting.
    ///
    /// - Precondition: the store is empty.
    package func adopt(_ identity: Identity, control: [ControlKey: [UInt8]]) throws(StoreError) {
        precondition(self.isEmpty, "a store with \(self.seen) cannot become part of another cluster")
        let control = control.merging([.start: self.start.controlValue]) { $1 }
        let checkpoint = Checkpoint(identity: identity, position: self.tail.head, greatestStamp: self.greatestStamp, control: control)
        let writer = self.base.makeWriter()
        try writer.begin()
        try writer.commit(checkpoint)
        self.identity = identity
        self.keepControl(control)
    }

    // MARK: Digest

    /// The digest of a node of any depth: of the tree where it is that deep, counted from entries below.
    ///
    /// Exact while everything is folded, which is the caller's to see to.
    package func digest(ofNode node: DigestNode) throws(StoreError) -> Digest {
        if node.depth <= self.tree.leafBits { return self.tree.digest(depth: node.depth, index: Int(node.index)) }
        var digest = Digest.empty
        let key = self.identity.digestKey
        try self.scan(node.tokens) { entry in
            if let record = entry.record { digest.add(record.fingerprint(under: key)) }
            return true
        }
        return digest
    }
}
