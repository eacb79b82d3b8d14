import Basics
import TestSupport
import Testing

@testable import Membership

/// Founded by 1 alone, with the others let in one after the other.
func roster(_ members: [Member]) throws -> Roster {
    var roster = Roster(founders: [replica(1)])
    for member in members { _ = try roster.admit(member, isReachable: { _ in true }) }
    return roster
}

@Suite struct RosterTests {
    @Test func `whoever is let in counts, and says of himself what he likes, the later start the last word`() throws {
        var roster = try roster([member(2, "b", address("h"))])
        #expect(roster.isActive(replica(2)) && roster.active.map(\.replica) == [replica(1), replica(2)])
        let changes = [
            try roster.admit(member(2, "b", address("h")), isReachable: { _ in true }),
            try roster.describe(member(2, "c", address("g"), start: 2)), try roster.describe(member(2, "b", address("h"))),
            try roster.describe(member(9, "nobody")),
        ]
        #expect(changes == [false, true, false, false])
        #expect(try roster[replica(2)]?.member == member(2, "c", address("g"), start: 2))
    }

    @Test func `what members say of themselves leaves the epoch, all else makes its number greater`() throws {
        var roster = try roster([member(2, "b")])
        let founded = roster.epoch
        _ = try roster.describe(member(2, "c", start: 2))
        #expect(roster.epoch == founded)
        var last = founded.number
        for change in [
            { _ = try $0.admit(member(3, "d"), isReachable: { _ in true }) }, { try $0.replace(replica(3), with: member(4, "d")) },
            { _ = $0.retire(replica(4), as: .left) }, { try $0.set("a.b", to: "1", by: replica(1)) }, { try $0.set("a.b", to: "2", by: replica(1)) },
        ] as [(inout Roster) throws -> Void] {
            try change(&roster)
            #expect(roster.epoch.number > last)
            last = roster.epoch.number
        }
    }

    @Test func `a name passes on only where its holder cannot be reached, who is replaced for good`() throws {
        var roster = try roster([member(2, "b"), member(7, "z")])
        let before = roster
        #expect(throws: RosterRefusal.nameTaken(try MemberName("b"), by: replica(2))) {
            try roster.admit(member(3, "b"), isReachable: { $0 == replica(2) })
        }
        #expect(throws: RosterRefusal.nameTaken(try MemberName("z"), by: replica(7))) { try roster.describe(member(2, "z", start: 2)) }
        #expect(roster == before)
        let isNew = try roster.admit(member(3, "b"), isReachable: { $0 != replica(2) })
        #expect(isNew && roster.isActive(replica(3)) && roster[replica(2)]?.status == .replaced && roster[replica(3)]?.predecessor == replica(2))
        #expect(throws: RosterRefusal.gone(.replaced)) { try roster.admit(member(2, "e"), isReachable: { _ in true }) }
    }

    @Test(arguments: [Roster.Status.left, .removed])
    func `who has gone does not come back under its id, nor under one that it took before it heard`(status: Roster.Status) throws {
        let before = try roster([member(2, "b")])
        var (there, here) = (before, before)
        let isNew = here.retire(replica(2), as: status)
        let again = here.retire(replica(2), as: .removed)
        #expect(isNew && !again)
        try there.replace(replica(2), with: member(3, "b"))
        try there.replace(replica(3), with: member(4, "b"))
        let (heard, told) = (try here.merge(there), try there.merge(here))
        #expect(heard && told && here == there)
        #expect(here.active.map(\.replica) == [replica(1)] && here[replica(4)]?.status == status)
        #expect(throws: RosterRefusal.gone(status)) { try here.admit(member(2, "b", start: 9), isReachable: { _ in false }) }
        try here.replace(replica(2), with: member(5, "b"))
        #expect(here[replica(5)]?.status == status)
    }

    @Test(arguments: [Roster.Status.replaced, .fenced, .left, .removed])
    func `a node that is gone and must take a new id is gone under that too, and takes nobody's name`(status: Roster.Status) throws {
        var roster = try roster([member(2, "b")])
        if status == .replaced {
            _ = try roster.admit(member(3, "b"), isReachable: { _ in false })
        } else {
            _ = roster.retire(replica(2), as: status)
            _ = try roster.admit(member(3, "b"), isReachable: { _ in true })
        }
        try roster.replace(replica(2), with: member(4, "b", start: 9))
        try roster.replace(replica(4), with: member(5, "b", start: 9))
        #expect(roster[replica(4)]?.status == status && roster[replica(5)]?.status == status && roster[replica(5)]?.member.address == nil)
        #expect(roster.active.map(\.replica) == [replica(1), replica(3)])
    }

    @Test(arguments: [Roster.Status.active, .removed])
    func `a node of which the list on its disk has lost the entry goes on under a new id, which takes the old one's place on every list`(
        others: Roster.Status
    ) throws {
        var (there, damaged) = (try roster([member(2, "b"), member(3, "c")]), try roster([member(3, "c")]))
        try there.set("x", to: "1", by: replica(1))
        _ = there.retire(replica(2), as: others)
        try damaged.replace(replica(2), with: member(4, "b"))
        #expect(damaged.isActive(replica(4)))
        let (heard, told) = (try damaged.merge(there), try there.merge(damaged))
        #expect(heard && told && damaged == there)
        #expect(there[replica(2)]?.status == max(others, .replaced) && there[replica(4)]?.status == others)
    }

    @Test func `of two that came under one name apart from each other one stays, the same everywhere`() throws {
        let before = try roster([member(2, "b")])
        var (one, other) = (before, before)
        _ = try one.admit(member(3, "c"), isReachable: { _ in true })
        _ = try other.admit(member(4, "c"), isReachable: { _ in true })
        let (first, second) = (one, other)
        _ = (try one.merge(second), try other.merge(first))
        #expect(one == other && one[replica(3)]?.status == .replaced && one.isActive(replica(4)))
        // Gone is gone: who let the first in hears of it.
        var late = first
        _ = try late.merge(one)
        #expect(late == one)
    }

    @Test func `a setting has one value everywhere, the last of those that knew of each other`() throws {
        let before = try roster([member(2, "b")])
        var (one, other) = (before, before)
        try one.set("x", to: "1", by: replica(1))
        try one.set("x", to: "2", by: replica(1))
        try other.set("x", to: "3", by: replica(2))
        try other.set("y", to: "", by: replica(2))
        let first = one
        _ = (try one.merge(other), try other.merge(first))
        #expect(one == other && one.setting("x")?.value == "2" && one.setting("y")?.value == "" && one.setting("z") == nil)
        for number in 0..<62 { try one.set("s\(number)", to: "v", by: replica(1)) }
        #expect(throws: RosterRefusal.full(limit: 64)) { try one.set("more", to: "v", by: replica(1)) }
        #expect(throws: Never.self) { try one.set("s7", to: "w", by: replica(1)) }
    }

    @Test func `1,024 count and 4,096 are remembered, and a full one still replaces`() throws {
        var roster = Roster(founders: (1...1_023).map { replica($0) })
        _ = try roster.admit(member(2_000, "last"), isReachable: { _ in true })
        #expect(throws: RosterRefusal.full(limit: 1_024)) { try roster.admit(member(2_001, "more"), isReachable: { _ in true }) }
        _ = try roster.admit(member(2_001, "last"), isReachable: { _ in false })
        var next: UInt64 = 10_000
        while roster.entries.count < 4_096 {
            try roster.replace(next == 10_000 ? replica(2_001) : replica(next - 1), with: member(next, "last"))
            next += 1
        }
        #expect(throws: RosterRefusal.full(limit: 4_096)) { try roster.replace(replica(next - 1), with: member(next, "last")) }
        #expect(roster.encoded.count < 780 << 10)
        let other = try Membership.Roster(decodingAll: roster.encoded)
        #expect(other == roster)
        var full = roster
        #expect(throws: RosterRefusal.full(limit: 4_096)) {
            try full.merge(Roster(founders: [replica(999_999)]))
        }
        #expect(full == roster)
    }

    /// Nodes that decide apart, and tell each other in any order.
    @Test(arguments: seeds(60))
    func `in whatever order nodes hear of each other's decisions, all end with one roster, and nothing is taken back`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var rosters = [Roster](repeating: try roster([member(2, "b"), member(3, "c"), member(4, "d")]), count: 4)
        var next: UInt64 = 100
        for _ in 0..<120 {
            let node = Int.random(in: rosters.indices, using: &random)
            let before = rosters[node]
            let someone = replica(
                [UInt64.random(in: 1...4, using: &random), UInt64.random(in: 100...max(100, next - 1), using: &random)].randomElement(using: &random)!
            )
            let newcomer = try member(next, ["b", "c", "d", "e", "f"].randomElement(using: &random)!, start: random.next() % 3)
            next += 1
            switch random.next() % 8 {
            case 0: _ = try? rosters[node].admit(newcomer, isReachable: { _ in random.next() % 2 == 0 })
            case 1: try? rosters[node].replace(someone, with: newcomer)
            case 2: _ = rosters[node].retire(someone, as: random.next() % 2 == 0 ? .left : .removed)
            case 3: try rosters[node].set(["x", "y"].randomElement(using: &random)!, to: "\(random.next() % 9)", by: replica(UInt64(node)))
            case 4:
                _ = try? rosters[node].describe(
                    Member(replica: someone, name: newcomer.name, address: address("h\(next)"), start: newcomer.start))
            default: _ = try rosters[node].merge(rosters[Int.random(in: rosters.indices, using: &random)])
            }
            for entry in before.entries {
                let now = try #require(rosters[node][entry.member.replica])
                #expect(now.status >= entry.status && now.member.start >= entry.member.start)
            }
            #expect(rosters[node].epoch.number >= before.epoch.number)
            #expect(Set(rosters[node].active.map(\.name)).count == rosters[node].active.count)
            #expect(try Roster(decodingAll: rosters[node].encoded) == rosters[node])
        }
        for _ in 0..<2 {
            for (one, other) in [(0, 1), (2, 3), (1, 2), (3, 0), (1, 3), (0, 2)].shuffled(using: &random) {
                _ = try rosters[one].merge(rosters[other])
                _ = try rosters[other].merge(rosters[one])
            }
        }
        #expect(rosters.allSatisfy { $0 == rosters[0] }, "seed \(seed)")
    }
}

extension Roster {
    init(decodingAll bytes: [UInt8]) throws(MalformedMembership) {
        self = try copied(bytes) { bytes throws(MalformedMembership) in try Roster(decoding: bytes) }
    }
}

@Suite struct RosterEncodingTests {
    private func random(_ generator: inout SplitMix64) throws -> Roster {
        var roster = Roster(founders: (0..<3).map { _ in ReplicaID(using: &generator) })
        for _ in 0..<Int.random(in: 0...8, using: &generator) {
            let member = randomMember(using: &generator)
            if Bool.random(using: &generator) {
                _ = try? roster.admit(member, isReachable: { _ in false })
            } else {
                try? roster.replace(roster.entries.randomElement(using: &generator)!.member.replica, with: member)
            }
            if generator.next() % 3 == 0 { _ = roster.retire(roster.entries.randomElement(using: &generator)!.member.replica, as: .removed) }
        }
        for name in ["a", "gc.window"].prefix(Int(generator.next() % 3)) {
            try roster.set(name, to: "\(generator.next())", by: roster.entries[0].member.replica)
        }
        return roster
    }

    @Test func `the encoding of a roster is the documented one`() throws {
        var roster = Roster(founders: [replica(1)])
        _ = try roster.admit(member(2, "b", address("h")), isReachable: { _ in true })
        try roster.replace(replica(2), with: member(3, "b"))
        try roster.set("x", to: "yz", by: replica(1))
        let first = encoded(Member(unheardOf: replica(1))) + [0] + bigEndian(UInt64(1)) + [0]
        let second = encoded(try member(2, "b")) + [1] + bigEndian(UInt64(2)) + [0]
        let third = encoded(try member(3, "b")) + [0] + bigEndian(UInt64(3)) + [1] + bigEndian(UInt64(2)) + bigEndian(UInt64(0))
        let setting = [1, 0x78, 0, 2, 0x79, 0x7a] + bigEndian(UInt64(1)) + bigEndian(UInt64(1)) + bigEndian(UInt64(0))
        #expect(roster.encoded == [0, 3] + first + second + third + [1] + setting)
    }

    @Test(arguments: seeds(50))
    func `what is encoded is decoded, and every truncation or extension is refused`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let roster = try random(&generator)
        let bytes = roster.encoded
        #expect(try Roster(decodingAll: bytes) == roster)
        for count in 0..<bytes.count { #expect(throws: MalformedMembership.truncated) { try Roster(decodingAll: Array(bytes[..<count])) } }
        #expect(throws: MalformedMembership.trailingBytes(count: 1)) { try Roster(decodingAll: bytes + [0]) }
    }

    @Test(arguments: seeds(50))
    func `altered bytes are refused, or are the encoding of what they decode to, which can be merged`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let bytes = try random(&generator).encoded
        for _ in 0..<200 {
            let altered = bytes.altered(using: &generator)
            guard let roster = try? Roster(decodingAll: altered) else { continue }
            #expect(roster.encoded == altered)
            var own = try Roster(decodingAll: bytes)
            _ = try? own.merge(roster)
            #expect(try Roster(decodingAll: own.encoded) == own)
        }
    }

    /// The encoding of these as entries, the first ones active.
    private func bytes(_ members: [Member], active: Int) -> [UInt8] {
        var bytes = bigEndian(UInt16(members.count))
        for (index, member) in members.enumerated() {
            member.encode(into: &bytes)
            bytes.append(index < active ? 0 : 1)
            bytes.append(contentsOf: bigEndian(UInt64(1)))
            bytes.append(0)
        }
        return bytes + [0]
    }

    @Test func `members out of order, repeated, or with one name are refused`() throws {
        func bytes(_ members: [Member]) -> [UInt8] { self.bytes(members, active: members.count) }
        #expect(throws: MalformedMembership.misplacedReplica(replica(1))) { try Roster(decodingAll: bytes([member(2, "a"), member(1, "b")])) }
        #expect(throws: MalformedMembership.misplacedReplica(replica(2))) { try Roster(decodingAll: bytes([member(2, "a"), member(2, "b")])) }
        #expect(throws: MalformedMembership.repeatedName(try MemberName("a"))) {
            try Roster(decodingAll: bytes([member(1, "a"), member(2, "b"), member(3, "a")]))
        }
    }

    @Test func `an entry takes no more than 96 bytes in memory, of which a peer has sent 45 at least`() throws {
        #expect(MemoryLayout<Roster.Entry>.stride <= 96)
        #expect(self.bytes([try member(1, "a")], active: 1).count - self.bytes([], active: 0).count == 45)
    }

    @Test func `1,024 members and 4,096 entries are read and one more of either is refused`() throws {
        func bytes(_ count: UInt64, active: Int) throws -> [UInt8] {
            self.bytes(try (1...count).map { try member($0, "n\($0)") }, active: active)
        }
        for active in [1_023, 1_024] { #expect(try Roster(decodingAll: bytes(UInt64(active), active: active)).active.count == active) }
        #expect(throws: MalformedMembership.tooManyMembers(count: 1_025, limit: 1_024)) { try Roster(decodingAll: bytes(1_025, active: 1_025)) }
        #expect(try Roster(decodingAll: bytes(4_096, active: 2)).entries.count == 4_096)
        #expect(throws: MalformedMembership.tooManyMembers(count: 4_097, limit: 4_096)) { try Roster(decodingAll: bytes(4_097, active: 2)) }
    }
}
