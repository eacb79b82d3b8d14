import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// A folder and the processes of a run, of which nothing is left behind, whatever way the run ends.
///
/// - Invariant: a process is reaped only here, under the lock, so that no signal ever meets another process with the same id.
/// - Note: Only SIGKILL of this process itself leaves the children running.
final class Workspace: Sendable {
    let folder: String
    private let children = Mutex<[pid_t]>([])

    /// Makes a folder of its own inside this one.
    init(in parent: String) throws(BenchError) {
        var template = Array("\(parent)/hearsay-bench.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .cannotPrepare(what: "a folder in \(parent)", reason: String(cString: strerror(errno))) }
        self.folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Starts a program in a process group of its own, so that a terminal's Ctrl-C reaches only us; all that it prints goes to a file.
    func start(_ program: String, _ arguments: [String], log: String) throws(BenchError) -> pid_t {
        try self.children.withLock { children throws(BenchError) in
            let pid = try spawn(program, arguments, log: log)
            children.append(pid)
            return pid
        }
    }

    func send(_ signal: Int32, to pid: pid_t) {
        self.children.withLock { children in
            if children.contains(pid) { _ = kill(pid, signal) }
        }
    }

    /// Removes what a process that has ended left in the folder.
    func remove(_ name: String) { try? FileManager.default.removeItem(atPath: "\(self.folder)/\(name)") }

    func hasEnded(_ pid: pid_t) -> Bool {
        self.children.withLock { children in
            if children.contains(pid), waitpid(pid, nil, WNOHANG) == pid { children.removeAll { $0 == pid } }
            return !children.contains(pid)
        }
    }

    /// Kills the processes and removes the folder.
    func cleanUp() { self.children.withLock { self.cleanUp(&$0) } }

    private func cleanUp(_ children: inout [pid_t]) {
        for pid in children { kill(pid, SIGKILL) }
        for pid in children { waitpid(pid, nil, 0) }
        children = []
        // A folder that cannot be removed is no reason to fail a run that has measured.
        try? FileManager.default.removeItem(atPath: self.folder)
    }

    /// Cleans up and ends this process on the signals that ask it to end, while the sources that are returned are kept and not cancelled.
    func cleanUpOnSignals() -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                // The lock is held to the end: nothing is started any more, and nobody reports what became of the children.
                self.children.withLock { children in
                    self.cleanUp(&children)
                    _exit(128 + number)
                }
            }
            source.resume()
            return source
        }
    }
}

private func spawn(_ program: String, _ arguments: [String], log: String) throws(BenchError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A child inherits what its parent's thread blocks and what its parent ignores.
    var (none, ours) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&ours)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&ours, number) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &ours)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    // A node takes its options from variables too.
    let variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HEARSAY_") }.map { "\($0.key)=\($0.value)" }
    var (argumentList, variableList) = (cStrings([program] + arguments), cStrings(variables))
    defer { (argumentList + variableList).forEach { free($0) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, program, &actions, &attributes, &argumentList, &variableList)
    guard code == 0 else { throw .cannotPrepare(what: program, reason: String(cString: strerror(code))) }
    return pid
}

/// Copies for a C function, the list ended by nil.
private func cStrings(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] { texts.map { strdup($0) } + [nil] }
