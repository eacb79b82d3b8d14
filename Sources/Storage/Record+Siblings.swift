import Basics
import Versioning

/// Records whose payload is a set of siblings.
///
/// Their header follows from the payload: dot and stamp are those of the newest version, a set of deletes alone is a tombstone, and one expires when the
/// last of its values does.
extension VersionHeader {
    package init(_ siblings: Siblings) {
        let newest = siblings.newest
        self.init(
            dot: newest.dot, stamp: newest.stamp, kind: .siblings, isTombstone: siblings.isDeleted, expiryMilliseconds: siblings.expiryMilliseconds)
    }
}

extension RecordView {
    /// What the payload says, for a record of that kind; its values lie in this record's bytes. Nil where it is of another kind, or malformed.
    package var siblings: Siblings? { self.kind == .siblings ? Siblings(decoding: self.payload) : nil }

    /// What siblings remember of a register.
    package var asRegister: Siblings.Register { Siblings.Register(stamp: self.stamp, isTombstone: self.isTombstone, dot: self.dot) }

    /// False where payload and header of a set of siblings contradict each other. Peers' records are asked; what was stored has been.
    var isConsistent: Bool {
        guard self.kind == .siblings else { return !self.isTombstone || self.payload.isEmpty }
        guard let siblings = self.siblings, !self.isHeaderOnly else { return false }
        return self.versionHeader == VersionHeader(siblings)
            && siblings.versions.allSatisfy { version in
                version.dot.sequence <= RecordLayout.maximumSequence && version.context.count <= CausalContext.maximumCount
            }
    }

    /// What the indexes name in this record.
    var listed: Listed {
        guard self.kind == .siblings else {
            return Listed(tombstones: self.isTombstone ? [self.dot] : [], expirations: self.expiration.map { [$0] } ?? [])
        }
        return self.siblings?.listed ?? Listed()
    }

    /// All deadlines in this record, in milliseconds since 1970: of siblings each has its own.
    package var deadlines: [UInt64] { self.listed.expirations.map(\.milliseconds) }

    /// True where who has seen so much has all of this record: of siblings every one.
    func isCovered(by seen: Seen) -> Bool {
        guard self.kind == .siblings else { return seen.covers(self.dot) }
        guard let siblings = self.siblings else { return true }
        return siblings.versions.allSatisfy { seen.covers($0.dot) } && siblings.beneath.map { seen.covers($0.dot) } ?? true
    }

    /// True where an index rightly names this record by a dot.
    func names(_ dot: Dot) -> Bool { self.stampTime(ofListed: dot) != nil }

    /// When what an index names was written, by its stamp; nil where it is not in this record.
    func stampTime(ofListed dot: Dot) -> UInt64? {
        guard self.kind == .siblings else { return self.mayBeDropped && self.dot == dot ? self.stampTime : nil }
        guard let siblings = self.siblings else { return nil }
        if let version = siblings.versions.first(where: { $0.dot == dot }) { return version.mayBeDropped ? version.stamp.time : nil }
        return siblings.beneath?.dot == dot ? siblings.beneath?.stamp.time : nil
    }
}

/// What the indexes of a base name in a record, each by the dot of its write.
struct Listed: Equatable {
    /// A delete; of siblings each delete, also beside values, and what was beneath, which keeps away what is older as a delete does.
    var tombstones: [Dot] = []
    /// A value with a deadline; of siblings each.
    var expirations: [Expiration] = []
}

extension Sibling {
    /// True of what may be dropped some day: a delete, or a value with a deadline.
    fileprivate var mayBeDropped: Bool { self.isDelete || self.expiryMilliseconds > 0 }

    /// When it expires; nil for what never does, and for a delete.
    var expiration: Expiration? { self.expiryMilliseconds > 0 ? Expiration(milliseconds: self.expiryMilliseconds, dot: self.dot) : nil }
}

/// What two versions of one key come to.
enum Joined {
    /// The one has all that the other has.
    case left, right
    /// Neither has: another version, which no write made, and every node makes alike.
    case neither(Siblings)

    /// Registers by their total order, siblings by their union, one beside the other by each write's stamp (I1, I14, I16).
    ///
    /// - Parameter isAllowed: which of the right side's siblings count.
    init(_ left: RecordView, _ right: RecordView, where isAllowed: (Sibling) -> Bool = { _ in true }) {
        if left.kind == .register, right.kind == .register {
            self = left.precedes(right) ? .right : .left
            return
        }
        let (own, others) = (left.siblings, right.siblings?.without { !isAllowed($0) })
        let joined: Siblings?
        switch (left.kind, right.kind) {
        case (.register, .register): preconditionFailure("told apart before")
        case (.register, .siblings): joined = others?.merged(with: left.asRegister)
        case (.siblings, .register): joined = own?.merged(with: right.asRegister)
        case (.siblings, .siblings):
            joined = own.map { own in
                if let others { return own.merged(with: others) }
                // All of them are gone here; that something was beneath them is news still. What takes all of the left side comes by itself.
                return right.siblings?.beneath.flatMap { own.merged(with: $0) } ?? own
            }
        }
        guard let joined else {
            // A register has taken all of them; what does not decode is neither stored nor taken from a peer.
            self = left.kind == .register ? .left : .right
            return
        }
        self = Self.naming(joined, left, right)
    }

    /// False where the left side stays what it is.
    var changes: Bool { if case .left = self { false } else { true } }

    /// A peer's siblings where the key has nothing; nil where none of them counts.
    init?(_ right: RecordView, where isAllowed: (Sibling) -> Bool) {
        guard right.kind == .siblings else { self = .right; return }
        guard let siblings = right.siblings?.without({ !isAllowed($0) }) else { return nil }
        self = Self.naming(siblings, nil, right)
    }

    fileprivate static func naming(_ joined: Siblings, _ left: RecordView?, _ right: RecordView) -> Joined {
        let bytes = joined.encoded
        if let left, left.kind == .siblings, left.payload.elementsEqual(bytes) { return .left }
        if right.kind == .siblings, right.payload.elementsEqual(bytes) { return .right }
        return .neither(joined)
    }
}

extension Siblings {
    /// What the indexes name in them.
    var listed: Listed {
        let deletes = self.versions.lazy.filter(\.isDelete).map(\.dot)
        return Listed(tombstones: Array(deletes) + (self.beneath.map { [$0.dot] } ?? []), expirations: self.versions.compactMap(\.expiration))
    }

    /// The same without what was dropped: deletes, what has expired, and what was beneath. Nil where that is nothing, or all: these are dropped together, as
    /// `Drops` says.
    func trimmed(_ drops: Drops) -> Siblings? {
        let isBeneathGone = self.beneath.map { drops.floors.covers($0.dot) } ?? false
        guard isBeneathGone || self.versions.contains(where: drops.contain) else { return nil }
        return Siblings(beneath: isBeneathGone ? nil : self.beneath, versions: self.versions.filter { !drops.contain($0) })
    }
}

extension Joined {
    /// The same, with a result as it is without what was dropped: that was everywhere, or will be.
    func trimmed(_ drops: Drops, _ left: RecordView?, _ right: RecordView) -> Joined {
        let siblings: Siblings?
        switch self {
        case .left: siblings = nil
        case .right: siblings = right.siblings
        case .neither(let joined): siblings = joined
        }
        guard let trimmed = siblings?.trimmed(drops) else { return self }
        return Self.naming(trimmed, left, right)
    }
}
