import Digests

/// Brings the parts of LMDB's leaf pages that several coming lookups will look at into the processor's caches, all at once: one lookup
/// after the other waits for memory six to eight times, and nothing else happens meanwhile.
///
/// It remembers at which address a token's neighbours were found last, and repeats there what LMDB's search will do, in step for all
/// tokens. That is a guess and nothing more: the page may have become another one since, whose bytes then mean nothing; what is read is
/// used for deciding what to read next in the same page, never for an answer.
///
/// - Invariant: no byte outside of pages that held a value once is read. The map stays where it is (`Environment.mapByteCount`), and its
///   file never shrinks.
/// - Source: LMDB 0.9, mdb.c: `MDB_page` (flags at 10, end of the pointers at 12, pointers from 16 on), `MDB_node` (key at 8) and
///   `mdb_node_search`. Interleaving lookups to hide memory latency: Psaropoulos et al., "Interleaving with Coroutines" (VLDB 2017), §2.
struct LeafPrefetch {
    /// Addresses of values, by the highest bits of their tokens; 0 for none.
    private var addresses: [UInt]
    private let shift: UInt64
    private let pageByteCount: UInt

    /// With four places a leaf most tokens find their own: 2 MiB for a million entries, 8 MiB at most.
    private static let placesPerLeaf = 4
    private static let bits = 12...20
    /// The greatest number of tokens at once: as many loads as a processor has in flight.
    static let maximumTokens = 16

    /// - Parameters:
    ///   - leafPages: the leaves of the database, about.
    ///   - pageByteCount: LMDB's page size, a power of two.
    init(leafPages: Int, pageByteCount: Int) {
        var bits = Self.bits.lowerBound
        while bits < Self.bits.upperBound, 1 << bits < leafPages * Self.placesPerLeaf { bits += 1 }
        self.addresses = Array(repeating: 0, count: 1 << bits)
        (self.shift, self.pageByteCount) = (UInt64(64 - bits), UInt(pageByteCount))
    }

    var placeCount: Int { self.addresses.count }

    /// Remembers where a lookup found a value.
    @inline(__always)
    mutating func note(_ token: Token, at address: UnsafeRawPointer?) {
        self.addresses[Int(token.rawValue >> self.shift)] = UInt(bitPattern: address)
    }

    /// One lookup on its way through a page.
    private struct Lane {
        let token: UInt64
        let page: UnsafeRawPointer
        var low = 0
        var high = -1
    }

    /// Walks the pages of up to `maximumTokens` tokens.
    ///
    /// - Returns: a sum of what was read, so that the compiler keeps the loads.
    func touch(_ tokens: UnsafeBufferPointer<Token>) -> UInt64 {
        withUnsafeTemporaryAllocation(of: Lane.self, capacity: Self.maximumTokens) { lanes in
            var count = 0
            for token in tokens.prefix(Self.maximumTokens) {
                let address = self.addresses[Int(token.rawValue >> self.shift)] & ~(self.pageByteCount - 1)
                guard let page = UnsafeRawPointer(bitPattern: address) else { continue }
                lanes.initializeElement(at: count, to: Lane(token: token.rawValue, page: page))
                count += 1
            }
            for index in 0..<count { lanes[index].high = self.nodeCount(of: lanes[index].page) - 1 }
            var isSearching = true
            while isSearching {
                isSearching = false
                for index in 0..<count where lanes[index].low <= lanes[index].high {
                    let middle = (lanes[index].low + lanes[index].high) / 2
                    let node = self.node(middle, of: lanes[index].page)
                    let isBelow = UInt64(bigEndian: node.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) < lanes[index].token
                    if isBelow { lanes[index].low = middle + 1 } else { lanes[index].high = middle - 1 }
                    isSearching = true
                }
            }
            var sum: UInt64 = 0
            for index in 0..<count { sum &+= self.touchValue(lanes[index].low, of: lanes[index].page) }
            return sum
        }
    }

    /// The number of a leaf's nodes; 0 for what does not look like a leaf.
    @inline(__always)
    private func nodeCount(of page: UnsafeRawPointer) -> Int {
        let (flags, end) = (page.load(fromByteOffset: 10, as: UInt16.self), UInt(page.load(fromByteOffset: 12, as: UInt16.self)))
        guard flags & 0x02 != 0, end >= 16, end <= self.pageByteCount else { return 0 }
        return Int(end - 16) / 2
    }

    /// A node's address, clamped so that its first 16 bytes are inside the page.
    @inline(__always)
    private func node(_ index: Int, of page: UnsafeRawPointer) -> UnsafeRawPointer {
        let pointer = UInt(page.load(fromByteOffset: min(16 + 2 * index, Int(self.pageByteCount) - 2), as: UInt16.self))
        return page + Int(min(pointer, self.pageByteCount - 16))
    }

    /// Reads a byte of each line of an entry of usual size behind its key.
    @inline(__always)
    private func touchValue(_ index: Int, of page: UnsafeRawPointer) -> UInt64 {
        let node = self.node(index, of: page)
        let last = page + Int(self.pageByteCount) - 1
        return UInt64(min(node + 64, last).load(as: UInt8.self)) &+ UInt64(min(node + 128, last).load(as: UInt8.self))
    }
}
