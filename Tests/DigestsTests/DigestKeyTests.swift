import Basics
import Digests
import Testing

@Suite struct DigestKeyTests {
    @Test(arguments: XXH3Vector.all)
    func `with the default secret, tokens and fingerprints are plain XXH3`(vector: XXH3Vector) {
        let key = DigestKey(bytes: defaultSecret)
        vector.bytes.withUnsafeBytes { bytes in
            #expect(key.token(of: bytes) == Token(rawValue: vector.plain))
            #expect(key.fingerprint(of: bytes) == vector.wide)
        }
    }

    @Test(arguments: XXH3Vector.all.filter { $0.count > 240 })
    func `with the secret derived from a seed, tokens and fingerprints of long inputs are seeded XXH3`(vector: XXH3Vector) {
        let key = DigestKey(bytes: secret(derivedFrom: XXH3Vector.seed))
        vector.bytes.withUnsafeBytes { bytes in
            #expect(key.token(of: bytes) == Token(rawValue: vector.seeded))
            #expect(key.fingerprint(of: bytes) == vector.wideSeeded)
        }
    }

    @Test func `every byte of a short key matters and so does the digest key`() {
        var generator = SplitMix64(seed: 3)
        let (key, other) = (DigestKey(using: &generator), DigestKey(using: &generator))
        var tokens: Set<Token> = []
        var fingerprints: Set<Fingerprint> = []
        for text in ["", "a", "b", "ab", "ba", "abc", "user:1", "user:2", String(repeating: "x", count: 300)] {
            for key in [key, other] {
                Array(text.utf8).withUnsafeBytes { bytes in
                    tokens.insert(key.token(of: bytes))
                    fingerprints.insert(key.fingerprint(of: bytes))
                }
            }
        }
        #expect((tokens.count, fingerprints.count) == (18, 18))
    }

    @Test func `a drawn key is the generator's output in little-endian order and survives as bytes`() {
        var generator = SplitMix64(seed: 0)
        let key = DigestKey(using: &generator)
        #expect(key.bytes.count == DigestKey.byteCount)
        #expect(Array(key.bytes.prefix(8)) == [0xaf, 0xcd, 0x1d, 0x7b, 0x39, 0xa8, 0x20, 0xe2])
        #expect(DigestKey(bytes: key.bytes) == key)
        #expect(DigestKey(using: &generator) != key)
    }

    @Test func `no text made of a key shows any of its bytes`() {
        let key = DigestKey(bytes: [UInt8](repeating: 213, count: DigestKey.byteCount))
        var dumped = ""
        dump(key, to: &dumped)
        dump([key], to: &dumped)
        for text in ["\(key)", String(describing: [key]), String(reflecting: key), String(describing: Optional(key)), dumped] {
            #expect(!text.contains("213") && !text.lowercased().contains("d5"))
        }
    }

    @Test func `a key of another length is refused`() async {
        await #expect(processExitsWith: .failure) { _ = DigestKey(bytes: [UInt8](repeating: 1, count: DigestKey.byteCount - 1)) }
        await #expect(processExitsWith: .failure) { _ = DigestKey(bytes: [UInt8](repeating: 1, count: DigestKey.byteCount + 1)) }
    }

    @Test func `tokens are ordered as unsigned numbers`() {
        #expect(Token(rawValue: 1) < Token(rawValue: 1 << 63))
        #expect(!(Token(rawValue: 1) < Token(rawValue: 1)))
    }
}
