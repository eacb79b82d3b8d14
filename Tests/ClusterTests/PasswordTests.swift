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
