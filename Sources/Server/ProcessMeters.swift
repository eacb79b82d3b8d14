import Glibc

/// What the system says about this process.
enum ProcessMeters {
    /// Resident and private memory in bytes. LMDB's map is file memory: it counts as resident, not as private.
    static func memory() -> (residentBytes: UInt64, privateBytes: UInt64) {
        guard let file = fopen("/proc/self/status", "r") else { return (0, 0) }
        defer { fclose(file) }
        var (resident, anonymous): (UInt64, UInt64) = (0, 0)
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if let kilobytes = Self.value(of: "VmRSS:", in: text) { resident = kilobytes << 10 }
            if let kilobytes = Self.value(of: "RssAnon:", in: text) { anonymous = kilobytes << 10 }
        }
        return (resident, anonymous)
    }

    private static func value(of name: String, in line: String) -> UInt64? {
        guard line.hasPrefix(name) else { return nil }
        return UInt64(line.dropFirst(name.count).drop { $0 == " " || $0 == "\t" }.prefix { $0.isNumber })
    }

    /// Processor time in seconds.
    static func processorTime() -> (user: Double, system: Double) {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return (seconds(usage.ru_utime), seconds(usage.ru_stime))
    }

    /// Raises this process's own limit of open files as far as the system allows.
    ///
    /// - Returns: the limit then.
    static func raiseFileLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }
}
