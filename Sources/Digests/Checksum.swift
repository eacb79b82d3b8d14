import CXXHash

/// XXH3_64 of the bytes: finds what a disk or a cable did to them. The seed tells one use from another.
package func checksum(of bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    XXH3_64bits_withSeed(bytes.baseAddress, bytes.count, seed)
}

/// The checksum of two pieces as if they were one.
///
/// Short ones are brought together on the stack: to set up a streaming checksum takes longer than to hash them.
package func checksum(of first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    let byteCount = first.count + second.count
    guard byteCount <= maximumGatheredBytes else {
        var sum = StreamingChecksum(seed: seed)
        sum.update(first)
        sum.update(second)
        return sum.finish()
    }
    return withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { bytes in
        UnsafeMutableRawBufferPointer(rebasing: bytes[..<first.count]).copyMemory(from: first)
        UnsafeMutableRawBufferPointer(rebasing: bytes[first.count...]).copyMemory(from: second)
        return checksum(of: UnsafeRawBufferPointer(bytes), seed: seed)
    }
}

private let maximumGatheredBytes = 1_024

/// The checksum of bytes that come in pieces; equal to `checksum(of:seed:)` of all of them in one piece.
package struct StreamingChecksum: ~Copyable {
    private let state: OpaquePointer

    package init(seed: UInt64) {
        guard let state = XXH3_createState() else { preconditionFailure("no memory for the 576 bytes of a streaming checksum") }
        self.state = state
        let code = XXH3_64bits_reset_withSeed(state, seed)
        precondition(code == XXH_OK, "xxHash refused to reset its state: \(code)")
    }

    deinit {
        XXH3_freeState(self.state)
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let code = XXH3_64bits_update(self.state, bytes.baseAddress, bytes.count)
        precondition(code == XXH_OK, "xxHash refused \(bytes.count) bytes: \(code)")
    }

    /// The checksum of all bytes so far; more may follow.
    package func finish() -> UInt64 {
        XXH3_64bits_digest(self.state)
    }
}
