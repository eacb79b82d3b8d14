import Basics
import Membership
import Testing

private func decoded(_ bytes: [UInt8]) throws(MalformedMembership) -> Member {
    try copied(bytes) { bytes throws(MalformedMembership) in try Member(decoding: bytes) }
}

/// A member with any name and address, each as long or short as it may be now and then.
func randomMember(using generator: inout SplitMix64) -> Member {
    func text(_ alphabet: String, upTo limit: Int) -> String {
        let count = [1, limit, Int.random(in: 1...limit, using: &generator)].randomElement(using: &generator)!
        return String((0..<count).map { _ in alphabet.randomElement(using: &generator)! })
    }
    let name = try! MemberName(text("abcXYZ019._-", upTo: 64))
    let address =
        Bool.random(using: &generator)
        ? try! PeerAddress(host: text("az09.-:%_~!", upTo: 255), port: .random(in: 1 ... .max, using: &generator)) : nil
    let start = Start(counter: generator.next() % 3, nonce: generator.next() % 3)
    return Member(replica: ReplicaID(using: &generator), name: name, address: address, start: start)
}

@Suite struct PeerAddressTests {
    @Test(arguments: ["h", "node-2.example.org", "127.0.0.1", "fe80::1%eth0", "my_app_1", String(repeating: "h", count: 255)])
    func `hosts of 1 to 255 printable bytes are taken`(host: String) throws {
        #expect(try PeerAddress(host: host, port: 65_535).host == host)
    }

    @Test func `no host, a longer one, and one with spaces, controls or beyond ASCII are refused`() {
        #expect(throws: MalformedMembership.hostLength(0)) { try PeerAddress(host: "", port: 1) }
        #expect(throws: MalformedMembership.hostLength(256)) { try PeerAddress(host: String(repeating: "h", count: 256), port: 1) }
        for (host, byte) in [("a b", 0x20), ("a\n", 0x0a), ("\u{7f}", 0x7f), ("é", 0xc3), ("e\u{301}", 0xcc)] as [(String, UInt8)] {
            #expect(throws: MalformedMembership.hostByte(byte)) { try PeerAddress(host: host, port: 1) }
        }
    }

    @Test func `port 0 is refused`() {
        #expect(throws: MalformedMembership.portZero) { try PeerAddress(host: "h", port: 0) }
        #expect(throws: Never.self) { try PeerAddress(host: "h", port: 1) }
    }

    @Test func `an address is written as people write it`() {
        #expect(address("n2", 7_380).description == "n2:7380")
        #expect(address("::1", 7_380).description == "[::1]:7380")
    }

    @Test func `addresses are ordered by host, then by port`() {
        let ascending = [address("10.0.0.1", 9), address("a", 1), address("a", 2), address("a.b", 1), address("b", 1)]
        for (index, left) in ascending.enumerated() {
            for (other, right) in ascending.enumerated() { #expect((left < right) == (index < other)) }
        }
    }
}

@Suite struct MemberTests {
    @Test func `a name has 1 to 64 bytes of its alphabet`() throws {
        for name in ["n", "A-z_0.9", String(repeating: "n", count: 64)] { #expect(try MemberName(name).text == name) }
        #expect(throws: MalformedMembership.nameLength(0)) { try MemberName("") }
        #expect(throws: MalformedMembership.nameLength(65)) { try MemberName(String(repeating: "n", count: 65)) }
        for byte in UInt8.min ... .max where byte < 0x80 {
            let isAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-".utf8.contains(byte)
            let name = try? MemberName(String(UnicodeScalar(byte)))
            #expect((name != nil) == isAllowed)
        }
        #expect(throws: MalformedMembership.nameByte(0xc3)) { try MemberName("né") }
    }

    @Test func `the encoding of a member is the documented one`() throws {
        let id = bigEndian(UInt64(7)) + bigEndian(UInt64(0)) + bigEndian(UInt64(1)) + bigEndian(UInt64(9))
        #expect(encoded(try member(7, "n7", address("h", 0x1234), nonce: 9)) == id + [2] + Array("n7".utf8) + [1] + Array("h".utf8) + [0x12, 0x34])
        #expect(encoded(try member(7, "n7", nonce: 9)) == id + [2] + Array("n7".utf8) + [0])
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `what is encoded is decoded, and every truncation or extension is refused`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let member = randomMember(using: &generator)
        let bytes = encoded(member)
        #expect(bytes.count <= 355)
        #expect(try decoded(bytes) == member)
        for count in 0..<bytes.count { #expect(throws: MalformedMembership.truncated) { try decoded(Array(bytes[..<count])) } }
        #expect(throws: MalformedMembership.trailingBytes(count: 1)) { try decoded(bytes + [0]) }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `altered bytes are refused, or are the encoding of what they decode to`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let bytes = encoded(randomMember(using: &generator))
        for _ in 0..<200 {
            let altered = bytes.altered(using: &generator)
            if let member = try? decoded(altered) { #expect(encoded(member) == altered) }
        }
    }

    @Test func `a name or host that is no UTF-8, and port 0, are refused`() {
        let id = [UInt8](repeating: 1, count: 32)
        #expect(throws: MalformedMembership.nameByte(0xef)) { try decoded(id + [1, 0xff, 0]) }
        #expect(throws: MalformedMembership.nameLength(0)) { try decoded(id + [0, 0]) }
        #expect(throws: MalformedMembership.hostByte(0xef)) { try decoded(id + [1, 0x61, 1, 0xff, 0, 1]) }
        #expect(throws: MalformedMembership.portZero) { try decoded(id + [1, 0x61, 1, 0x61, 0, 0]) }
    }
}
