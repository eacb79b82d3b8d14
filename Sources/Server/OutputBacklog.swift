import DequeModule

/// What a client's channel has been given and its socket has not taken.
///
/// A buffer is held whole until its last byte is gone: a client that has read all but one byte of a megabyte costs a megabyte.
struct OutputBacklog {
    private struct Buffer {
        let byteCount: Int
        let allocatedBytes: Int
    }

    private var buffers: Deque<Buffer> = []
    /// Bytes of the buffers that are held, sent ones included.
    private var heldBytes = 0
    /// Bytes not taken, as of the last look.
    private(set) var byteCount = 0
    /// The memory that the buffers take.
    private(set) var allocatedBytes = 0

    mutating func wrote(byteCount: Int, allocatedBytes: Int) {
        self.buffers.append(Buffer(byteCount: byteCount, allocatedBytes: allocatedBytes))
        self.heldBytes += byteCount
        self.byteCount += byteCount
        self.allocatedBytes += allocatedBytes
    }

    /// The socket has taken all but the last `remaining` bytes, or all.
    mutating func reduce(to remaining: Int) {
        self.byteCount = remaining
        while let first = self.buffers.first, self.heldBytes - first.byteCount >= remaining {
            self.heldBytes -= first.byteCount
            self.allocatedBytes -= first.allocatedBytes
            self.buffers.removeFirst()
        }
    }
}
