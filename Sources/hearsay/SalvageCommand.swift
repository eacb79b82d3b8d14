import ArgumentParser
import RESP

/// `hearsay salvage`: what a node kept aside when it came back.
struct SalvageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "salvage", abstract: "Show values that a node kept aside when it came back, write them again, or give them up.",
        discussion: """
            A node that was fenced comes back with the data of the other members. What only it had written is written again where that is safe. Values of \
            keys that may have been deleted meanwhile are kept aside, in the node's own store: only you can tell whether they are still wanted.

            Exit codes: 0 done, 1 the node refused, 69 it cannot be reached.
            """,
        subcommands: [SalvageListCommand.self, SalvageReplayCommand.self, SalvageDiscardCommand.self], defaultSubcommand: SalvageListCommand.self)
}

/// `hearsay salvage list`.
struct SalvageListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show what is kept aside: when it was written, its key and value.")

    @OptionGroup var node: NodeAddress

    @Option(help: "Show no more than so many.")
    var limit = 1_000

    func validate() throws {
        guard (1...Int(Int32.max)).contains(self.limit) else { throw ValidationError("--limit takes a number from 1 to \(Int32.max).") }
    }

    func run() throws {
        try self.node.run { () throws(ClientSocket.Failure) in
            let values = try SalvagedValue.list(self.node.connect(), limit: self.limit)
            for value in values { print(value.line) }
            if values.isEmpty { complain("nothing is kept aside") }
        }
    }
}

/// What `replay` and `discard` are about.
struct SalvagedKeys: ParsableArguments {
    @OptionGroup var node: NodeAddress

    @Argument(help: "Keys, as `hearsay salvage list` shows them.")
    var keys: [String] = []

    @Flag(help: "Everything that is kept aside.")
    var all = false

    func validate() throws {
        guard self.all == self.keys.isEmpty else { throw ValidationError("Name keys, or say --all.") }
    }

    /// Has the node end what is kept of each key.
    func end(_ verb: String) throws {
        try self.node.run { () throws(ClientSocket.Failure) in
            let socket = try self.node.connect()
            var keys = self.keys.map { Array($0.utf8) }
            repeat {
                if self.all { keys = try SalvagedValue.list(socket, limit: 1_000).map(\.key) }
                var ended: Set<[UInt8]> = []
                for key in keys where ended.insert(key).inserted {
                    if case .error(let text) = try socket.ask(["HEARSAY", "SALVAGE", verb].map { Array($0.utf8) } + [key]) {
                        throw .refused("\(quoted(key)): \(text)")
                    }
                }
            } while self.all && !keys.isEmpty
        }
    }
}

/// `hearsay salvage replay`.
struct SalvageReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Write values again, over whatever their keys have now, with what is left of their time to live.")

    @OptionGroup var salvaged: SalvagedKeys

    func run() throws { try self.salvaged.end("REPLAY") }
}

/// `hearsay salvage discard`.
struct SalvageDiscardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "discard", abstract: "Give values up.")

    @OptionGroup var salvaged: SalvagedKeys

    func run() throws { try self.salvaged.end("DISCARD") }
}

/// One value that is kept aside.
private struct SalvagedValue {
    let key: [UInt8]
    let value: [UInt8]
    let writtenMilliseconds: Int

    /// As much of a value as fits on a line.
    private static let shownBytes = 60

    var line: String {
        let more = self.value.count > Self.shownBytes ? " … \(self.value.count) bytes" : ""
        return "\(timeText(milliseconds: self.writtenMilliseconds))  \(quoted(self.key))  \(quoted(self.value.prefix(Self.shownBytes)))\(more)"
    }

    static func list(_ socket: borrowing ClientSocket, limit: Int) throws(ClientSocket.Failure) -> [SalvagedValue] {
        guard case .array(let items) = try socket.demand("HEARSAY", "SALVAGE", "LIMIT", "\(limit)") else { return [] }
        return items.compactMap { item in
            guard case .array(let fields) = item else { return nil }
            var (key, value, written): ([UInt8]?, [UInt8]?, Int?)
            for index in stride(from: 0, to: fields.count - 1, by: 2) {
                switch (fields[index].text, fields[index + 1]) {
                case ("key", .bulk(let bytes)): key = bytes
                case ("value", .bulk(let bytes)): value = bytes
                case ("written_milliseconds", .integer(let number)): written = Int(number)
                default: break
                }
            }
            guard let key, let value, let written else { return nil }
            return SalvagedValue(key: key, value: value, writtenMilliseconds: written)
        }
    }
}
