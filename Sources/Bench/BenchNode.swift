import Basics
import FoundationEssentials
import Glibc
import NIOCore
import RESP

/// A `hearsay node` of a run: a process, its log, and a connection to its client port.
struct BenchNode: Sendable {
    let name: String
    let pid: pid_t
    /// The port for clients.
    let port: Int
    /// The port for peers; nil where it has none.
    let peerPort: Int?
    private let client: NodeClient
    /// For questions while the other one waits for an answer.
    private let sideClient: NodeClient
    private let log: String

    /// Starts a node with these flags beside its name, its data and its port, and waits until it says that it is ready.
    static func start(
        _ name: String, program: String, flags: [String], in workspace: Workspace, on loop: any EventLoop
    ) async throws(BenchError) -> BenchNode {
        let log = "\(workspace.folder)/\(name).log"
        let arguments = ["node", "--name", name, "--data", Self.data(of: name, in: workspace), "--listen", "127.0.0.1:0"] + flags
        let pid = try workspace.start(program, arguments, log: log)
        let deadline = Instant.monotonic + .seconds(60)
        while Instant.monotonic < deadline {
            // Looked at before the log: what it said last is there then.
            let hasEnded = workspace.hasEnded(pid)
            if let (port, peerPort) = portsWhenReady(inLog: Self.text(of: log)) {
                let client = try await NodeClient.connect(port: port, on: loop)
                let sideClient = try await NodeClient.connect(port: port, on: loop)
                return BenchNode(name: name, pid: pid, port: port, peerPort: peerPort, client: client, sideClient: sideClient, log: log)
            }
            if hasEnded { throw .nodeFailed(name: name, lastLine: Self.lastLine(of: log)) }
            await loop.pause(.milliseconds(10))
        }
        throw .nodeFailed(name: name, lastLine: "it was not ready within 60 s")
    }

    static func data(of name: String, in workspace: Workspace) -> String { "\(workspace.folder)/\(name)" }

    /// What a node has.
    enum State: Equatable, Sendable {
        /// The digest of all entries as of what is synced, as `HEARSAY DIGEST` has it.
        case serves(digest: String)
        /// It serves nobody yet, and has counted so many entries.
        case joins(entries: String)

        var text: String {
            switch self {
            case .serves(let digest): digest
            case .joins(let entries): "\(entries), joining"
            }
        }
    }

    func state() async throws(BenchError) -> State {
        switch try await self.ask("HEARSAY", "DIGEST") {
        case .bulk(let bytes): .serves(digest: String(decoding: bytes, as: UTF8.self))
        case .error(let text) where text.hasPrefix("LOADING"): .joins(entries: try await self.information("digest_entries_folded"))
        case let other: throw .unexpectedReply(request: "HEARSAY DIGEST", reply: "\(other)")
        }
    }

    /// How far a joiner is: whether it serves, and the bytes of records that it has got.
    func bootstrapState() async throws(BenchError) -> (isServing: Bool, bytes: Int, text: String) {
        let fields = try await self.ask("INFO", "hearsay").text ?? ""
        func field(_ name: String) -> Substring {
            fields.split(whereSeparator: \.isNewline).first { $0.hasPrefix("\(name):") }?.dropFirst(name.count + 1) ?? ""
        }
        let bytes = field("bootstrap_bytes_in")
        return (field("waiting_for").isEmpty, Int(bytes) ?? 0, "\(field("waiting_for")), \(bytes) bytes")
    }

    /// True while nothing is being moved to LMDB, and the digest tree has the leaves that its entries ask for.
    ///
    /// A tree grows while its node has nothing else to do, and for its first minute after a great load it may lag behind.
    func isAtRest() async throws(BenchError) -> Bool {
        let leafBits = UInt64(try await self.information("digest_leaf_bits")) ?? 0
        let entries = UInt64(try await self.information("digest_entries_folded")) ?? 0
        guard entries <= Self.entriesPerLeaf << leafBits else { return false }
        return try await self.information("frozen_table_entries") == "0"
    }

    /// Waits until it is linked with the other node.
    func awaitLinked(on loop: any EventLoop, within patience: Duration) async throws(BenchError) {
        let deadline = Instant.monotonic + patience
        while try await self.information("linked_members") != "1" {
            guard Instant.monotonic < deadline else { throw .neverConnected(seconds: Int(patience.inSeconds)) }
            await loop.pause(.milliseconds(5))
        }
    }

    /// How many entries `REPAIR DRYRUN` finds to differ from the other node's.
    func countDifferences(from other: BenchNode) async throws(BenchError) -> Int {
        let reply = try await self.ask("HEARSAY", "REPAIR", other.name, "DRYRUN")
        guard case .array(let parts) = reply, !parts.isEmpty else { throw .unexpectedReply(request: "HEARSAY REPAIR DRYRUN", reply: "\(reply)") }
        // Names and numbers in turn.
        var found = 0
        for case (let name?, .integer(let number)) in zip(parts.map(\.text), parts.dropFirst())
        where ["only-here", "only-there", "in-both"].contains(name) { found += Int(number) }
        return found
    }

    /// How many differing ranges sessions with the one other node have found so far.
    func comparedRanges() async throws(BenchError) -> Int {
        let text = try await self.ask("INFO", "hearsay").text ?? ""
        let fields = text.split { ",\r\n".contains($0) }
        return fields.first { $0.hasPrefix("ranges=") }.flatMap { Int($0.dropFirst("ranges=".count)) } ?? 0
    }

    /// Is answered beside whatever the node does for another question.
    func ping() async throws(BenchError) { _ = try await self.sideClient.ask(["PING"]) }

    /// A leaf has 12 to 24 entries.
    private static let entriesPerLeaf: UInt64 = 24

    private func information(_ field: String) async throws(BenchError) -> String {
        let text = try await self.ask("INFO", "hearsay").text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("\(field):") }
        guard let line else { throw .unexpectedReply(request: "INFO hearsay", reply: "no \(field)") }
        return String(line.dropFirst(field.count + 1))
    }

    /// The processor time that it has used so far, of all its threads, user and system.
    func processorTime() -> Duration {
        var (clock, time) = (clockid_t(), timespec())
        guard clock_getcpuclockid(self.pid, &clock) == 0, clock_gettime(clock, &time) == 0 else { return .zero }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// Asks it to stop, and waits until it has.
    func stop(in workspace: Workspace, on loop: any EventLoop) async throws(BenchError) {
        workspace.send(SIGTERM, to: self.pid)
        let deadline = Instant.monotonic + .seconds(120)
        while !workspace.hasEnded(self.pid) {
            guard Instant.monotonic < deadline else { throw .nodeFailed(name: self.name, lastLine: "it did not stop within 120 s") }
            await loop.pause(.milliseconds(10))
        }
    }

    private func ask(_ words: String...) async throws(BenchError) -> Reply {
        do throws(BenchError) {
            return try await self.client.ask(words)
        } catch {
            throw .nodeFailed(name: self.name, lastLine: "\(error); its last line: \(Self.lastLine(of: self.log))")
        }
    }

    private static func text(of log: String) -> String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

    private static func lastLine(of log: String) -> String { self.text(of: log).split(separator: "\n").last.map(String.init) ?? "it said nothing" }
}

/// The ports in the line by which a node says that it is ready: it holds `ready`, `listen=ADDRESS:PORT` and perhaps `peers=ADDRESS:PORT`.
func portsWhenReady(inLog log: String) -> (clients: Int, peers: Int?)? {
    func port(_ name: String, in line: Substring) -> Int? {
        for word in line.split(separator: " ") where word.hasPrefix("\(name)=") {
            return word.lastIndex(of: ":").flatMap { Int(word[word.index(after: $0)...]) }
        }
        return nil
    }
    // Without what follows the last line end: a line that is cut off may hold half a port.
    for line in log.split(separator: "\n", omittingEmptySubsequences: false).dropLast() where line.split(separator: " ").contains("ready") {
        if let clients = port("listen", in: line) { return (clients, port("peers", in: line)) }
    }
    return nil
}

extension EventLoop {
    /// Waits.
    func pause(_ duration: Duration) async {
        // It fails only when the loop is shut down, and then there is nothing to wait for.
        try? await self.scheduleTask(in: .nanoseconds(duration.wholeNanoseconds)) {}.futureResult.get()
    }
}
