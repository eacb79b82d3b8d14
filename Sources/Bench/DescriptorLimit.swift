import Glibc

/// The number of files, and so of sockets, that this process may have open.
enum DescriptorLimit {
    /// What the process opens besides connections: standard streams, epoll and event descriptors, with room to spare.
    private static let reservedCount = 64

    /// Raises the soft limit, as far as the hard one allows, so that this many connections fit.
    static func makeRoom(forConnections count: Int) throws(BenchError) {
        let needed = count + Self.reservedCount
        var limit = rlimit()
        // It fails only for a bad address or resource, and neither is ours to pass.
        let outcome = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        precondition(outcome == 0, "getrlimit failed with error \(errno)")
        if limit.rlim_cur >= rlim_t(needed) { return }
        limit.rlim_cur = min(rlim_t(needed), limit.rlim_max)
        guard limit.rlim_cur == rlim_t(needed), setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw .tooFewDescriptors(needed: needed, limit: Int(clamping: limit.rlim_max))
        }
    }
}
