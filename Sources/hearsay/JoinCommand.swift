import ArgumentParser
import Glibc
import RESP

/// `hearsay join`: waits until a node that joins a cluster serves, and shows how far it is.
struct JoinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Wait until a node has everything that its cluster holds, and serves.",
        discussion: """
            A node joins by itself: start it with --seed, the address of a member. Until it has everything it answers -LOADING. This command \
            waits for the end of that; with --watch it shows who gives, how much has come and how long it takes yet.

            On a terminal one line is drawn again and again; elsewhere, or where NO_COLOR is set, each change is a line of its own.

            Exit codes: 0 the node serves, 1 it refused, 64 unsuitable flags, 69 it cannot be reached, or is gone.
            """)

    @OptionGroup var node: NodeAddress

    @Flag(help: "Show how far it is while it goes on.")
    var watch = false

    private static let intervalMicroseconds: UInt32 = 200_000

    func run() throws {
        let line = ProgressLine(quiet: !self.watch || getenv("NO_COLOR") != nil)
        try self.node.run { () throws(ClientSocket.Failure) in
            defer { line.clear() }
            let socket = try self.node.connect()
            var last = ""
            while let situation = try Self.situation(socket) {
                if line.enabled { line.show(situation) } else if self.watch, situation != last { writeToStandardError(situation + "\n") }
                last = situation
                usleep(Self.intervalMicroseconds)
            }
            line.clear()
            print("\(self.node.at) serves: \(try Self.keys(socket))")
        }
    }

    /// What the node waits for; nil once it serves.
    private static func situation(_ socket: borrowing ClientSocket) throws(ClientSocket.Failure) -> String? {
        let status = try socket.demand("HEARSAY", "STATUS").text ?? ""
        guard let waiting = self.field("waiting", of: status) else { return nil }
        return self.field("bootstrap", of: status) ?? waiting
    }

    private static func keys(_ socket: borrowing ClientSocket) throws(ClientSocket.Failure) -> String {
        let status = try socket.demand("HEARSAY", "STATUS").text ?? ""
        return "\(self.field("cluster", of: status) ?? ""); keys: \(self.field("keys", of: status) ?? "")"
    }

    /// What a line of STATUS says behind its name.
    private static func field(_ name: String, of status: String) -> String? {
        for line in status.split(separator: "\n") where line.hasPrefix("\(name) ") {
            return String(line.dropFirst(name.count).drop { $0 == " " })
        }
        return nil
    }
}
