import Glibc
import Storage

/// What the process does that `CheckProcess` starts.
package enum CheckChild {
    /// Checks the base in a folder, and says what it finds on standard output, line by line.
    package static func run(baseFolder: String) {
        // A crash here is an answer; an image of the memory, which is that of a whole file, would help nobody.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        do throws(StoreError) {
            try BaseCheck(folder: baseFolder, wall: SystemClock.wall(), report: Self.say).run()
        } catch {
            Self.say(.failed(error.description))
        }
    }

    /// At once: the next thing that is read may be the last.
    private static func say(_ event: BaseCheckEvent) {
        var line = BaseCheckLine.text(of: event)
        line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = write(STDOUT_FILENO, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { exit(1) }  // Nobody listens any more.
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}
