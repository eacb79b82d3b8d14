import ArgumentParser
import Glibc
import RESP

/// `hearsay status`: what a node says of itself, for people.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how a node is doing.",
        discussion: "Exit codes: 0 the node answered, 1 it refused, 69 it cannot be reached.")

    @Option(help: ArgumentHelp("The node's client address.", valueName: "host:port"))
    var at = "127.0.0.1:7379"

    @Option(help: ArgumentHelp("A file whose first line is the password. HEARSAY_PASSWORD_FILE stands in for it.", valueName: "file"))
    var passwordFile: String?

    func validate() throws {
        guard parseAddress(self.at) != nil else { throw ValidationError("--at takes an address and a port, such as 127.0.0.1:7379.") }
    }

    func run() throws {
        guard let (host, port) = parseAddress(self.at) else { throw ExitCode(64) }
        do throws(ClientSocket.Failure) {
            let socket = try ClientSocket(host: host, port: port)
            if let path = self.passwordFile ?? getenv("HEARSAY_PASSWORD_FILE").map({ String(cString: $0) }), !path.isEmpty {
                let password: [UInt8]
                do throws(PasswordFile.Failure) { password = try PasswordFile.read(path) } catch { throw .refused(error.description) }
                try self.demand(socket.ask([Array("AUTH".utf8), password]))
            }
            print(try self.demand(socket.ask([Array("HEARSAY".utf8), Array("STATUS".utf8)])), terminator: "")
        } catch {
            complain("\(self.at): \(error.description)")
            throw ExitCode(error.exitCode)
        }
    }

    @discardableResult
    private func demand(_ reply: Reply) throws(ClientSocket.Failure) -> String {
        if case .error(let text) = reply { throw .refused(text) }
        return reply.text ?? ""
    }
}
