import Basics
import Digests
import Versioning

/// What one side of a gossip round says of itself. Equal summaries end the round; that is all it costs where nothing differs.
package struct Summary: Equatable, Sendable {
    /// A round is a question and an answer; where the answer shows that vectors differ, a closing word with the asker's.
    package enum Part: UInt8, Equatable, Sendable {
        case question = 1
        case answer = 2
        case closing = 3
    }

    package var part: Part
    /// All entries, at the same log position as `seen`; nil while too much is unfolded.
    package var root: Digest?
    /// A hash of what has been seen.
    package var seenHash: UInt64
    /// A hash of the member table.
    package var membersHash: UInt64
    /// A hash of floors and settled replicas.
    package var clearanceHash: UInt64
    /// What has been seen; only where the peer is known to have another hash. Of a sender with damage it says what may be asked of its log, and nothing else.
    package var seen: Seen?
    /// False where nothing may be concluded from `seen`: a node that joins has not got what it claims.
    package var isComplete: Bool
    /// True where the sender holds writes until their time: what it lacks it has no use for yet (I11).
    package var isHolding: Bool
    package var clock: ClockWord

    /// Something was lost here to damage and has not come back: what was seen is more than what there is.
    package var hasDamage: Bool
    /// The sender knows its store to be the newest copy under its id (I20): what it says to have seen confirms tombstones. Where a copy of it may write
    /// elsewhere under the same id, that is not all that the id had written (I22a).
    package var isSure: Bool

    package init(
        part: Part, root: Digest?, seenHash: UInt64, membersHash: UInt64, clearanceHash: UInt64 = 0, seen: Seen?, isComplete: Bool, isHolding: Bool,
        clock: ClockWord, hasDamage: Bool = false, isSure: Bool = true
    ) {
        (self.part, self.root, self.seenHash, self.membersHash, self.clearanceHash) = (part, root, seenHash, membersHash, clearanceHash)
        (self.seen, self.isComplete, self.isHolding, self.clock) = (seen, isComplete, isHolding, clock)
        (self.hasDamage, self.isSure) = (hasDamage, isSure)
    }
}

/// What each message of a round says of time.
package struct ClockWord: Equatable, Sendable {
    /// Of a question: the low bits of its sender's monotonic milliseconds; else those of the question that it answers.
    package var mark: UInt32
    /// The sender's wall clock as it reads, of which 48 bits cross the wire.
    package var wall: WallTime

    package init(mark: UInt32, wall: WallTime) { (self.mark, self.wall) = (mark, wall) }
}
