import Digests
import Testing

@testable import Storage

/// What was lost is remembered in a bounded place.
@Suite struct DamageMarksTests {
    private func marks(_ tokens: [UInt64]) -> DamageMarks {
        var marks = DamageMarks()
        for token in tokens { _ = marks.insert(Token(rawValue: token)) }
        return marks
    }

    @Test func `a token is marked once, and neighbours become a range`() {
        var marks = self.marks([7, 3, 5])
        #expect(marks.ranges.map(\.lowerBound.rawValue) == [3, 5, 7])
        #expect(!marks.insert(Token(rawValue: 5)) && marks.insert(Token(rawValue: 4)))
        #expect(marks.ranges == [Token(rawValue: 3)...Token(rawValue: 5), Token(rawValue: 7)...Token(rawValue: 7)])
        #expect([2, 3, 4, 5, 6, 7, 8].map { marks.contains(Token(rawValue: $0)) } == [false, true, true, true, false, true, false])
    }

    @Test func `the ends of all tokens can be marked`() {
        let marks = self.marks([0, .max, 1, .max - 1])
        #expect(marks.ranges == [Token(rawValue: 0)...Token(rawValue: 1), Token(rawValue: .max - 1)...Token.last])
    }

    @Test func `a mark of one token can be taken back, a part of a range cannot`() {
        var marks = self.marks([1, 2, 9])
        #expect(!marks.remove(Token(rawValue: 1)) && !marks.remove(Token(rawValue: 8)) && marks.remove(Token(rawValue: 9)))
        #expect(marks == self.marks([1, 2]))
    }

    @Test func `one mark more than there is room for joins the two that are nearest`() {
        let most = (0..<UInt64(DamageMarks.maximumRanges)).map { $0 * 100 }
        #expect(self.marks(most).ranges.count == DamageMarks.maximumRanges)
        let more = self.marks(most + [150])
        #expect(more.ranges.count == DamageMarks.maximumRanges && more.contains(Token(rawValue: 150)))
        #expect(most.allSatisfy { more.contains(Token(rawValue: $0)) } && !more.contains(Token(rawValue: 250)))
    }

    @Test func `marks come back from the log as they were, and from other bytes not at all`() {
        let marks = self.marks([1, 2, 3, 500, .max])
        #expect(DamageMarks(controlValue: marks.controlValue) == marks && DamageMarks(controlValue: []) == DamageMarks())
        let bytes = marks.controlValue
        #expect(DamageMarks(controlValue: Array(bytes.dropLast())) == nil)
        #expect(DamageMarks(controlValue: Array(bytes[16...] + bytes[..<16])) == nil)
        #expect(DamageMarks(controlValue: Array(bytes[8..<16] + bytes[..<8])) == nil)
        #expect(DamageMarks(controlValue: (0...UInt64(DamageMarks.maximumRanges)).flatMap { self.marks([$0 * 2]).controlValue }) == nil)
    }
}
