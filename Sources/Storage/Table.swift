import Basics
import DequeModule
import Digests
import Glibc

/// The newest versions that are in the log and not yet in LMDB, indexed by token.
///
/// An open-addressed array whose home slots follow the token's highest bits, each run kept sorted, so that the whole array is in
/// token order: a lookup looks at a few neighbours, and drains, scans and digests walk forward without a sort.
///
///     token    0…            4…      8…            c…      (capacity 16: the top four bits name the home slot)
///     slots   [03][07][41][  ][4f][  ][88][  ][  ][c1]…    [slack]
///
/// - Invariant: used slots are sorted by (token, key), and no empty slot lies between an entry's home and its place.
/// - Complexity: expected constant time for lookup and insertion at the greatest fill of 7/10.
/// - Bound: the owner freezes it by `count` and `recordBytes`; an overwritten version keeps its bytes until the whole table goes.
package struct Table: Sendable {
    /// What of an entry's key the folded digest contains.
    package enum Fold: UInt64, Sendable {
        /// Whatever the layers below hold for the key.
        case below = 0
        /// Nothing.
        case nothing = 1
        /// This very version.
        case this = 2
    }

    package struct Slot: Sendable {
        package var token: Token
        /// Nil in an empty slot.
        package var record: RecordPointer?
        /// Position << 2 | fold.
        private var tagged: UInt64

        fileprivate static let empty = Slot()

        private init() {
            (self.token, self.record, self.tagged) = (Token(rawValue: 0), nil, 0)
        }

        init(token: Token, record: RecordPointer, position: LogPosition, fold: Fold) {
            (self.token, self.record) = (token, record)
            self.tagged = position << 2 | fold.rawValue
        }

        /// The position of the batch that carries the record.
        package var position: LogPosition { self.tagged >> 2 }
        package var fold: Fold {
            get { Fold(rawValue: self.tagged & 3)! }
            set { self.tagged = self.tagged & ~3 | newValue.rawValue }
        }
    }

    private var slots: ContiguousArray<Slot>
    /// A bit for each quarter of a home slot's tokens, set once an entry came there: most lookups of absent keys end in these few bytes
    /// (512 KiB beside 24 MiB of slots), which stay in the processor's cache.
    private var marks: ContiguousArray<UInt64>
    /// 64 minus the number of bits that name the home slot.
    private var shift: UInt64
    package private(set) var count = 0
    /// The bytes of all records that were put in, overwritten ones included: what the table keeps in memory besides its slots.
    package private(set) var recordBytes = 0
    /// The entries whose fold is not `this`.
    package private(set) var unfolded = 0
    /// Where the entries are that became unfolded, the oldest first, as long as they are few; some may have been folded since.
    private var unfoldedTokens: Deque<Token> = []
    /// They were too many: `unfoldedTokens` says nothing until all are folded.
    private var lostUnfolded = false
    private var chunks: [Chunk] = []

    private static let minimumBits: UInt64 = 10
    /// Runs may grow past the last home slot by this much before the table doubles. At a fill of 7/10 runs of 100 are already rare.
    private static let slack = 256

    package init() {
        self.shift = 64 - Self.minimumBits
        self.slots = ContiguousArray(repeating: .empty, count: 1 << Self.minimumBits + Self.slack)
        self.marks = ContiguousArray(repeating: 0, count: 1 << Self.minimumBits / Self.homesPerMark)
    }

    /// 64 bits, four for each home slot.
    private static let homesPerMark = 16

    /// The index of a token's bit among the marks.
    @inline(__always)
    private func mark(of token: Token) -> (word: Int, bit: UInt64) {
        let index = token.rawValue >> (self.shift - 2)
        return (Int(index >> 6), 1 << (index & 63))
    }

    @inline(__always)
    private func mayContain(_ token: Token) -> Bool {
        let (word, bit) = self.mark(of: token)
        return self.marks[word] & bit != 0
    }

    private var homes: Int { 1 << (64 - self.shift) }

    @inline(__always)
    private func home(of token: Token) -> Int { Int(token.rawValue >> self.shift) }

    /// The bytes that slots and records take.
    package var memoryBytes: Int { self.recordBytes + self.slots.count * MemoryLayout<Slot>.stride }

    // MARK: Lookup

    /// The place of a key, or the place where it belongs.
    @inline(__always)
    private func place(of token: Token, key: UnsafeRawBufferPointer) -> (index: Int, isPresent: Bool) {
        var index = self.start(behindTokensBelow: token)
        while let record = self.slots[index].record, self.slots[index].token.rawValue <= token.rawValue {
            if self.slots[index].token == token {
                let found = record.view.key
                if found.count == key.count && memoryEqual(found, key) { return (index, true) }
                if !found.lexicographicallyPrecedes(key) { break }
            }
            index += 1
        }
        return (index, false)
    }

    /// The first slot from a token's home on that is empty or does not hold a smaller token.
    ///
    /// Nearly always a few slots away. Entries that come in token order, as in a repair session, crowd the front of the table in one long run, which
    /// is sorted: after a few steps the search leaps.
    @inline(__always)
    private func start(behindTokensBelow token: Token) -> Int {
        var index = self.home(of: token)
        let near = index + Self.steppedSlots
        while index < near {
            guard self.holds(less: token, at: index) else { return index }
            index += 1
        }
        return self.leap(over: token, from: index)
    }

    private func leap(over token: Token, from start: Int) -> Int {
        var (low, high, width) = (start, start, Self.steppedSlots)  // All below `low` hold smaller tokens.
        while high < self.slots.count, self.holds(less: token, at: high) {
            low = high + 1
            high += width
            width *= 2
        }
        high = min(high, self.slots.count - 1)  // The last slot is empty.
        while low < high {
            let middle = (low + high) / 2
            if self.holds(less: token, at: middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static let steppedSlots = 16

    @inline(__always)
    private func holds(less token: Token, at index: Int) -> Bool {
        self.slots[index].record != nil && self.slots[index].token.rawValue < token.rawValue
    }

    /// The index of a key's slot, valid until the next insertion or removal.
    package func index(of token: Token, key: UnsafeRawBufferPointer) -> Int? {
        guard self.mayContain(token) else { return nil }
        let (index, isPresent) = self.place(of: token, key: key)
        return isPresent ? index : nil
    }

    package subscript(index: Int) -> Slot { self.slots[index] }

    package func find(_ token: Token, key: UnsafeRawBufferPointer) -> Slot? {
        guard self.mayContain(token) else { return nil }
        let (index, isPresent) = self.place(of: token, key: key)
        return isPresent ? self.slots[index] : nil
    }

    /// Whether an entry may be there: a few bytes that are in the processor's cache already.
    @inline(__always)
    func mayHave(_ token: Token) -> Bool { self.mayContain(token) }

    /// Reads where lookups of these tokens begin, all at once, and the records there.
    ///
    /// - Returns: a sum of what was read, so that the compiler keeps the loads.
    func touch(_ tokens: UnsafeBufferPointer<Token>) -> UInt64 {
        var sum: UInt64 = 0
        for token in tokens { sum &+= self.slots[self.home(of: token)].token.rawValue }
        for token in tokens {
            if let record = self.slots[self.home(of: token)].record { sum &+= UInt64(record.address.load(as: UInt8.self)) }
        }
        return sum
    }

    /// The first used slot with a token of a range, in token order.
    package func firstIndex(in range: ClosedRange<Token>) -> Int? {
        // A run that began before this home may reach over it.
        self.nextUsed(from: self.start(behindTokensBelow: range.lowerBound), in: range)
    }

    /// The used slot after one, if its token is not beyond `last`.
    package func index(after index: Int, through last: Token = .last) -> Int? {
        self.nextUsed(from: index + 1, in: .first...last)
    }

    private func nextUsed(from start: Int, in range: ClosedRange<Token>) -> Int? {
        let lastHome = self.home(of: range.upperBound)
        var index = start
        while index < self.slots.count {
            if self.slots[index].record == nil {
                // What is not beyond the range's end lies before the first empty slot from its home on.
                if index >= lastHome { return nil }
            } else if self.slots[index].token.rawValue >= range.lowerBound.rawValue {
                return self.slots[index].token.rawValue <= range.upperBound.rawValue ? index : nil
            }
            index += 1
        }
        return nil
    }

    // MARK: Change

    /// Puts in a record, whose key is `token`'s, or replaces the one of its key.
    ///
    /// - Parameter keepsBelow: the new slot takes over that the digest contains what is below, or nothing once the caller has taken the
    ///   replaced version out of it; otherwise its own fold counts.
    /// - Returns: the replaced slot, for undoing and unfolding.
    @discardableResult
    package mutating func put(_ slot: Slot, chunk: Chunk, keepsBelow: Bool = false) -> Slot? {
        let view = slot.record!.view
        if self.chunks.last !== chunk { self.chunks.append(chunk) }
        self.recordBytes += RecordLayout.frameByteCount + view.key.count + view.value.count
        let (index, isPresent) = self.place(of: slot.token, key: view.key)
        if isPresent {
            let old = self.slots[index]
            self.slots[index] = slot
            if keepsBelow { self.slots[index].fold = old.fold == .below ? .below : .nothing }
            self.foldChanged(from: old.fold, at: index)
            return old
        }
        self.insert(slot, at: index)
        return nil
    }

    private mutating func insert(_ slot: Slot, at place: Int) {
        if self.count * 10 >= self.homes * 7 {
            self.double()
            self.insert(slot, at: self.place(of: slot.token, key: slot.record!.view.key).index)
            return
        }
        var end = place
        while end < self.slots.count, self.slots[end].record != nil { end += 1 }
        // The last slot stays empty: lookups stop there.
        guard end < self.slots.count - 1 else {
            self.double()
            self.insert(slot, at: self.place(of: slot.token, key: slot.record!.view.key).index)
            return
        }
        while end > place {
            self.slots[end] = self.slots[end - 1]
            end -= 1
        }
        self.slots[place] = slot
        let (word, bit) = self.mark(of: slot.token)
        self.marks[word] |= bit
        self.count += 1
        if slot.fold != .this { self.becameUnfolded(slot.token) }
    }

    private mutating func double() {
        let old = self.slots
        self.shift -= 1
        self.slots = ContiguousArray(repeating: .empty, count: self.homes + Self.slack)
        self.marks = ContiguousArray(repeating: 0, count: self.homes / Self.homesPerMark)
        var next = 0
        for slot in old where slot.record != nil {
            next = max(next, self.home(of: slot.token))
            precondition(next < self.slots.count - 1, "\(self.count) entries overflow \(self.slots.count) slots at \(slot.token)")
            self.slots[next] = slot
            let (word, bit) = self.mark(of: slot.token)
            self.marks[word] |= bit
            next += 1
        }
    }

    /// Removes an entry, as an undone write does.
    package mutating func remove(at index: Int) {
        if self.slots[index].fold != .this { self.becameFolded() }
        var hole = index
        while self.slots[hole + 1].record != nil, self.home(of: self.slots[hole + 1].token) <= hole {
            self.slots[hole] = self.slots[hole + 1]
            hole += 1
        }
        self.slots[hole] = .empty
        self.count -= 1
    }

    /// Replaces an entry by an earlier version of the same key, as an undone overwrite does.
    package mutating func restore(_ slot: Slot, at index: Int) {
        let old = self.slots[index].fold
        self.slots[index] = slot
        self.foldChanged(from: old, at: index)
    }

    package mutating func setFold(_ fold: Fold, at index: Int) {
        let old = self.slots[index].fold
        self.slots[index].fold = fold
        self.foldChanged(from: old, at: index)
    }

    // MARK: Unfolded entries

    /// So many unfolded entries are remembered one by one; to find more takes a walk over the table.
    package static let fewUnfolded = 2_000

    /// True where there are unfolded entries, and `takeUnfolded` knows them all.
    package var hasFewUnfolded: Bool { self.unfolded > 0 && !self.lostUnfolded }

    /// The token of the entry that became unfolded first; it may have been folded since. Nil where all are folded, or they are too many.
    package mutating func takeUnfolded() -> Token? { self.unfoldedTokens.popFirst() }

    /// Moves `index` to the first unfolded entry that is there or behind.
    ///
    /// - Parameter steps: the slots to look at before giving up.
    /// - Returns: false where `index` came to the end of the table, or `steps` to 0.
    package func skipFolded(from index: inout Int, steps: inout Int) -> Bool {
        while index < self.slots.count, steps > 0 {
            if self.slots[index].record != nil, self.slots[index].fold != .this { return true }
            index += 1
            steps -= 1
        }
        return false
    }

    /// Where a walk from a token begins.
    package func start(of token: Token) -> Int { self.home(of: token) }

    /// The token from which a walk that came to `index` goes on, in this table or in one that has grown out of it.
    package func token(ofStart index: Int) -> Token { Token(rawValue: UInt64(min(index, self.homes - 1)) << self.shift) }

    private mutating func foldChanged(from old: Fold, at index: Int) {
        let slot = self.slots[index]
        if (old == .this) == (slot.fold == .this) { return }
        if slot.fold == .this { self.becameFolded() } else { self.becameUnfolded(slot.token) }
    }

    private mutating func becameUnfolded(_ token: Token) {
        self.unfolded += 1
        if self.lostUnfolded { return }
        self.unfoldedTokens.append(token)
        guard self.unfoldedTokens.count > Self.fewUnfolded else { return }
        self.unfoldedTokens.removeAll()
        self.lostUnfolded = true
    }

    private mutating func becameFolded() {
        self.unfolded -= 1
        guard self.unfolded == 0 else { return }
        self.unfoldedTokens.removeAll(keepingCapacity: true)
        self.lostUnfolded = false
    }
}

/// memcmp: the generic comparisons of buffers go byte by byte.
@inline(__always)
func memoryEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else { return true }
    return memcmp(leftStart, rightStart, left.count) == 0
}
