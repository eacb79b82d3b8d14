import Foundation
import Glibc

/// A real node: the built `hearsay node` on a free port of 127.0.0.1, with its data in a temporary folder.
///
/// It is ready when `init` returns, killed when its owner and its connections have gone, and can end and start again on the same data in between.
package final class NodeProcess {
    /// Where its data, and whatever else a test needs, lies.
    package let folder: TemporaryFolder
    private let arguments: [String]
    private let environment: [String: String]
    private var child: ChildProcess
    /// The port for clients. Another one after each start.
    package private(set) var port: UInt16
    /// The port for other nodes, another one after each start too; nil without `--peer-listen`.
    package private(set) var peerPort: UInt16?

    /// Starts a node with `flags` beside `--data` and `--listen`, and waits until it says that it is ready.
    package convenience init(_ flags: [String] = [], listen: String = "127.0.0.1:0") throws {
        try self.init(flags, in: TemporaryFolder(), listen: listen)
    }

    /// The same with a folder that the test has prepared, for example with a password file in it.
    package init(
        _ flags: [String] = [], in folder: TemporaryFolder, listen: String = "127.0.0.1:0", environment: [String: String] = [:]
    ) throws {
        (self.folder, self.environment) = (folder, environment)
        self.arguments = ["node", "--data", Self.data(in: folder), "--listen", listen] + flags
        (self.child, self.port) = try Self.start(self.arguments, environment)
        self.peerPort = portWhenReady(inLog: self.child.errorText, of: "peers")
    }

    package var data: String { Self.data(in: self.folder) }
    package var pid: pid_t { self.child.pid }
    /// What it has logged since its last start, as far as it has been read: up to ready, and up to the end once it has ended.
    package var log: String { self.child.errorText }

    /// A new connection, which keeps this node.
    package func client() throws(ProcessFailure) -> RedisClient { RedisClient(try self.socket()) }
    /// The same without a parser.
    package func socket() throws(ProcessFailure) -> Socket { try Socket(port: self.port, server: self) }

    /// Ends it without warning, and waits until it has ended.
    package func kill9() throws(ProcessFailure) {
        try self.child.send(signal: SIGKILL)
        _ = try self.child.waitForEnd()
    }

    /// Asks it to stop, and waits until it has.
    package func terminate() throws(ProcessFailure) -> ChildProcess.Ending {
        try self.child.send(signal: SIGTERM)
        return try self.child.waitForEnd()
    }

    /// Starts it again on the same data, after it has ended; this once with more flags.
    package func restart(adding flags: [String] = []) throws {
        (self.child, self.port) = try Self.start(self.arguments + flags, self.environment)
        self.peerPort = portWhenReady(inLog: self.child.errorText, of: "peers")
    }

    /// Waits until it logs a line that holds all of `words`, and returns the line.
    @discardableResult
    package func waitForLogLine(_ words: String..., until deadline: Deadline = .usual) throws(ProcessFailure) -> String {
        try self.child.wait(for: "a log line with \(words)", until: deadline) { child in
            child.errorText.split(separator: "\n").first { line in words.allSatisfy { line.contains($0) } }.map { String($0) }
        }
    }

    /// Its private memory that no file backs: what it costs the machine, without the pages of LMDB's file.
    package func anonymousBytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(self.pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        guard let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }) else {
            throw ProcessFailure.unreadableReply("no RssAnon for process \(self.pid)")
        }
        return kibibytes * 1_024
    }

    /// Runs `hearsay` with these arguments to an end that it must come to by itself: refused starts, `version`, wrong flags.
    package static func run(_ arguments: [String], environment: [String: String] = [:]) throws(ProcessFailure) -> FinishedProcess {
        try FinishedProcess(try self.program(), arguments, environment: environment)
    }

    private static func data(in folder: TemporaryFolder) -> String { "\(folder.path)/data" }

    private static func start(_ arguments: [String], _ environment: [String: String]) throws(ProcessFailure) -> (ChildProcess, port: UInt16) {
        let child = try ChildProcess(try self.program(), arguments, environment: environment)
        return (child, try child.wait(for: "the node to be ready") { portWhenReady(inLog: $0.errorText) })
    }

    /// The program that was built with the tests, which lies beside them, or the one that HEARSAY_TEST_BINARY names.
    package static func program() throws(ProcessFailure) -> String {
        let built = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("hearsay")
        let path = ProcessInfo.processInfo.environment["HEARSAY_TEST_BINARY"] ?? built.path
        guard access(path, X_OK) == 0 else { throw .missing(path: path, remedy: "build the product hearsay first") }
        return path
    }
}

/// The port in the line by which a node says that it is ready: it holds `ready` and `listen=ADDRESS:PORT`, or the same for `peers`. Nil until
/// there is one.
package func portWhenReady(inLog log: String, of listener: String = "listen") -> UInt16? {
    // Without what follows the last line end: a line that is cut off may hold half a port.
    for line in log.split(separator: "\n", omittingEmptySubsequences: false).dropLast() where line.contains("ready") {
        guard let start = line.range(of: "\(listener)=") else { continue }
        let address = line[start.upperBound...].prefix { !$0.isWhitespace }
        if let colon = address.lastIndex(of: ":"), let port = UInt16(address[colon...].dropFirst().prefix(while: \.isNumber)) {
            return port
        }
    }
    return nil
}
