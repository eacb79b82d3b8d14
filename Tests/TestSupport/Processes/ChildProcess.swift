import Foundation
import Glibc

/// A program that a test starts, with what it prints captured.
///
/// What it prints is read only while a test waits for it and stays in two pipes of 1 MiB until then: more than any program here prints.
/// A child that its test has not waited for is killed when the test lets go of it.
package final class ChildProcess {
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    package let pid: pid_t
    /// What it has printed, as far as it has been read.
    package private(set) var output: [UInt8] = []
    /// The same for its standard error.
    package private(set) var errors: [UInt8] = []
    private var outputPipe: Descriptor?
    private var errorPipe: Descriptor?
    private var ending: Ending?

    /// Starts `program`, looked up in PATH unless it holds a slash, with `input` as its standard input.
    ///
    /// It sees the test's environment without any `HEARSAY_` variable, which would change a node's configuration, and with `environment` added.
    package init(_ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "") throws(ProcessFailure) {
        let output = try Pipe(capacityBytes: Self.pipeBytes)
        let errors = try Pipe(capacityBytes: Self.pipeBytes)
        let stdin = try Descriptor.file(holding: Array(input.utf8))
        let inherited = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HEARSAY_") }
        self.pid = try Self.spawn(
            [program] + arguments,
            environment: inherited.merging(environment) { _, added in added }.map { "\($0.key)=\($0.value)" },
            descriptors: [stdin.number, output.writing.number, errors.writing.number])
        self.outputPipe = consume output.reading
        self.errorPipe = consume errors.reading
    }

    deinit {
        guard self.ending == nil else { return }
        kill(self.pid, SIGKILL)
        waitpid(self.pid, nil, 0)
    }

    package var outputText: String { String(decoding: self.output, as: UTF8.self) }
    package var errorText: String { String(decoding: self.errors, as: UTF8.self) }

    package func send(signal: Int32) throws(ProcessFailure) {
        guard kill(self.pid, signal) == 0 else { throw .system(call: "kill", code: errno) }
    }

    /// Reads what it prints until `finding` finds what the test waits for in all that there is so far.
    package func wait<Found>(
        for goal: String, until deadline: Deadline = .usual, finding: (ChildProcess) -> Found?
    ) throws(ProcessFailure) -> Found {
        while true {
            if let found = finding(self) { return found }
            guard try self.readMore(until: deadline, goal: goal) else {
                throw .endedEarly(waitingFor: goal, transcript: self.outputText + self.errorText)
            }
        }
    }

    /// Waits until it has ended, and reads all that it prints until then. One that does not end in time is killed.
    package func waitForEnd(until deadline: Deadline = .usual) throws(ProcessFailure) -> Ending {
        if let ending = self.ending { return ending }
        // Its pipes close when it ends, and only then: programs here start no others that outlive them.
        while try self.readMore(until: deadline, goal: "process \(self.pid) to end") {}
        var status: Int32 = 0
        guard waitpid(self.pid, &status, 0) == self.pid else { throw .system(call: "waitpid", code: errno) }
        let signal = status & 0x7f
        let ending = signal == 0 ? Ending.exited((status >> 8) & 0xff) : .killed(signal: signal)
        self.ending = ending
        return ending
    }

    private static let pipeBytes: Int32 = 1 << 20

    /// Waits for more output and takes it. False once both pipes are closed.
    private func readMore(until deadline: Deadline, goal: String) throws(ProcessFailure) -> Bool {
        guard self.outputPipe != nil || self.errorPipe != nil else { return false }
        // `poll` ignores an entry whose descriptor is negative.
        var entries = [
            pollfd(fd: self.outputPipe?.number ?? -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: self.errorPipe?.number ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        let ready = poll(&entries, 2, deadline.pollMilliseconds)
        guard ready >= 0 || errno == EINTR else { throw .system(call: "poll", code: errno) }
        if ready == 0 {
            throw .tooLate(waitingFor: goal, transcript: self.outputText + self.errorText)
        }
        if entries[0].revents != 0, try !Self.take(from: entries[0].fd, into: &self.output) { self.outputPipe = nil }
        if entries[1].revents != 0, try !Self.take(from: entries[1].fd, into: &self.errors) { self.errorPipe = nil }
        return true
    }

    /// Appends what a readable pipe holds. False at its end.
    private static func take(from number: Int32, into bytes: inout [UInt8]) throws(ProcessFailure) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(number, &buffer, buffer.count)
        guard count >= 0 else { throw .system(call: "read", code: errno) }
        bytes += buffer.prefix(count)
        return count > 0
    }

    /// Starts a program with `descriptors` as its 0, 1 and 2.
    private static func spawn(_ words: [String], environment: [String], descriptors: [Int32]) throws(ProcessFailure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, source, Int32(target))
        }
        // Dispatch's threads block most signals, and a child inherits that: no SIGTERM would reach it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignals = sigset_t()
        sigemptyset(&noSignals)
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, &variables)
        guard code == 0 else { throw .system(call: "starting \(words[0])", code: code) }
        return pid
    }
}

/// What a program that ran to its end left.
package struct FinishedProcess: Equatable, Sendable {
    package let ending: ChildProcess.Ending
    package let output: String
    package let errors: String

    /// Runs a program to its end, which must come within `patience`.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "", patience: Duration = .seconds(60)
    ) throws(ProcessFailure) {
        let child = try ChildProcess(program, arguments, environment: environment, input: input)
        self.ending = try child.waitForEnd(until: Deadline(in: patience))
        (self.output, self.errors) = (child.outputText, child.errorText)
    }
}
