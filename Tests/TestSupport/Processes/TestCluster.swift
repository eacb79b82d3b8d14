import Foundation
import Glibc

/// Real nodes n1, n2, ... on this machine, each reaching the others through proxies that a test can cut.
///
/// A node's seeds are one proxy for every node, itself included, and nobody learns any other address: what it advertises leads nowhere. So a
/// cut between two nodes is one, whatever they tell each other.
package final class TestCluster {
    package let nodes: [NodeProcess]
    private let flags: [[String]]
    /// By the node that dials, then by the node that is dialled.
    private let doors: [[CuttingProxy]]
    private let nowhere: CuttingProxy
    private var clients: [RedisClient?]

    /// Starts so many nodes, which found a cluster together, and waits until all serve and are linked.
    ///
    /// - Parameters:
    ///   - unreachable: nodes that nobody can connect to.
    ///   - flags: for all of them.
    package convenience init(_ count: Int, unreachable: Set<Int> = [], flags: [String] = []) throws {
        try self.init(starting: count, unreachable: unreachable, flags: ["--expect", "\(count)"] + flags)
        try self.waitUntilServing()
        try self.waitUntilLinked()
    }

    /// Starts them and waits for nothing.
    package init(starting count: Int, unreachable: Set<Int> = [], flags: [String]) throws {
        let nowhere = try CuttingProxy()
        let doors = try (0..<count).map { _ in try (0..<count).map { _ in try CuttingProxy() } }
        self.flags = (0..<count).map { index in
            let seeds = doors[index].flatMap { ["--seed", "127.0.0.1:\($0.port)"] }
            let listening = unreachable.contains(index) ? [] : ["--peer-listen", "127.0.0.1:0", "--advertise", "127.0.0.1:\(nowhere.port)"]
            return ["--name", Self.name(index)] + seeds + listening + flags
        }
        self.nodes = try self.flags.enumerated().map { index, flags in
            let node = try NodeProcess(flags)
            for row in doors { row[index].lead(to: node.peerPort) }
            return node
        }
        (self.doors, self.nowhere, self.clients) = (doors, nowhere, nodes.map { _ in nil })
    }

    package static func name(_ index: Int) -> String { "n\(index + 1)" }

    /// A connection to a node, the same until the node is restarted.
    package func client(_ index: Int) throws -> RedisClient {
        if let client = self.clients[index] { return client }
        let client = try self.nodes[index].client()
        self.clients[index] = client
        return client
    }

    /// Has the next use of a node's client connect anew: the node has closed the old connection.
    package func forgetClient(_ index: Int) { self.clients[index] = nil }

    // MARK: Faults

    package func cut(_ some: Set<Int>, from others: Set<Int>) { self.change(some, others) { $0.cut() } }

    package func heal() { for door in self.doors.joined() { door.heal() } }

    /// Every way between two nodes.
    package func change(_ some: Set<Int>, _ others: Set<Int>, _ body: (CuttingProxy) -> Void) {
        for one in some {
            for other in others {
                body(self.doors[one][other])
                body(self.doors[other][one])
            }
        }
    }

    package func kill9(_ index: Int) throws {
        self.clients[index] = nil
        try self.nodes[index].kill9()
    }

    /// Lets a node end by itself: what it holds is in LMDB's file then.
    package func stop(_ index: Int) throws {
        self.clients[index] = nil
        _ = try self.nodes[index].terminate()
    }

    package func restart(_ index: Int, adding flags: [String] = []) throws {
        self.clients[index] = nil
        try self.nodes[index].restart(adding: flags)
        for row in self.doors { row[index].lead(to: self.nodes[index].peerPort) }
    }

    // MARK: Data

    /// Kills a node and starts it again with an empty folder.
    package func wipe(_ index: Int) throws {
        try self.kill9(index)
        try FileManager.default.removeItem(atPath: self.nodes[index].data)
        try self.restart(index)
    }

    /// A copy of the data of a node that is down, as a node's folder.
    package func copyData(of index: Int) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: self.nodes[index].data, toPath: "\(folder.path)/data")
        return folder
    }

    /// Starts a node that is down on a copy in place of its data.
    package func putBack(_ copy: TemporaryFolder, on index: Int) throws {
        try FileManager.default.removeItem(atPath: self.nodes[index].data)
        try FileManager.default.copyItem(atPath: "\(copy.path)/data", toPath: self.nodes[index].data)
        try self.restart(index)
    }

    /// Starts a second process as a node, on other data. Nobody dials it.
    package func startNode(_ index: Int, on copy: TemporaryFolder) throws -> NodeProcess { try NodeProcess(self.flags[index], in: copy) }

    // MARK: Waiting

    /// Until every node answers what clients ask.
    package func waitUntilServing(until deadline: Deadline = .usual) throws {
        for index in self.nodes.indices {
            try eventually("\(Self.name(index)) to serve", until: deadline) { try self.client(index).ask("EXISTS", "nobody").errorText == nil }
        }
    }

    /// Until every node is linked to all others.
    package func waitUntilLinked(until deadline: Deadline = .usual) throws {
        let all = Set(self.nodes.indices)
        try self.waitUntilLinked(Dictionary(uniqueKeysWithValues: all.map { ($0, all.subtracting([$0])) }), until: deadline)
    }

    /// Until the nodes that `linked` has are linked to those that it names for them. The others are not asked: they may be down.
    package func waitUntilLinked(_ linked: [Int: Set<Int>], until deadline: Deadline = .usual) throws {
        for (index, others) in linked.sorted(by: { $0.key < $1.key }) {
            let wanted = Set(others.map(Self.name))
            try eventually("\(Self.name(index)) to be linked to \(wanted.sorted())", until: deadline) { try self.linked(index) == wanted }
        }
    }

    /// Until a node is linked to nobody.
    package func waitUntilAlone(_ index: Int) throws {
        try eventually("\(Self.name(index)) to be alone") { try self.linked(index).isEmpty }
    }

    /// Those that a node says it is linked to.
    package func linked(_ index: Int) throws -> Set<String> {
        Set(try members(self.client(index)).filter { $0["state"] == "linked" }.compactMap { $0["name"] })
    }

    /// Until all have the same digest, and then compares all data: that sums are equal is no proof. Returns the data.
    @discardableResult
    package func waitUntilEqual(until deadline: Deadline = .usual) throws -> [String: String] {
        var last: [String?] = []
        do {
            try eventually("equal digests", until: deadline) {
                last = try self.nodes.indices.map { try self.client($0).ask("HEARSAY", "DIGEST").text }
                return Set(last).count == 1
            }
        } catch ProcessFailure.tooLate {
            throw ProcessFailure.tooLate(waitingFor: "equal digests", transcript: "\(last)")
        }
        let data = try self.nodes.indices.map { try contents(of: self.client($0)) }
        guard data.allSatisfy({ $0 == data[0] }) else {
            throw ProcessFailure.unreadableReply("equal digests \(last[0] ?? ""), but other data: \(data.map(\.count)) keys")
        }
        return data[0]
    }
}

/// Asks again and again until `condition` holds.
package func eventually(_ goal: String, until deadline: Deadline = .usual, _ condition: () throws -> Bool) throws {
    while try !condition() {
        guard !deadline.hasPassed else { throw ProcessFailure.tooLate(waitingFor: goal, transcript: "") }
        usleep(2_000)  // Nothing to wait on: the node would only be kept busy with questions.
    }
}

/// What HEARSAY MEMBERS says of each member.
package func members(_ client: RedisClient) throws -> [[String: String]] {
    guard case .array(let members) = try client.ask("HEARSAY", "MEMBERS") else { return [] }
    return members.map { fields(of: $0) }
}

/// The fields of a reply that is a map, which protocol 2 shows as an array: names and values in turn.
package func fields(of reply: Reply) -> [String: String] {
    let parts: [Reply]
    switch reply {
    case .array(let all), .map(let all): parts = all
    default: return [:]
    }
    var fields: [String: String] = [:]
    for index in stride(from: 0, to: parts.count - 1, by: 2) {
        let value: String? = if case .integer(let number) = parts[index + 1] { "\(number)" } else { parts[index + 1].text }
        if let name = parts[index].text { fields[name] = value }
    }
    return fields
}

/// All keys and values of a node.
package func contents(of client: RedisClient) throws -> [String: String] {
    guard case .array(let replies) = try client.ask("KEYS", "*") else { throw ProcessFailure.unreadableReply("KEYS") }
    let keys = replies.compactMap(\.text)
    return Dictionary(uniqueKeysWithValues: zip(keys, try values(of: keys, client)).compactMap { key, value in value.map { (key, $0) } })
}

/// The values of keys, as MGET answers them; nil where there is none.
package func values(of keys: [String], _ client: RedisClient) throws -> [String?] {
    var values: [String?] = []
    var start = 0
    while start < keys.count {
        let part = Array(keys[start..<min(start + 1_000, keys.count)])
        start += part.count
        try client.send([["MGET"] + part])
        guard case .array(let replies) = try client.reply() else { throw ProcessFailure.unreadableReply("MGET") }
        values += replies.map(\.text)
    }
    return values
}

/// Sends commands ahead of their replies, some hundred at a time, and returns the replies.
package func askAll(_ commands: [[String]], _ client: RedisClient) throws -> [Reply] {
    var replies: [Reply] = []
    var start = 0
    while start < commands.count {
        let part = Array(commands[start..<min(start + 200, commands.count)])
        start += part.count
        try client.send(part)
        for _ in part { replies.append(try client.reply()) }
    }
    return replies
}
