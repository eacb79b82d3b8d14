import Basics
import Node
import Storage
import Versioning

/// Each node shows clients what has no deadline, and what has one up to that by its own clock, and nothing else; once every deadline has passed all
/// show the same (I27).
struct ReadingsFollowDeadlines: Check {
    let name = CheckName.readingsFollowDeadlines
    let holdsAlways = false

    func check(_ node: SimulatedNode, in world: World) throws {
        let (entries, moment) = (try node.entries(), node.moment(at: world.now))
        let expiring = entries.filter { !$0.value.deadlines.isEmpty }
        // Another may have sent it.
        if let early = expiring.first(where: { $0.value.payload == nil && $0.value.header.expiryMilliseconds > world.passedThrough }) {
            let (key, deadline) = (String(decoding: early.key, as: UTF8.self), early.value.header.expiryMilliseconds)
            throw Violation(self.name, "node \(node.index) has \(key) without its value, which no node has held for expired: \(deadline)")
        }
        world.counts[.emptied] += expiring.values.count { $0.payload == nil }
        let deadlines = expiring.values.flatMap(\.deadlines)
        world.counts[.expirations] += deadlines.count { $0 < moment.wall.milliseconds }
        for wall in [moment.wall, WallTime(milliseconds: (deadlines.max() ?? 0) + 1)] {
            for (key, entry) in expiring {
                let shown = try node.read(key, at: Replica.Moment(now: world.now, wall: wall))
                guard shown == entry.value(at: wall) else {
                    let what = "\(String(decoding: key, as: UTF8.self)), readable until \(entry.deadlines)"
                    throw Violation(
                        self.name, "node \(node.index) at \(wall.milliseconds) shows \(shown == nil ? "nothing" : "something") of \(what)")
                }
            }
        }
    }
}

extension SimulatedNode.Entry {
    /// When what it holds expires: of siblings each has its own.
    var deadlines: [UInt64] {
        guard self.header.kind == .siblings else { return self.header.expiryMilliseconds == 0 ? [] : [self.header.expiryMilliseconds] }
        return self.siblings.map(\.version.expiryMilliseconds).filter { $0 != 0 }
    }

    /// What a client that asks for one value gets at a moment; nil for nothing.
    fileprivate func value(at wall: WallTime) -> [UInt8]? {
        guard self.header.kind == .siblings else { return self.header.expiryMilliseconds < wall.milliseconds ? nil : self.payload }
        return self.payload.flatMap { payload in
            payload.withUnsafeBytes { Siblings(decoding: $0)?.newestReadable(at: wall)?.value.map { [UInt8]($0) } }
        }
    }
}

extension SimulatedNode {
    /// What a client is shown that asks for a key at some moment; nil for nothing.
    func read(_ key: [UInt8], at moment: Replica.Moment) throws(StoreError) -> [UInt8]? {
        guard case .answered(_, let reply) = try self.execute([Array("GET".utf8), key], client: 0, at: moment), reply.first == UInt8(ascii: "$"),
            let end = reply.firstIndex(of: UInt8(ascii: "\r")), reply[1] != UInt8(ascii: "-")
        else { return nil }
        return Array(reply[(end + 2)..<(reply.count - 2)])
    }
}
