import Glibc

/// One line on the terminal that is drawn again and again. Without a terminal it draws nothing.
struct ProgressLine: Sendable {
    let enabled: Bool

    /// Draws where standard error is a terminal, unless a program reads the result.
    init(quiet: Bool) { self.enabled = !quiet && isatty(STDERR_FILENO) == 1 }

    func show(_ text: String) { self.draw(text) }
    func clear() { self.draw("") }

    /// Back to the line's beginning, the text, and nothing behind it.
    private func draw(_ text: String) {
        if self.enabled { writeToStandardError("\r\(text)\u{1b}[K") }
    }
}

/// Writes past the C library's `stderr`, a variable that Swift's concurrency checks refuse. What nobody takes is not worth an error.
func writeToStandardError(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
}
