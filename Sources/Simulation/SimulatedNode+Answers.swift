import Basics
import Node
import Storage
import Versioning

/// What a node owes its clients, and what they know of it.
extension SimulatedNode {
    /// An answer that waits.
    struct Pending {
        let position: LogPosition
        let attempt: Attempt
        /// Nil for a read.
        let write: Acknowledged?
    }

    /// A write as the client knows it.
    struct Acknowledged {
        let number: UInt64
        let dot: Dot
        let version: Ledger.Version
        /// Nil where the disk that it was written to is gone.
        var position: LogPosition?
        var at = Instant(nanoseconds: 0)
        /// Lost with its node's disk, as its durability level allows.
        var isExcused = false
    }

    struct Provisional {
        let position: LogPosition
        let dot: Dot
        let number: UInt64
        let version: Ledger.Version
    }

    /// A command whose answer comes later: a WAIT, or an operator's.
    struct WaitingJob {
        let job: Job
        /// What a WAIT is about; nil for an operator's command.
        let write: Acknowledged?
    }
}
