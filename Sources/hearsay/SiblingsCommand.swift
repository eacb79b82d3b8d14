import ArgumentParser
import RESP

/// `hearsay siblings`: what stands side by side under a key.
struct SiblingsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "siblings", abstract: "Show a key's siblings side by side, or which keys have several.",
        discussion: """
            Of each sibling: when it was written by its writer's clock, by which member, until when it is there, if it expires, how long it is, and its first \
            bytes; the newest first. Without a key: which keys have more than one, and how many.

            Exit codes: 0 done, 1 the node refused, 69 it cannot be reached.
            """)

    @OptionGroup var node: NodeAddress

    @Argument(help: "The key.")
    var key: String?

    @Option(help: "Of keys: only those that begin with this.")
    var prefix = ""

    @Option(help: "Of keys: no more than so many.")
    var limit = 1_000

    func validate() throws {
        guard (1...Int(Int32.max)).contains(self.limit) else { throw ValidationError("--limit takes a number from 1 to \(Int32.max).") }
        guard self.key == nil || self.prefix.isEmpty else { throw ValidationError("--prefix is for a list of keys.") }
    }

    func run() throws {
        try self.node.run { () throws(ClientSocket.Failure) in
            let socket = try self.node.connect()
            guard let key else { return try self.list(socket) }
            guard case .array(let items) = try socket.demand("HEARSAY", "SIBLINGS", "KEY", key) else { return }
            let siblings = items.compactMap(ShownSibling.init)
            for sibling in siblings { print(sibling.line) }
            if siblings.isEmpty { complain("\(quoted(key.utf8)) has no siblings") }
        }
    }

    private func list(_ socket: borrowing ClientSocket) throws(ClientSocket.Failure) {
        guard case .array(let items) = try socket.demand("HEARSAY", "SIBLINGS", "PREFIX", self.prefix, "LIMIT", "\(self.limit)") else { return }
        for index in stride(from: 0, to: items.count - 1, by: 2) {
            if case .bulk(let key) = items[index], case .integer(let count) = items[index + 1] { print("\(count)  \(quoted(key))") }
        }
        if items.isEmpty { complain("no key has more than one sibling") }
    }
}

/// One sibling, as a node describes it.
private struct ShownSibling {
    private var writer = ""
    private var milliseconds = 0
    private var expiryMilliseconds = -1
    private var byteCount = 0
    private var value: [UInt8] = []

    /// As much of a value as fits on a line.
    private static let shownBytes = 60

    init?(_ item: Reply) {
        guard case .array(let fields) = item else { return nil }
        for index in stride(from: 0, to: fields.count - 1, by: 2) {
            switch (fields[index].text, fields[index + 1]) {
            case ("written_by", let writer): self.writer = writer.text ?? ""
            case ("written_milliseconds", .integer(let number)): self.milliseconds = Int(number)
            case ("expires_milliseconds", .integer(let number)): self.expiryMilliseconds = Int(number)
            case ("bytes", .integer(let number)): self.byteCount = Int(number)
            case ("value", .bulk(let bytes)): self.value = bytes
            default: break
            }
        }
    }

    var line: String {
        let more = self.value.count > Self.shownBytes ? " …" : ""
        let until = self.expiryMilliseconds < 0 ? "" : "until \(timeText(milliseconds: self.expiryMilliseconds))  "
        return
            "\(timeText(milliseconds: self.milliseconds))  \(self.writer)  \(until)\(self.byteCount) B  \(quoted(self.value.prefix(Self.shownBytes)))\(more)"
    }
}
