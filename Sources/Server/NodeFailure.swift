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
            case .base where error.isDamage: .refused
            case .disk, .base, .baseFull: .inputOutput
            case .inUse: .inUse
            case .foreign, .damagedLog, .damagedBase, .misplacedRow, .damagedCheckpoint: .refused
            }
        var text = error.description
        switch error {
        case .damagedLog:
            text += "; start with --drop-damaged-log to put the log aside and go on with what can be read, under a new replica id, or with --rebuild "
            text += "to get everything again from the other members"
        case .damagedBase, .misplacedRow, .damagedCheckpoint: text += "; " + Self.wayOut
        case .base where error.isDamage: text += "; " + Self.wayOut
        case .disk, .base, .baseFull, .foreign, .inUse: break
        }
        self.init(code, text)
    }

    /// A store that no lookup can rely on.
    init(damaged folder: String, _ damage: String, hasSeeds: Bool) {
        self.init(.refused, "the store in \(folder) is damaged: \(damage); " + (hasSeeds ? Self.wayOut : Self.wayOutAlone))
    }

    private static let wayOut = "start with --rebuild to put it aside and get everything again from the other members, or put back a backup"
    private static let wayOutAlone =
        "put back a backup, or, where other nodes hold the same, start with --rebuild, --name and --seed to put it aside and get everything from them"
}

/// Ends the process at once, without running anything more.
func exitProcess(_ code: NodeFailure.ExitCode) -> Never { exit(code.rawValue) }
