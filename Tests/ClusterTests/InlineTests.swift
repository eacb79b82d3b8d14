import TestSupport
import Testing

extension ProcessTests {
    /// What a person types: inline commands over a bare connection, `nc` and `redis-cli`.
    @Suite struct InlineTests {
        @Test func `a client that shuts its sending side gets every answer, then the end`() throws {
            let node = try NodeProcess()
            let socket = try node.socket()
            try socket.send("SET greeting hello\nGET greeting\nGET missing\nPING\n")
            try socket.shutdownSending()
            #expect(try socket.readToEnd() == "+OK\r\n$5\r\nhello\r\n$-1\r\n+PONG\r\n")
        }

        @Test func `a half-closed client gets answers that exceed every buffer in between`() throws {
            let node = try NodeProcess()
            let value = String(repeating: "v", count: 100_000)
            #expect(try node.client().ask("SET", "large", value) == .ok)
            let socket = try node.socket()
            try socket.send(String(repeating: "GET large\n", count: 100))
            try socket.shutdownSending()
            #expect(try socket.readToEnd() == String(repeating: "$100000\r\n\(value)\r\n", count: 100))
        }

        @Test func `a line may end with or without a carriage return, and empty lines are nothing`() throws {
            let node = try NodeProcess()
            let socket = try node.socket()
            try socket.send("\r\n\nSET a 1\r\n\n  \nGET a\nGET a\r\n")
            try socket.shutdownSending()
            #expect(try socket.readToEnd() == "+OK\r\n$1\r\n1\r\n$1\r\n1\r\n")
        }

        @Test func `a line at the end of input without a line end is not a command`() throws {
            let node = try NodeProcess()
            let socket = try node.socket()
            try socket.send("PING\nSET cut off")
            try socket.shutdownSending()
            #expect(try socket.readToEnd() == "+PONG\r\n")
            #expect(try node.client().ask("EXISTS", "cut") == .integer(0))
        }

        @Test func `quotes and escapes make arguments of blanks and bytes`() throws {
            let node = try NodeProcess()
            let socket = try node.socket()
            try socket.send(#"SET "two words" 'it\'s'"# + "\n" + #"GET "two\x20words""# + "\nECHO \"a\\r\\nb\"\n")
            try socket.shutdownSending()
            #expect(try socket.readToEnd() == "+OK\r\n$4\r\nit's\r\n$4\r\na\r\nb\r\n")
        }

        @Test func `nc stores and reads as the README shows it`() throws {
            let node = try NodeProcess()
            let nc = try FinishedProcess("nc", ["-N", "127.0.0.1", "\(node.port)"], input: "SET greeting hello\nGET greeting\n")
            #expect(nc.ending == .exited(0))
            #expect(nc.output == "+OK\r\n$5\r\nhello\r\n")
        }

        @Test func `redis-cli stores and reads, by arguments and by lines`() throws {
            let node = try NodeProcess()
            let port = ["-p", "\(node.port)"]
            #expect(try FinishedProcess("redis-cli", port + ["set", "greeting", "hello"]).output == "OK\n")
            #expect(try FinishedProcess("redis-cli", port + ["get", "greeting"]).output == "hello\n")
            #expect(try FinishedProcess("redis-cli", port + ["-3", "get", "missing"]).output == "\n")
            let lines = try FinishedProcess("redis-cli", port, input: "set lines \"a b\"\nget lines\ndbsize\nnosuchcommand\n")
            #expect(lines.output.hasPrefix("OK\na b\n2\nERR unknown command 'nosuchcommand'"), "\(lines)")
        }

        @Test func `redis-cli scans every key once`() throws {
            let node = try NodeProcess()
            let client = try node.client()
            let keys = (0..<1_000).map { "key:\($0)" }
            try client.send(keys.map { ["SET", $0, "v"] })
            for _ in keys { #expect(try client.reply() == .ok) }
            let scan = try FinishedProcess("redis-cli", ["-p", "\(node.port)", "--scan"])
            #expect(scan.output.split(separator: "\n").sorted() == keys.map { $0[...] }.sorted())
        }
    }
}
