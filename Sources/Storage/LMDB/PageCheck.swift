import Glibc

/// Checks the structure of an LMDB file without LMDB, which takes every page at its word: it has no page checksums, and follows a number that has rotted
/// into another page, or out of the file.
///
///     page   0 u64 its number   8 u16 -   10 u16 flags   12 u16 end of the pointers   14 u16 start of the nodes   16 u16 … pointers … free … nodes
///     long   0 u64 its number   8 u16 -   10 u16 flags   12 u32 number of its pages   16 … bytes
///     node   0 u32 length of the value   4 u16 flags   6 u16 length of the key   8 key … value       in a leaf
///            0 u48 number of the page below           6 u16 length of the key   8 key               in a branch
///     meta   16 u32 magic   20 u32 version   40 tree of free pages   88 tree of databases   136 u64 last page   144 u64 transaction
///     tree   0 u32 -   4 u16 flags   6 u16 depth   8 u64 branches   16 u64 leaves   24 u64 long pages   32 u64 entries   40 u64 root
///
/// - Invariant: it holds of an intact file that each page is in one tree at one place, or free, or a meta page; that keys ascend and lie between those
///   of the branch above; that nodes fill a page's end without a gap; and that what a tree says of its own size is so.
/// - Bound: a byte of memory for each page; no page is read twice, however the numbers run.
/// - Source: the layout of LMDB 0.9 (data version 1); the checks are ours.
struct PageCheck {
    /// So many levels LMDB's own cursors take.
    private static let maximumDepth = 32
    static let headByteCount = 16
    static let treeByteCount = 48
    private static let noPage = UInt64.max
    /// Between two reports that it goes on.
    private static let stepPages = 1_024

    let file: UnsafeRawBufferPointer
    private let report: (BaseCheckEvent) -> Void
    private var pageBytes = 4_096
    /// Behind the last page that counts.
    private var endPage: UInt64 = 0
    private var claims: [Claim] = []
    /// Free pages behind the end of the file, which LMDB has never written.
    private var unwritten = Set<UInt64>()
    private(set) var damages = 0
    private(set) var usedPages: UInt64 = 0
    private(set) var freePages: UInt64 = 0
    private var visited = 0

    private enum Claim: UInt8 { case nobody, tree, free }

    /// - Parameters:
    ///   - file: all of its bytes.
    ///   - report: gets what is found, when it is found.
    init(_ file: UnsafeRawBufferPointer, report: @escaping (BaseCheckEvent) -> Void) {
        (self.file, self.report) = (file, report)
    }

    /// The size of a page, in bytes; what LMDB makes usual where the file does not say.
    var pageByteCount: UInt64 { UInt64(self.pageBytes) }

    mutating func run() {
        guard let meta = self.readMeta() else { return }
        let filePages = UInt64(self.file.count / self.pageBytes)
        self.endPage = meta.lastPage + 1
        self.claims = Array(repeating: .nobody, count: Int(min(self.endPage, filePages)))
        var databases: [(name: String, tree: Tree)] = []
        var free = FreePages()
        self.walk(meta.databases, of: "the list of databases", holding: .databases) { key, value in
            databases.append((String(decoding: key, as: UTF8.self), Tree(value.baseAddress!)))
        }
        self.walk(meta.free, of: "the list of free pages", holding: .freePages) { _, value in free.add(value) }
        for (name, tree) in databases { self.walk(tree, of: "database \(name)", holding: .entries) { _, _ in } }
        self.claim(free)
        let behindFile = self.endPage - UInt64(self.claims.count)
        if UInt64(self.unwritten.count) < behindFile { self.damaged("the file ends before its last page, \(meta.lastPage)") }
    }

    private mutating func damaged(_ text: String) {
        self.damages += 1
        self.report(.damagedFile(text))
    }

    // MARK: Meta pages

    /// How a tree describes itself.
    struct Tree {
        var flags: UInt16
        var depth: Int
        var branches: UInt64
        var leaves: UInt64
        var longPages: UInt64
        var entries: UInt64
        var root: UInt64

        init(_ start: UnsafeRawPointer) {
            self.flags = start.integer(at: 4)
            self.depth = Int(start.integer(UInt16.self, at: 6))
            (self.branches, self.leaves, self.longPages) = (start.integer(at: 8), start.integer(at: 16), start.integer(at: 24))
            (self.entries, self.root) = (start.integer(at: 32), start.integer(at: 40))
        }
    }

    private struct Meta {
        let transaction: UInt64
        let lastPage: UInt64
        let free: Tree
        let databases: Tree
    }

    /// LMDB writes the two meta pages by turns, so the newer one is one transaction ahead.
    private mutating func readMeta() -> Meta? {
        guard self.file.count >= 512 else {
            self.damaged("the file has \(self.file.count) bytes")
            return nil
        }
        let size = Int(self.file.baseAddress!.integer(UInt32.self, at: 40))
        guard size.nonzeroBitCount == 1, (512...65_536).contains(size), self.file.count >= 2 * size else {
            self.damaged("the first page gives \(size) bytes as the size of a page, of a file of \(self.file.count)")
            return nil
        }
        self.pageBytes = size
        guard let first = self.readMeta(0), let second = self.readMeta(1) else { return nil }
        let isFresh = first.transaction == 0 && second.transaction == 0
        let newer = first.transaction < second.transaction ? second : first
        let isInTurn = first.transaction % 2 == 0 && second.transaction % 2 == 1
        guard isFresh || isInTurn && newer.transaction &- 1 == min(first.transaction, second.transaction) else {
            self.damaged("the two first pages are of transactions \(first.transaction) and \(second.transaction)")
            return nil
        }
        guard newer.lastPage >= 1, newer.lastPage < 1 << 48 else {
            self.damaged("the newer of the two first pages gives \(newer.lastPage) as the last page")
            return nil
        }
        return newer
    }

    private mutating func readMeta(_ number: Int) -> Meta? {
        let page = self.file.baseAddress! + number * self.pageBytes
        // Which flags a file was made with stays in it: that its name was given, and that free pages are listed under integers.
        let (isMeta, madeWith) = (page.integer(UInt16.self, at: 10) & 0x08 != 0, page.integer(UInt16.self, at: 44) & ~0x4000)
        guard isMeta, page.integer(UInt32.self, at: 16) == 0xBEEF_C0DE, page.integer(UInt32.self, at: 20) == 1, madeWith == 0x08,
            page.integer(UInt32.self, at: 40) == UInt32(self.pageBytes)
        else {
            self.damaged("page \(number) is no meta page of LMDB")
            return nil
        }
        var free = Tree(page + 40)
        free.flags = 0  // Those of the file, which have been looked at.
        return Meta(transaction: page.integer(at: 144), lastPage: page.integer(at: 136), free: free, databases: Tree(page + 88))
    }

    // MARK: Trees

    private enum Contents { case entries, databases, freePages }

    /// A walk down one tree.
    private struct Walk {
        let name: String
        let depth: Int
        let contents: Contents
        var branches: UInt64 = 0
        var leaves: UInt64 = 0
        var longPages: UInt64 = 0
        var entries: UInt64 = 0
    }

    /// - Parameter body: gets each key and value; the bytes stay.
    private mutating func walk(
        _ tree: Tree, of name: String, holding contents: Contents, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) {
        guard tree.flags == 0, tree.depth <= Self.maximumDepth, (tree.depth == 0) == (tree.root == Self.noPage) else {
            return self.damaged("\(name) has flags \(tree.flags), depth \(tree.depth) and root \(tree.root)")
        }
        let before = self.damages
        var walk = Walk(name: name, depth: tree.depth, contents: contents)
        if tree.depth > 0 { self.visit(tree.root, level: 1, above: nil, below: nil, &walk, body) }
        guard self.damages == before else { return }  // What lies below a damaged page has not been counted.
        let counted = (walk.branches, walk.leaves, walk.longPages, walk.entries)
        guard counted == (tree.branches, tree.leaves, tree.longPages, tree.entries) else {
            return self.damaged(
                "\(name) has \(counted.0) branches, \(counted.1) leaves, \(counted.2) long pages and \(counted.3) entries, and says \(tree.branches), "
                    + "\(tree.leaves), \(tree.longPages) and \(tree.entries)")
        }
    }

    /// Takes a page, or a run of them, for one place; false where that cannot be.
    private mutating func claim(_ first: UInt64, count: UInt64 = 1, _ name: String) -> Bool {
        guard first >= 2, count > 0, first < UInt64(self.claims.count), count <= UInt64(self.claims.count) - first else {
            self.damaged("\(name) leads to page \(first), which is not one of its file")
            return false
        }
        for number in first..<first + count {
            guard self.claims[Int(number)] == .nobody else {
                self.damaged("\(name) leads to page \(number), which has another place too")
                return false
            }
            self.claims[Int(number)] = .tree
        }
        self.usedPages += count
        self.visited += 1
        if self.visited.isMultiple(of: Self.stepPages) { self.report(.advanced) }
        return true
    }

    private mutating func visit(
        _ number: UInt64, level: Int, above: UnsafeRawBufferPointer?, below: UnsafeRawBufferPointer?, _ walk: inout Walk,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) {
        guard self.claim(number, walk.name) else { return }
        let isLeaf = level == walk.depth
        guard let page = Page(self.file.baseAddress! + Int(number) * self.pageBytes, byteCount: self.pageBytes, number: number, isLeaf: isLeaf) else {
            return self.damaged("page \(number) of \(walk.name) is not what was written")
        }
        if isLeaf { walk.leaves += 1 } else { walk.branches += 1 }
        // The first key of a branch stands for everything below the second.
        var last = above
        for index in 0..<page.nodeCount {
            let key = page.key(index)
            if isLeaf || index > 0 {
                let isFirst = index == (isLeaf ? 0 : 1)
                let isBehind = last.map { isFirst ? !self.precedes(key, $0, walk) : self.precedes($0, key, walk) } ?? true
                let isNumber = walk.contents != .freePages || key.count == 8
                guard isNumber, isBehind, below.map({ self.precedes(key, $0, walk) }) ?? true else {
                    return self.damaged("the keys of page \(number) of \(walk.name) are out of order")
                }
                last = key
            }
        }
        for index in 0..<page.nodeCount {
            if isLeaf {
                self.take(page, index, number, &walk, body)
            } else {
                let (low, high) = (index == 0 ? above : page.key(index), index + 1 < page.nodeCount ? page.key(index + 1) : below)
                self.visit(page.child(index), level: level + 1, above: low, below: high, &walk, body)
            }
        }
    }

    private mutating func take(
        _ page: Page, _ index: Int, _ number: UInt64, _ walk: inout Walk, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) {
        walk.entries += 1
        var value = page.value(index)
        let flags = page.flags(index)
        if flags == Page.NodeFlags.long {
            let (first, byteCount) = (value.loadUnaligned(as: UInt64.self), page.valueByteCount(index))
            guard let long = self.longValue(first, byteCount: byteCount, &walk) else { return }
            value = long
        }
        let isRight =
            switch walk.contents {
            case .entries: flags & ~Page.NodeFlags.long == 0
            case .databases: flags == Page.NodeFlags.tree && value.count == Self.treeByteCount
            case .freePages: flags & ~Page.NodeFlags.long == 0 && page.key(index).count == 8 && FreePages.isList(value)
            }
        guard isRight else { return self.damaged("entry \(index) of page \(number) of \(walk.name) is not what was written") }
        body(page.key(index), value)
    }

    /// A value that has pages of its own. LMDB keeps as many as it once needed where the value got shorter.
    private mutating func longValue(_ first: UInt64, byteCount: Int, _ walk: inout Walk) -> UnsafeRawBufferPointer? {
        guard first < UInt64(self.claims.count) else {
            self.damaged("\(walk.name) leads to page \(first), which is not one of its file")
            return nil
        }
        let start = self.file.baseAddress! + Int(first) * self.pageBytes
        let pages = UInt64(start.integer(UInt32.self, at: 12))
        guard self.claim(first, count: pages, walk.name) else { return nil }
        guard start.integer(UInt64.self, at: 0) == first, start.integer(UInt16.self, at: 10) == 0x04,
            Self.headByteCount + byteCount <= Int(pages) * self.pageBytes
        else {
            self.damaged("page \(first) of \(walk.name) is not what was written")
            return nil
        }
        walk.longPages += pages
        return UnsafeRawBufferPointer(start: start + Self.headByteCount, count: byteCount)
    }

    private func precedes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer, _ walk: Walk) -> Bool {
        guard walk.contents == .freePages else { return left.precedes(right) }
        return left.loadUnaligned(as: UInt64.self) < right.loadUnaligned(as: UInt64.self)
    }

    // MARK: Free pages

    /// What the list of free pages names.
    private struct FreePages {
        private(set) var lists: [UnsafeRawBufferPointer] = []

        /// A number of pages and at least so many page numbers, of 8 bytes each.
        static func isList(_ value: UnsafeRawBufferPointer) -> Bool {
            guard value.count >= 8, value.count.isMultiple(of: 8) else { return false }
            return value.loadUnaligned(as: UInt64.self) <= UInt64(value.count / 8 - 1)
        }

        mutating func add(_ value: UnsafeRawBufferPointer) { self.lists.append(value) }
    }

    private mutating func claim(_ free: FreePages) {
        for list in free.lists {
            for index in 0..<Int(list.loadUnaligned(as: UInt64.self)) {
                let number = list.loadUnaligned(fromByteOffset: 8 + 8 * index, as: UInt64.self)
                guard number >= 2, number < self.endPage else {
                    self.damaged("the list of free pages names page \(number), which is not one of its file")
                    return
                }
                if number < UInt64(self.claims.count) {
                    guard self.claims[Int(number)] == .nobody else {
                        self.damaged("the list of free pages names page \(number), which has another place too")
                        return
                    }
                    self.claims[Int(number)] = .free
                } else if !self.unwritten.insert(number).inserted {
                    return self.damaged("the list of free pages names page \(number) twice")
                }
                self.freePages += 1
            }
        }
    }
}

/// A page with nodes, whose every pointer and length stays inside it.
private struct Page {
    enum NodeFlags {
        static let long: UInt16 = 0x01
        static let tree: UInt16 = 0x02
    }

    private static let nodeByteCount = 8

    private let start: UnsafeRawPointer
    let nodeCount: Int

    /// Nil where the page is none such.
    init?(_ start: UnsafeRawPointer, byteCount: Int, number: UInt64, isLeaf: Bool) {
        let (lower, upper) = (Int(start.integer(UInt16.self, at: 12)), Int(start.integer(UInt16.self, at: 14)))
        guard start.integer(UInt64.self, at: 0) == number, start.integer(UInt16.self, at: 10) == (isLeaf ? 0x02 : 0x01),
            lower > PageCheck.headByteCount, lower.isMultiple(of: 2), lower <= upper, upper <= byteCount
        else { return nil }
        (self.start, self.nodeCount) = (start, (lower - PageCheck.headByteCount) / 2)
        var filled = 0
        for index in 0..<self.nodeCount {
            let offset = self.offset(index)
            guard offset >= upper, offset.isMultiple(of: 2), offset + Self.nodeByteCount <= byteCount else { return nil }
            let length = Self.nodeByteCount + self.keyByteCount(index) + (isLeaf ? self.storedByteCount(index) : 0)
            guard offset + length <= byteCount else { return nil }
            filled += length + length % 2
        }
        // Nodes lie side by side: where a pointer or a length has changed, they overlap or leave a gap.
        guard filled == byteCount - upper else { return nil }
    }

    private func offset(_ index: Int) -> Int { Int(self.start.integer(UInt16.self, at: PageCheck.headByteCount + 2 * index)) }
    private func keyByteCount(_ index: Int) -> Int { Int(self.start.integer(UInt16.self, at: self.offset(index) + 6)) }
    func flags(_ index: Int) -> UInt16 { self.start.integer(at: self.offset(index) + 4) }
    func valueByteCount(_ index: Int) -> Int { Int(self.start.integer(UInt32.self, at: self.offset(index))) }
    /// Of a long value the page has a page number.
    private func storedByteCount(_ index: Int) -> Int { self.flags(index) & NodeFlags.long != 0 ? 8 : self.valueByteCount(index) }

    func key(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: self.start + self.offset(index) + Self.nodeByteCount, count: self.keyByteCount(index))
    }

    func value(_ index: Int) -> UnsafeRawBufferPointer {
        let start = self.start + self.offset(index) + Self.nodeByteCount + self.keyByteCount(index)
        return UnsafeRawBufferPointer(start: start, count: self.storedByteCount(index))
    }

    func child(_ index: Int) -> UInt64 { self.start.integer(UInt64.self, at: self.offset(index)) & 0xFFFF_FFFF_FFFF }
}

extension UnsafeRawBufferPointer {
    /// The order of LMDB's keys: byte by byte, a beginning before what goes on.
    func precedes(_ other: UnsafeRawBufferPointer) -> Bool {
        let order = self.isEmpty || other.isEmpty ? 0 : memcmp(self.baseAddress!, other.baseAddress!, Swift.min(self.count, other.count))
        return order == 0 ? self.count < other.count : order < 0
    }
}
