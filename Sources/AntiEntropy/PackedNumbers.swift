/// Numbers as they cross the wire, each in as many bytes as it needs: seven bits a byte, the lowest first, all bytes but the last with the top bit.
///
/// A peer's list is kept so and read while it is worked off: as an array of numbers it would take eight times the message that brought it.
///
/// - Invariant: `bytes` holds `count` numbers and nothing else.
package struct PackedNumbers: Equatable, Sendable {
    package private(set) var count = 0
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package init(_ numbers: some Sequence<UInt64>) {
        for number in numbers { self.append(number) }
    }

    /// From a decoder that has checked that these bytes are so many numbers.
    package init(checked bytes: [UInt8], count: Int) { (self.bytes, self.count) = (bytes, count) }

    package mutating func append(_ number: UInt64) {
        self.bytes.append(packed: number)
        self.count += 1
    }

    /// Adds numbers of another list, from a place in it on.
    mutating func append(_ other: PackedNumbers, from place: Int, count: Int) {
        self.bytes += other.bytes[place...]
        self.count += count
    }

    /// The number that begins at a place in `bytes`, which moves behind it.
    ///
    /// - Precondition: one begins there.
    func number(at place: inout Int) -> UInt64 {
        var (number, shift) = (UInt64(0), UInt64(0))
        while true {
            let byte = self.bytes[place]
            place += 1
            number |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return number }
            shift += 7
        }
    }
}

extension PackedNumbers: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate let numbers: PackedNumbers
        fileprivate var place = 0

        package mutating func next() -> UInt64? {
            self.place < self.numbers.bytes.count ? self.numbers.number(at: &self.place) : nil
        }
    }

    package func makeIterator() -> Iterator { Iterator(numbers: self) }

    package var underestimatedCount: Int { self.count }
}

extension [UInt8] {
    /// Appends a number of seven bits a byte.
    package mutating func append(packed number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            self.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        self.append(UInt8(rest))
    }
}
