import Glibc

/// Says in one line what it was, where LMDB crashes on a damaged base while a store is opened.
///
/// After an orderly stop a base is not checked before it is opened, and rot on the disk leaves no trace by which it should have been. What LMDB then
/// dies of is no fault of this program, and an operator needs the way out, not a trace.
enum CrashLine {
    private static let signals = [SIGSEGV, SIGBUS, SIGABRT]
    private static let exitCode = NodeFailure.ExitCode.refused.rawValue
    /// Written before the handler is there, read by nothing else.
    nonisolated(unsafe) private static var line: UnsafeMutablePointer<CChar>?

    /// Runs what may crash. One at a time.
    static func during<Result, Failure>(_ failure: NodeFailure, _ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        self.line = strdup("hearsay: \(failure.description)\n")
        _ = self.exitCode  // A handler must not be the first to ask for it.
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            // Only what may be called in a handler: the process is in no state for more.
            if let line = CrashLine.line { _ = write(STDERR_FILENO, line, strlen(line)) }
            _exit(CrashLine.exitCode)
        }
        var before = self.signals.map { _ in sigaction() }
        for (index, signal) in self.signals.enumerated() { sigaction(signal, &action, &before[index]) }
        defer {
            for (index, signal) in self.signals.enumerated() { sigaction(signal, &before[index], nil) }
            free(self.line)
            self.line = nil
        }
        return try body()
    }
}
