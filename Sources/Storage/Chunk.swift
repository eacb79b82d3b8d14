/// A block of memory that holds log bytes: records lie in it once, and log, table and readers refer to them there.
///
/// - Invariant: a byte is written once, by the core loop, before the batch that contains it is handed to another thread; after that
///   it is only read. A chunk lives as long as a table or a batch refers to it.
package final class Chunk: @unchecked Sendable {  // The invariant above: no byte is written after it was handed over.
    /// The size of a chunk, unless one record needs more: 1 MiB keeps what a frozen table's last chunk shares with the next small.
    package static let standardByteCount = 1 << 20

    let start: UnsafeMutableRawPointer
    let capacity: Int

    init(capacity: Int) {
        self.start = .allocate(byteCount: capacity, alignment: 8)
        self.capacity = capacity
    }

    deinit { self.start.deallocate() }
}

/// A run of bytes in a chunk, which it keeps alive.
package struct ChunkSlice: Sendable {
    let chunk: Chunk
    let offset: Int
    var byteCount: Int

    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: self.chunk.start + self.offset, count: self.byteCount) }
}

/// The address of a record in a chunk. Whoever holds it also holds the chunk.
package struct RecordPointer: Equatable, @unchecked Sendable {  // Points into a chunk, whose bytes are never written again.
    let address: UnsafeRawPointer

    @inline(__always)
    package var view: RecordView { RecordView(trustedFrame: self.address) }
}
