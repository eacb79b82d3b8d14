import Digests

extension Store {
    /// The most keys that one call of `prefetch` takes.
    package static let maximumPrefetch = LeafPrefetch.maximumTokens

    /// Brings what lookups of these tokens will read into the processor's caches, all at once. A lookup by itself waits for memory again
    /// and again; sixteen at a time wait about as long as one.
    package func prefetch(_ tokens: UnsafeBufferPointer<Token>) {
        withUnsafeTemporaryAllocation(of: Token.self, capacity: Self.maximumPrefetch) { buffer in
            var (inTable, inBase) = (0, 0)
            for token in tokens.prefix(Self.maximumPrefetch) {
                if self.live.mayHave(token) {
                    buffer.initializeElement(at: inTable, to: token)
                    inTable += 1
                } else {
                    inBase += 1
                    buffer.initializeElement(at: Self.maximumPrefetch - inBase, to: token)
                }
            }
            self.touched &+= self.live.touch(UnsafeBufferPointer(rebasing: buffer[..<inTable]))
            self.reader.prefetch(UnsafeBufferPointer(rebasing: buffer[(Self.maximumPrefetch - inBase)...]))
        }
    }
}
