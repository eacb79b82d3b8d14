import ArgumentParser
import Server

/// `hearsay check-base`: what `verify`, and a node that starts, run beside themselves, as LMDB may crash on what is damaged.
struct CheckBaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: CheckProcess.subcommand, abstract: "Check a base on behalf of another process of this program.",
        discussion: "Prints what it finds as lines for that process. People use `hearsay verify`.", shouldDisplay: false)

    @Argument(help: "The folder of data.mdb.")
    var folder: String

    func run() {
        CheckChild.run(baseFolder: self.folder)
    }
}
