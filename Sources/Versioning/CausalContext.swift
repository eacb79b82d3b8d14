import Basics

/// A set of writes of one key: what somebody had seen of it. A version vector, with single writes beyond it.
///
/// Sequence numbers count all writes of a replica, not those of a key: "through 9" names whichever of the first nine were of this key. It may be said
/// only by who has seen all nine, or of what was removed; a write that came ahead of others stands beyond until somebody has seen those too.
///
///     replica   through   beyond
///     9f…3c     9         12, 17
///
/// - Invariant: entries ascend by replica, none is empty; `beyond` ascends and lies above `through + 1`. So equal sets are equal values.
/// - Source: Preguiça, Baquero, Almeida, Fonte and Gonçalves, "Brief Announcement: Efficient Causality Tracking in Distributed Storage Systems with
///   Dotted Version Vectors" (PODC 2012). Several dots beyond the vector, where the paper has one, are ours: there, a key's writes have no gaps.
package struct CausalContext: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package let replica: ReplicaID
        /// All of the replica's writes up to here.
        package internal(set) var through: UInt64
        /// Single writes above that.
        package internal(set) var beyond: [UInt64]
    }

    /// Beyond what any cluster needs: the bound of what is taken from outside, by `count`.
    package static let maximumCount = 4_096

    package private(set) var entries: [Entry]

    package init() { self.entries = [] }

    /// Nil where the entries are not as the invariant says.
    package init?(entries: [Entry]) {
        var last: ReplicaID?
        for entry in entries {
            guard last.map({ $0 < entry.replica }) ?? true, entry.through > 0 || !entry.beyond.isEmpty else { return nil }
            last = entry.replica
            var below = entry.through
            for (place, sequence) in entry.beyond.enumerated() {
                guard sequence > below, place > 0 || sequence - 1 > below else { return nil }
                below = sequence
            }
        }
        self.entries = entries
    }

    package var isEmpty: Bool { self.entries.isEmpty }

    /// How many numbers name the set: what bounds its size.
    package var count: Int { self.entries.reduce(0) { $0 + 1 + $1.beyond.count } }

    package func covers(_ dot: Dot) -> Bool {
        let (index, isKnown) = self.place(of: dot.replica)
        guard isKnown else { return false }
        return dot.sequence <= self.entries[index].through || self.entries[index].beyond.contains(dot.sequence)
    }

    /// Adds one write.
    package mutating func insert(_ dot: Dot) { self.join(Entry(replica: dot.replica, through: 0, beyond: [dot.sequence])) }

    /// Adds all writes of a replica up to one.
    package mutating func insert(_ replica: ReplicaID, through sequence: UInt64) {
        if sequence > 0 { self.join(Entry(replica: replica, through: sequence, beyond: [])) }
    }

    package mutating func join(_ other: CausalContext) {
        for entry in other.entries { self.join(entry) }
    }

    /// Takes a replica's writes out.
    package mutating func remove(_ replica: ReplicaID) { self.entries.removeAll { $0.replica == replica } }

    private mutating func join(_ theirs: Entry) {
        let (index, isKnown) = self.place(of: theirs.replica)
        if !isKnown { self.entries.insert(Entry(replica: theirs.replica, through: 0, beyond: []), at: index) }
        let through = max(self.entries[index].through, theirs.through)
        let beyond = Set(self.entries[index].beyond + theirs.beyond).sorted()
        (self.entries[index].through, self.entries[index].beyond) = (through, beyond)
        self.entries[index].settle()
    }

    private func place(of replica: ReplicaID) -> (index: Int, isKnown: Bool) {
        let index = self.entries.firstIndex { $0.replica >= replica } ?? self.entries.endIndex
        return (index, index < self.entries.endIndex && self.entries[index].replica == replica)
    }
}

extension CausalContext.Entry {
    /// The last write that it names.
    package var last: UInt64 { self.beyond.last ?? self.through }

    /// Single writes that lie within `through`, or follow it, are part of it.
    fileprivate mutating func settle() {
        var rest = self.beyond[...]
        while let next = rest.first, next <= self.through || next - 1 == self.through {
            self.through = max(self.through, next)
            rest.removeFirst()
        }
        self.beyond = Array(rest)
    }
}

extension CausalContext: CustomStringConvertible {
    /// `[9f…3c: 9, 12, 17]`, replica by replica.
    package var description: String {
        "[" + self.entries.map { "\($0.replica): " + ([$0.through] + $0.beyond).map(String.init).joined(separator: ", ") }.joined(separator: "; ")
            + "]"
    }
}
