import Basics
import Glibc
import Storage

/// Checks a base in a process of its own: LMDB may be led by a damaged file to crash, to abort, or to stand still.
///
/// A child that dies by a signal as memory faults and aborts send it, or that says nothing for `patience`, has found damage, whatever it has told
/// before. One that anything else ends has found nothing.
package struct CheckProcess: Sendable {
    /// So long a check may say nothing; it speaks at every MiB, which the slowest of disks reads in that time, however
    /// it is scattered.
    package static let patience = Duration.seconds(30)
    /// The hidden subcommand of this program that is the child.
    package static let subcommand = "check-base"

    private let words: [String]
    private let patience: Duration

    /// - Parameter baseFolder: of data.mdb.
    package init(baseFolder: String, patience: Duration = Self.patience) {
        // This program, also where its file has been replaced meanwhile.
        self.init(["/proc/self/exe", Self.subcommand, baseFolder], patience: patience)
    }

    /// - Parameter words: a program's path, and its arguments.
    init(_ words: [String], patience: Duration) {
        (self.words, self.patience) = (words, patience)
    }

    /// - Throws: where the check could not be made.
    package func run() throws(NodeFailure) -> BaseReport {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw self.failed("pipe", errno) }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let child = try self.spawnClosing(output: ends[1])
        var report = BaseReport()
        let reading = self.read(ends[0], into: &report)
        if reading != .ended { kill(child, SIGKILL) }  // It may wait for somebody to read what else it says.
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw self.failed("waitpid", errno) }
        }
        switch reading {
        case .stoodStill:
            report.take(.damagedFile("reading it through LMDB made no progress for \(self.patience)"))
            return report
        case .unreadable(let line): throw NodeFailure(.inputOutput, "the check of the base said what it should not: \(line)")
        case .ended: break
        }
        return try self.judge(status, report)
    }

    private func judge(_ status: Int32, _ report: BaseReport) throws(NodeFailure) -> BaseReport {
        let (signal, code) = (status & 0x7f, status >> 8 & 0xff)
        var report = report
        if [SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP].contains(signal) {
            report.take(.damagedFile("reading it through LMDB ended in \(String(cString: strsignal(signal)))"))
            return report
        }
        guard signal == 0 else { throw NodeFailure(.inputOutput, "the check of the base was ended by signal \(signal)") }
        // Damage may have kept it from the end.
        guard code == 0, report.counts != nil || report.otherFormat != nil || !report.file.isEmpty else {
            throw NodeFailure(.inputOutput, "the base cannot be checked: " + (report.obstacle ?? "the check ended with status \(code)"))
        }
        return report
    }

    // MARK: Reading

    private enum Reading: Equatable {
        case ended, stoodStill
        case unreadable(String)
    }

    private func read(_ descriptor: Int32, into report: inout BaseReport) -> Reading {
        var (line, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&entry, 1, Int32(clamping: self.patience.wholeNanoseconds / 1_000_000))
            if ready == 0 { return .stoodStill }
            if ready < 0, errno == EINTR { continue }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            // A line without its end is what a death has cut off.
            guard count > 0 else { return .ended }
            for byte in buffer[..<count] {
                guard byte == UInt8(ascii: "\n") else {
                    line.append(byte)
                    continue
                }
                let text = String(decoding: line, as: UTF8.self)
                guard let event = BaseCheckLine.event(of: text[...]) else { return .unreadable(text) }
                report.take(event)
                line.removeAll(keepingCapacity: true)
            }
        }
    }

    // MARK: Starting

    /// The child's end of the pipe must be its alone, or there would be no end to what it says.
    private func spawnClosing(output: Int32) throws(NodeFailure) -> pid_t {
        defer { close(output) }
        return try self.spawn(output: output)
    }

    /// Starts the child with nothing to read, its findings into the pipe, and the noise of a crash nowhere.
    private func spawn(output: Int32) throws(NodeFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        // Threads of a node block signals, and it ignores SIGPIPE: a child inherits both, and would outlive a parent that is gone.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, usual) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigemptyset(&usual)
        sigaddset(&usual, SIGPIPE)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        // A crash is an answer here: nobody needs a trace of it.
        var environment = ["SWIFT_BACKTRACE=enable=no"]
        if let libraries = getenv("LD_LIBRARY_PATH") { environment.append("LD_LIBRARY_PATH=" + String(cString: libraries)) }
        var (arguments, variables) = (self.words.map { strdup($0) } + [nil], environment.map { strdup($0) } + [nil])
        defer { (arguments + variables).forEach { free($0) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, self.words[0], &actions, &attributes, &arguments, &variables)
        guard code == 0 else { throw self.failed("start", code) }
        return child
    }

    private func failed(_ operation: String, _ code: Int32) -> NodeFailure {
        NodeFailure(.inputOutput, "the base cannot be checked: \(operation): \(String(cString: strerror(code)))")
    }
}
