import ArgumentParser
import Glibc

/// Which node a command talks to, and with what password.
struct NodeAddress: ParsableArguments {
    @Option(help: ArgumentHelp("The node's client address.", valueName: "host:port"))
    var at = "127.0.0.1:7379"

    @Option(help: ArgumentHelp("A file whose first line is the password. HEARSAY_PASSWORD_FILE stands in for it.", valueName: "file"))
    var passwordFile: String?

    func validate() throws {
        guard parseAddress(self.at) != nil else { throw ValidationError("--at takes an address and a port, such as 127.0.0.1:7379.") }
    }

    /// A connection that has authenticated, if there is a password.
    func connect() throws(ClientSocket.Failure) -> ClientSocket {
        guard let (host, port) = parseAddress(self.at) else { throw .unreachable("\(self.at) is no address") }
        let socket = try ClientSocket(host: host, port: port)
        if let path = self.passwordFile ?? getenv("HEARSAY_PASSWORD_FILE").map({ String(cString: $0) }), !path.isEmpty {
            let password: [UInt8]
            do throws(PasswordFile.Failure) { password = try PasswordFile.read(path) } catch { throw .refused(error.description) }
            if case .error(let text) = try socket.ask([Array("AUTH".utf8), password]) { throw .refused(text) }
        }
        return socket
    }

    /// Runs what talks to the node; a failure is told in one line, and ends the program with its status.
    func run(_ body: () throws(ClientSocket.Failure) -> Void) throws {
        do throws(ClientSocket.Failure) { try body() } catch {
            complain("\(self.at): \(error.description)")
            throw ExitCode(error.exitCode)
        }
    }
}
