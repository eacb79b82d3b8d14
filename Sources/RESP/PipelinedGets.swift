/// Looks ahead in a client's input for the keys of GETs that wait in line, without taking the input apart: what is found is a hint for
/// warming the processor's caches, and is parsed again when its turn comes.
///
/// Only the form in which client libraries send GETs is recognised, as arrays of two bulk strings; the first other byte ends the look.
package enum PipelinedGets {
    /// `*2 CR LF $3 CR LF`, as eight bytes in memory order.
    private static let head = UInt64(littleEndian: 0x0a0d_3324_0a0d_322a)
    /// `GET CR LF $`.
    private static let nameByteCount = 6

    /// Hands the keys of whole GETs in `bytes` from `offset` on to `body`, the first `limit` of them.
    ///
    /// - Returns: the offset behind the last of them.
    package static func forEachKey(
        in bytes: UnsafeRawBufferPointer, from offset: Int, limit: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Int {
        var (position, left) = (offset, limit)
        while left > 0, let (key, end) = self.key(in: bytes, at: position) {
            body(key)
            (position, left) = (end, left - 1)
        }
        return position
    }

    /// The key of a whole GET that begins at `position`, and where it ends.
    private static func key(in bytes: UnsafeRawBufferPointer, at position: Int) -> (key: UnsafeRawBufferPointer, end: Int)? {
        let nameStart = position + MemoryLayout<UInt64>.size
        let lengthStart = nameStart + self.nameByteCount
        guard lengthStart < bytes.count, bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) == self.head,
            bytes[nameStart] & 0xdf == UInt8(ascii: "G"), bytes[nameStart + 1] & 0xdf == UInt8(ascii: "E"),
            bytes[nameStart + 2] & 0xdf == UInt8(ascii: "T"), bytes[nameStart + 3] == UInt8(ascii: "\r"),
            bytes[nameStart + 4] == UInt8(ascii: "\n"), bytes[nameStart + 5] == UInt8(ascii: "$"),
            let (count, start) = LengthLine.plain(bytes, at: lengthStart), count <= bytes.count - start - 2
        else { return nil }
        return (UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]), start + count + 2)
    }
}
