import Digests
import Versioning

/// What the two sides of a repair session say to each other. Lists are in ascending order; the decoder checks it.
package enum SessionMessage: Equatable, Sendable {
    /// Begins a session. The first turn of its sender follows.
    case open(SessionOpening)
    /// The other side takes part. Its first turn follows.
    case accept(SessionAcceptance)
    /// The other side does not.
    case refuse(SessionRefusal)
    /// Sums of the sender's nodes, to be compared.
    case compare(Comparison)
    /// The entries of the sender's leaves, to be compared.
    case leaves(LeafList)
    /// The sender has nothing in these nodes and asks for all that is there.
    case wantAll(NodeList)
    /// The sender asks for the entries at these places.
    case want(NodeList)
    /// The stamps of entries of which both sides have a version.
    case stamps(StampList)
    /// Records, one behind the other, as a log has them.
    case records([UInt8])
    /// The same without values, in a session that only looks.
    case headers([UInt8])
    /// So many entries that differ has the sender found: what crosses can be told from what is left.
    case found(entries: Int)
    /// The sender's turn is over. After a final one nothing is left to ask, and its root follows.
    case endTurn(isFinal: Bool)
    /// The sender's state behind all that it got.
    case root(SessionRoot)
    /// So many units have been worked off: the sender may send as many more.
    case acknowledge(units: Int)
    /// The session is over before its end.
    case abort(SessionFault)
}

extension SessionMessage {
    /// What the message counts against the window.
    package var units: Int {
        switch self {
        case .records(let bytes), .headers(let bytes): 1 + bytes.count / RepairSession.unitBytes
        default: 1
        }
    }
}

/// What a session is for.
package enum SessionPurpose: UInt8, Equatable, Sendable {
    /// Both sides get what they lack.
    case repair = 1
    /// Only counts what differs.
    case count = 2
    /// Shows what differs, and changes nothing.
    case list = 3
}

/// How much of a sum or a fingerprint crosses the wire.
package enum DigestWidth: UInt8, Equatable, Sendable {
    /// 5 bytes of a sum, 6 bytes an entry: one comparison in 2^40, or 2^24, overlooks a difference, which the roots at the end show.
    case short = 5
    /// All 16 bytes of a sum, token and fingerprint of an entry.
    case full = 16

    /// Bytes of a node's sum.
    package var sumByteCount: Int { Int(self.rawValue) }
    /// Bytes of an entry in a list of leaves.
    package var entryByteCount: Int { self == .short ? 6 : 24 }
    /// The depth at which entries of leaves of this depth are named: the leaf and 24 bits more, or a whole token.
    package func nameDepth(leafDepth: Int) -> Int { self == .short ? leafDepth + 24 : DigestNode.maximumDepth }
}

package struct SessionOpening: Equatable, Sendable {
    package var purpose: SessionPurpose
    package var width: DigestWidth
    package var leafBits: Int
    package var root: Digest
    /// What the opener had seen before; nil where it must not be relied on.
    package var seen: Seen?

    package init(purpose: SessionPurpose, width: DigestWidth, leafBits: Int, root: Digest, seen: Seen?) {
        (self.purpose, self.width, self.leafBits, self.root, self.seen) = (purpose, width, leafBits, root, seen)
    }
}

package struct SessionAcceptance: Equatable, Sendable {
    package var leafBits: Int
    package var root: Digest
    package var seen: Seen?

    package init(leafBits: Int, root: Digest, seen: Seen?) {
        (self.leafBits, self.root, self.seen) = (leafBits, root, seen)
    }
}

package enum SessionRefusal: UInt8, Equatable, Sendable {
    /// Takes part in as many sessions as it may.
    case busy = 1
    /// Opened one itself at the same time; that of the smaller replica id goes on.
    case crossed = 2
}

/// The sums of all children of some nodes.
package struct Comparison: Equatable, Sendable {
    package var parents: NodeList
    package var childDepth: Int
    /// For each parent, for each of its 2^(childDepth - parents.depth) children, the low bytes of its sum, most significant first.
    package var sums: [UInt8]

    package init(parents: NodeList, childDepth: Int, sums: [UInt8]) {
        (self.parents, self.childDepth, self.sums) = (parents, childDepth, sums)
    }

    package var childrenPerParent: Int { 1 << (self.childDepth - self.parents.depth) }
}

/// The entries of some leaves.
package struct LeafList: Equatable, Sendable {
    package var leaves: NodeList
    /// How many entries each leaf has.
    package var counts: PackedNumbers
    /// For each leaf its entries in token order. Short: the 24 bits of the token behind the leaf's, the low 24 of the fingerprint. Full: both whole.
    package var entries: [UInt8]

    package init(leaves: NodeList, counts: PackedNumbers, entries: [UInt8]) {
        (self.leaves, self.counts, self.entries) = (leaves, counts, entries)
    }
}

package struct StampList: Equatable, Sendable {
    package var places: NodeList
    package var stamps: [Stamp]

    package init(places: NodeList, stamps: [Stamp]) { (self.places, self.stamps) = (places, stamps) }
}

package struct SessionRoot: Equatable, Sendable {
    /// All entries, at the same log position as `seen`.
    package var digest: Digest
    /// Nil where it must not be relied on.
    package var seen: Seen?
    package var tally: Tally

    package init(digest: Digest, seen: Seen?, tally: Tally) { (self.digest, self.seen, self.tally) = (digest, seen, tally) }
}

/// What one side has found to differ. Each difference is found by one side only, so that both together count each once.
package struct Tally: Equatable, Sendable {
    /// Ranges of the leaves' size, or greater where one side has nothing.
    package var ranges = 0
    /// Entries that only the sender has.
    package var onlyHere = 0
    /// Entries that only the receiver has.
    package var onlyThere = 0
    /// Entries of which both have a version, not the same.
    package var inBoth = 0

    package init() {}

    package var entries: Int { self.onlyHere + self.onlyThere + self.inBoth }

    /// The two sides' tallies together, as the first side sees it.
    package static func + (own: Tally, theirs: Tally) -> Tally {
        var sum = own
        sum.ranges += theirs.ranges
        sum.onlyHere += theirs.onlyThere
        sum.onlyThere += theirs.onlyHere
        sum.inBoth += theirs.inBoth
        return sum
    }
}

/// Why a session ended before its end.
package enum SessionFault: UInt8, Error, Equatable, Sendable {
    /// A message came that does not belong where it came.
    case outOfOrder = 1
    /// The peer asked for or listed more than a session takes.
    case tooMuch = 2
    /// Nothing came for too long.
    case stalled = 3
    /// A frame was lost.
    case gap = 4
    /// A record or a list did not hold what it must.
    case malformed = 5
    /// Called off.
    case cancelled = 6
}
