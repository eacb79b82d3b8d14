import AntiEntropy
import Basics
import Digests
import Versioning

/// The messages of a bootstrap. A place is its token, the length of its key, and the key.
extension PeerWire {
    static func type(of message: BootstrapMessage) -> FrameType {
        switch message {
        case .ask: .bootstrapAsk
        case .capture: .bootstrapCapture
        case .give: .bootstrapGive
        case .records: .bootstrapRecords
        case .end: .bootstrapEnd
        case .acknowledge: .bootstrapAcknowledge
        case .stop: .bootstrapStop
        }
    }

    static func append(_ message: BootstrapMessage, to bytes: inout [UInt8]) {
        switch message {
        case .ask, .end: break
        case .capture(let capture):
            let clearance = capture.clearance.encoded
            bytes.append(capture.entries)
            bytes.append(UInt32(clearance.count))
            bytes.append(contentsOf: clearance)
            capture.seen.encode(into: &bytes)
        case .give(let place):
            guard let place else { return }
            bytes.append(place.token.rawValue)
            bytes.append(UInt16(place.key.count))  // At most `BootstrapPlace.maximumKeyBytes`.
            bytes.append(contentsOf: place.key)
        case .records(let records): bytes.append(contentsOf: records)
        case .acknowledge(let count): bytes.append(UInt32(clamping: count))
        case .stop(let fault): bytes.append(fault.rawValue)
        }
    }

    static func readBootstrap(_ type: FrameType, _ reader: inout WireReader) throws(PeerWireError) -> BootstrapMessage {
        switch type {
        case .bootstrapAsk:
            try reader.end()
            return .ask
        case .bootstrapCapture:
            let entries = try reader.number(UInt64.self)
            let clearance = try reader.clearance(Int(try reader.number(UInt32.self)))
            return .capture(BootstrapCapture(seen: try reader.restAsSeen(), entries: entries, clearance: clearance))
        case .bootstrapGive: return .give(after: try Self.readPlace(&reader))
        case .bootstrapRecords: return .records(reader.rest())
        case .bootstrapEnd:
            try reader.end()
            return .end
        case .bootstrapAcknowledge:
            let count = Int(try reader.number(UInt32.self))
            try reader.end()
            return .acknowledge(bytes: count)
        case .bootstrapStop: return .stop(try reader.choice(BootstrapFault.self))
        default: preconditionFailure("\(type) is no frame of a bootstrap")
        }
    }

    /// Nothing, or a place.
    private static func readPlace(_ reader: inout WireReader) throws(PeerWireError) -> BootstrapPlace? {
        guard !reader.isAtEnd else { return nil }
        let token = Token(rawValue: try reader.number(UInt64.self))
        let count = Int(try reader.number(UInt16.self))
        guard count <= BootstrapPlace.maximumKeyBytes else { throw reader.malformed }
        let key = try reader.bytes(count)
        try reader.end()
        return BootstrapPlace(token: token, key: key)
    }
}
