import Basics
import Digests

/// Cuts an input into the pieces in which it arrives: at places drawn from the input itself, so that one input always gives one run.
enum Pieces {
    /// At most about so many pieces, whatever the input's length: each costs a copy of what waits.
    private static let count = 64

    /// Bytes in memory of exactly their length, so that the sanitizer sees a read beyond them.
    static func withExactCopy<Result>(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyMemory(from: bytes)
        return try body(UnsafeRawBufferPointer(copy))
    }

    /// Byte by byte where the input is short, else in pieces of drawn lengths.
    static func forEach(_ input: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        var generator = SplitMix64(seed: checksum(of: input, seed: 0))
        let longest = max(1, 2 * input.count / Self.count)
        var offset = 0
        while offset < input.count {
            let end = min(input.count, offset + Int.random(in: 1...longest, using: &generator))
            try body(UnsafeRawBufferPointer(rebasing: input[offset..<end]))
            offset = end
        }
    }
}
