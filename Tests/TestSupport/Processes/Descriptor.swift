import Glibc

/// A file descriptor that is closed exactly once: when its owner goes.
///
/// - Invariant: not inherited by programs started later, or their copies of a pipe's writing end would keep its reader from seeing the end.
struct Descriptor: ~Copyable {
    let number: Int32

    /// Takes ownership of what `call` returned; throws its `errno` if that is -1.
    init(_ call: String, _ number: Int32) throws(ProcessFailure) {
        guard number >= 0, fcntl(number, F_SETFD, FD_CLOEXEC) == 0 else { throw .system(call: call, code: errno) }
        self.number = number
    }

    deinit { close(self.number) }

    /// A nameless file that holds `bytes` and stands at their start: a standard input without a writer to wait for.
    static func file(holding bytes: [UInt8]) throws(ProcessFailure) -> Descriptor {
        var name = Array("/tmp/hearsay-test-input-XXXXXX".utf8CString)
        let file = try Descriptor("mkstemp", mkstemp(&name))
        unlink(name)
        guard write(file.number, bytes, bytes.count) == bytes.count, lseek(file.number, 0, SEEK_SET) == 0 else {
            throw .system(call: "write", code: errno)
        }
        return file
    }
}

/// The two ends of a pipe.
struct Pipe: ~Copyable {
    let reading: Descriptor
    let writing: Descriptor

    /// A pipe that takes `capacityBytes` before its writer has to wait, if the system grants it; 64 KiB otherwise.
    init(capacityBytes: Int32) throws(ProcessFailure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system(call: "pipe", code: errno) }
        let reading = try Descriptor("fcntl", ends[0])
        let writing = try Descriptor("fcntl", ends[1])
        // Nothing may throw once a noncopyable property is set.
        self.reading = reading
        self.writing = writing
        let setPipeSize: Int32 = 1_031  // F_SETPIPE_SZ of linux/fcntl.h, which Glibc's module leaves out.
        _ = fcntl(self.writing.number, setPipeSize, capacityBytes)
    }
}
