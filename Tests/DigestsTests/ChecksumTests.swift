import Basics
import Digests
import Testing

@Suite struct ChecksumTests {
    @Test(arguments: XXH3Vector.all)
    func `a checksum is seeded XXH3`(vector: XXH3Vector) {
        vector.bytes.withUnsafeBytes { bytes in
            #expect(checksum(of: bytes, seed: XXH3Vector.seed) == vector.seeded)
            #expect(checksum(of: bytes, seed: 0) == vector.plain)
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `a checksum taken in pieces equals that of the whole, at every point on the way`(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        let bytes = (0..<Int.random(in: 0...5_000, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
        var streaming = StreamingChecksum(seed: seed)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 0...(Bool.random(using: &generator) ? 3 : 600), using: &generator))
            bytes[start..<end].withUnsafeBytes { streaming.update($0) }
            start = end
            let (soFar, whole) = (streaming.finish(), bytes[..<end].withUnsafeBytes { checksum(of: $0, seed: seed) })
            #expect(soFar == whole)
        }
    }

    @Test(arguments: [0, 1, 32, 240, 1_023, 1_024, 1_025, 3_000])
    func `a checksum of two pieces equals that of the whole, wherever it is cut`(byteCount: Int) {
        var generator = SplitMix64(seed: UInt64(byteCount))
        let bytes = (0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) }
        for cut in [0, byteCount / 3, byteCount] {
            let sum = bytes[..<cut].withUnsafeBytes { first in bytes[cut...].withUnsafeBytes { checksum(of: first, $0, seed: 7) } }
            #expect(sum == bytes.withUnsafeBytes { checksum(of: $0, seed: 7) })
        }
    }

    @Test func `a checksum of no bytes equals that of an empty buffer`() {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        var streaming = StreamingChecksum(seed: 9)
        streaming.update(empty)
        let sum = streaming.finish()
        #expect(sum == checksum(of: empty, seed: 9))
    }
}
