import Basics
import Membership
import RESP
import Storage
import Versioning

/// What one side of a comparison knows, as far as it says why that side lacks a version.
struct DifferenceSide {
    let name: MemberName
    /// Nil where it does not say, as something was lost there.
    let seen: Seen?
    let floors: Floors
    let settled: Settled
    /// What it has heard of and does not take before its time; nil where nobody but itself knows.
    let withHeld: Seen?
    /// It holds something.
    let isHolding: Bool

    /// Why it lacks a version that the other side has, in words that follow its name.
    ///
    /// - Parameter wall: what the node that answers holds for expired, the other may have dropped.
    func reason(forLacking version: VersionHeader, at wall: WallTime) -> String {
        guard self.settled.allows(version.dot) else { return "refuses it: who wrote it was no member any more" }
        if self.floors.covers(version.dot) {
            if version.isTombstone { return "has dropped it" }
            if (1..<max(1, wall.milliseconds)).contains(version.expiryMilliseconds) { return "has dropped it, as it had expired" }
        }
        guard let seen = self.seen else { return "has lost something to damage" }
        if seen.covers(version.dot) { return "has seen it and lost it" }
        if self.withHeld?.covers(version.dot) ?? false { return "holds it until its time" }
        return self.isHolding && self.withHeld == nil ? "has not seen it, or holds it until its time" : "has not seen it"
    }
}

/// HEARSAY DIFF: which keys differ from a member's, and why.
extension Replica {
    private typealias Versions = [[UInt8]: VersionHeader]

    /// For each key that differs: the key, what this node has, what the member has, who is ahead, and why the other is not.
    func answerDifferences(_ request: PeerRequestJob, theirSeen: Seen?, _ writer: inout ReplyWriter) {
        let (ours, theirs) = (Self.versions(in: request.ours), Self.versions(in: request.theirs))
        let keys = Set(theirs.keys).union(ours.keys).sorted { $0.lexicographicallyPrecedes($1) }
        let (here, there) = (self.side(), self.side(of: request.member, seen: theirSeen))
        writer.array(count: min(keys.count, request.limit))
        for key in keys.prefix(request.limit) {
            let (own, other) = (ours[key], theirs[key])
            let isOwnAhead = own.map { own in other.map { $0.stamp < own.stamp } ?? true } ?? false
            writer.array(count: 5)
            key.withUnsafeBytes { writer.bulk($0) }
            for version in [own, other] {
                if let version { writer.bulk(version.text) } else { writer.null() }
            }
            let (ahead, behind, version) = isOwnAhead ? (here, there, own!) : (there, here, other!)
            writer.bulk(ahead.name.text)
            writer.bulk("\(behind.name) \(behind.reason(forLacking: version, at: self.lastMoment.wall))")
        }
    }

    private func side() -> DifferenceSide {
        DifferenceSide(
            name: self.peers!.table.ownName, seen: self.offeredSeen, floors: self.store.floors, settled: self.store.settled,
            withHeld: self.peers!.held.added(to: self.store.seen), isHolding: !self.peers!.held.isEmpty)
    }

    private func side(of member: Member, seen: Seen?) -> DifferenceSide {
        let clearance = self.peers!.link(to: member.replica)?.clearance ?? Clearance()
        return DifferenceSide(
            name: member.name, seen: seen, floors: clearance.floors, settled: clearance.settled, withHeld: nil,
            isHolding: self.peers!.relation(to: member.replica)?.isHolding ?? false)
    }

    private static func versions(in headers: [UInt8]) -> Versions {
        var versions: Versions = [:]
        headers.withUnsafeBytes { bytes in
            var offset = 0
            while let frame = RecordLayout.firstFrame(in: UnsafeRawBufferPointer(rebasing: bytes[offset...])),
                let record = RecordView(receivedHeader: frame)
            {
                versions[Array(record.key)] = record.versionHeader
                offset += frame.count
            }
        }
        return versions
    }
}

extension VersionHeader {
    /// The stamp's time, who wrote it, and whether it is a delete.
    fileprivate var text: String { "\(self.stamp.milliseconds).\(self.stamp.counter) \(self.dot)\(self.isTombstone ? " deleted" : "")" }
}
