/// Where one argument lies, relative to the first byte of its command.
///
/// 32 bits reach all of a command: `CommandParser.Limits` caps commands well below 4 GiB.
struct ArgumentRange: BitwiseCopyable {
    let offset: UInt32
    let count: UInt32

    init(offset: Int, count: Int) {
        (self.offset, self.count) = (UInt32(offset), UInt32(count))
    }
}

/// The ranges of a command's arguments, as they are read: 8 bytes for each, of which the client has sent 6 at least.
///
///     first    0 ...             1,023    grows by doubling
///     blocks   1,024 ...  2,047 | 2,048 ...  3,071 | ...    of one size each
///
/// In one piece of memory that grows by doubling, old and new together would take 24 bytes for each argument.
///
/// - Invariant: all blocks before the current one are full; the first has `blockRanges` where there are others.
/// - Bound: besides 8 bytes for each range one block, and 8 bytes for each block.
struct ArgumentTable: ~Copyable {
    static let blockRanges = 1_024
    private static let smallestCapacity = 32

    private typealias Block = UnsafeMutablePointer<ArgumentRange>

    private var first: Block?
    private var firstCapacity = 0
    private var others = GrowableMemory<UnsafePointer<ArgumentRange>>()
    /// Where the next range belongs: the current block, how many it has and can have, and how many are in those before.
    private var current: Block?
    private var (used, room, before) = (0, 0, 0)

    init() {}

    deinit {
        self.first?.deallocate()
        for block in self.others.elements { block.deallocate() }
    }

    /// The ranges. Valid until the next mutation of this value, and no longer than this value.
    var ranges: ArgumentRanges {
        ArgumentRanges(
            first: self.first.map { UnsafePointer($0) }, others: self.before > 0 ? self.others.elements.baseAddress : nil,
            count: self.before + self.used)
    }

    var allocatedBytes: Int {
        (self.firstCapacity + self.others.count * Self.blockRanges) * MemoryLayout<ArgumentRange>.stride + self.others.allocatedBytes
    }

    mutating func append(_ range: ArgumentRange) {
        if self.used == self.room { self.makeRoom() }
        guard let current = self.current else { preconditionFailure("no memory for range \(self.used) of \(self.room)") }
        current[self.used] = range
        self.used += 1
    }

    @inline(never)
    private mutating func makeRoom() {
        guard self.room == Self.blockRanges else { return self.growFirst() }
        self.before += self.room
        let index = self.before / Self.blockRanges - 1
        if index == self.others.count { self.others.append(UnsafePointer(Block.allocate(capacity: Self.blockRanges))) }
        (self.current, self.used) = (Block(mutating: self.others.elements[index]), 0)
    }

    private mutating func growFirst() {
        self.firstCapacity = min(max(2 * self.room, Self.smallestCapacity), Self.blockRanges)
        let larger = Block.allocate(capacity: self.firstCapacity)
        if let first = self.first {
            larger.initialize(from: first, count: self.used)
            first.deallocate()
        }
        (self.first, self.current, self.room) = (larger, larger, self.firstCapacity)
    }

    /// Drops all ranges, and keeps the memory for the next command.
    mutating func removeAll() {
        if self.before > 0 { self.returnToFirst() }
        self.used = 0
    }

    private mutating func returnToFirst() { (self.current, self.used, self.room, self.before) = (self.first, 0, self.firstCapacity, 0) }

    /// Drops all ranges, and the memory too if it is for more than `retained`.
    mutating func removeAll(retaining retained: Int) {
        if self.firstCapacity > retained {
            self.first?.deallocate()
            (self.first, self.firstCapacity) = (nil, 0)
        }
        for block in self.others.elements { block.deallocate() }
        self.others.removeAll(retaining: 0)
        self.returnToFirst()
    }
}

/// Ranges, lent: all in one piece, or a table's first `ArgumentTable.blockRanges` and its other blocks.
struct ArgumentRanges {
    let first: UnsafePointer<ArgumentRange>?
    let others: UnsafePointer<UnsafePointer<ArgumentRange>>?
    let count: Int
}
