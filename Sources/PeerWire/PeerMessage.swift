import AntiEntropy
import Basics
import Digests
import Versioning

/// What one node says to another.
package enum PeerMessage: Equatable, Sendable {
    /// The first message of each side.
    case hello(Hello)
    /// The handshake has failed, and why, for the other side's operator. The connection closes.
    case refuse(String)
    /// A member's answer to a node that it has let into its cluster: the secret that seeds tokens and fingerprints, `DigestKey.byteCount` bytes, and
    /// the roster, which lists the node.
    case welcome(digestKey: [UInt8], roster: [UInt8])
    /// Between nodes of one cluster, before anything else: who belongs to it, and what the sender remembers of the other side.
    case introduction(Introduction)
    /// Is the process still there? It answers with the same number.
    case ping(UInt64)
    case pong(UInt64)
    /// The sender and the receiver, or another that the sender is linked to, run with one replica id.
    ///
    /// - Parameter nonce: that of the receiver's start, so that nothing else is taken for this.
    case twin(nonce: UInt64)
    /// A member's other answer: the id under which the node asks has been let in before, and is gone; under a new one it may come.
    case usedUp
    /// A node of the same cluster on which the others do not count any more asks whether it may give up its data for theirs. The roster as it knows it.
    case mayReturn(roster: [UInt8])
    /// A member that has everything says yes, and what it has seen.
    case comeBack(seen: Seen)
    /// Founding together: an offer, and the standing acceptance that answers it, in their own encoding.
    case offer([UInt8])
    case answer([UInt8])
    case summary(Summary)
    /// The roster in its own encoding.
    case roster([UInt8])
    /// Floors and settled replicas, in their own encoding.
    case clearance([UInt8])
    case push(Push)
    /// - Parameters:
    ///   - number: tells sessions of one connection apart, so that what is left over of one never meets the next.
    ///   - sequence: counts the frames of one direction, so that a lost or repeated one is noticed.
    case session(number: UInt16, sequence: UInt16, SessionMessage)
    /// - Parameter number: tells one question of a connection from the next.
    case catchUp(number: UInt16, CatchUpMessage)
    /// Number and sequence as those of a session.
    case bootstrap(number: UInt16, sequence: UInt16, BootstrapMessage)
}

/// Who is there, and what it speaks.
package struct Hello: Equatable, Sendable {
    /// The versions of this protocol that the program speaks. Both sides use the highest that both do.
    package static let lowestVersion: UInt8 = 1
    package static let highestVersion: UInt8 = 1
    package static let maximumNameBytes = 64
    package static let maximumHostBytes = 255

    package var lowest = Hello.lowestVersion
    package var highest = Hello.highestVersion
    /// Bits of what the program can do beyond the version; none so far. Unknown ones are ignored.
    package var features: UInt64 = 0
    /// `ClusterID.none` where the node belongs to none yet.
    package var cluster: ClusterID
    package var replica: ReplicaID
    /// Tells a process from an earlier one of the same store, and from a second one with the same id.
    package var start: Start
    /// With how many others the node would found a cluster, itself included; 0 where it would not.
    package var expected: UInt8
    /// True where the node has no entries, and has seen none.
    package var isEmpty: Bool
    package var name: String
    /// Where peers dial the node; nil where nobody can.
    package var host: String?
    package var port: UInt16

    package init(
        cluster: ClusterID, replica: ReplicaID, start: Start, expected: UInt8, isEmpty: Bool, name: String, host: String?, port: UInt16
    ) {
        (self.cluster, self.replica, self.start) = (cluster, replica, start)
        (self.expected, self.isEmpty, self.name, self.host, self.port) = (expected, isEmpty, name, host, port)
    }
}

/// What a member tells another at the beginning of each link.
package struct Introduction: Equatable, Sendable {
    /// The last start of the other side that the sender knows of, and its greatest write.
    package var start: Start
    package var sequence: UInt64
    /// What the other side has last announced to have seen; nil where the sender does not remember.
    package var announced: Seen?
    /// In its own encoding.
    package var roster: [UInt8]
    /// The sender's wall clock as it reads, of which 48 bits cross the wire.
    package var wall: WallTime

    package init(start: Start, sequence: UInt64, announced: Seen?, roster: [UInt8], wall: WallTime) {
        (self.start, self.sequence, self.announced, self.roster, self.wall) = (start, sequence, announced, roster, wall)
    }
}

/// The one byte that says what a frame holds.
enum FrameType: UInt8, CaseIterable {
    case hello = 1
    case refuse
    case welcome
    case offer
    case answer
    case summary
    case roster
    case push
    case introduction
    case ping
    case pong
    case twin
    case usedUp
    case clearance
    case mayReturn
    case sessionOpen = 16
    case sessionAccept
    case sessionRefuse
    case sessionCompare
    case sessionLeaves
    case sessionWantAll
    case sessionWant
    case sessionStamps
    case sessionRecords
    case sessionHeaders
    case sessionEndTurn
    case sessionRoot
    case sessionAcknowledge
    case sessionAbort
    case sessionFound
    case ask = 32
    case tell
    case told
    /// A piece of a message that is longer than a frame; the last piece ends it.
    case part = 40
    case lastPart
    case bootstrapAsk = 48
    case bootstrapCapture
    case bootstrapGive
    case bootstrapRecords
    case bootstrapEnd
    case bootstrapAcknowledge
    case bootstrapStop
    case comeBack = 56
}

/// Why a peer's bytes cannot be read. The connection closes, with this for the log.
package enum PeerWireError: Error, Equatable, Sendable {
    /// The first bytes are not those of a Hearsay node.
    case notAPeer
    case frameLength(UInt32)
    case unknownType(UInt8)
    case messageTooLong(limitBytes: Int)
    /// Parts of different messages are mixed, or an empty part.
    case misplacedPart
    /// The frame of this type does not hold what it must.
    case malformed(type: UInt8)
}

extension PeerWireError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notAPeer: "it does not speak Hearsay's peer protocol"
        case .frameLength(let length): "it sent a frame of \(length) bytes; frames have 1 to \(PeerWire.maximumFrameBytes)"
        case .unknownType(let type): "it sent a frame of type \(type), which version \(Hello.highestVersion) of the protocol does not have"
        case .messageTooLong(let limit): "it sent a message of over \(limit) bytes"
        case .misplacedPart: "it mixed parts of messages"
        case .malformed(let type): "it sent a malformed \(FrameType(rawValue: type).map { "\($0)" } ?? "unknown") frame"
        }
    }
}
