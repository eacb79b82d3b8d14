/// A pattern for names, as KEYS, SCAN MATCH and CONFIG GET take it: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\` before a literal byte.
///
/// As in Redis a class that is not closed ends with the pattern, a range given backwards is turned round, a `\` at the very end stands for
/// itself, and case matters.
///
/// - Bound: `maximumBytes` of pattern, and `maximumSteps` for one name, after which it counts as not matching: a pattern made to be slow
///   costs a fraction of a millisecond (CVE-2022-36021, CVE-2024-31228). Only patterns of dozens of stars on long names come near it.
/// - Complexity: O(name × pattern) steps at worst. It goes back to the last star only: what matched before an earlier star stays matched.
/// - Note: Redis compares ranges as signed characters; here bytes are unsigned, so `[a-\xff]` means what it says.
package struct GlobPattern: Sendable {
    package enum Failure: Error, Equatable, Sendable {
        case tooLong(limitBytes: Int)
    }

    package static let maximumBytes = 1_024
    package static let maximumSteps = 100_000

    private let pattern: [UInt8]

    /// Whether every name matches, so that nobody needs to ask.
    package let matchesEverything: Bool

    package init(_ bytes: Bytes) throws(Failure) {
        guard bytes.count <= Self.maximumBytes else { throw .tooLong(limitBytes: Self.maximumBytes) }
        self.pattern = bytes.copy()
        self.matchesEverything = !bytes.isEmpty && bytes.buffer.allSatisfy { $0 == UInt8(ascii: "*") }
    }

    package func matches(_ name: Bytes) -> Bool { self.matches(name.buffer) }

    package func matches(_ name: UnsafeRawBufferPointer) -> Bool {
        var (next, read) = (0, 0)
        var star: (next: Int, read: Int)?
        var steps = 0
        while true {
            steps += 1
            guard steps <= Self.maximumSteps else { return false }
            if next < self.pattern.count, self.pattern[next] == UInt8(ascii: "*") {
                next += 1
                if next == self.pattern.count { return true }
                star = (next, read)
                continue
            }
            if read == name.count {
                // A later start for the last star only leaves less to match, so this is the end either way.
                return next == self.pattern.count
            }
            if next < self.pattern.count, let after = self.matchOne(name[read], at: next, steps: &steps) {
                (next, read) = (after, read + 1)
            } else if let last = star {
                star = (last.next, last.read + 1)
                (next, read) = (last.next, last.read + 1)
            } else {
                return false
            }
        }
    }

    /// Where the pattern goes on if its element at `index`, which is no star, matches `byte`; nil if it does not.
    private func matchOne(_ byte: UInt8, at index: Int, steps: inout Int) -> Int? {
        switch self.pattern[index] {
        case UInt8(ascii: "?"):
            return index + 1
        case UInt8(ascii: "["):
            return self.matchClass(byte, from: index + 1, steps: &steps)
        case UInt8(ascii: "\\") where index + 1 < self.pattern.count:
            return self.pattern[index + 1] == byte ? index + 2 : nil
        case let literal:
            return literal == byte ? index + 1 : nil
        }
    }

    /// The same for a class whose first byte behind the bracket is at `start`.
    private func matchClass(_ byte: UInt8, from start: Int, steps: inout Int) -> Int? {
        var index = start
        let isNegated = index < self.pattern.count && self.pattern[index] == UInt8(ascii: "^")
        if isNegated { index += 1 }
        var isMember = false
        while index < self.pattern.count, self.pattern[index] != UInt8(ascii: "]") {
            steps += 1
            let left = self.pattern.count - index
            if left >= 2, self.pattern[index] == UInt8(ascii: "\\") {
                isMember = isMember || self.pattern[index + 1] == byte
                index += 2
            } else if left >= 3, self.pattern[index + 1] == UInt8(ascii: "-") {
                let (low, high) = (self.pattern[index], self.pattern[index + 2])
                isMember = isMember || (min(low, high)...max(low, high)).contains(byte)
                index += 3
            } else {
                isMember = isMember || self.pattern[index] == byte
                index += 1
            }
        }
        guard isMember != isNegated else { return nil }
        return min(index + 1, self.pattern.count)  // Behind the bracket, or the end of a class without one.
    }
}
