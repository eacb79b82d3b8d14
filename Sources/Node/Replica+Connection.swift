import Basics
import RESP
import Storage

/// The commands on the connection itself.
extension Replica {
    func runConnection(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        switch call.command {
        case .ping: self.ping(call, &writer)
        case .echo: writer.bulk(call.arguments[1])
        case .hello: return self.hello(call, &writer)
        case .auth: return self.authenticate(call, &writer)
        case .quit:
            writer.ok()
            return .answeredAndCloses
        case .reset:
            call.session.reset(isAuthenticated: self.configuration.password == nil, at: call.moment.now)
            writer.version = .two
            writer.simple("RESET")
        case .select: self.select(call, &writer)
        case .time: self.time(call, &writer)
        case .client: return self.client(call, &writer)
        default: preconditionFailure("\(call.command) is no command on the connection")
        }
        return .answered(dependsOn: 0)
    }

    private func ping(_ call: Call, _ writer: inout ReplyWriter) {
        switch call.arguments.count {
        case 1: writer.simple("PONG")
        case 2: writer.bulk(call.arguments[1])
        default:
            self.statistics.errors += 1
            writer.wrongArity(call.command.specification)
        }
    }

    private func select(_ call: Call, _ writer: inout ReplyWriter) {
        guard let index = call.arguments[1].integer() else { return self.answerNotInteger(&writer) }
        guard Int32(exactly: index) != nil else {
            self.statistics.errors += 1
            return writer.error("ERR value is out of range, value must between -2147483648 and 2147483647")
        }
        guard index == 0 else {
            self.statistics.errors += 1
            return writer.error("ERR DB index is out of range")
        }
        writer.ok()
    }

    private func time(_ call: Call, _ writer: inout ReplyWriter) {
        let milliseconds = call.moment.wall.milliseconds
        writer.array(count: 2)
        writer.bulk(decimal: milliseconds / 1_000)
        writer.bulk(decimal: milliseconds % 1_000 * 1_000)
    }

    // MARK: Authentication

    /// A client that has failed this often is disconnected.
    private static let maximumFailedAuthentications = 5

    private func authenticate(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        let count = call.arguments.count
        guard count <= 3 else {
            self.answerSyntaxError(&writer)
            return .answered(dependsOn: 0)
        }
        guard count == 3 || self.configuration.password != nil else {
            self.statistics.errors += 1
            writer.error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
            return .answered(dependsOn: 0)
        }
        let user = count == 3 ? call.arguments[1] : Bytes("default")
        guard self.accepts(user, call.arguments[count - 1]) else { return self.refuseAuthentication(call.session, &writer) }
        call.session.isAuthenticated = true
        writer.ok()
        return .answered(dependsOn: 0)
    }

    /// Compares in a time that does not depend on where the first difference is. Without a password the default user takes any.
    private func accepts(_ user: Bytes, _ password: Bytes) -> Bool {
        guard user.elementsEqual("default") else { return false }
        guard let expected = self.configuration.password else { return true }
        var difference: UInt8 = expected.count == password.count ? 0 : 1
        for index in expected.indices { difference |= expected[index] ^ (index < password.count ? password[index] : 0) }
        return difference == 0
    }

    private func refuseAuthentication(_ session: Session, _ writer: inout ReplyWriter) -> Outcome {
        self.statistics.errors += 1
        session.failedAuthentications += 1
        writer.error("WRONGPASS invalid username-password pair or user is disabled.")
        return session.failedAuthentications >= Self.maximumFailedAuthentications ? .answeredAndCloses : .answered(dependsOn: 0)
    }

    /// What HELLO asks for; taken over only if all of it is well-formed.
    private struct Hello {
        var version: ReplyWriter.Version?
        var credentials: (user: Bytes, password: Bytes)?
        var name: Bytes?
    }

    private func hello(_ call: Call, _ writer: inout ReplyWriter) -> Outcome {
        guard let hello = self.parseHello(call.arguments, &writer) else {
            self.statistics.errors += 1
            return .answered(dependsOn: 0)
        }
        let session = call.session
        if let credentials = hello.credentials {
            guard self.accepts(credentials.user, credentials.password) else { return self.refuseAuthentication(session, &writer) }
            session.isAuthenticated = true
        }
        guard session.isAuthenticated else {
            self.statistics.errors += 1
            writer.error(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
            )
            return .answered(dependsOn: 0)
        }
        if let name = hello.name { session.name = name.copy() }
        if let version = hello.version { session.version = version }
        writer.version = session.version
        self.writeGreeting(session, &writer)
        return .answered(dependsOn: 0)
    }

    private func parseHello(_ arguments: Arguments, _ writer: inout ReplyWriter) -> Hello? {
        var hello = Hello()
        guard arguments.count > 1 else { return hello }
        guard let number = arguments[1].integer() else {
            writer.error("ERR Protocol version is not an integer or out of range")
            return nil
        }
        guard let version = number == 2 ? ReplyWriter.Version.two : number == 3 ? .three : nil else {
            writer.error("NOPROTO unsupported protocol version")
            return nil
        }
        hello.version = version
        var index = 2
        while index < arguments.count {
            if arguments[index].equalsIgnoringCase("AUTH"), index + 2 < arguments.count {
                hello.credentials = (arguments[index + 1], arguments[index + 2])
                index += 3
            } else if arguments[index].equalsIgnoringCase("SETNAME"), index + 1 < arguments.count {
                guard isClientName(arguments[index + 1]) else {
                    writer.error("ERR Client names cannot contain spaces, newlines or special characters.")
                    return nil
                }
                hello.name = arguments[index + 1]
                index += 2
            } else {
                writer.error("ERR", "Syntax error in HELLO option '\(arguments[index].prefix(128).text)'")
                return nil
            }
        }
        return hello
    }

    private func writeGreeting(_ session: Session, _ writer: inout ReplyWriter) {
        writer.map(count: 7)
        writer.bulk("server")
        writer.bulk("hearsay")
        writer.bulk("version")
        writer.bulk(programVersion)
        writer.bulk("proto")
        writer.integer(session.version == .three ? 3 : 2)
        writer.bulk("id")
        writer.integer(Int(session.id))
        writer.bulk("mode")
        writer.bulk("standalone")
        writer.bulk("role")
        writer.bulk("master")
        writer.bulk("modules")
        writer.array(count: 0)
    }
}

/// Redis's rule for names of clients: printable ASCII without spaces, as CLIENT LIST shows them in lines.
func isClientName(_ name: Bytes) -> Bool { name.buffer.allSatisfy { (0x21...0x7e).contains($0) } }
