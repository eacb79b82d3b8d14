import Basics
import Node
import Testing

/// One password from the first day.
@Suite struct AuthenticationTests {
    private func world() throws -> (ReplicaWorld, TestClient) {
        var configuration = ReplicaConfiguration()
        configuration.password = Array("secret".utf8)
        let world = try ReplicaWorld(configuration: configuration)
        return (world, world.connect())
    }

    private let wrong = "-WRONGPASS invalid username-password pair or user is disabled."

    @Test(arguments: ["GET a", "SET a 1", "PING", "INFO", "CLIENT ID", "COMMAND", "MULTI", "EXEC", "NOSUCH", "GET", "HEARSAY STATUS", "CONFIG GET *"])
    func `before its password a client gets nothing`(command: String) throws {
        let (world, client) = try self.world()
        #expect(try client.type(command).line == "-NOAUTH Authentication required.")
        #expect(world.store.counters.recordsApplied == 0)
    }

    @Test func `AUTH takes the password, and the user default with it`() throws {
        let (world, client) = try self.world()
        #expect(try client.send("AUTH", "secret").line == "+OK")
        #expect(try client.send("SET", "a", "1").line == "+OK")
        #expect(try world.connect().send("AUTH", "default", "secret").line == "+OK")
        #expect(try client.send("AUTH", "wrong").line == self.wrong)
        #expect(try client.send("GET", "a").line == "$1 1", "a failed AUTH takes nothing away, as in Redis")
    }

    @Test(arguments: ["secre", "secrets", "Secret", "", "secreT", "secret\0", "wrong"])
    func `every other password is wrong`(password: String) throws {
        let (_, client) = try self.world()
        #expect(try client.send("AUTH", password).line == self.wrong)
        #expect(try client.send("AUTH", "default", password).line == self.wrong)
        #expect(try client.send("HELLO", "3", "AUTH", "default", password).line == self.wrong)
        #expect(try client.send("PING").line == "-NOAUTH Authentication required.")
    }

    @Test func `every other user is wrong`() throws {
        let (_, client) = try self.world()
        #expect(try client.send("AUTH", "admin", "secret").line == self.wrong)
        #expect(try client.send("HELLO", "3", "AUTH", "Default", "secret").line == self.wrong)
    }

    @Test func `HELLO authenticates and changes the protocol at once, or neither`() throws {
        let (_, client) = try self.world()
        #expect(try client.send("HELLO", "3").line.hasPrefix("-NOAUTH HELLO must be called with the client already authenticated"))
        #expect(try client.send("HELLO").line.hasPrefix("-NOAUTH HELLO"))
        #expect(try client.send("HELLO", "3", "AUTH", "default", "wrong").line == self.wrong)
        #expect(client.session.version == .two)
        #expect(try client.send("HELLO", "4", "AUTH", "default", "secret").line == "-NOPROTO unsupported protocol version")
        #expect(try client.send("HELLO", "3", "AUTH", "default", "secret", "FOO").line == "-ERR Syntax error in HELLO option 'FOO'")
        #expect(!client.session.isAuthenticated)
        #expect(try client.send("HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me").line.hasPrefix("%7 "))
        #expect(try client.send("CLIENT", "GETNAME").line == "$2 me")
    }

    @Test func `the fifth failure closes the connection, whatever lies between`() throws {
        let (_, client) = try self.world()
        #expect(try !client.send("AUTH", "1").closes)
        #expect(try !client.send("HELLO", "3", "AUTH", "default", "2").closes)
        try client.send("RESET")
        #expect(try !client.send("AUTH", "3").closes)
        try client.send("AUTH", "secret")
        #expect(try !client.send("AUTH", "4").closes)
        let last = try client.send("AUTH", "5")
        #expect(last.closes && last.line == self.wrong)
    }

    @Test func `RESET takes authentication away, and the time to give it begins again`() throws {
        let (world, client) = try self.world()
        try client.send("HELLO", "3", "AUTH", "default", "secret")
        world.now = world.now + .seconds(100)
        #expect(try client.send("RESET").line == "+RESET")
        #expect(client.session.begunAt == world.now && client.session.connectedAt < world.now)
        #expect(try client.send("PING").line == "-NOAUTH Authentication required.")
    }

    @Test func `QUIT works without a password`() throws {
        let (_, client) = try self.world()
        let answer = try client.send("QUIT")
        #expect(answer.line == "+OK" && answer.closes)
    }

    @Test func `no answer shows the password`() throws {
        let (_, client) = try self.world()
        try client.send("AUTH", "secret")
        for command in ["INFO", "CONFIG GET *", "CLIENT LIST", "HEARSAY STATUS"] {
            #expect(try !client.type(command).line.contains("secret"), "\(command)")
        }
    }
}
