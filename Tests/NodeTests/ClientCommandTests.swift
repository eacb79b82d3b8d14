import Basics
import Node
import Testing

/// CLIENT: what connections show of each other, and how one ends another.
@Suite struct ClientCommandTests {
    private func fields(_ line: String) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: line.split(separator: " ").map { field in
                let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
            })
    }

    @Test func `CLIENT INFO tells everything about the connection`() throws {
        let world = try ReplicaWorld()
        let client = world.connect(address: "10.0.0.9:50000")
        world.now = world.now + .seconds(65)
        try client.send("CLIENT", "SETNAME", "me")
        try client.send("CLIENT", "SETINFO", "LIB-NAME", "redis-py")
        try client.send("CLIENT", "SETINFO", "LIB-VER", "8.0")
        try client.send("WATCH", "a", "b")
        (client.session.bufferedInputBytes, client.session.bufferedOutputBytes) = (17, 34)
        let text = try client.send("CLIENT", "INFO").text
        #expect(text.hasSuffix("\n"))
        #expect(
            self.fields(String(text.dropLast())) == [
                "id": "1", "addr": "10.0.0.9:50000", "laddr": "10.0.0.1:7379", "name": "me", "age": "65", "idle": "0", "flags": "N", "db": "0",
                "sub": "0", "psub": "0", "multi": "-1", "watch": "2", "qbuf": "17", "omem": "34", "cmd": "client", "user": "default", "resp": "2",
                "lib-name": "redis-py", "lib-ver": "8.0",
            ])
    }

    @Test func `CLIENT LIST shows others: idle time, open transaction, protocol, last command`() throws {
        let world = try ReplicaWorld()
        let (one, two) = (world.connect(), world.connect(address: "10.0.0.8:1"))
        try two.send("HELLO", "3")
        try two.send("MULTI")
        try two.send("GET", "a")
        world.now = world.now + .seconds(7)
        let lines = try one.send("CLIENT", "LIST").text.split(separator: "\n").map { self.fields(String($0)) }
        #expect(lines.count == 2)
        #expect(lines[1]["addr"] == "10.0.0.8:1" && lines[1]["idle"] == "7" && lines[1]["flags"] == "x" && lines[1]["multi"] == "1")
        #expect(lines[1]["resp"] == "3" && lines[1]["cmd"] == "get" && lines[0]["cmd"] == "client")
        try two.send("DISCARD")
        two.disconnect()
        #expect(try one.send("CLIENT", "LIST").text.split(separator: "\n").count == 1)
    }

    @Test func `CLIENT LIST chooses by id and by type`() throws {
        let world = try ReplicaWorld()
        let clients = (0..<4).map { _ in world.connect() }
        func ids(_ words: String...) throws -> [String] {
            try clients[0].send(["CLIENT", "LIST"] + words).text.split(separator: "\n").compactMap { self.fields(String($0))["id"] }
        }
        #expect(try ids() == ["1", "2", "3", "4"])
        #expect(try ids("ID", "4", "2", "99") == ["2", "4"])
        #expect(try ids("TYPE", "normal") == ["1", "2", "3", "4"])
        #expect(try ids("TYPE", "pubsub") == [])
        #expect(try clients[2].send("CLIENT", "ID").line == ":3")
    }

    @Test func `CLIENT KILL names clients by id, address, local address and user, but not the caller`() throws {
        let world = try ReplicaWorld()
        let caller = world.connect(address: "10.0.0.1:1")
        func killed(_ words: String...) throws -> (String, [UInt64]) {
            let others = (0..<3).map { world.connect(address: "10.0.1.\($0):1") }
            let words = words.map { $0 == "$ID" ? "\(others[1].session.id)" : $0 }
            let line = try caller.send(["CLIENT", "KILL"] + words).line
            let killed = world.replica.takeKilled()
            defer { others.forEach { $0.disconnect() } }
            return (line, killed.map { killed in UInt64(others.firstIndex { $0.session === killed } ?? 9) })
        }
        #expect(try killed("10.0.1.2:1") == ("+OK", [2]))
        #expect(try killed("ID", "$ID") == (":1", [1]))
        #expect(try killed("ADDR", "10.0.1.0:1") == (":1", [0]))
        #expect(try killed("ID", "$ID", "ADDR", "10.0.1.0:1") == (":0", []))
        #expect(try killed("LADDR", "10.0.0.1:7379") == (":3", [0, 1, 2]))
        #expect(try killed("USER", "default", "TYPE", "normal") == (":3", [0, 1, 2]))
        #expect(try killed("TYPE", "pubsub") == (":0", []))
        #expect(try killed("LADDR", "10.0.0.1:7379", "SKIPME", "no") == (":4", [9, 0, 1, 2]))
    }

    @Test func `a client that kills itself is told of it, and is named once`() throws {
        let world = try ReplicaWorld()
        let client = world.connect(address: "10.0.0.1:1")
        #expect(try client.send("CLIENT", "KILL", "10.0.0.1:1").line == "+OK")
        #expect(try client.send("CLIENT", "KILL", "10.0.0.1:1").line == "-ERR No such client")
        #expect(world.replica.takeKilled().count == 1)
        #expect(world.replica.takeKilled().count == 0)
    }
}
