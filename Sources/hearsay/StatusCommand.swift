import ArgumentParser
import RESP

/// `hearsay status`: what a node says of itself and of the members that it knows, for people.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how a node is doing, and the members that it knows.",
        discussion: "Exit codes: 0 the node answered, 1 it refused, 69 it cannot be reached.")

    @OptionGroup var node: NodeAddress

    func run() throws {
        try self.node.run { () throws(ClientSocket.Failure) in
            print(try self.node.connect().demand("HEARSAY", "STATUS").text ?? "", terminator: "")
        }
    }
}
