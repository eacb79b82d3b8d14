import Basics

/// A member's side of a bootstrap: tells what it has seen, then gives its entries in order, as far as the window goes.
///
/// It holds a place and no entry: what is given is read from the store as it is then. Every entry that reflects what was captured is there from
/// the capture on, or a newer one of its key is; what is written meanwhile the joiner gets from the log.
///
/// - Bound: `BootstrapReceiver.window` bytes under way, and one message more. `patience` without a word of the joiner ends it.
package struct BootstrapGiver: Equatable, Sendable {
    package enum Event: Equatable, Sendable {
        case heard(BootstrapMessage, sequence: UInt16)
        /// What `capture` asked for; nil where nothing must be concluded from what this node has seen.
        case captured(BootstrapCapture?)
        /// Records from `place` on, as `room` allowed, up to `through`; everything that there is where `isLast`.
        case read([UInt8], through: BootstrapPlace?, isLast: Bool)
        /// The store does not have, whole, what it has seen.
        case foundDamage
        case deadlinePassed
    }

    package enum Action: Equatable, Sendable {
        case send(BootstrapMessage, sequence: UInt16)
        case capture
        /// The bootstrap is over, for the sake of the fault or because everything was given.
        case end(BootstrapFault?)
    }

    private enum State: Equatable, Sendable {
        /// Has yet to hear anything.
        case opening
        case capturing
        /// Has told what it has seen; the joiner keeps that.
        case awaiting
        case giving
        case ended
    }

    /// A joiner whose disk stands still for longer asks again.
    package static let patience = Duration.seconds(60)

    private var state = State.opening
    private var lastHeard: Instant
    private var (sendSequence, expectedSequence): (UInt16, UInt16) = (0, 0)
    private var underWay = 0
    /// Everything up to here was given; nil for nothing.
    package private(set) var place: BootstrapPlace?

    package init(at now: Instant) { self.lastHeard = now }

    /// How many bytes may be read and given now; a record that is longer may be given all the same where this is not 0.
    package var room: Int { self.state == .giving ? max(0, BootstrapReceiver.window - self.underWay) : 0 }

    package var isEnded: Bool { self.state == .ended }

    /// The driver keeps one timer set to this instant. Nil while it is this side that could go on.
    package var deadline: Instant? { self.isEnded || self.room > 0 ? nil : self.lastHeard + Self.patience }

    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        switch (self.state, event) {
        case (.ended, _):
            return []
        case (_, .heard(let message, let sequence)):
            return self.hear(message, sequence, at: now)
        case (.capturing, .captured(let capture?)):
            self.state = .awaiting
            return [self.say(.capture(capture))]
        case (.capturing, .captured(nil)), (_, .foundDamage):
            return self.stop(.incomplete)
        case (.giving, .read(let records, let through, let isLast)):
            return self.give(records, through, isLast, at: now)
        case (_, .deadlinePassed):
            guard let deadline, now >= deadline else { return [] }
            return self.stop(.stalled)
        case (_, .captured), (_, .read):
            preconditionFailure("\(event) out of order in \(self)")  // Only our own driver can cause this.
        }
    }

    private mutating func hear(_ message: BootstrapMessage, _ sequence: UInt16, at now: Instant) -> [Action] {
        guard sequence == self.expectedSequence else { return sequence &- self.expectedSequence < 0x8000 ? self.stop(.gap) : [] }
        self.expectedSequence &+= 1
        self.lastHeard = now
        switch (self.state, message) {
        case (_, .stop(let fault)):
            self.state = .ended
            return [.end(fault)]
        case (.opening, .ask):
            self.state = .capturing
            return [.capture]
        case (.opening, .give(let place)), (.awaiting, .give(let place)):
            (self.state, self.place) = (.giving, place)
            return []
        case (.giving, .acknowledge(let bytes)) where (0...self.underWay).contains(bytes):
            self.underWay -= bytes
            return []
        default:
            return self.stop(.outOfOrder)
        }
    }

    private mutating func give(_ records: [UInt8], _ through: BootstrapPlace?, _ isLast: Bool, at now: Instant) -> [Action] {
        precondition(self.room > 0 && records.isEmpty == (through == nil) && (isLast || !records.isEmpty), "\(records.count) bytes, last \(isLast)")
        var actions: [Action] = []
        if let through {
            self.place = through
            self.underWay += records.count
            self.lastHeard = now  // The joiner could not answer before.
            actions.append(self.say(.records(records)))
        }
        guard isLast else { return actions }
        actions += [self.say(.end), .end(nil)]
        self.state = .ended
        return actions
    }

    private mutating func stop(_ fault: BootstrapFault) -> [Action] {
        let stop = self.say(.stop(fault))
        self.state = .ended
        return [stop, .end(fault)]
    }

    private mutating func say(_ message: BootstrapMessage) -> Action {
        defer { self.sendSequence &+= 1 }
        return .send(message, sequence: self.sendSequence)
    }
}
