import Basics
import Testing
import Versioning

/// Siblings that no honest writer makes: they come from a peer, and must neither end the process nor part the nodes (I1).
@Suite struct SiblingsTests {
    private static let (one, other) = (ReplicaID(high: 0, low: 1), ReplicaID(high: 0, low: 2))

    private func naming(_ dots: Dot...) -> CausalContext {
        var context = CausalContext()
        for dot in dots { context.insert(dot) }
        return context
    }

    private func siblings(_ dot: Dot, at time: UInt64, _ context: CausalContext) -> Siblings {
        Siblings(versions: [Sibling(dot: dot, stamp: Stamp(time: time, replica: dot.replica), context: context, value: nil)])!
    }

    @Test func `two sides that name each other leave one, the same whichever comes first`() {
        let (left, right) = (Dot(replica: Self.one, sequence: 5), Dot(replica: Self.other, sequence: 5))
        let (here, there) = (self.siblings(left, at: 1, self.naming(right)), self.siblings(right, at: 2, self.naming(left)))
        let (first, second) = (here.merged(with: there), there.merged(with: here))
        #expect(first.versions.count == 1 && first.encoded == second.encoded)
    }

    @Test func `what names a write before it is made gives way to it`() {
        let dot = Dot(replica: Self.one, sequence: 9)
        let made = self.siblings(Dot(replica: Self.other, sequence: 1), at: 1, self.naming(dot))
        let written = Siblings.writing(nil, dot: dot, stamp: Stamp(time: 2, replica: Self.one), context: CausalContext(), over: made, beneath: nil)
        #expect(written.versions.map(\.dot) == [dot])
    }

    @Test func `what was written again under another dot is read once, and both are named by who has read it`() throws {
        let text: StaticString = "value"
        let value = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        let dots = [Dot(replica: Self.one, sequence: 4), Dot(replica: Self.other, sequence: 2)]
        let stamp = Stamp(time: 7, replica: Self.one)
        let again = dots.map { Sibling(dot: $0, stamp: stamp, context: CausalContext(), value: value) }
        let later = Sibling(
            dot: Dot(replica: Self.one, sequence: 5), stamp: Stamp(time: 8, replica: Self.one), context: CausalContext(), value: value)
        let siblings = try #require(Siblings(versions: again + [later]))
        #expect(siblings.readable(at: WallTime(milliseconds: 0)).map(\.dot) == [dots[1], later.dot])
        let context = siblings.context(seen: Seen())
        #expect(dots.allSatisfy(context.covers))
    }

    @Test func `a sibling is read up to its deadline, a key up to the last, and an encoding says so or nothing`() throws {
        let text: StaticString = "value"
        let value = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        func sibling(_ sequence: UInt64, expiry: UInt64) -> Sibling {
            let dot = Dot(replica: Self.one, sequence: sequence)
            return Sibling(
                dot: dot, stamp: Stamp(time: sequence, replica: Self.one), context: CausalContext(), value: value, expiryMilliseconds: expiry)
        }
        let both = try #require(Siblings(versions: [sibling(1, expiry: 50), sibling(2, expiry: 20)]))
        #expect([20, 21, 50, 51].map { both.readable(at: WallTime(milliseconds: $0)).map(\.dot.sequence) } == [[1, 2], [1], [1], []])
        #expect(both.newestReadable(at: WallTime(milliseconds: 20))?.dot.sequence == 2 && both.expiryMilliseconds == 50)
        let mixed = both.merged(with: try #require(Siblings(versions: [sibling(3, expiry: 0)])))
        #expect(mixed.expiryMilliseconds == 0)
        let bytes = both.encoded
        let again = bytes.withUnsafeBytes { Siblings(decoding: $0)?.versions.map(\.expiryMilliseconds) }
        #expect(again == [50, 20])
        // The deadline of 50 made 0; and the flags of a delete with a deadline.
        let place = try #require(bytes.firstIndex(of: 50))
        for (index, byte) in [(place, 0), (place - 1, 5)] as [(Int, UInt8)] {
            var changed = bytes
            changed[index] = byte
            let isTaken = changed.withUnsafeBytes { Siblings(decoding: $0) != nil }
            #expect(!isTaken, "byte \(index)")
        }
    }
}
