import Digests

/// Nodes of one depth, packed as they cross the wire: the first index, and of each other what it is greater than the one before, less one. A byte
/// or two for each of the nodes that differ.
///
/// What a peer lists ascends, strictly, each index below 2^depth; its decoder sees to that. What is gathered here from several of a peer's lists
/// may not: then the differences wrap around, and the indexes come out as they were put in.
package struct NodeList: Equatable, Sendable {
    package let depth: Int
    package private(set) var gaps = PackedNumbers()
    /// The last index; before there is one, what 0 is one greater than.
    private var last = UInt64.max

    package init(depth: Int) { self.depth = depth }

    package init(depth: Int, indexes: some Sequence<UInt64>) {
        self.depth = depth
        for index in indexes { self.append(index) }
    }

    /// From a decoder that has checked what the gaps add up to.
    package init(depth: Int, checkedGaps gaps: PackedNumbers, last: UInt64?) {
        (self.depth, self.gaps, self.last) = (depth, gaps, last ?? .max)
    }

    package var count: Int { self.gaps.count }
    package var isEmpty: Bool { self.count == 0 }

    package mutating func append(_ index: UInt64) {
        self.gaps.append(index &- self.last &- 1)
        self.last = index
    }

    /// Adds the nodes of a list of the same depth, from a place in it on.
    mutating func append(_ other: NodeList, from place: NodePlace = NodePlace()) {
        precondition(self.depth == other.depth, "nodes of depth \(other.depth) to those of \(self.depth)")
        var place = place
        guard let first = other.next(&place) else { return }
        self.append(first)
        self.gaps.append(other.gaps, from: place.offset, count: other.count - place.passed)
        self.last = other.last
    }

    /// The index of the node at a place, which moves to the next; nil at the end.
    func next(_ place: inout NodePlace) -> UInt64? {
        guard place.passed < self.count else { return nil }
        place.last = self.gaps.number(at: &place.offset) &+ place.last &+ 1
        place.passed += 1
        return place.last
    }

    /// The next nodes from a place on, at most so many; it moves behind them.
    func next(_ limit: Int, _ place: inout NodePlace) -> NodeList {
        var part = NodeList(depth: self.depth)
        while part.count < limit, let index = self.next(&place) { part.append(index) }
        return part
    }
}

/// How far a list of nodes has been worked off. Unlike an iterator it holds no copy of the list, so that the list may grow meanwhile.
struct NodePlace: Equatable, Sendable {
    fileprivate var offset = 0
    fileprivate var last = UInt64.max
    /// How many nodes lie before it.
    fileprivate(set) var passed = 0
}

extension NodeList: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate let list: NodeList
        fileprivate var place = NodePlace()

        package mutating func next() -> UInt64? { self.list.next(&self.place) }
    }

    package func makeIterator() -> Iterator { Iterator(list: self) }

    package var underestimatedCount: Int { self.count }
}

extension NodeList: CustomStringConvertible {
    package var description: String { "depth \(self.depth): \(Array(self))" }
}

/// Nodes of several depths, worked off from the front.
struct NodeLists: Sendable {
    private var lists: [NodeList] = []
    /// In the first list.
    private var place = NodePlace()
    private(set) var count = 0

    var isEmpty: Bool { self.count == 0 }

    mutating func append(_ list: NodeList) {
        guard !list.isEmpty else { return }
        self.count += list.count
        if self.lists.last?.depth == list.depth {
            self.lists[self.lists.count - 1].append(list)
        } else {
            self.lists.append(list)
        }
    }

    mutating func append(_ node: DigestNode) {
        self.count += 1
        if self.lists.last?.depth != node.depth { self.lists.append(NodeList(depth: node.depth)) }
        self.lists[self.lists.count - 1].append(node.index)
    }

    var first: DigestNode? {
        var place = self.place
        guard let list = self.lists.first, let index = list.next(&place) else { return nil }
        return DigestNode(depth: list.depth, index: index)
    }

    mutating func removeFirst() { _ = self.removeFirst(1) }

    /// Takes the first nodes, of one depth, at most so many; nil where there are none.
    mutating func removeFirst(_ limit: Int) -> NodeList? {
        guard let part = self.lists.first?.next(limit, &self.place) else { return nil }
        self.count -= part.count
        if self.place.passed == self.lists[0].count {
            self.lists.removeFirst()
            self.place = NodePlace()
        }
        return part
    }
}
