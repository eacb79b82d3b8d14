import Digests

/// Entries of the base that are not what was written.
///
/// Such an entry is as absent: it is in no digest, no scan shows it, and its key, or what lies near its token, carries a mark that the log keeps, so that
/// no lookup says "nothing" where there was something. Once the mark is durable its bytes leave the base. What it was comes back from another node, in a
/// repair session, as the digests differ; or its key is written again. I17.
extension Store {
    /// An entry of the base whose bytes are to go.
    struct RottenEntry: Sendable {
        let token: Token
        let key: [UInt8]
        /// The digest has nothing of it any more.
        var isUncounted: Bool
    }

    /// So many rotten entries are dealt with by a process; a store with more is not worth mending.
    package static let maximumRotten = 100_000

    /// True where something was lost and has not come back yet: what this node has seen is more than what it has.
    package var hasDamage: Bool { !self.damage.isEmpty }

    /// True while rotten entries lie in the base still.
    package var hasRotten: Bool { !self.rotten.isEmpty }

    /// An entry of the base has been met whose checksum does not fit.
    package func foundRotten(_ token: Token, key: UnsafeRawBufferPointer) {
        guard self.rotten.count < Self.maximumRotten, !self.rotten.contains(where: { $0.token == token && $0.key.elementsEqual(key) }) else { return }
        self.rotten.append(RottenEntry(token: token, key: Array(key), isUncounted: false))
        self.counters.damagedEntries += 1
        self.mark([token])
        self.hide()
    }

    /// Notes what the scan at the start has met, which counted none of it.
    func foundRotten(atStart entries: [(token: Token, key: [UInt8])]) {
        guard !entries.isEmpty else { return }
        self.rotten = entries.map { RottenEntry(token: $0.token, key: $0.key, isUncounted: true) }
        self.mark(entries.map(\.token))
        self.hide()
    }

    /// What lies at these tokens and is not intact counts for nothing: what was lost, and what was given up and lies there still.
    func hide() {
        self.hidden = self.damage
        for entry in self.rotten { _ = self.hidden.insert(entry.token) }
    }

    private func mark(_ tokens: [Token]) {
        var (damage, isNew) = (self.damage, false)
        for token in tokens where damage.insert(token) { isNew = true }
        if isNew { self.rottenBehind = self.setControl(.damage, damage.controlValue) }
    }

    /// The log has lost what was put last, and marks may have been among it.
    func markRottenAgain() { if !self.rotten.isEmpty { self.mark(self.rotten.map(\.token)) } }

    /// A write of this node is greater than whatever its key had: what was lost there is lost no more.
    func unmark(_ token: Token, key: UnsafeRawBufferPointer) {
        var damage = self.damage
        let rotten = self.rotten.filter { $0.token == token }
        guard rotten.allSatisfy({ $0.key.elementsEqual(key) }), damage.remove(token) else { return }
        self.setControl(.damage, damage.controlValue)
    }

    /// Nothing is missing any more: another node has everything, and this one has the same; or it was given up.
    package func clearDamage() { if self.hasDamage { self.setControl(.damage, []) } }

    /// Whether an entry of the base counts for nothing.
    @inline(__always)
    func isLost(_ entry: BaseEntry) -> Bool { !self.hidden.isEmpty && self.hidden.isLost(entry, under: self.identity.digestKey) }

    /// True where `tendDamage` has something to do.
    package var wantsDamageTended: Bool {
        guard !self.rotten.isEmpty, !self.isBaseMoving else { return false }
        return self.rotten.contains { !$0.isUncounted } || self.rottenBehind.map { $0 < self.synced } ?? true
    }

    /// Takes rotten entries out of the digest, and once the log says durably that they were lost, out of the base.
    ///
    /// The loop writes to the base itself: it happens rarely, and there is no drain just then.
    package func tendDamage() throws(StoreError) {
        guard self.wantsDamageTended else { return }
        for index in self.rotten.indices where !self.rotten[index].isUncounted {
            try self.recountLeaf(containing: self.rotten[index].token)
            self.rotten[index].isUncounted = true
        }
        guard self.rottenBehind.map({ $0 < self.synced }) ?? true else { return }
        let writer = self.base.makeWriter()
        do throws(StoreError) {
            try writer.begin()
            for entry in self.rotten { try self.evict(entry, writer) }
            try writer.commit(nil as Checkpoint?)
        } catch {
            writer.abort()
            guard error.isDiskFull else { throw error }
            return  // They stay where they are, unseen, until there is room.
        }
        self.rotten.removeAll()
        self.hide()
        self.reader.reset()
    }

    private func evict(_ rotten: RottenEntry, _ writer: any BaseWriter) throws(StoreError) {
        try rotten.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            // A drain may have put another in its place.
            guard let entry = try writer.seek(rotten.token, key: key), !entry.isIntact(under: self.identity.digestKey) else { return }
            try writer.remove(rotten.token, key: key)
        }
    }
}

extension DamageMarks {
    /// Whether an entry of the base is one that was lost here, and counts for nothing.
    func isLost(_ entry: BaseEntry, under key: DigestKey) -> Bool { self.contains(entry.token) && !entry.isIntact(under: key) }
}
