/// A name of at most 16 bytes as two words, capital letters made small: names are compared and spread with a few instructions.
///
/// Setting bit 5 makes letters small. It changes other bytes too, but never into a letter, and all names in the table are of letters only:
/// whatever equals one of them after it was the same name before.
struct NameKey: Equatable, Sendable {
    static let maximumBytes = 16

    private let low: UInt64
    private let high: UInt64

    /// Nil for an empty name and for one that is longer than any in the table.
    @inline(__always)
    init?(_ name: Bytes) {
        let count = name.count
        guard count > 0, count <= Self.maximumBytes else { return nil }
        self.low = Self.word(name.buffer, from: 0, count: min(count, 8))
        self.high = count > 8 ? Self.word(name.buffer, from: 8, count: count - 8) : 0
    }

    /// The key of a name in the table.
    init(literal name: Bytes) {
        precondition(name.buffer.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }, "\(name) is not of small letters only")
        guard let key = NameKey(name) else { preconditionFailure("\(name) is empty or too long") }
        self = key
    }

    /// Where to look first in a table of a power of two of slots: the top bits of a product depend on all bits of its factors.
    @inline(__always)
    func slot(bits: Int) -> Int {
        let mixed = (self.low ^ (self.high &* 0xff51_afd7_ed55_8ccd)) &* 0x9e37_79b9_7f4a_7c15
        return Int(mixed >> UInt64(64 - bits))
    }

    /// The `count` bytes from `start` on, at most eight, as a little-endian number with bit 5 of each byte set. The two loads may overlap.
    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, from start: Int, count: Int) -> UInt64 {
        let word: UInt64
        if count >= 4 {
            let first = UInt64(bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self).littleEndian)
            let last = UInt64(bytes.loadUnaligned(fromByteOffset: start + count - 4, as: UInt32.self).littleEndian)
            word = first | last << UInt64((count - 4) * 8)
        } else {
            // One to three bytes: the first, the middle and the last of them.
            let (middle, last) = (count / 2, count - 1)
            word = UInt64(bytes[start]) | UInt64(bytes[start + middle]) << UInt64(middle * 8) | UInt64(bytes[start + last]) << UInt64(last * 8)
        }
        return word | (0x2020_2020_2020_2020 >> UInt64((8 - count) * 8))
    }
}

/// The commands by name: an open hash table, built once, that answers without allocating.
///
/// - Complexity: O(1); the table is at most a quarter full, so most names are found at the first look.
struct CommandIndex: Sendable {
    private let slots: [(key: NameKey, command: Command)?]
    private let bits: Int

    /// - Precondition: the names differ.
    init(_ names: [(key: NameKey, command: Command)]) {
        var bits = 3
        while names.count * 4 > 1 << bits { bits += 1 }
        var slots = [(key: NameKey, command: Command)?](repeating: nil, count: 1 << bits)
        for name in names {
            var slot = name.key.slot(bits: bits)
            while let taken = slots[slot] {
                precondition(taken.key != name.key, "\(name.command) and \(taken.command) have one name")
                slot = (slot + 1) & (slots.count - 1)
            }
            slots[slot] = name
        }
        (self.slots, self.bits) = (slots, bits)
    }

    subscript(key: NameKey) -> Command? {
        var slot = key.slot(bits: self.bits)
        while let candidate = self.slots[slot] {
            if candidate.key == key { return candidate.command }
            slot = (slot + 1) & (self.slots.count - 1)
        }
        return nil
    }
}
