import AntiEntropy
import Basics
import Versioning

/// The messages of catching up from a log. A list of ranges is their number and each with its replica's id, first and last sequence number.
extension PeerWire {
    static func type(of message: CatchUpMessage) -> FrameType {
        switch message {
        case .ask: .ask
        case .tell: .tell
        case .told: .told
        }
    }

    static func append(_ message: CatchUpMessage, to bytes: inout [UInt8]) {
        switch message {
        case .ask(let gaps):
            bytes.append(UInt16(gaps.count))  // At most `GapWatch.maximumGaps`.
            for gap in gaps {
                bytes.append(gap.replica)
                bytes.append(gap.sequences.lowerBound)
                bytes.append(gap.sequences.upperBound)
            }
        case .tell(let records): bytes.append(contentsOf: records)
        case .told(let isWhole): bytes.append(UInt8(isWhole ? 1 : 0))
        }
    }

    static func readCatchUp(_ type: FrameType, _ reader: inout WireReader) throws(PeerWireError) -> CatchUpMessage {
        switch type {
        case .ask: return .ask(try Self.readGaps(&reader))
        case .tell:
            let records = reader.rest()
            guard !records.isEmpty else { throw reader.malformed }
            return .tell(records)
        case .told:
            let flag = try reader.number(UInt8.self)
            try reader.end()
            guard flag <= 1 else { throw reader.malformed }
            return .told(isWhole: flag == 1)
        default: preconditionFailure("\(type) is no frame of catching up")
        }
    }

    private static func readGaps(_ reader: inout WireReader) throws(PeerWireError) -> [DotRange] {
        let count = Int(try reader.number(UInt16.self))
        guard (1...GapWatch.maximumGaps).contains(count) else { throw reader.malformed }
        var gaps: [DotRange] = []
        for _ in 0..<count {
            let replica = try reader.replica()
            let (first, last) = (try reader.number(UInt64.self), try reader.number(UInt64.self))
            guard first > 0, first <= last else { throw reader.malformed }
            if let before = gaps.last, (replica, first) <= (before.replica, before.sequences.upperBound) { throw reader.malformed }
            gaps.append(DotRange(replica: replica, sequences: first...last))
        }
        try reader.end()
        return gaps
    }
}
