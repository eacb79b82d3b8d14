import Digests
import Membership

/// Which new keys a plain SET makes registers, and which siblings, by the longest prefix that they begin with: a setting that all members share.
///
/// - Invariant: longer prefixes come first.
struct KeyPolicies: Equatable {
    struct Rule: Equatable {
        let prefix: [UInt8]
        let keepsSiblings: Bool
    }

    /// Written out a byte takes three characters of a setting's value.
    static let maximumPrefixBytes = 64
    private static let names = "policy."

    private(set) var rules: [Rule] = []

    init() {}

    init(_ roster: Roster) {
        let rules = roster.settings.lazy.filter { $0.name.hasPrefix(Self.names) }.compactMap { Rule($0.value) }
        self.rules = rules.sorted { ($0.prefix.count, $1.prefix.lexicographicallyPrecedes($0.prefix) ? 1 : 0) > ($1.prefix.count, 0) }
    }

    func keepSiblings(_ key: UnsafeRawBufferPointer) -> Bool { self.rules.first { key.starts(with: $0.prefix) }?.keepsSiblings ?? false }

    /// What the setting of a prefix is called: prefixes may hold what names may not.
    static func name(of prefix: [UInt8]) -> String {
        let sum = String(prefix.withUnsafeBytes { checksum(of: $0, seed: 0) }, radix: 16)
        return Self.names + String(repeating: "0", count: 16 - sum.count) + sum
    }
}

extension KeyPolicies.Rule {
    /// `siblings cart:` or `lww cart:`, what is not printable, a space or a per cent sign as `%` and two digits.
    var text: String {
        let prefix = self.prefix.map { byte in
            switch byte {
            case 0x21..<0x7f where byte != UInt8(ascii: "%"): String(UnicodeScalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return (self.keepsSiblings ? "siblings " : "lww ") + prefix.joined()
    }

    /// Nil for what a later program may have stored.
    init?(_ text: String) {
        let words = text.utf8.split(separator: UInt8(ascii: " "), maxSplits: 1, omittingEmptySubsequences: false)
        guard words.count == 2, let keepsSiblings = ["siblings": true, "lww": false][String(words[0])] else { return nil }
        var (rest, prefix) = (Array(words[1])[...], [UInt8]())
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                prefix.append(byte)
                continue
            }
            guard rest.count >= 2, let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
            prefix.append(code)
            rest.removeFirst(2)
        }
        self.init(prefix: prefix, keepsSiblings: keepsSiblings)
    }
}
