import Basics
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// Time to live on real nodes: two of a set agree, and one answers as Redis does.
    @Suite struct ExpiryTests {
        @Test func `nodes agree on deadlines, and on what has expired, without comparing anything for it`() throws {
            let cluster = try TestCluster(2)
            let (here, there) = (try cluster.client(0), try cluster.client(1))
            try expectOK([["SET", "long", "1", "EX", "1000"], ["SETEX", "moved", "1000", "2"], ["SET", "kept", "3", "EX", "1000"]], here)
            try expectOK((0..<100).map { ["SET", "short:\($0)", "value", "PX", "300"] }, here)
            #expect(try here.ask("PERSIST", "kept") == .integer(1))
            #expect(try here.ask("EXPIRE", "moved", "2000", "GT") == .integer(1))
            #expect(try here.ask("WAIT", "1", "0") == .integer(1))
            for key in ["long", "moved", "kept"] {
                let deadline = try here.ask("PEXPIRETIME", key)
                #expect(try there.ask("PEXPIRETIME", key) == deadline && (key == "kept") == (deadline == .integer(-1)))
            }
            let digest = try here.ask("HEARSAY", "DIGEST")
            let sessions = try Self.sessions(here)
            for client in [here, there] {
                try eventually("short lives to end") { try (0..<100).allSatisfy { try client.ask("GET", "short:\($0)") == .null } }
                #expect(try client.ask("KEYS", "*") != .array([]) && client.ask("EXISTS", "long", "moved", "kept", "short:1") == .integer(3))
                #expect(try client.ask("HEARSAY", "DIGEST") == digest)
            }
            #expect(try there.ask("APPEND", "short:1", "new") == .integer(3))
            #expect(try there.ask("WAIT", "1", "0") == .integer(1))
            #expect(try here.ask("GET", "short:1") == .text("new") && here.ask("TTL", "short:1") == .integer(-1))
            #expect(try Self.sessions(here) == sessions)
            // Over a restart the clock goes on.
            try cluster.kill9(1)
            try cluster.restart(1)
            let again = try cluster.client(1)
            try cluster.waitUntilServing()
            #expect(try again.ask("GET", "short:2") == .null && again.ask("GET", "long") == .text("1"))
            #expect(try again.ask("PEXPIRETIME", "long") == here.ask("PEXPIRETIME", "long"))
        }

        private static func sessions(_ client: RedisClient) throws -> [Substring] {
            let text = try client.ask("INFO", "hearsay").text ?? ""
            return text.split(separator: "\r\n").filter { $0.hasPrefix("peer_") }.flatMap { $0.split(separator: ",") }.filter {
                $0.contains("sessions=")
            }
        }

        /// Where there is a Redis of the version whose words these are.
        static let hasRedis: Bool = {
            let version = try? FinishedProcess("redis-server", ["--version"])
            return version?.output.contains("v=7.0.") ?? false
        }()

        @Test(.enabled(if: Self.hasRedis), arguments: seeds(3))
        func `commands drawn at random are answered as by redis-server`(seed: UInt64) throws {
            let (redis, node) = (try RedisProcess(), try NodeProcess())
            let clients = try [redis.client(), node.client()]
            var commands = ExpiryCommands(seed: seed)
            for number in 0..<2_000 {
                let command = commands.next()
                let answers = try clients.map { try $0.ask(command) }
                #expect(
                    Self.agree(answers[0], answers[1], command), "seed \(seed), \(number): \(command) is answered \(answers[0]) and \(answers[1])")
                // What lives for a millisecond is gone on both before anything else is asked.
                if command.suffix(2) == ExpiryCommands.atOnce {
                    for client in clients { try eventually("a key to expire") { try client.ask("EXISTS", command[1]) == .integer(0) } }
                }
            }
        }

        /// Times were taken a moment apart.
        private static func agree(_ redis: Reply, _ node: Reply, _ command: [String]) -> Bool {
            guard case .integer(let first) = redis, case .integer(let second) = node, first > 0, second > 0 else { return redis == node }
            switch command[0] {
            case "TTL", "EXPIRETIME": return abs(first - second) <= 10
            case "PTTL", "PEXPIRETIME": return abs(first - second) <= 10_000
            default: return first == second
            }
        }
    }
}

/// A redis-server on a port of its own, which keeps nothing.
private final class RedisProcess {
    private let child: ChildProcess
    private let port: UInt16

    init() throws {
        for _ in 0..<20 {
            let port = UInt16.random(in: 20_000..<60_000)
            let child = try ChildProcess("redis-server", ["--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--dir", "/"])
            let isReady = try? child.wait(for: "redis-server to be ready") { $0.outputText.contains("Ready to accept connections") ? true : nil }
            if isReady == true {
                (self.child, self.port) = (child, port)
                return
            }
        }
        throw ProcessFailure.unreadableReply("redis-server finds no free port")
    }

    func client() throws -> RedisClient { RedisClient(try Socket(port: self.port, server: self)) }
}

/// Commands that have to do with time to live, on few keys, so that each meets the other's state.
private struct ExpiryCommands {
    /// The end of a SET of what expires at once.
    static let atOnce = ["PX", "1"]
    private var random: SplitMix64
    /// No two deadlines that count from now are near each other: the two servers' moments are not the same.
    private var spread = 0

    init(seed: UInt64) { self.random = SplitMix64(seed: seed) }

    mutating func next() -> [String] {
        let (key, other) = (self.key(), self.key())
        switch self.random.next() % 24 {
        case 0..<5: return ["SET", key, self.value()] + self.options()
        case 5: return ["SETEX", key, self.seconds(), self.value()]
        case 6: return ["PSETEX", key, self.milliseconds(), self.value()]
        case 7: return ["GETEX", key] + (self.random.next() % 3 == 0 ? ["PERSIST"] : self.time())
        case 8: return ["EXPIRE", key, self.seconds()] + self.conditions()
        case 9: return ["PEXPIRE", key, self.milliseconds()] + self.conditions()
        case 10: return ["EXPIREAT", key, self.absolute("99999999")] + self.conditions()
        case 11: return ["PEXPIREAT", key, self.absolute("99999999999")] + self.conditions()
        case 12: return ["PERSIST", key]
        case 13: return ["SET", key, self.value()] + Self.atOnce
        case 14: return ["RENAME", key, other]
        case 15: return self.one(of: [["COPY", key, other], ["COPY", key, other, "REPLACE"], ["RENAMENX", key, other]])
        case 16: return self.one(of: [["APPEND", key, "x"], ["SETRANGE", key, "2", "y"], ["SETRANGE", key, "0", ""]])
        case 17: return self.one(of: [["GETSET", key, "z"], ["GETDEL", key], ["DEL", key, other], ["MSET", key, "1", other, "2"]])
        case 18: return self.one(of: [["SETNX", key, "n"], ["MSETNX", key, "n", other, "m"], ["STRLEN", key], ["TYPE", key]])
        default: return self.one(of: ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "GET", "EXISTS"].map { [$0, key] })
        }
    }

    private mutating func one<Choice>(of choices: [Choice]) -> Choice { choices.randomElement(using: &self.random)! }
    private mutating func key() -> String { self.one(of: ["a", "b", "c", "d"]) }
    private mutating func value() -> String { self.one(of: ["", "value", "other"]) }

    private mutating func options() -> [String] {
        var options: [String] = []
        if self.random.next() % 3 == 0 { options += self.one(of: [["NX"], ["XX"], ["GET"], ["nx", "get"], ["XX", "GET"], ["NX", "XX"]]) }
        if self.random.next() % 3 > 0 { options += self.random.next() % 3 == 0 ? ["KEEPTTL"] : self.time() }
        if self.random.next() % 20 == 0 { options += self.one(of: [["KEEPTTL"], ["PERSIST"], ["EX"], ["NONSENSE"]]) }
        return options
    }

    private mutating func time() -> [String] {
        switch self.random.next() % 8 {
        case 0..<3: ["EX", self.seconds()]
        case 3..<5: ["PX", self.milliseconds()]
        case 5: ["EXAT", self.absolute("99999999")]
        case 6: ["PXAT", self.absolute("99999999999")]
        default: []
        }
    }

    private mutating func conditions() -> [String] {
        guard self.random.next() % 2 == 0 else { return [] }
        return self.one(of: [["NX"], ["XX"], ["GT"], ["LT"], ["xx", "gt"], ["LT", "XX"], ["NX", "GT"], ["GT", "LT"], ["NX", "XX"], ["SOON"]])
    }

    private static let extremes = [
        "0", "-1", "x", "", "007", "9223372036854775", "-9223372036854775", "9223372036854776", "-9223372036854776", "9223372036854775807",
        "-9223372036854775808", "9223372036854775808",
    ]

    private mutating func seconds() -> String {
        self.spread += 200
        return self.random.next() % 4 == 0 ? self.one(of: Self.extremes) : "\(1_000_000 - self.spread)"
    }

    private mutating func milliseconds() -> String {
        self.spread += 200
        return self.random.next() % 4 == 0 ? self.one(of: Self.extremes) : "\((self.spread + 10_100) * 1_000)"
    }

    /// A moment that has long passed, one that is far away, or what is none.
    private mutating func absolute(_ far: String) -> String {
        self.random.next() % 4 == 0 ? self.one(of: Self.extremes) : self.one(of: ["1", far + "999", far + "500", far + "000"])
    }
}
