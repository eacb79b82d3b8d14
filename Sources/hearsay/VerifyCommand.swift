import ArgumentParser
import Server
import Storage

/// `hearsay verify`: whether what lies in a stopped node's data folder is what was written.
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check the data folder of a stopped node, and change nothing in it.",
        discussion: """
            Reads all of it: each page of data.mdb and how pages hang together, each row's place, token and checksum, the checkpoint, the digest where \
            the last stop left it, and each batch of the log. What LMDB makes of the file is read in a process of its own: on a damaged file LMDB may \
            crash or stand still, which is reported as damage.

            Entries that are damaged by themselves come back from the other members once the node runs. Where the file is damaged beyond that the node \
            does not start: `hearsay node --rebuild` puts it aside and gets everything again. A torn tail of the log is what a crash leaves and no \
            damage. A running node checks itself: HEARSAY VERIFY, HEARSAY DAMAGE.

            Exit codes: 0 intact, 1 damage was found, 64 unusable options, 66 the folder holds no store, 74 reading failed, 75 a running node has the \
            folder, 78 another version of the program has written it.
            """)

    @Argument(help: ArgumentHelp("The node's data folder: what --data names.", valueName: "folder"))
    var folder: String

    func run() throws {
        let report: StoreReport
        do throws(VerifyFailure) { report = try StoreReport(path: self.folder) } catch {
            complain(error.description)
            throw ExitCode(error.code)
        }
        print(report.text, terminator: "")
        if !report.isIntact { throw ExitCode(1) }
    }
}

/// Why a folder cannot be verified, with the exit code that says so (sysexits.h).
struct VerifyFailure: Error {
    let code: Int32
    let description: String

    private init(code: Int32, description: String) { (self.code, self.description) = (code, description) }

    init(_ refusal: InspectedFolder.Refusal) {
        switch refusal {
        case .noStore(let reason): self.init(code: 66, description: reason)
        case .inUse(let reason): self.init(code: 75, description: reason)
        case .otherVersion(let reason): self.init(code: 78, description: reason)
        case .disk(let error): self.init(code: 74, description: error.description)
        }
    }

    init(_ failure: NodeFailure) { self.init(code: failure.code.rawValue, description: failure.description) }
    init(_ error: StoreError) { self.init(NodeFailure(error)) }
    init(_ error: DiskError) { self.init(code: 74, description: error.description) }
    init(otherFormat version: UInt32) {
        self.init(code: 78, description: "the store has format \(version); this program reads format \(Checkpoint.formatVersion)")
    }
}
