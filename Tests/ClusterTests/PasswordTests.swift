import TestSupport
import Testing

extension ProcessTests {
    @Suite struct PasswordTests {
        private let node: NodeProcess

        init() throws {
            let folder = try TemporaryFolder()
            self.node = try NodeProcess(["--password-file", folder.file("password", holding: "correct horse\n")], in: folder)
        }

        @Test func `without it nothing but the handshake is answered`() throws {
            let client = try self.node.client()
            #expect(try client.ask("GET", "a") == .error("NOAUTH Authentication required."))
            #expect(try client.ask("PING") == .error("NOAUTH Authentication required."))
            #expect(try client.ask("HEARSAY", "DIGEST") == .error("NOAUTH Authentication required."))
            let greeting = try client.ask("HELLO", "3")
            #expect(greeting.errorText?.hasPrefix("NOAUTH HELLO must be called with the client already authenticated") == true, "\(greeting)")
        }

        @Test func `before it a client may leave 4 KiB unread, and is disconnected above`() throws {
            let refusal = "-NOAUTH Authentication required.\r\n"
            let atMost = (4 << 10) / refusal.utf8.count
            let modest = try self.node.socket()
            try modest.send(String(repeating: "GET a\n", count: atMost))
            try modest.shutdownSending()
            #expect(try modest.readToEnd() == String(repeating: refusal, count: atMost))

            let greedy = try self.node.socket()
            try greedy.send(String(repeating: "GET a\n", count: 10_000))
            // The connection may end in a reset, as what it sent was not read to the end.
            let answers = (try? greedy.readToEnd()) ?? ""
            #expect(answers.utf8.count < 10 << 10)
            let client = try self.node.client()
            #expect(try client.ask("AUTH", "correct horse") == .ok)
            #expect(try client.ask("INFO", "stats").text?.contains("evicted_clients:1\r\n") == true)
        }

        @Test func `a client that has not given it within 10 s is disconnected`() throws {
            let silent = try self.node.socket()
            let known = try self.node.client()
            #expect(try known.ask("AUTH", "correct horse") == .ok)
            #expect(try silent.readToEnd() == "")
            #expect(try known.ask("PING") == .simple("PONG"))
        }

        @Test func `256 clients may be about to give it, and one more has to wait`() throws {
            let waiting = try (0..<256).map { _ in try self.node.client() }
            for client in waiting { #expect(try client.ask("PING").errorText?.hasPrefix("NOAUTH") == true) }
            #expect(try self.node.socket().readToEnd() == "-ERR max number of clients reached\r\n")
            #expect(try waiting[0].ask("AUTH", "correct horse") == .ok)
            let next = try self.node.client()
            #expect(try next.ask("AUTH", "correct horse") == .ok)
        }

        @Test func `a wrong one is refused as Redis does, and a right one still works after it`() throws {
            let client = try self.node.client()
            let refusal = Reply.error("WRONGPASS invalid username-password pair or user is disabled.")
            #expect(try client.ask("AUTH", "wrong") == refusal)
            #expect(try client.ask("AUTH", "default", "wrong") == refusal)
            #expect(try client.ask("AUTH", "someone", "correct horse") == refusal)
            #expect(try client.ask("HELLO", "3", "AUTH", "default", "wrong") == refusal)
            #expect(try client.ask("GET", "a") == .error("NOAUTH Authentication required."))
            #expect(try client.ask("AUTH", "correct horse") == .ok)
            #expect(try client.ask("GET", "a") == .null)
        }

        @Test func `AUTH with the user name works`() throws {
            let client = try self.node.client()
            #expect(try client.ask("AUTH", "default", "correct horse") == .ok)
            #expect(try client.ask("PING") == .simple("PONG"))
        }

        @Test func `HELLO carries it and switches to RESP3`() throws {
            let client = try self.node.client()
            guard case .map(let greeting) = try client.ask("HELLO", "3", "AUTH", "default", "correct horse") else {
                Issue.record("HELLO 3 is answered by a map")
                return
            }
            let proto = try #require(greeting.firstIndex(of: .text("proto")))
            #expect(greeting[proto + 1] == .integer(3))
            #expect(try client.ask("GET", "a") == .null)
        }

        @Test func `redis-cli works with -a`() throws {
            let cli = try FinishedProcess("redis-cli", ["-p", "\(self.node.port)", "-a", "correct horse", "--no-auth-warning", "set", "a", "1"])
            #expect(cli.output == "OK\n")
        }

        @Test func `AUTH where none is set says so`() throws {
            let client = try NodeProcess().client()
            let reply = try client.ask("AUTH", "anything")
            #expect(
                reply.errorText?.hasPrefix("ERR AUTH <password> called without any password configured for the default user.") == true, "\(reply)")
        }
    }
}
