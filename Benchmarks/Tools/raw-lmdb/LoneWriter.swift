import Glibc

/// A file could not be made, written or synced.
struct FileError: Error, CustomStringConvertible {
    let operation: String
    let file: String
    let code: Int32

    var description: String { "\(self.operation) \(self.file): \(String(cString: strerror(self.code)))" }
}

/// Appends 4 KiB and calls fdatasync, again and again, as a log with one record per sync would. Times are of fdatasync alone.
func measureLoneWriter(file: String, seconds: Int) throws -> Figures {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(operation: "create", file: file, code: errno) }
    defer {
        close(descriptor)
        unlink(file)
    }
    let clock = ContinuousClock()
    let page = [UInt8](repeating: 0x5a, count: 4096)
    var times: [Duration] = []
    let end = clock.now + .seconds(seconds)
    while clock.now < end {
        guard write(descriptor, page, page.count) == page.count else { throw FileError(operation: "write", file: file, code: errno) }
        let begun = clock.now
        guard fdatasync(descriptor) == 0 else { throw FileError(operation: "sync", file: file, code: errno) }
        times.append(clock.now - begun)
    }
    times.sort()
    // Nearest rank: the smallest time that this share of all does not exceed.
    func microseconds(_ share: Double) -> Int {
        let rank = max(1, Int((share * Double(times.count)).rounded(.up)))
        return Int(times[rank - 1] / .microseconds(1))
    }
    var figures = Figures()
    figures.add("fdatasyncs", times.count)
    for (name, share) in [("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p99.9_us", 0.999), ("max_us", 1)] {
        figures.add(name, microseconds(share))
    }
    return figures
}
