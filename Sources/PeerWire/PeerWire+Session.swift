import AntiEntropy
import Basics
import Digests
import Versioning

/// The messages of a repair session. A list of nodes is their depth, their number, and `NodeList.gaps`.
extension PeerWire {
    static func type(of message: SessionMessage) -> FrameType {
        switch message {
        case .open: .sessionOpen
        case .accept: .sessionAccept
        case .refuse: .sessionRefuse
        case .compare: .sessionCompare
        case .leaves: .sessionLeaves
        case .wantAll: .sessionWantAll
        case .want: .sessionWant
        case .stamps: .sessionStamps
        case .records: .sessionRecords
        case .headers: .sessionHeaders
        case .endTurn: .sessionEndTurn
        case .root: .sessionRoot
        case .acknowledge: .sessionAcknowledge
        case .abort: .sessionAbort
        case .found: .sessionFound
        }
    }

    static func append(_ message: SessionMessage, to bytes: inout [UInt8]) {
        switch message {
        case .open(let opening):
            bytes.append(contentsOf: [opening.purpose.rawValue, opening.width.rawValue, UInt8(opening.leafBits)])
            bytes.append(opening.root)
            bytes.append(opening.seen)
        case .accept(let acceptance):
            bytes.append(UInt8(acceptance.leafBits))
            bytes.append(acceptance.root)
            bytes.append(acceptance.seen)
        case .refuse(let refusal): bytes.append(refusal.rawValue)
        case .compare(let comparison):
            bytes.append(comparison.parents)
            bytes.append(UInt8(comparison.childDepth))
            bytes.append(contentsOf: comparison.sums)
        case .leaves(let list):
            bytes.append(list.leaves)
            bytes.append(contentsOf: list.counts.bytes)
            bytes.append(contentsOf: list.entries)
        case .wantAll(let nodes), .want(let nodes): bytes.append(nodes)
        case .stamps(let list):
            bytes.append(list.places)
            for stamp in list.stamps {
                bytes.append(stamp.time)
                bytes.append(stamp.replica)
            }
        case .records(let records), .headers(let records): bytes.append(contentsOf: records)
        case .endTurn(let isFinal): bytes.append(UInt8(isFinal ? 1 : 0))
        case .root(let root):
            bytes.append(root.digest)
            for count in [root.tally.ranges, root.tally.onlyHere, root.tally.onlyThere, root.tally.inBoth] { bytes.append(packed: UInt64(count)) }
            bytes.append(root.seen)
        case .acknowledge(let units): bytes.append(UInt16(units))
        case .abort(let fault): bytes.append(fault.rawValue)
        case .found(let entries): bytes.append(packed: UInt64(entries))
        }
    }

    static func readSession(_ type: FrameType, _ reader: inout WireReader) throws(PeerWireError) -> SessionMessage {
        switch type {
        case .sessionOpen: return .open(try Self.readOpening(&reader))
        case .sessionAccept:
            let leafBits = Int(try reader.number(UInt8.self))
            return .accept(SessionAcceptance(leafBits: leafBits, root: try reader.digest(), seen: try reader.optionalSeen()))
        case .sessionRefuse: return .refuse(try reader.choice(SessionRefusal.self))
        case .sessionCompare:
            let parents = try reader.nodes()
            return .compare(Comparison(parents: parents, childDepth: Int(try reader.number(UInt8.self)), sums: reader.rest()))
        case .sessionLeaves:
            let leaves = try reader.nodes()
            let counts = try reader.packed(leaves.count) { $0 <= PeerWire.maximumCount }
            return .leaves(LeafList(leaves: leaves, counts: counts, entries: reader.rest()))
        case .sessionWantAll: return .wantAll(try reader.lastNodes())
        case .sessionWant: return .want(try reader.lastNodes())
        case .sessionStamps: return .stamps(try Self.readStamps(&reader))
        case .sessionRecords: return .records(reader.rest())
        case .sessionHeaders: return .headers(reader.rest())
        case .sessionEndTurn:
            let flag = try reader.number(UInt8.self)
            try reader.end()
            guard flag <= 1 else { throw reader.malformed }
            return .endTurn(isFinal: flag == 1)
        case .sessionRoot: return .root(try Self.readRoot(&reader))
        case .sessionAcknowledge:
            let units = Int(try reader.number(UInt16.self))
            try reader.end()
            return .acknowledge(units: units)
        case .sessionFound:
            let entries = try reader.count()
            try reader.end()
            return .found(entries: entries)
        case .sessionAbort: return .abort(try reader.choice(SessionFault.self))
        default: preconditionFailure("\(type) is no frame of a session")
        }
    }

    private static func readOpening(_ reader: inout WireReader) throws(PeerWireError) -> SessionOpening {
        guard let purpose = SessionPurpose(rawValue: try reader.number(UInt8.self)), let width = DigestWidth(rawValue: try reader.number(UInt8.self))
        else { throw reader.malformed }
        let leafBits = Int(try reader.number(UInt8.self))
        return SessionOpening(purpose: purpose, width: width, leafBits: leafBits, root: try reader.digest(), seen: try reader.optionalSeen())
    }

    private static let stampByteCount = 8 + 16

    private static func readStamps(_ reader: inout WireReader) throws(PeerWireError) -> StampList {
        let places = try reader.nodes()
        var stamps: [Stamp] = []
        stamps.reserveCapacity(min(places.count, reader.remaining / Self.stampByteCount))
        for _ in places { stamps.append(Stamp(time: try reader.number(UInt64.self), replica: try reader.replica())) }
        try reader.end()
        return StampList(places: places, stamps: stamps)
    }

    private static func readRoot(_ reader: inout WireReader) throws(PeerWireError) -> SessionRoot {
        let digest = try reader.digest()
        var tally = Tally()
        tally.ranges = try reader.count()
        tally.onlyHere = try reader.count()
        tally.onlyThere = try reader.count()
        tally.inBoth = try reader.count()
        return SessionRoot(digest: digest, seen: try reader.optionalSeen(), tally: tally)
    }
}
