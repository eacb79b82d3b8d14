import Basics
import Storage

/// What can go wrong in a history, and how often: drawn from its seed before it begins.
package struct WorldPlan: Equatable, Sendable {
    package var nodes: Int
    /// Nodes beside these that are started empty while the others write.
    package var joiners = 0
    package var keys: Int
    package var clients: Int
    package var operations: Int
    package var durability: StoreConfiguration.Durability
    /// How long the writes and the faults go on.
    package var length: Duration
    /// Of each direction between two nodes up to so many messages in a thousand are lost.
    package var lossPerThousand = 0
    /// Per thousand of all messages.
    package var duplicationPerThousand = 0
    package var splitPerThousand = 0
    package var stallPerThousand = 0
    /// The longest delay of a message; those of one connection keep their order, those of different ones do not.
    package var greatestDelay = Self.leastDelay
    /// Each node's wall clock is off by up to so much, and runs too fast or too slow by up to so many parts in a million.
    package var greatestClockOffset = Duration.zero
    package var greatestDrift = 0
    /// So many of the founders' machines have no clock of their own: 1 or none.
    package var clocklessNodes = 0
    package var tableEntries: Int
    /// So much of each node's log is kept for the others: with none, or little, what they lack is found by sessions.
    package var logCapBytes: Int
    /// How fast members give to joiners; 0 for as fast as they can.
    package var bootstrapBytesPerSecond = 0
    /// How long tombstones stay at least, in seconds.
    package var windowSeconds: Int
    /// How often each of the other faults happens.
    private var times = [Int](repeating: 0, count: Fault.allCases.count)

    /// Founders and joiners.
    package var allNodes: Int { self.nodes + self.joiners }

    package static let leastDelay = Duration.milliseconds(1)

    package subscript(_ fault: Fault) -> Int {
        get { self.times[Fault.allCases.firstIndex(of: fault)!] }
        set { self.times[Fault.allCases.firstIndex(of: fault)!] = newValue }
    }

    /// Draws a plan: each kind of fault is off in a third of the histories, or more.
    package init(seed: UInt64, nodes: Int = 5, operations: Int = 1_000) {
        var random = SplitMix64(seed: seed)
        func some(_ range: ClosedRange<Int>, oneIn share: UInt64 = 3) -> Int {
            let (isOff, number) = (share == 3 ? random.next() % 3 == 0 : random.next() % share != 0, Int.random(in: range, using: &random))
            return isOff ? 0 : number
        }
        (self.nodes, self.operations) = (nodes, operations)
        self.keys = 1 << Int.random(in: 2...8, using: &random)
        self.clients = Int.random(in: 1...8, using: &random)
        self.durability = random.next() % 3 == 0 ? .interval : .always
        self.length = .seconds(Int.random(in: 4...16, using: &random))
        self.tableEntries = Int.random(in: 8...400, using: &random)
        self.logCapBytes = [0, 30_000, 1 << 30, 1 << 30].randomElement(using: &random)!
        self.windowSeconds = [0, 0, 5, 3_600].randomElement(using: &random)!
        self.lossPerThousand = some(1...300)
        self.duplicationPerThousand = some(1...200)
        self.splitPerThousand = some(1...200)
        self.stallPerThousand = some(1...5)
        self.greatestDelay = max(Self.leastDelay, .milliseconds(some(1...800)))
        self.greatestClockOffset = .milliseconds(some(1...2_000))
        self.greatestDrift = some(1...500)
        for (fault, range) in [
            (.partition, 1...3), (.reset, 1...10), (.kill, 1...4), (.powerCut, 1...7), (.pause, 1...3), (.slowDisk, 1...3), (.clockStep, 1...4),
            (.clockFreeze, 1...3),
        ] as [(Fault, ClosedRange<Int>)] { self[fault] = some(range) }
        for (fault, range) in [(.fullDisk, 1...2), (.failedSync, 1...2), (.join, 1...1)] as [(Fault, ClosedRange<Int>)] {
            self[fault] = some(range, oneIn: 4)
        }
        for (fault, range) in [(.wipe, 1...1), (.restore, 1...2), (.leave, 1...1), (.replace, 1...1)]
            as [(Fault, ClosedRange<Int>)]
        {
            self[fault] = some(range, oneIn: 5)
        }
        self[.bitFlip] = some(1...4, oneIn: 2)
        // More of these: most removals find the history over, or nobody there to be told, by the time that the member's absence is noticed, and
        // half of the copies never meet what they are a copy of.
        self[.copy] = some(1...1, oneIn: 2)
        self[.remove] = some(1...2, oneIn: 2)
        // In some of the histories in which clocks are off they are off by minutes: up to ten, or nearly.
        if self.greatestClockOffset > .zero, random.next() % 4 == 0 {
            self.greatestClockOffset = .seconds(600 - Int.random(in: 0...24, using: &random) * 24)
        }
        self[.clockLeap] = some(1...1, oneIn: 4)
        self.clocklessNodes = some(1...1, oneIn: 5)
        self[.fence] = some(1...1, oneIn: 3)
        self[.siblings] = some(20...90, oneIn: 2)
        self[.siblingDeadlines] = some(5...40, oneIn: 2)
        if self[.siblings] == 0 { self[.siblingDeadlines] = 0 }
    }

    /// Leaves a kind of fault out. What else happens stays as it was drawn.
    package mutating func leaveOut(_ fault: Fault) {
        switch fault {
        case .loss: self.lossPerThousand = 0
        case .duplication: self.duplicationPerThousand = 0
        case .split: self.splitPerThousand = 0
        case .stall: self.stallPerThousand = 0
        case .delay: self.greatestDelay = Self.leastDelay
        case .offset: self.greatestClockOffset = .zero
        case .drift: self.greatestDrift = 0
        case .noClock: self.clocklessNodes = 0
        default: self[fault] = 0
        }
    }

    /// Whether a kind of fault is there at all.
    package func has(_ fault: Fault) -> Bool {
        var without = self
        without.leaveOut(fault)
        return without != self
    }
}
