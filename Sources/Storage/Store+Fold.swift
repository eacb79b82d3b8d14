import Digests

/// Keeping the digest: a put marks its entry unfolded and costs nothing more; the versions that a digest must subtract are looked up
/// later, in token order, by the drain for a frozen table and by `fold` for the live one.
extension Store {
    /// The digest of all entries, as far as folded.
    package var foldedDigest: Digest { self.tree.root }

    /// True where `foldFew` can fold all there is to fold.
    package var hasFewUnfolded: Bool { !self.isBaseMoving && self.live.hasFewUnfolded }

    /// True where the folded digest is that of all entries.
    package var isFolded: Bool { !self.isBaseMoving && self.live.unfolded == 0 }

    /// Folds up to `budget` entries of the live table, fewer where many that are folded already lie between them; all, where they are few
    /// enough: while others are put, the last ones would otherwise be chased for ever.
    ///
    /// - Returns: false where a drain or a load has to end first: what the base holds for a key is then not known to be what the digest contains.
    package func fold(budget: Int) throws(StoreError) -> Bool {
        guard !self.isBaseMoving else { return false }
        if self.live.unfolded == 0 { return true }
        let isNearlyDone = self.live.unfolded / Self.lastBudgets <= budget
        if isNearlyDone, self.live.hasFewUnfolded {  // All are known: nothing is passed over to find them.
            try self.foldFew(budget: .max)
            return true
        }
        var steps = isNearlyDone ? .max : min(budget, .max / Self.stepsPerFold) * Self.stepsPerFold
        var (index, passes) = (self.live.start(of: self.foldCursor), 0)
        while steps > 0, self.live.unfolded > 0 {
            if self.live.skipFolded(from: &index, steps: &steps) {
                try self.foldEntry(at: index)
                index += 1
                steps -= Self.stepsPerFold
            } else if steps > 0 {
                precondition(passes < 2, "\(self.live.unfolded) entries unfolded, none found")
                (index, passes) = (0, passes + 1)
            }
        }
        self.foldCursor = self.live.token(ofStart: index)
        return true
    }

    /// Folding an entry takes a lookup in the base, about as long as passing over so many slots.
    private static let stepsPerFold = 1_000
    /// The rest is folded at once where it is no more than so many budgets.
    private static let lastBudgets = 4

    /// Folds up to `budget` entries, as long as there are few: cheap however large the table is.
    package func foldFew(budget: Int) throws(StoreError) {
        guard !self.isBaseMoving else { return }
        for _ in 0..<budget {
            guard let token = self.live.takeUnfolded() else { return }
            try self.fold(range: token...token)
        }
    }

    /// Folds the live table's entries in a token range, which is a few neighbours.
    func fold(range: ClosedRange<Token>) throws(StoreError) {
        var index = self.live.firstIndex(in: range)
        while let place = index {
            if self.live[place].fold != .this { try self.foldEntry(at: place) }
            index = self.live.index(after: place, through: range.upperBound)
        }
    }

    private func foldEntry(at index: Int) throws(StoreError) {
        let slot = self.live[index]
        let view = slot.record!.view
        if slot.fold == .below, let old = try self.countedInBase(slot.token, key: view.key) { self.unfold(old, at: slot.token) }
        self.include(view, at: slot.token)
        self.live.setFold(.this, at: index)
    }

    /// What the digest may contain of a key that the base has.
    private func countedInBase(_ token: Token, key: UnsafeRawBufferPointer) throws(StoreError) -> RecordView? {
        guard let entry = try self.findInBase(token, key: key), !self.isLost(entry) else { return nil }
        return entry.record
    }

    private func include(_ record: RecordView, at token: Token) {
        if self.isDropped(record) { return }
        self.tree.add(record.fingerprint(under: self.identity.digestKey), at: token)
        if !record.isTombstone { self.liveKeys += 1 }
        if record.isExpiring { self.expiringKeys += 1 }
    }

    func unfold(_ record: RecordView, at token: Token) {
        if self.isDropped(record) { return }
        self.tree.subtract(record.fingerprint(under: self.identity.digestKey), at: token)
        if !record.isTombstone { self.liveKeys -= 1 }
        if record.isExpiring { self.expiringKeys -= 1 }
    }

    /// Puts a slot into the live table. Where the digest contains the replaced version, that is taken out first.
    func putFolded(_ slot: Table.Slot, _ chunk: Chunk) -> Table.Slot? {
        let old = self.live.put(slot, chunk: chunk, keepsBelow: true)
        if let old, old.fold == .this { self.unfold(old.record!.view, at: old.token) }
        return old
    }

    /// Takes a put back: the digest is left with what it had of the key below this table, or with nothing and a mark that says so.
    func undoPut(in table: inout Table, at index: Int, previous: Table.Slot?, below: Table?) throws(StoreError) {
        let slot = table[index]
        if slot.fold == .this { self.unfold(slot.record!.view, at: slot.token) }
        let fold: Table.Fold = slot.fold == .below ? .below : .nothing
        if var previous {
            previous.fold = fold
            table.restore(previous, at: index)
            return
        }
        if fold == .nothing {
            let key = slot.record!.view.key
            if let lower = below?.find(slot.token, key: key)?.record?.view {
                self.include(lower, at: slot.token)
            } else if let lower = try self.countedInBase(slot.token, key: key) {
                self.include(lower, at: slot.token)
            }
        }
        table.remove(at: index)
    }

    func apply(_ adjustments: [DigestAdjustment]) {
        for adjustment in adjustments {
            self.tree.apply(sum: adjustment.sum, entries: adjustment.entries, at: adjustment.token)
            self.liveKeys += adjustment.live
            self.expiringKeys += adjustment.expiring
        }
    }

    // MARK: Recounting

    /// Where a recount went, and whether it met what the tree says.
    package struct Recount: Equatable, Sendable {
        /// The token to go on from; nil at the end.
        package var next: Token?
        package var entries = 0
        package var damaged = 0
        /// The range of the first leaf whose entries do not add up to its digest.
        package var mismatch: ClosedRange<Token>?
    }

    /// Recomputes the digests of the leaves from `start` on, until `budget` entries have been read, and compares them with the tree.
    ///
    /// - Returns: nil where a drain has to end first.
    package func recount(from start: Token, budget: Int) throws(StoreError) -> Recount? {
        guard !self.isBaseMoving else { return nil }
        var result = Recount(next: start)
        while let token = result.next, result.entries < budget {
            let range = self.tree.leaf(containing: token).range
            let counted = try self.count(range)
            if counted.digest != self.tree.leaf(containing: token).digest, result.mismatch == nil { result.mismatch = range }
            result.entries += Int(counted.digest.entries) + 1
            result.damaged += counted.damaged
            result.next = range.upperBound == Token(rawValue: .max) ? nil : Token(rawValue: range.upperBound.rawValue + 1)
        }
        return result
    }

    /// The digest of a range as a scan gives it.
    private func count(_ range: ClosedRange<Token>) throws(StoreError) -> (digest: Digest, damaged: Int) {
        try self.fold(range: range)
        var (digest, damaged) = (Digest.empty, 0)
        let key = self.identity.digestKey
        try self.scan(range) { entry in
            if let record = entry.record { digest.add(record.fingerprint(under: key)) }
            if !entry.isIntact(under: key) {
                damaged += 1
                self.foundRotten(entry.token, key: entry.key)
            }
            return true
        }
        return (digest, damaged)
    }

    /// Makes the digest of a leaf what a scan says. Where rot has changed what a digest was made of, no difference tells.
    func recountLeaf(containing token: Token) throws(StoreError) {
        let range = self.tree.leaf(containing: token).range
        let counted = try self.count(range).digest
        let known = self.tree.leaf(containing: token).digest
        guard counted != known else { return }
        let missing = Int(Int64(bitPattern: counted.entries &- known.entries))
        self.tree.apply(sum: counted.sum &- known.sum, entries: missing, at: token)
        self.liveKeys += missing  // As if none of them had been a tombstone, nor had a deadline: nobody knows.
    }

    /// Makes the tree's leaves more as entries come, reading about `budget` entries at a time.
    ///
    /// - Returns: false where there is nothing to do now.
    package func growDigest(budget: Int) throws(StoreError) -> Bool {
        guard !self.isBaseMoving else { return false }
        if !self.tree.isGrowing {
            guard self.tree.wantsGrowth else { return false }
            self.tree.beginGrowth()
        }
        var budget = budget
        while budget > 0, let range = self.tree.growing(entries: budget) {
            let visited = try self.countForGrowth(range)
            guard self.tree.advanceGrowth(past: range.upperBound) else {
                throw .damagedCheckpoint(reason: "digest of tokens up to \(range.upperBound) differs from a scan")
            }
            budget -= visited + 1
        }
        return true
    }

    private func countForGrowth(_ range: ClosedRange<Token>) throws(StoreError) -> Int {
        try self.fold(range: range)
        var visited = 0
        try self.scan(range) { entry in
            if let record = entry.record { self.tree.count(record.fingerprint(under: self.identity.digestKey), at: entry.token) }
            visited += 1
            return true
        }
        return visited
    }

    /// True where the tree has work for `growDigest`.
    package var wantsGrowth: Bool {
        // Asked for in every tick: of its fields before the tree itself, which would be copied.
        self.tree.isGrowing || (self.tree.root.entries > self.tree.mostEntries && self.tree.wantsGrowth)
    }
    /// The depth of the digest tree's leaves.
    package var leafBits: Int { self.tree.leafBits }
}
