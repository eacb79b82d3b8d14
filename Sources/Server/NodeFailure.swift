import Glibc
import Storage

/// Why a node does not start or has to stop, with the exit code that scripts can tell it by (sysexits.h).
package struct NodeFailure: Error, CustomStringConvertible {
    package enum ExitCode: Int32, Sendable {
        case usage = 64
        case unavailable = 69
        case cannotCreate = 73
        case inputOutput = 74
        case inUse = 75
        case refused = 78
    }

    package let code: ExitCode
    package let description: String

    package init(_ code: ExitCode, _ description: String) { (self.code, self.description) = (code, description) }

    /// What a store that does not open means for the process.
    package init(_ error: StoreError) {
        let code: ExitCode =
            switch error {
            case .disk(let error) where error.operation == .create: .cannotCreate
            case .disk, .base, .baseFull: .inputOutput
            case .inUse: .inUse
            case .foreign, .damagedLog, .damagedBase, .damagedCheckpoint: .refused
            }
        var text = error.description
        if case .damagedLog = error {
            text += "; start with --drop-damaged-log to put the log aside and go on with what can be read, under a new replica id"
        }
        self.init(code, text)
    }
}

/// Ends the process at once, without running anything more.
func exitProcess(_ code: NodeFailure.ExitCode) -> Never { exit(code.rawValue) }
