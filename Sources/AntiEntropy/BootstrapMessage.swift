import Basics
import Digests
import Versioning

/// What a member and a node that joins say to each other while the latter gets everything.
package enum BootstrapMessage: Equatable, Sendable {
    /// The joiner asks what the member has seen, before any entry is read.
    case ask
    case capture(BootstrapCapture)
    /// Asks for all entries behind a place, or for all there are.
    case give(after: BootstrapPlace?)
    /// Records, one behind the other, in order of token and key: of what was asked for, all up to the last of these have come.
    case records([UInt8])
    /// No more entries follow.
    case end
    /// So many bytes of records are stored: the member may send as many more.
    case acknowledge(bytes: Int)
    /// The bootstrap is over before its end.
    case stop(BootstrapFault)
}

/// What a member tells of itself before the first entry is read.
package struct BootstrapCapture: Equatable, Sendable {
    /// What the member's entries reflect, durably: once all ranges have come, the joiner's do too (I26 ii).
    package var seen: Seen
    /// How many entries it has, for people.
    package var entries: UInt64
    /// What the member had dropped and settled by then (I24).
    package var clearance: Clearance

    package init(seen: Seen, entries: UInt64, clearance: Clearance = Clearance()) {
        (self.seen, self.entries, self.clearance) = (seen, entries, clearance)
    }
}

/// A place in the order of all entries. Many keys may share a token.
package struct BootstrapPlace: Equatable, Sendable {
    /// As long as a client's key may be.
    package static let maximumKeyBytes = 500

    package var token: Token
    package var key: [UInt8]

    package init(token: Token, key: [UInt8]) { (self.token, self.key) = (token, key) }

    /// Whether an entry lies behind this place.
    package func precedes(_ token: Token, _ key: UnsafeRawBufferPointer) -> Bool {
        self.token != token ? self.token < token : self.key.span.bytes.withUnsafeBytes { $0.lexicographicallyPrecedes(key) }
    }
}

/// Why a bootstrap ended before its end.
package enum BootstrapFault: UInt8, Error, Equatable, Sendable {
    /// The member joins itself, or has damage that is not healed: it has not all that it has seen.
    case incomplete = 1
    /// The member gives to as many as it may.
    case busy = 2
    /// A frame was lost.
    case gap = 3
    /// A message came that does not belong where it came.
    case outOfOrder = 4
    /// More came than was to be under way.
    case tooMuch = 5
    /// A record was not what it must be, or not behind the one before it.
    case malformed = 6
    /// Nothing came for too long.
    case stalled = 7
    /// Called off.
    case cancelled = 8
}
