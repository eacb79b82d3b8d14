import Basics
import RESP
import Testing

/// Whether `pattern` matches `name`.
private func matches(_ pattern: [UInt8], _ name: [UInt8]) throws -> Bool {
    let glob = try pattern.withUnsafeBytes { try GlobPattern(Bytes($0)) }
    return name.withUnsafeBytes { glob.matches($0) }
}

private func matches(_ pattern: String, _ name: String) throws -> Bool { try matches(Array(pattern.utf8), Array(name.utf8)) }

struct GlobPatternTests {
    @Test(arguments: [
        ("*", "", true), ("*", "anything", true), ("**", "x", true), ("", "", true), ("", "x", false), ("a", "", false), ("?", "", false),
        ("h?llo", "hello", true), ("h?llo", "hllo", false), ("h*llo", "hllo", true), ("h*llo", "heeeello", true), ("h*llo", "hell", false),
        ("h[ae]llo", "hallo", true), ("h[ae]llo", "hillo", false), ("h[^e]llo", "hallo", true), ("h[^e]llo", "hello", false),
        ("h[a-b]llo", "hbllo", true), ("h[a-b]llo", "hcllo", false), ("[b-a]", "a", true), ("[a-]", "]", true), ("[a-", "-", true),
        ("[-a]", "-", true),
        (#"h\*llo"#, "h*llo", true), (#"h\*llo"#, "hello", false), (#"a\"#, #"a\"#, true), (#"\a"#, "a", true), (#"[\]]"#, "]", true),
        (#"[\a-c]"#, "-", true), ("[abc", "b", true), ("[abc", "d", false), ("[", "x", false), ("[^", "x", true), ("[]", "x", false),
        ("[^]", "x", true),
        ("a*b*c", "aXXbYYc", true), ("a*b*c", "aXXbYY", false), ("*a*b", "aab", true), ("*ab", "aaab", true), ("*?", "", false), ("a*", "a", true),
        ("a**", "a", true), ("a?*", "a", false), ("user:*:name", "user:12:name", true), ("user:*:name", "user:12:names", false),
        ("HELLO", "hello", false),
        ("*]", "]", true), ("a]", "a]", true), ("?*?", "ab", true), ("?*?", "a", false), ("*[0-9]", "key7", true), ("*[0-9]", "key", false),
    ])
    func `a pattern matches what Redis says it matches`(pattern: String, name: String, isMatch: Bool) throws {
        #expect(try matches(pattern, name) == isMatch)
    }

    @Test func `names are bytes`() throws {
        #expect(try matches([UInt8(ascii: "?"), 0xff], [0, 0xff]))
        #expect(try matches(Array("[a-".utf8) + [0xff] + Array("]".utf8), [0xc3]))
        #expect(try !matches(Array("[a-".utf8) + [0xff] + Array("]".utf8), [UInt8(ascii: "A")]))
    }

    @Test(arguments: [1_023, 1_024, 1_025])
    func `a pattern has at most 1,024 bytes`(count: Int) throws {
        let pattern = [UInt8](repeating: UInt8(ascii: "a"), count: count)
        if count <= GlobPattern.maximumBytes {
            #expect(try matches(pattern, pattern))
        } else {
            #expect(throws: GlobPattern.Failure.tooLong(limitBytes: 1_024)) { try matches(pattern, pattern) }
        }
    }

    @Test func `a pattern made to be slow gives up within its steps`() throws {
        let stars = String(repeating: "a*", count: 500) + "b"
        #expect(try !matches(stars, String(repeating: "a", count: 500)))
        let classes = "*" + String(repeating: "[^b-y]", count: 170) + "b"
        #expect(try !matches(classes, String(repeating: "a", count: 100_000)))
        #expect(try !matches("*" + String(repeating: "?", count: 1_000) + "b", String(repeating: "a", count: 1 << 20)))
    }

    @Test(arguments: [0, 1])
    func `steps are counted against their limit`(beyond: Int) throws {
        // One step for the star, one per `a`, one for the `b`, one to see the end of both.
        let name = String(repeating: "a", count: GlobPattern.maximumSteps - 3 + beyond) + "b"
        #expect(try matches("*b", name) == (beyond == 0))
    }

    @Test(arguments: [("*", true), ("***", true), ("", false), ("*a", false), ("?", false)])
    func `a pattern of stars alone is known to match everything`(pattern: String, matchesEverything: Bool) throws {
        #expect(try withBytes(pattern) { try GlobPattern($0).matchesEverything } == matchesEverything)
    }

    @Test(arguments: [UInt64](1...4))
    func `it agrees with the plain recursive definition`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        for _ in 0..<4_000 {
            let pattern = (0..<Int.random(in: 0...7, using: &generator)).map { _ in "ab*?*".utf8.randomElement(using: &generator) ?? 0 }
            let name = (0..<Int.random(in: 0...9, using: &generator)).map { _ in "ab".utf8.randomElement(using: &generator) ?? 0 }
            #expect(try matches(pattern, name) == plainMatch(pattern[...], name[...]), "seed \(seed): \(pattern) \(name)")
        }
    }
}

/// The definition of `*` and `?`, at any cost.
private func plainMatch(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == UInt8(ascii: "*") { return plainMatch(pattern.dropFirst(), name) || (!name.isEmpty && plainMatch(pattern, name.dropFirst())) }
    guard let byte = name.first, first == UInt8(ascii: "?") || first == byte else { return false }
    return plainMatch(pattern.dropFirst(), name.dropFirst())
}
