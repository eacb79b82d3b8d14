import Digests

/// Token ranges in which entries were lost to damage, and have not come back from other nodes yet.
///
/// Most name one token, which stands for one key. Where there are too many, neighbours become one range with what lies between them: what is marked and
/// was never damaged costs an error where `nil` would have been the answer, and nothing else.
///
/// - Invariant: `ranges` ascend and do not touch each other.
/// - Bound: `maximumRanges`; 16 bytes each, encoded.
package struct DamageMarks: Equatable, Sendable {
    package static let maximumRanges = 1_024

    package private(set) var ranges: [ClosedRange<Token>] = []

    package init() {}

    package var isEmpty: Bool { self.ranges.isEmpty }

    package func contains(_ token: Token) -> Bool {
        let index = self.firstRange(endingAtOrBehind: token)
        return index < self.ranges.count && self.ranges[index].lowerBound <= token
    }

    /// - Returns: false where the token was marked already.
    package mutating func insert(_ token: Token) -> Bool {
        let index = self.firstRange(endingAtOrBehind: token)
        if index < self.ranges.count, self.ranges[index].lowerBound <= token { return false }
        self.ranges.insert(token...token, at: index)
        if index + 1 < self.ranges.count, self.ranges[index + 1].lowerBound.rawValue - 1 == token.rawValue { self.join(at: index) }
        if index > 0, token.rawValue - 1 == self.ranges[index - 1].upperBound.rawValue { self.join(at: index - 1) }
        if self.ranges.count > Self.maximumRanges { self.joinNearest() }
        return true
    }

    /// Takes back the mark of one token; one that is part of a range stays.
    ///
    /// - Returns: whether there was one.
    package mutating func remove(_ token: Token) -> Bool {
        let index = self.firstRange(endingAtOrBehind: token)
        guard index < self.ranges.count, self.ranges[index] == token...token else { return false }
        self.ranges.remove(at: index)
        return true
    }

    private mutating func join(at index: Int) {
        self.ranges[index] = self.ranges[index].lowerBound...self.ranges[index + 1].upperBound
        self.ranges.remove(at: index + 1)
    }

    private mutating func joinNearest() {
        func gap(_ index: Int) -> UInt64 { self.ranges[index + 1].lowerBound.rawValue - self.ranges[index].upperBound.rawValue }
        self.join(at: (0..<self.ranges.count - 1).min { gap($0) < gap($1) }!)
    }

    private func firstRange(endingAtOrBehind token: Token) -> Int {
        var (low, high) = (0, self.ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if self.ranges[middle].upperBound < token { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension DamageMarks {
    /// First and last token of each range, little endian.
    var controlValue: [UInt8] {
        var bytes: [UInt8] = []
        for range in self.ranges {
            bytes.append(littleEndian: range.lowerBound.rawValue)
            bytes.append(littleEndian: range.upperBound.rawValue)
        }
        return bytes
    }

    /// Nil where the bytes are none.
    init?(controlValue bytes: [UInt8]) {
        guard bytes.count.isMultiple(of: 16), bytes.count / 16 <= Self.maximumRanges else { return nil }
        for offset in stride(from: 0, to: bytes.count, by: 16) {
            let (first, last) = bytes.withUnsafeBytes {
                ($0.baseAddress!.integer(UInt64.self, at: offset), $0.baseAddress!.integer(UInt64.self, at: offset + 8))
            }
            guard first <= last, self.ranges.last.map({ $0.upperBound.rawValue < .max && $0.upperBound.rawValue + 1 < first }) ?? true else {
                return nil
            }
            self.ranges.append(Token(rawValue: first)...Token(rawValue: last))
        }
    }
}
