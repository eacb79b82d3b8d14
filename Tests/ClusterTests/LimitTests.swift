import TestSupport
import Testing

extension ProcessTests {
    /// Clients that ask for too much, too many of them, and clients that do not speak the protocol.
    @Suite struct LimitTests {
        @Test func `one client more than allowed is told so and closed, and a place that becomes free is taken`() throws {
            let node = try NodeProcess(["--max-clients", "3"])
            var clients = try (0..<3).map { _ in try node.client() }
            for client in clients { #expect(try client.ask("PING") == .simple("PONG")) }
            let refused = try node.socket()
            #expect(try refused.readToEnd() == "-ERR max number of clients reached\r\n")
            for client in clients { #expect(try client.ask("PING") == .simple("PONG")) }

            clients.removeLast()
            // The node learns of the close in its own time; a new client is let in as soon as it has.
            let deadline = Deadline.usual
            while (try? node.client().ask("PING")) != .simple("PONG") {
                try #require(!deadline.hasPassed, "no place became free")
            }
        }

        @Test func `clients that never read cost bounded memory, and others are served`() throws {
            let limitBytes = 48 << 20
            let node = try NodeProcess(["--max-client-memory", "48MiB"])
            let client = try node.client()
            #expect(try client.ask("SET", "large", String(repeating: "v", count: 1_000_000)) == .ok)
            let before = try node.anonymousBytes()
            // 40 x 100 MB asked for: eighty times the limit.
            let silent = try (0..<40).map { _ in try node.socket() }
            for socket in silent { try socket.send(String(repeating: "GET large\n", count: 100)) }
            var most = 0
            for number in 0..<1_500 {
                #expect(try client.ask("SET", "key:\(number)", "value") == .ok)
                #expect(try client.ask("GET", "key:\(number)") == .text("value"))
                if number.isMultiple(of: 10) { most = max(most, try node.anonymousBytes()) }
            }
            // Above the limit: what the allocator keeps, and the table with what was just written.
            #expect(most - before < limitBytes + limitBytes / 2 + (16 << 20), "\(most) B, \(before) B before")
            withExtendedLifetime(silent) {}
        }

        @Test func `a key of 500 bytes is stored, one of 501 is refused and the connection kept`() throws {
            let client = try NodeProcess().client()
            let longest = String(repeating: "k", count: 500)
            #expect(try client.ask("SET", longest, "v") == .ok)
            #expect(try client.ask("GET", longest) == .text("v"))
            let refused = try client.ask("SET", longest + "k", "v")
            #expect(refused.errorText?.hasPrefix("ERR ") == true, "\(refused)")
            #expect(try client.ask("DBSIZE") == .integer(1))
        }

        @Test func `a value at the limit is stored, one above is refused and the connection kept`() throws {
            let client = try NodeProcess(["--max-value", "1MiB"]).client()
            let largest = String(repeating: "v", count: 1 << 20)
            #expect(try client.ask("SET", "a", largest) == .ok)
            #expect(try client.ask("STRLEN", "a") == .integer(1 << 20))
            let refused = try client.ask("SET", "a", largest + "v")
            #expect(refused.errorText?.hasPrefix("ERR ") == true, "\(refused)")
            let grown = try client.ask("APPEND", "a", "v")
            #expect(grown.errorText?.hasPrefix("ERR ") == true, "\(grown)")
            #expect(try client.ask("STRLEN", "a") == .integer(1 << 20))
        }

        @Test func `a value above the limit fails the transaction it was queued for`() throws {
            let client = try NodeProcess(["--max-value", "1KiB"]).client()
            #expect(try client.ask("MULTI") == .ok)
            #expect(try client.ask("SET", "a", "1") == .simple("QUEUED"))
            #expect(try client.ask("SET", "b", String(repeating: "v", count: 1_025)).errorText?.hasPrefix("ERR ") == true)
            #expect(try client.ask("EXEC") == .error("EXECABORT Transaction discarded because of previous errors."))
            #expect(try client.ask("EXISTS", "a", "b") == .integer(0))
        }

        @Test func `the longest value that can be allowed can also be read, behind other answers`() throws {
            let client = try NodeProcess(["--max-value", "64MiB"]).client()
            let largest = String(repeating: "v", count: (64 << 20) - 1_000)
            #expect(try client.ask("SET", "a", largest) == .ok)
            try client.send(Array(repeating: ["GETRANGE", "a", "0", "999999"], count: 5) + [["GET", "a"]])
            for _ in 0..<5 { #expect(try client.reply().text?.utf8.count == 1_000_000) }
            let whole = try client.reply() == .text(largest)
            #expect(whole)
        }

        @Test(arguments: [
            ("*nonsense\r\n", "invalid multibulk length"),
            ("*1\r\n+PING\r\n", "expected '$', got '+'"),
            ("*1\r\n$nonsense\r\n", "invalid bulk length"),
            ("*1\r\n$-7\r\n", "invalid bulk length"),
            ("GET \"unbalanced\n", "unbalanced quotes in request"),
        ])
        func `what breaks the protocol is answered as Redis does, after what came before it, and closed`(input: String, words: String) throws {
            let socket = try NodeProcess().socket()
            try socket.send("SET before 1\n" + input)
            #expect(try socket.readToEnd() == "+OK\r\n-ERR Protocol error: \(words)\r\n")
        }

        @Test(arguments: ["POST / HTTP/1.1\r\n", "Host: localhost\r\n"])
        func `a browser is cut off before its body can hold commands`(line: String) throws {
            let node = try NodeProcess()
            let socket = try node.socket()
            try socket.send(line + "SET smuggled 1\r\n")
            #expect(try !socket.readToEnd().contains("+OK"))
            #expect(try node.client().ask("EXISTS", "smuggled") == .integer(0))
        }

        @Test func `FLUSHALL and FLUSHDB are off by default, and empty the store where allowed`() throws {
            let careful = try NodeProcess().client()
            #expect(try careful.ask("SET", "a", "1") == .ok)
            for command in ["FLUSHALL", "FLUSHDB"] {
                let refused = try careful.ask(command)
                #expect(refused.errorText != nil, "\(refused)")
            }
            #expect(try careful.ask("DBSIZE") == .integer(1))

            let node = try NodeProcess(["--allow-flush"])
            let client = try node.client()
            for command in ["FLUSHALL", "FLUSHDB"] {
                #expect(try client.ask("MSET", "a", "1", "b", "2") == .ok)
                #expect(try client.ask(command) == .ok)
                #expect(try client.ask("DBSIZE") == .integer(0))
                #expect(try client.ask("GET", "a") == .null)
            }
            try expectDigestVerifies(client)
        }

        @Test func `a client that sends nothing for the idle time is disconnected, and by default none is`() throws {
            let node = try NodeProcess(["--idle-timeout", "1s"])
            let idle = try node.client()
            #expect(try idle.ask("PING") == .simple("PONG"))
            #expect(try idle.isAtEnd())
            let setting = try NodeProcess().client().ask("CONFIG", "GET", "timeout")
            #expect(setting == .array([.text("timeout"), .text("0")]))
        }

        @Test func `conditions are refused where the operator says so`() throws {
            let client = try NodeProcess(["--local-conditions", "refuse"]).client()
            #expect(try client.ask("SET", "a", "1") == .ok)
            for command in [["SET", "a", "2", "NX"], ["SETNX", "b", "1"], ["WATCH", "a"]] {
                try client.send([command])
                #expect(try client.reply().errorText != nil, "\(command)")
            }
            #expect(try client.ask("GET", "a") == .text("1"))
        }
    }
}
