import ArgumentParser
import Glibc
import RESP

/// `hearsay repair`: lets a node and a member exchange what differs.
struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Exchange with a member what differs, now.",
        discussion: """
            Nodes do this by themselves when they find that they differ; this does it at once, and says what it came to.

            Exit codes: 0 both hold the same, 1 the node refused, or they differ still as writes go on, 69 it cannot be reached.
            """)

    @Argument(help: "The member's name, or the beginning of its replica id.")
    var member: String

    @OptionGroup var node: NodeAddress

    @Flag(help: "Only count what differs.")
    var dryRun = false

    @Flag(help: "Show how far it is while it goes on.")
    var watch = false

    func run() throws {
        var isEqual = true
        try self.node.run { () throws(ClientSocket.Failure) in
            let socket = try self.node.connect()
            try socket.send((["HEARSAY", "REPAIR", self.member] + (self.dryRun ? ["DRYRUN"] : [])).map { Array($0.utf8) })
            try self.wait(for: socket)
            let reply = try socket.receive()
            if case .error(let text) = reply { throw .refused(text) }
            isEqual = Self.print(reply)
        }
        if !isEqual { throw ExitCode(1) }
    }

    /// Waits until the answer comes, however long it takes, and shows meanwhile what the node says of its sessions.
    private func wait(for socket: borrowing ClientSocket) throws(ClientSocket.Failure) {
        let watched = try self.node.connect()
        while !socket.isAnswered(withinMilliseconds: 500) {
            let status = try watched.demand("HEARSAY", "STATUS").text ?? ""
            guard self.watch else { continue }
            for line in status.split(separator: "\n") where line.hasPrefix("session") {
                var text = line.drop { $0 != " " }.drop { $0 == " " } + "\n"
                text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
            }
        }
    }

    /// - Returns: false where the roots differ.
    private static func print(_ reply: Reply) -> Bool {
        var isEqual = true
        guard case .array(let fields) = reply else { return true }
        for index in stride(from: 0, to: fields.count - 1, by: 2) {
            guard let name = fields[index].text, case .integer(let number) = fields[index + 1] else { continue }
            if name == "equal-roots", number == 0 { isEqual = false }
            Swift.print("\(name) \(number)")
        }
        return isEqual
    }
}
