import Node
import RESP
import Storage

/// What one command came to.
struct Answer: Equatable, CustomStringConvertible {
    let bytes: [UInt8]
    /// The answer may leave when this position is durable.
    let dependsOn: LogPosition
    let closes: Bool

    /// The bytes as one line: each CR LF but the last is a space, and what is not printable ASCII is escaped.
    var line: String {
        self.bytes.dropLast(2).map { byte in
            switch byte {
            case UInt8(ascii: "\r"): " "
            case UInt8(ascii: "\n"): ""
            case 0x20...0x7e: String(Unicode.Scalar(byte))
            default: (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
            }
        }.joined()
    }

    var description: String { "\(self.line) (depends on \(self.dependsOn)\(self.closes ? ", closes" : ""))" }

    /// The answer as a client reads it.
    var reply: Reply {
        get throws {
            var parser = ReplyParser()
            parser.append(self.bytes)
            guard let reply = try parser.next(), try parser.next() == nil else { throw HarnessError(description: "not one reply: \(self.line)") }
            return reply
        }
    }

    /// The text of a bulk, simple or verbatim string, and of an error.
    var text: String {
        get throws {
            let reply = try self.reply
            if case .error(let text) = reply { return text }
            return reply.text ?? "\(reply)"
        }
    }
}

/// A test drove the replica as no driver may.
struct HarnessError: Error, CustomStringConvertible {
    let description: String
}

/// One client of a `ReplicaWorld`, as its connection drives the replica: parses, executes, runs jobs.
final class TestClient {
    let world: ReplicaWorld
    let session: Session

    init(_ world: ReplicaWorld, _ session: Session) { (self.world, self.session) = (world, session) }

    /// What became of a command that may take several slices.
    enum Progress {
        case answered(Answer)
        case job(RunningJob)
    }

    /// Executes a command, and the slices of its job, to the end.
    @discardableResult
    func send(_ words: String...) throws -> Answer { try self.send(words.map { Array($0.utf8) }) }

    @discardableResult
    func send(_ words: [String]) throws -> Answer { try self.send(words.map { Array($0.utf8) }) }

    @discardableResult
    func send(_ words: [[UInt8]]) throws -> Answer { try self.finish(try self.begin(words)) }

    /// Executes a line, with quotes as `redis-cli` takes them.
    @discardableResult
    func type(_ line: String) throws -> Answer { try self.finish(try self.begin(bytes: Array(line.utf8) + [UInt8(ascii: "\n")])) }

    private func finish(_ progress: Progress) throws -> Answer {
        switch progress {
        case .answered(let answer): return answer
        case .job(let job):
            for _ in 0..<100_000 {
                if let answer = try job.advance() { return answer }
                if job.isBlocked, self.world.isDraining { try self.world.finishDrain() }
                try self.world.tick()
            }
            throw HarnessError(description: "a job that does not end")
        }
    }

    /// Executes a command up to its first slice.
    private func begin(_ words: [[UInt8]]) throws -> Progress {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words { bytes += Array("$\(word.count)\r\n".utf8) + word + Array("\r\n".utf8) }
        return try self.begin(bytes: bytes)
    }

    private func begin(bytes: [UInt8]) throws -> Progress {
        try self.withArguments(bytes) { arguments in
            guard !self.world.replica.mustWait(arguments, self.session) else { throw HarnessError(description: "a command that must wait") }
            var writer = ReplyWriter(version: self.session.version)
            switch try self.world.replica.execute(arguments, self.session, at: self.world.moment, to: &writer) {
            case .answered(let position): return .answered(Answer(bytes: writer.copy(), dependsOn: position, closes: false))
            case .answeredAndCloses: return .answered(Answer(bytes: writer.copy(), dependsOn: 0, closes: true))
            case .job(let job): return .job(RunningJob(self, job))
            }
        }
    }

    /// A command whose job the test advances itself.
    func beginJob(_ words: String...) throws -> RunningJob { try self.beginJob(words) }

    func beginJob(_ words: [String]) throws -> RunningJob {
        guard case .job(let job) = try self.begin(words.map { Array($0.utf8) }) else { throw HarnessError(description: "\(words) is no job") }
        return job
    }

    /// Whether a command must wait, unexecuted.
    func mustWait(_ words: String...) throws -> Bool { try self.mustWait(words) }

    func mustWait(_ words: [String]) throws -> Bool {
        let bytes = Array("*\(words.count)\r\n".utf8) + words.flatMap { Array("$\($0.utf8.count)\r\n\($0)\r\n".utf8) }
        return try self.withArguments(bytes) { self.world.replica.mustWait($0, self.session) }
    }

    private func withArguments<Result>(_ bytes: [UInt8], _ body: (Arguments) throws -> Result) throws -> Result {
        var parser = CommandParser(limits: .authenticated(valueBytes: 64 << 20))
        return try bytes.withUnsafeBytes { buffer in
            guard parser.next(in: buffer) == .command else {
                throw HarnessError(description: "no command: \(String(decoding: bytes, as: UTF8.self))")
            }
            return try body(parser.arguments)
        }
    }

    /// Closes the connection.
    func disconnect() { self.world.replica.disconnected(self.session) }
}

/// A command that is answered in slices.
final class RunningJob {
    private let client: TestClient
    let job: Job
    private var bytes: [UInt8] = []
    private(set) var isBlocked = false

    init(_ client: TestClient, _ job: Job) { (self.client, self.job) = (client, job) }

    /// Does a slice.
    ///
    /// - Returns: the answer, once it is whole.
    func advance() throws -> Answer? {
        var writer = ReplyWriter(version: self.client.session.version)
        let progress = try self.client.world.replica.advance(self.job, at: self.client.world.moment, to: &writer)
        self.bytes += writer.copy()
        self.isBlocked = progress == .blocked
        guard case .finished(let position) = progress else { return nil }
        self.client.world.replica.end(self.job)
        return Answer(bytes: self.bytes, dependsOn: position, closes: false)
    }
}

extension ReplyWriter {
    fileprivate borrowing func copy() -> [UInt8] { self.withBytes { Array($0) } }
}

extension Answer {
    /// True where the answer may leave now.
    func mayLeave(_ world: ReplicaWorld) -> Bool { self.dependsOn == 0 || self.dependsOn < world.store.durable }
}
