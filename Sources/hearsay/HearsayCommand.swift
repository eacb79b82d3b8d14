import ArgumentParser
import Glibc
import Node

/// The program: one binary for the node and for what people do with it.
@main
struct HearsayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hearsay",
        abstract: "An eventually consistent, replicated key-value store that speaks the Redis protocol.",
        subcommands: [
            NodeCommand.self, StatusCommand.self, JoinCommand.self, RepairCommand.self, SalvageCommand.self, SiblingsCommand.self, VerifyCommand.self,
            SimulateCommand.self,
            BenchCommand.self,
            CheckBaseCommand.self, VersionCommand.self,
        ])
}

/// `hearsay version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the program's version.")

    func run() {
        print("hearsay \(programVersion)")
    }
}

/// Says what is wrong, in one line on standard error.
func complain(_ text: String) {
    var line = "hearsay: \(text)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
