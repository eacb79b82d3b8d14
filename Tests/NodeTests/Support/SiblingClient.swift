import RESP
import Testing

/// What VGET answers.
struct SiblingRead: Equatable {
    let context: String
    let siblings: [String]

    init(_ reply: Reply) throws {
        guard case .array(let fields) = reply, fields.count == 4, case .array(let siblings) = fields[3] else {
            throw HarnessError(description: "not what VGET answers: \(reply)")
        }
        #expect(fields[0].text == "context" && fields[2].text == "siblings")
        (self.context, self.siblings) = (fields[1].text ?? "", siblings.map { $0.text ?? "" })
    }
}

/// A client of a node of its own, on which everything is durable when it is answered.
struct SiblingClient {
    let world: ReplicaWorld
    let client: TestClient

    init() throws {
        self.world = try ReplicaWorld()
        self.client = self.world.connect()
    }

    func send(_ words: String...) throws -> String {
        let line = try self.client.send(words).line
        try self.world.commit()
        return line
    }

    func type(_ command: String) throws -> String {
        let line = try self.client.type(command).line
        try self.world.commit()
        return line
    }

    func read(_ key: String) throws -> SiblingRead { try SiblingRead(try self.client.send("VGET", key).reply) }
}
