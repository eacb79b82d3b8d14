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
/// - Invariant: `first` is full where there are blocks, and all blocks but the last are full.
/// - Bound: besides 8 bytes for each range one block, and 8 bytes for each block.
struct ArgumentTable: ~Copyable {
    static let blockRanges = 1_024

    private var first = GrowableMemory<ArgumentRange>()
    private var blocks = GrowableMemory<UnsafeMutablePointer<ArgumentRange>>()
    private var rangesInBlocks = 0

    init() {}

    deinit {
        for block in self.blocks.elements { block.deallocate() }
    }

    /// The ranges. Valid until the next mutation of this value, and no longer than this value.
    var ranges: ArgumentRanges {
        ArgumentRanges(first: self.first.elements, blocks: self.blocks.elements, count: self.first.count + self.rangesInBlocks)
    }

    var allocatedBytes: Int {
        self.first.allocatedBytes + self.blocks.allocatedBytes + self.blocks.count * Self.blockRanges * MemoryLayout<ArgumentRange>.stride
    }

    mutating func append(_ range: ArgumentRange) {
        if self.first.count < Self.blockRanges { self.first.append(range) } else { self.appendToBlock(range) }
    }

    @inline(never)
    private mutating func appendToBlock(_ range: ArgumentRange) {
        let index = self.rangesInBlocks % Self.blockRanges
        if self.rangesInBlocks / Self.blockRanges == self.blocks.count { self.blocks.append(.allocate(capacity: Self.blockRanges)) }
        (self.blocks.elements[self.rangesInBlocks / Self.blockRanges] + index).initialize(to: range)
        self.rangesInBlocks += 1
    }

    /// Drops all ranges, and keeps the memory for the next command.
    mutating func removeAll() {
        self.first.truncate(to: 0)
        self.rangesInBlocks = 0
    }

    /// Drops all ranges, and the memory too if it is for more than `retained`.
    mutating func removeAll(retaining retained: Int) {
        self.first.removeAll(retaining: retained)
        for block in self.blocks.elements { block.deallocate() }
        self.blocks.removeAll(retaining: 0)
        self.rangesInBlocks = 0
    }
}

/// The ranges of an `ArgumentTable`, lent.
struct ArgumentRanges {
    let first: UnsafeBufferPointer<ArgumentRange>
    let blocks: UnsafeBufferPointer<UnsafeMutablePointer<ArgumentRange>>
    let count: Int

    /// - Precondition: there is a range of this index.
    subscript(index: Int) -> ArgumentRange {
        if index < self.first.count { return self.first[index] }
        let beyond = index - self.first.count
        return self.blocks[beyond / ArgumentTable.blockRanges][beyond % ArgumentTable.blockRanges]
    }
}
