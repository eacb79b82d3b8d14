import Basics

/// The joiner's side of a bootstrap from one member: gets whole token ranges in order, and says when all of it is stored.
///
///     joiner                                member
///     ask                            ─→
///                                    ←─     capture: what it has seen
///     (keeps the capture, durably)
///     give after nothing             ─→
///                                    ←─     records, in order of token and key, as far as the window goes
///     (stores them, and how far)
///     acknowledge                    ─→
///                                    ←─     end
///
/// A bootstrap that was broken off goes on with `give`, behind what is stored, where the same start of the same member answers; with any other
/// it begins again with `ask` (I24, I26 ii).
///
/// - Invariant: nothing is asked for before the capture is kept, and `finish` comes only once everything up to the end is stored.
/// - Bound: `window` bytes of records under way or waiting to be stored, and one message more. `patience` without a word of a member that could
///   speak ends it.
package struct BootstrapReceiver: Equatable, Sendable {
    package enum Event: Equatable, Sendable {
        case heard(BootstrapMessage, sequence: UInt16)
        /// What `keep` asked for is durable.
        case kept
        /// So many bytes of what `store` named are durable, with how far that is; the last of all where `isLast`.
        case stored(bytes: Int, isLast: Bool)
        /// What came is not what a member sends, or the driver calls the bootstrap off.
        case rejected(BootstrapFault)
        case deadlinePassed
    }

    package enum Action: Equatable, Sendable {
        case send(BootstrapMessage, sequence: UInt16)
        case keep(BootstrapCapture)
        /// Check records and store them, in order. With `isLast` nothing follows, and that is to be stored as well.
        case store([UInt8], isLast: Bool)
        /// Everything has come and is stored.
        case finish
        case giveUp(BootstrapFault)
    }

    private enum State: Equatable, Sendable {
        case asking, keeping, receiving, storing, ended
    }

    /// Enough to keep the way to another continent busy (100 MB/s over 150 ms), and little beside a table.
    package static let window = 16 << 20
    /// The member never waits for an acknowledgement while this side has something to store.
    static let acknowledgedBytes = 1 << 20
    package static let patience = Duration.seconds(10)

    private var state: State
    private var lastHeard: Instant
    private var (sendSequence, expectedSequence): (UInt16, UInt16) = (0, 0)
    /// Came and is not stored yet; is stored and not acknowledged yet.
    private var (unstored, unacknowledged) = (0, 0)

    /// Begins, or goes on.
    ///
    /// - Parameter place: up to where everything is stored, by this start of this member; nil where that must be asked for what it has seen.
    package static func begin(after place: BootstrapPlace?, at now: Instant) -> (BootstrapReceiver, [Action]) {
        var receiver = BootstrapReceiver(state: place == nil ? .asking : .receiving, at: now)
        let action = receiver.say(place.map { .give(after: $0) } ?? .ask)
        return (receiver, [action])
    }

    private init(state: State, at now: Instant) { (self.state, self.lastHeard) = (state, now) }

    package var isEnded: Bool { self.state == .ended }

    /// The driver keeps one timer set to this instant. Nil while it is not the member that is waited for.
    package var deadline: Instant? {
        switch self.state {
        case .asking: self.lastHeard + Self.patience
        case .receiving where self.unstored + self.unacknowledged < Self.window: self.lastHeard + Self.patience
        case .receiving, .keeping, .storing, .ended: nil
        }
    }

    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        switch (self.state, event) {
        case (.ended, _):
            return []  // Networks, timers and disks are late.
        case (_, .heard(let message, let sequence)):
            return self.hear(message, sequence, at: now)
        case (.keeping, .kept):
            (self.state, self.lastHeard) = (.receiving, now)
            return [self.say(.give(after: nil))]
        case (.receiving, .stored(let bytes, isLast: false)), (.storing, .stored(let bytes, isLast: false)):
            return self.acknowledge(bytes, at: now)
        case (.storing, .stored(_, isLast: true)):
            self.state = .ended
            return [.finish]
        case (_, .rejected(let fault)):
            return self.giveUp(fault)
        case (_, .deadlinePassed):
            guard let deadline, now >= deadline else { return [] }
            return self.giveUp(.stalled)
        case (_, .kept), (_, .stored):
            preconditionFailure("\(event) out of order in \(self)")  // Only our own driver can cause this.
        }
    }

    private mutating func hear(_ message: BootstrapMessage, _ sequence: UInt16, at now: Instant) -> [Action] {
        guard sequence == self.expectedSequence else {
            // A repeated frame has been handled; a missing one never will be.
            return sequence &- self.expectedSequence < 0x8000 ? self.giveUp(.gap) : []
        }
        self.expectedSequence &+= 1
        self.lastHeard = now
        switch (self.state, message) {
        case (_, .stop(let fault)):
            self.state = .ended
            return [.giveUp(fault)]
        case (.asking, .capture(let capture)):
            self.state = .keeping
            return [.keep(capture)]
        case (.receiving, .records(let bytes)):
            // As the member counts: it began this message with less than a window under way.
            guard self.unstored + self.unacknowledged < Self.window else { return self.giveUp(.tooMuch) }
            guard !bytes.isEmpty else { return self.giveUp(.malformed) }
            self.unstored += bytes.count
            return [.store(bytes, isLast: false)]
        case (.receiving, .end):
            self.state = .storing
            return [.store([], isLast: true)]
        default:
            return self.giveUp(.outOfOrder)
        }
    }

    private mutating func acknowledge(_ bytes: Int, at now: Instant) -> [Action] {
        precondition(bytes <= self.unstored, "\(bytes) bytes stored of \(self.unstored)")
        self.unstored -= bytes
        self.unacknowledged += bytes
        guard self.unacknowledged >= Self.acknowledgedBytes, self.state == .receiving else { return [] }
        defer { (self.unacknowledged, self.lastHeard) = (0, now) }  // Only now can the member go on.
        return [self.say(.acknowledge(bytes: self.unacknowledged))]
    }

    private mutating func giveUp(_ fault: BootstrapFault) -> [Action] {
        let stop = self.say(.stop(fault))
        self.state = .ended
        return [stop, .giveUp(fault)]
    }

    private mutating func say(_ message: BootstrapMessage) -> Action {
        defer { self.sendSequence &+= 1 }
        return .send(message, sequence: self.sendSequence)
    }
}
