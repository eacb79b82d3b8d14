import Basics
import Membership
import TestSupport
import Testing

@Suite struct MemberTableTests {
    private func table(_ members: [Member]) throws -> MemberTable {
        var roster = Roster(founders: [replica(100)])
        for member in members { _ = try roster.admit(member, isReachable: { _ in true }) }
        return MemberTable(ownReplica: replica(100), ownName: try MemberName("me"), roster: roster)
    }

    @Test func `the other members that count are listed in the order of their ids`() throws {
        var table = try table([member(3, "b"), member(1, "a"), member(2, "c"), member(200, "d")])
        #expect(try table.members == [member(1, "a"), member(2, "c"), member(3, "b"), member(200, "d")])
        #expect(try table[replica(3)] == member(3, "b") && table[MemberName("c")] == member(2, "c"))
        #expect(try table[replica(100)] == nil && table[replica(4)] == nil && table[MemberName("x")] == nil)
        _ = try table.change { $0.retire(replica(2), as: .removed) }
        #expect(try table.members == [member(1, "a"), member(3, "b"), member(200, "d")] && table[MemberName("c")] == nil)
    }

    @Test func `a node sees what has become of itself, and goes on under a new id`() throws {
        var table = try table([member(1, "a")])
        #expect(table.ownStatus == .active)
        var roster = table.roster
        try roster.replace(replica(100), with: member(7, "me"))
        table.moved(to: replica(7), roster: roster)
        #expect(try table.ownStatus == .active && table.members == [member(1, "a")] && table.find("me") == .ourselves)
        _ = try table.change { $0.retire(replica(7), as: .left) }
        #expect(table.ownStatus == .left)
        #expect(try MemberTable(ownReplica: replica(1), ownName: MemberName("me")).ownStatus == nil)
    }

    @Test func `addresses are listed in order, each once`() throws {
        let table = try table([member(1, "a", address("y")), member(2, "b"), member(3, "c", address("x")), member(4, "d", address("y"))])
        #expect(table.addresses == [address("x"), address("y")])
    }

    @Test func `a peer's roster is read as what it says, whether it is our own or not`() throws {
        var table = try table([member(1, "a"), member(2, "b")])
        let before = table.roster
        #expect(try table.encodedRoster == before.encoded && table.roster(decoding: before.encoded) == before)
        _ = try table.change { $0.retire(replica(2), as: .removed) }
        #expect(table.encodedRoster == table.roster.encoded && table.encodedRoster != before.encoded)
        #expect(try table.roster(decoding: before.encoded) == before && table.roster(decoding: table.encodedRoster) == table.roster)
        #expect(throws: MalformedMembership.self) { try table.roster(decoding: before.encoded + [0]) }
    }
}

@Suite struct MemberSearchTests {
    private func table() throws -> MemberTable {
        let own = ReplicaID(high: 0x8579_0000_0000_0000, low: 1)
        var roster = Roster(founders: [own])
        for (high, name) in [(0x8579_f800_0000_0000, "n2"), (0x8579_f900_0000_0000, "n3"), (0xab00_0000_0000_0000, "8579f8")] as [(UInt64, String)] {
            let member = Member(replica: ReplicaID(high: high, low: 0), name: try MemberName(name), address: nil, start: .none)
            _ = try roster.admit(member, isReachable: { _ in true })
        }
        return MemberTable(ownReplica: own, ownName: try MemberName("me"), roster: roster)
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
