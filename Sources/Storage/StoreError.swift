import Basics

/// What can keep a store from opening, reading or writing. Each case says what was tried and what the system answered.
package enum StoreError: Error, Equatable, Sendable {
    /// The system refused a file operation.
    case disk(DiskError)
    /// LMDB refused an operation; `code` is its own or an `errno`.
    case base(operation: String, code: Int32)
    /// The base has no room left. Reads go on, writes are refused until there is room again.
    case baseFull(operation: String)
    /// The folder holds something that is not a store of this program and format.
    case foreign(reason: String)
    /// The log lost bytes that it had reported as synced.
    case damagedLog(LogDamage)
    /// More entries are not what was written than a node deals with.
    case damagedBase(entries: Int)
    /// The base has a row in a place where no lookup finds it.
    case misplacedRow(token: UInt64)
    /// A record, checkpoint or header does not read as what was written.
    case damagedCheckpoint(reason: String)
    /// Another process has the folder open.
    case inUse(folder: String)
}

extension StoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .disk(let error): error.description
        case .base(let operation, let code): "LMDB \(operation): \(describeBaseCode(code))"
        case .baseFull(let operation): "LMDB \(operation): no space left on the device"
        case .foreign(let reason): reason
        case .damagedLog(let damage): damage.description
        case .damagedBase(let entries): "more than \(entries) entries are damaged"
        case .misplacedRow(let token): "the base has a row that is out of order or not under its key's token, at token \(hexadecimal(token))"
        case .damagedCheckpoint(let reason): "checkpoint in LMDB is damaged: \(reason)"
        case .inUse(let folder): "data folder \(folder) is in use by another process"
        }
    }
}

extension StoreError {
    /// True where the store is not what was written, and no other version's or program's.
    package var isDamage: Bool {
        switch self {
        case .damagedLog, .damagedBase, .misplacedRow, .damagedCheckpoint: true
        case .base(_, let code): isBaseDamage(code)
        case .disk, .baseFull, .foreign, .inUse: false
        }
    }

    /// True where the cause is a full disk: writes are refused, reads go on, and the next attempt may succeed.
    package var isDiskFull: Bool {
        switch self {
        case .disk(let error): error.isFull
        case .baseFull: true
        case .base, .foreign, .damagedLog, .damagedBase, .misplacedRow, .damagedCheckpoint, .inUse: false
        }
    }
}

/// Where and how a log is damaged: a batch that cannot be read lies before one that was written after a sync had covered it.
package struct LogDamage: Error, Equatable, Sendable, CustomStringConvertible {
    /// The segment's file name.
    package let segment: String
    /// The log position of the first byte that cannot be read.
    package let position: UInt64
    /// The position that a later batch claims as synced.
    package let claimedSynced: UInt64

    package var description: String {
        "log segment \(self.segment) is damaged at position \(self.position), "
            + "although everything before position \(self.claimedSynced) had been synced"
    }
}
