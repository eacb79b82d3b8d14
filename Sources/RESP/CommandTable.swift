/// The one table that declares every command: dispatch, arity, COMMAND, HELP and the documentation read it, and nothing else.
///
/// The declarations are in the files `CommandTable+...`; here they are put in the order of `Command` and `Subcommand`, once per process.
///
/// - Invariant: each command and subcommand is declared exactly once, and names differ.
package struct CommandTable: Sendable {
    package static let shared = CommandTable()

    private static let declaredCommands = [Self.strings, Self.keys, Self.siblings, Self.expiry, Self.connection, Self.server]
    private static let declaredSubcommands: KeyValuePairs<Command, KeyValuePairs<Subcommand, CommandSpecification>> = [
        .command: Self.commandSubcommands, .config: Self.configSubcommands, .client: Self.clientSubcommands, .hearsay: Self.hearsaySubcommands,
    ]

    /// By `Command.rawValue`.
    let commands: [CommandSpecification]
    let traits: [CommandTraits]
    let containers: [[Subcommand]]

    /// By `Subcommand.rawValue`.
    let subcommands: [CommandSpecification]
    let subcommandKeys: [NameKey]

    let index: CommandIndex

    private init() {
        let declared = Dictionary(uniqueKeysWithValues: Self.declaredCommands.flatMap { $0.map { ($0.key, $0.value) } })
        self.commands = Command.allCases.map { command in
            guard let specification = declared[command] else { preconditionFailure("\(command) is not in the table") }
            return specification
        }
        self.traits = self.commands.map(\.traits)

        let members = Dictionary(uniqueKeysWithValues: Self.declaredSubcommands.map { ($0.key, $0.value.map(\.key)) })
        self.containers = Command.allCases.map { members[$0] ?? [] }

        let declaredMembers = Dictionary(uniqueKeysWithValues: Self.declaredSubcommands.flatMap { $0.value.map { ($0.key, $0.value) } })
        self.subcommands = Subcommand.allCases.map { subcommand in
            guard let specification = declaredMembers[subcommand] else { preconditionFailure("\(subcommand) is not in the table") }
            return specification
        }
        self.subcommandKeys = self.subcommands.map { NameKey(literal: $0.lastName) }
        self.index = CommandIndex(zip(self.commands, Command.allCases).map { (NameKey(literal: Bytes($0.name)), $1) })
    }

    /// The command or subcommand of a full name such as `get` or `client|id`, in capitals or not; nil if there is none.
    package static func specification(named name: Bytes) -> CommandSpecification? {
        guard let bar = name.buffer.firstIndex(of: UInt8(ascii: "|")) else { return Command.lookup(name)?.specification }
        let second = Bytes(UnsafeRawBufferPointer(rebasing: name.buffer[(bar + 1)...]))
        return Command.lookup(name.prefix(bar))?.subcommand(named: second)?.specification
    }
}

extension CommandSpecification {
    /// The name without the container's.
    var lastName: Bytes {
        let name = Bytes(self.name)
        guard let bar = name.buffer.firstIndex(of: UInt8(ascii: "|")) else { return name }
        return Bytes(UnsafeRawBufferPointer(rebasing: name.buffer[(bar + 1)...]))
    }
}
