/// Uniquely owned memory for plain values that grows by doubling and is reused: the one place in RESP that allocates by hand.
///
/// It exists because the parser's ranges and the writer's bytes must cost nothing but a store per element, and must be lent out as raw
/// bytes without a closure per access.
///
/// - Invariant: `0 <= count <= capacity`, and the first `count` elements are initialised.
/// - Complexity: appending is O(1) amortised.
struct GrowableMemory<Element: BitwiseCopyable>: ~Copyable {
    private static var smallestCapacity: Int { 32 }

    private var base: UnsafeMutablePointer<Element>?
    private(set) var count = 0
    private(set) var capacity = 0

    init() {}

    deinit {
        self.base?.deallocate()
    }

    /// The elements. The buffer is valid until the next mutation of this value, and no longer than this value.
    var elements: UnsafeBufferPointer<Element> { UnsafeBufferPointer(start: self.base, count: self.count) }

    /// The memory that is allocated, in bytes.
    var allocatedBytes: Int { self.capacity * MemoryLayout<Element>.stride }

    mutating func append(_ element: Element) {
        self.appendUninitialized(1)[0] = element
    }

    /// Adds `extra` elements that the caller initialises at once through the pointer that is returned.
    mutating func appendUninitialized(_ extra: Int) -> UnsafeMutablePointer<Element> {
        if extra > self.capacity - self.count { self.grow(by: extra) }
        guard let base = self.base else { preconditionFailure("no memory after growing: \(self.count) + \(extra) of \(self.capacity)") }
        defer { self.count += extra }
        return base + self.count
    }

    /// Replaces each element from index `start` on by what `transform` makes of it.
    mutating func replace(from start: Int, by transform: (Element) -> Element) {
        precondition(start >= 0 && start <= self.count, "\(start) of \(self.count) elements")
        guard let base = self.base else { return }
        for index in start..<self.count { base[index] = transform(base[index]) }
    }

    /// Drops the elements from `count` on, and keeps the memory.
    mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "\(count) of \(self.count) elements")
        self.count = count
    }

    /// Drops all elements, and the memory too if it holds more than `retained` elements.
    mutating func removeAll(retaining retained: Int) {
        self.count = 0
        guard self.capacity > retained else { return }
        self.base?.deallocate()
        (self.base, self.capacity) = (nil, 0)
    }

    @inline(never)
    private mutating func grow(by extra: Int) {
        precondition(extra >= 0 && extra < Int.max / 4, "\(extra) elements")
        let capacity = max(self.capacity * 2, self.count + extra, Self.smallestCapacity)
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        if let base = self.base {
            larger.initialize(from: base, count: self.count)
            base.deallocate()
        }
        (self.base, self.capacity) = (larger, capacity)
    }
}

extension GrowableMemory where Element == UInt8 {
    mutating func append(contentsOf bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        UnsafeMutableRawPointer(self.appendUninitialized(bytes.count)).copyMemory(from: source, byteCount: bytes.count)
    }
}
