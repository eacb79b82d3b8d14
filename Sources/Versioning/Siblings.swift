import Basics

/// One write of a key that keeps concurrent writes beside each other: a value, or a delete of what its context names.
///
/// - Lifetime: `value` lies in the bytes that the version was read from.
package struct Sibling {
    package let dot: Dot
    /// Of the writer's clock; greater than those of all that the context names. One that is written again under another dot keeps it.
    package let stamp: Stamp
    /// The writes in whose place it is.
    package let context: CausalContext
    /// Nil for a delete.
    package let value: UnsafeRawBufferPointer?
    /// The last moment at which it is readable, in milliseconds since 1970; 0 where it always is, and for a delete.
    package let expiryMilliseconds: UInt64

    package init(dot: Dot, stamp: Stamp, context: CausalContext, value: UnsafeRawBufferPointer?, expiryMilliseconds: UInt64 = 0) {
        (self.dot, self.stamp, self.context) = (dot, stamp, context)
        (self.value, self.expiryMilliseconds) = (value, value == nil ? 0 : expiryMilliseconds)
    }

    package var isDelete: Bool { self.value == nil }

    /// False for a delete, and once its deadline has passed by this clock. The deadline's own millisecond belongs to it still.
    package func isReadable(at wall: WallTime) -> Bool {
        !self.isDelete && (self.expiryMilliseconds == 0 || wall.milliseconds <= self.expiryMilliseconds)
    }

    /// For what honest writers never produce: two writes of one dot. Decides it the same way everywhere.
    fileprivate func isAhead(of other: Sibling) -> Bool {
        if self.stamp != other.stamp { return self.stamp > other.stamp }
        if self.isDelete != other.isDelete { return self.isDelete }
        let (own, theirs) = (Siblings.encoded(self), Siblings.encoded(other))
        return theirs.lexicographicallyPrecedes(own)
    }
}

/// All that a key has whose concurrent writes stand beside each other: each with the context of its own, which names what it replaced.
///
/// A write goes when the context of another names it, and for no other reason but a register that is newer. Deletes stand among the others, without a
/// value, until the deletes' rules let them go: what they replaced may be on its way still.
///
///     a/3 "milk"   [ ]              live            a/5 "milk, tea"  [a: 3]     live, in the place of a/3
///     b/2 "tea"    [ ]              live            b/2 "tea"        [ ]        live: a/5 had not seen it
///
/// Merging is the union of both sides' writes, without those that any context names: it commutes, associates and is idempotent, byte for byte, as whoever
/// names a write names all that this had named. A register that was beneath, or comes from elsewhere, takes all that is older with it, each by its own
/// stamp; what is newer stays, and remembers the register's stamp for what is still to come.
///
/// - Invariant: versions ascend by dot; none is named by another's context, none is as old as `beneath`; there is one at least.
/// - Source: Preguiça et al. 2012 as `CausalContext` says, and Almeida et al., "Scalable and Accurate Causality Tracking for Eventually Consistent Stores"
///   (DAIS 2014), §4. That kinds mix by each write's stamp is ours.
package struct Siblings {
    /// The last register that the key had, by its stamp.
    package struct Register: Equatable, Sendable {
        package let stamp: Stamp
        package let isTombstone: Bool
        package let dot: Dot

        package init(stamp: Stamp, isTombstone: Bool, dot: Dot) { (self.stamp, self.isTombstone, self.dot) = (stamp, isTombstone, dot) }
    }

    package private(set) var beneath: Register?
    package private(set) var versions: [Sibling]

    /// - Returns: nil where a register has taken all of them, or there are none.
    package init?(beneath: Register? = nil, versions: [Sibling]) {
        (self.beneath, self.versions) = (beneath, versions)
        self.settle()
        if self.versions.isEmpty { return nil }
    }

    /// From a decoder that has checked the invariant.
    init(checked versions: [Sibling], beneath: Register?) { (self.beneath, self.versions) = (beneath, versions) }

    /// What readers get at a moment, the newest last. Of a write that was written again under another dot, and stands here twice, they get one.
    package func readable(at wall: WallTime) -> [Sibling] {
        let readable = self.versions.filter { $0.isReadable(at: wall) }.sorted { ($0.stamp, $0.dot) < ($1.stamp, $1.dot) }
        return readable.indices.filter { $0 + 1 == readable.count || readable[$0].stamp != readable[$0 + 1].stamp }.map { readable[$0] }
    }

    /// What a reader gets that takes one only: that of the greatest stamp.
    package func newestReadable(at wall: WallTime) -> Sibling? {
        self.versions.filter { $0.isReadable(at: wall) }.max { ($0.stamp, $0.dot) < ($1.stamp, $1.dot) }
    }

    /// The last moment at which any of them is readable, in milliseconds since 1970; 0 where one always is, and where all are deletes.
    package var expiryMilliseconds: UInt64 {
        let values = self.versions.lazy.filter { !$0.isDelete }
        return values.contains { $0.expiryMilliseconds == 0 } ? 0 : values.map(\.expiryMilliseconds).max() ?? 0
    }

    /// The write that was the last one, by its stamp; of one that was written again under two dots the greater.
    package var newest: Sibling { self.versions.max { ($0.stamp, $0.dot) < ($1.stamp, $1.dot) }! }

    package var isDeleted: Bool { self.versions.allSatisfy(\.isDelete) }

    package func contains(_ dot: Dot) -> Bool { self.versions.contains { $0.dot == dot } }

    // MARK: Merging

    /// What both together are.
    package func merged(with other: Siblings) -> Siblings {
        let merged = Siblings(beneath: greatest(self.beneath, other.beneath), versions: self.versions + other.versions)
        // Of honest writers what names a write is not named by it. Where two sides leave nothing of each other, their bytes decide everywhere alike.
        return merged ?? (other.encoded.lexicographicallyPrecedes(self.encoded) ? self : other)
    }

    /// What is left of these beside a register that the key has elsewhere.
    ///
    /// - Returns: nil where the register is newer than all of them.
    package func merged(with register: Register) -> Siblings? {
        Siblings(beneath: greatest(self.beneath, register), versions: self.versions)
    }

    /// The same without some; nil where none is left.
    package func without(_ isGone: (Sibling) -> Bool) -> Siblings? {
        let rest = self.versions.filter { !isGone($0) }
        return rest.isEmpty ? nil : Siblings(checked: rest, beneath: self.beneath)
    }

    /// Brings the versions into the order and the extent that the invariant says.
    private mutating func settle() {
        self.versions.sort { $0.dot != $1.dot ? $0.dot < $1.dot : $0.isAhead(of: $1) }
        var last: Dot?
        self.versions.removeAll { version in
            defer { last = version.dot }
            return version.dot == last
        }
        let contexts = self.versions.map(\.context).filter { !$0.isEmpty }
        let floor = self.beneath?.stamp
        self.versions.removeAll { version in
            floor.map { version.stamp <= $0 } ?? false || contexts.contains { $0.covers(version.dot) }
        }
    }

    // MARK: Writing

    /// What the key has after one more write.
    ///
    /// The new write takes the place of deletes too, and of what nobody reads any more, whose work it does from now on: they are no siblings, and would
    /// stay until floors have passed them.
    ///
    /// - Parameters:
    ///   - current: what there is; nil where that is nothing, or a register.
    ///   - dot, stamp: of the new write; the stamp is greater than those of all that there is and that `context` names.
    ///   - expiryMilliseconds: of the new write; 0 for none.
    ///   - context: what its writer had seen.
    ///   - beneath: the greatest register that the key had here, or where the context was given.
    ///   - hasPassed: whether a sibling's deadline has passed on every node.
    ///   - isOver: whether a replica writes no more, and all members have all that it wrote. The context forgets it where nothing of it is left, and all
    ///     that named its writes before is everywhere: who has not seen it has given up its store, or must.
    ///   - isEverywhere: whether a floor has passed a write.
    package static func writing(
        _ value: UnsafeRawBufferPointer?, expiryMilliseconds: UInt64 = 0, dot: Dot, stamp: Stamp, context: CausalContext, over current: Siblings?,
        beneath: Register?, hasPassed: (Sibling) -> Bool = { _ in false }, isOver: (ReplicaID) -> Bool = { _ in false },
        isEverywhere: (Dot) -> Bool = { _ in false }
    ) -> Siblings {
        // What names a write that was never made was made up.
        let current = current?.without { $0.context.covers(dot) }
        var context = context
        for version in current?.versions ?? [] where version.isDelete || hasPassed(version) { context.insert(version.dot) }
        for version in current?.versions ?? [] where context.covers(version.dot) { context.join(version.context) }
        for entry in context.entries where isOver(entry.replica) {
            let last = Dot(replica: entry.replica, sequence: entry.last)
            let naming = (current?.versions ?? []).filter { $0.context.covers(last) }
            let isLeft = current?.versions.contains { $0.dot.replica == entry.replica } ?? false
            if !isLeft, !naming.isEmpty, naming.allSatisfy({ isEverywhere($0.dot) }) { context.remove(entry.replica) }
        }
        let version = Sibling(dot: dot, stamp: stamp, context: context, value: value, expiryMilliseconds: expiryMilliseconds)
        let merged = Siblings(beneath: greatest(current?.beneath, beneath), versions: (current?.versions ?? []) + [version])
        guard let merged, merged.contains(dot) else { preconditionFailure("\(dot) at \(stamp) is not the newest, over \(context)") }
        return merged
    }

    /// What somebody has seen who has seen all of this.
    ///
    /// - Parameter seen: what the state of the node reflects that says so. Of a replica all of whose writes up to the last one here have been seen, all
    ///   up to that are named; of others only those that are here, or were replaced.
    package func context(seen: Seen) -> CausalContext {
        var context = CausalContext()
        for version in self.versions {
            context.insert(version.dot)
            context.join(version.context)
        }
        for entry in context.entries {
            if entry.last <= seen.watermark(of: entry.replica) { context.insert(entry.replica, through: entry.last) }
        }
        return context
    }
}

private func greatest(_ left: Siblings.Register?, _ right: Siblings.Register?) -> Siblings.Register? {
    guard let left, let right else { return left ?? right }
    return left.precedes(right) ? right : left
}

extension Siblings.Register {
    /// The greater of two.
    package func joined(_ other: Self?) -> Self { greatest(self, other) ?? self }

    /// As registers themselves are ordered.
    fileprivate func precedes(_ other: Self) -> Bool {
        if self.stamp != other.stamp { return self.stamp < other.stamp }
        if self.isTombstone != other.isTombstone { return other.isTombstone }
        return self.dot < other.dot
    }
}
