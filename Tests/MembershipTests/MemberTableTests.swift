import Basics
import Membership
import TestSupport
import Testing

/// The table of a node 100 named `me`.
private func table(_ members: [Member] = []) throws -> MemberTable {
    var table = MemberTable(ownReplica: replica(100), ownName: try MemberName("me"))
    for member in members { _ = try table.learn(member, isConnected: { _ in true }) }
    return table
}

private func decoded(_ bytes: [UInt8]) throws(MalformedMembership) -> MemberTable {
    let name = try MemberName("me")
    return try copied(bytes) { bytes throws(MalformedMembership) in
        try MemberTable(decoding: bytes, ownReplica: replica(100), ownName: name)
    }
}

@Suite struct MemberTableTests {
    @Test func `members are kept in the order of their ids, whatever the order in which they are learned`() throws {
        let members = [try member(1, "a"), try member(2, "c"), try member(3, "b")]
        #expect(try table([members[2], members[0], members[1]]).members == members)
        #expect(try table(members)[replica(3)] == members[2])
        #expect(try table(members)[MemberName("c")] == members[1])
        #expect(try table(members)[replica(4)] == nil)
    }

    @Test func `learning says whether anything has changed`() throws {
        var table = try table()
        #expect(try table.learn(member(1, "a"), isConnected: { _ in true }))
        #expect(try !table.learn(member(1, "a"), isConnected: { _ in true }))
        #expect(try table.learn(member(1, "a", address("h")), isConnected: { _ in true }))
        #expect(try table.learn(member(1, "b", address("h")), isConnected: { _ in true }))
        #expect(table.members == [try member(1, "b", address("h"))])
    }

    @Test func `what is said of the node itself changes nothing, and nobody else gets its name`() throws {
        var table = try table()
        #expect(try !table.learn(member(100, "other", address("h")), isConnected: { _ in false }))
        #expect(throws: MemberRefusal.nameTaken(try MemberName("me"), by: replica(100))) {
            try table.learn(member(1, "me"), isConnected: { _ in false })
        }
        #expect(table.members == [])
    }

    @Test func `a name passes to another replica only where its holder is not connected`() throws {
        var table = try table([member(1, "a"), member(2, "b")])
        let before = table
        #expect(throws: MemberRefusal.nameTaken(try MemberName("a"), by: replica(1))) {
            try table.learn(member(3, "a"), isConnected: { $0 == replica(1) })
        }
        #expect(table == before)
        #expect(try table.learn(member(3, "a"), isConnected: { $0 != replica(1) }))
        #expect(table.members == [try member(2, "b"), try member(3, "a")])
        // A known member may take the name too: one fewer remains.
        #expect(try table.learn(member(3, "b"), isConnected: { _ in false }))
        #expect(table.members == [try member(3, "b")])
    }

    @Test func `a table holds 1,024 members, and a full one still replaces`() throws {
        var full = try table((1...1_024).map { try member($0 + 1_000, "n\($0)") })
        #expect(full.members.count == MemberTable.maximumMembers)
        #expect(throws: MemberRefusal.tableFull(limit: 1_024)) { try full.learn(member(1, "more"), isConnected: { _ in false }) }
        #expect(try full.learn(member(1, "n7"), isConnected: { _ in false }))
        #expect(try full.learn(member(1, "more"), isConnected: { _ in false }))
        #expect(full.members.count == MemberTable.maximumMembers)
        #expect(try decoded(encoded(full)) == full)
    }

    @Test func `addresses are listed in order, each once`() throws {
        let table = try table([member(1, "a", address("y")), member(2, "b"), member(3, "c", address("x")), member(4, "d", address("y"))])
        #expect(table.addresses == [address("x"), address("y")])
    }
}

@Suite struct MemberSearchTests {
    private func table() throws -> MemberTable {
        var table = MemberTable(ownReplica: ReplicaID(high: 0x8579_0000_0000_0000, low: 1), ownName: try MemberName("me"))
        for (high, name) in [(0x8579_f800_0000_0000, "n2"), (0x8579_f900_0000_0000, "n3"), (0xab00_0000_0000_0000, "8579f8")] as [(UInt64, String)] {
            _ = try table.learn(
                Member(replica: ReplicaID(high: high, low: 0), name: MemberName(name), address: nil), isConnected: { _ in true })
        }
        return table
    }

    @Test func `a member is found by its name, its id, or how that alone begins`() throws {
        let table = try table()
        #expect(table.find("n3") == .member(table.members[1]))
        #expect(table.find("8579f9") == .member(table.members[1]))
        #expect(table.find("8579F9") == .member(table.members[1]))
        #expect(table.find(table.members[0].replica.description) == .member(table.members[0]))
        #expect(table.find("a") == .member(table.members[2]))
    }

    @Test func `a whole name goes before an id that begins like it`() throws {
        #expect(try table().find("8579f8") == .member(table().members[2]))
        #expect(try table().find("8579f80") == .member(table().members[0]))
    }

    @Test func `what begins several ids is ambiguous, our own among them`() throws {
        let table = try table()
        #expect(table.find("8579f") == .ambiguous(table.members[..<2].map(\.replica)))
        #expect(table.find("8579") == .ambiguous([table.ownReplica] + table.members[..<2].map(\.replica)))
    }

    @Test func `the node itself is found as such`() throws {
        #expect(try table().find("me") == .ourselves)
        #expect(try table().find("85790") == .ourselves)
    }

    @Test(arguments: ["", "n", "N2", "n22", "c", "8579fa", String(repeating: "8", count: 1_000), "8579f9\u{301}"])
    func `anything else is unknown`(text: String) throws {
        #expect(try table().find(text) == .unknown)
    }
}

@Suite struct MemberTableEncodingTests {
    private func random(seed: UInt64) throws -> MemberTable {
        var generator = SplitMix64(seed: seed)
        var table = try table()
        for _ in 0..<Int.random(in: 0...12, using: &generator) {
            _ = try? table.learn(randomMember(using: &generator), isConnected: { _ in true })
        }
        return table
    }

    @Test func `the encoding of a table is the documented one`() throws {
        let members = [try member(1, "a", address("h")), try member(2, "b")]
        #expect(encoded(try table(members)) == [0, 2] + encoded(members[0]) + encoded(members[1]))
    }

    @Test(arguments: seeds(50))
    func `what is encoded is decoded, and every truncation or extension is refused`(seed: UInt64) throws {
        let table = try random(seed: seed)
        let bytes = encoded(table)
        #expect(try decoded(bytes) == table)
        for count in 0..<bytes.count { #expect(throws: MalformedMembership.truncated) { try decoded(Array(bytes[..<count])) } }
        #expect(throws: MalformedMembership.trailingBytes(count: 1)) { try decoded(bytes + [0]) }
    }

    @Test(arguments: seeds(50))
    func `altered bytes are refused, or are the encoding of what they decode to`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let bytes = encoded(try random(seed: seed))
        for _ in 0..<200 {
            let altered = bytes.altered(using: &generator)
            if let table = try? decoded(altered) { #expect(encoded(table) == altered) }
        }
    }

    @Test func `members out of order, repeated, ourselves, or with one name are refused`() throws {
        func bytes(_ members: [Member]) -> [UInt8] { [0, UInt8(members.count)] + members.flatMap(encoded) }
        #expect(throws: MalformedMembership.misplacedReplica(replica(1))) { try decoded(bytes([member(2, "a"), member(1, "b")])) }
        #expect(throws: MalformedMembership.misplacedReplica(replica(2))) { try decoded(bytes([member(2, "a"), member(2, "b")])) }
        #expect(throws: MalformedMembership.misplacedReplica(replica(100))) { try decoded(bytes([member(100, "a")])) }
        #expect(throws: MalformedMembership.repeatedName(try MemberName("a"))) {
            try decoded(bytes([member(1, "a"), member(2, "b"), member(3, "a")]))
        }
        #expect(try decoded(bytes([member(1, "me")])).members == [member(1, "me")])
    }

    @Test func `1,024 members are read and one more refused`() throws {
        func bytes(_ count: UInt64) throws -> [UInt8] {
            try bigEndian(UInt16(count)) + (1...count).flatMap { encoded(try member($0 + 1_000, "n\($0)")) }
        }
        for count in [1_023, 1_024] as [UInt64] { #expect(try decoded(bytes(count)).members.count == Int(count)) }
        #expect(throws: MalformedMembership.tooManyMembers(count: 1_025, limit: 1_024)) { try decoded(bytes(1_025)) }
    }
}
