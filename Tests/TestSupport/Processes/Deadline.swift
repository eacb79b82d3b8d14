/// The moment at which a test gives up waiting, so that a program that hangs fails the test instead of stopping the run.
package struct Deadline: Sendable {
    private let end: ContinuousClock.Instant

    /// The patience of every wait that names none: far above what a busy machine needs, far below what a person would wait.
    package static var usual: Deadline { Deadline(in: .seconds(60)) }

    package init(in patience: Duration) {
        self.end = .now + patience
    }

    package var hasPassed: Bool { ContinuousClock.now >= self.end }

    /// What is left, in the milliseconds that `poll` takes: 0 once it has passed, otherwise rounded up, so that `poll` does not spin.
    package var pollMilliseconds: Int32 {
        let left = self.end - .now
        guard left > .zero else { return 0 }
        return Int32(clamping: left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
    }
}
