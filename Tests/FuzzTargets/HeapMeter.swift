import Glibc

/// The most heap that is held at once while something runs: what was allocated since, less what was freed.
///
/// It listens to the address sanitizer's allocator, so it measures in the fuzzing programs, whose checks run in one thread, and nothing elsewhere.
package enum HeapMeter {
    /// What a reader may hold besides twice its input.
    static let slackBytes = 64 << 10

    private typealias SizeOf = @convention(c) (UnsafeRawPointer?) -> Int
    private typealias Allocated = @convention(c) (UnsafeRawPointer?, Int) -> Void
    private typealias Freed = @convention(c) (UnsafeRawPointer?) -> Void
    private typealias InstallHooks = @convention(c) (Allocated, Freed) -> CInt

    // Written by one thread, and only where the hooks are installed.
    nonisolated(unsafe) private static var sizeOf: SizeOf?
    nonisolated(unsafe) private static var current = 0
    nonisolated(unsafe) private static var peak = 0

    /// Begins to listen, where there is a sanitizer to listen to.
    ///
    /// - Returns: whether it has begun just now.
    static func start() -> Bool {
        guard self.sizeOf == nil, let install = dlsym(nil, "__sanitizer_install_malloc_and_free_hooks"),
            let size = dlsym(nil, "__sanitizer_get_allocated_size")
        else { return false }
        self.sizeOf = unsafeBitCast(size, to: SizeOf.self)
        let code = unsafeBitCast(install, to: InstallHooks.self)(
            { _, count in
                HeapMeter.current += count
                HeapMeter.peak = max(HeapMeter.peak, HeapMeter.current)
            },
            { pointer in if let pointer { HeapMeter.current -= HeapMeter.sizeOf?(pointer) ?? 0 } })
        precondition(code > 0, "the sanitizer takes no more hooks")
        return true
    }

    /// Runs `body`, which may hold twice its input and 64 KiB.
    static func bound<Result>(_ name: StaticString, inputBytes: Int, _ body: () throws -> Result) throws -> Result {
        let before = self.current
        self.peak = before
        let result = try body()
        let held = self.peak - before
        try require(held <= 2 * inputBytes + self.slackBytes, "\(name): \(held) bytes of heap for \(inputBytes) bytes of input")
        return result
    }
}
