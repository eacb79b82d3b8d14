extension CommandTable {
    /// The commands about the node.
    static let server: KeyValuePairs<Command, CommandSpecification> = [
        .time: CommandSpecification(
            "time", arity: 1, flags: [.loading, .stale, .fast],
            group: .server, since: "2.6.0", tips: ["nondeterministic_output"],
            summary: "Answers the node's clock in seconds and microseconds", complexity: "O(1)"),
        .info: CommandSpecification(
            "info", arity: -1, flags: [.loading, .stale], categories: [.dangerous],
            group: .server, since: "1.0.0", tips: ["nondeterministic_output"],
            syntax: "[section [section ...]]",
            summary: "Answers figures about the node", complexity: "O(1)"),
        .command: CommandSpecification(
            "command", arity: -1, flags: [.loading, .stale], categories: [.connection],
            group: .server, since: "2.8.13", tips: ["nondeterministic_output_order"],
            summary: "Describes the commands", complexity: "O(n), n = commands"),
        .config: CommandSpecification(
            "config", arity: -2,
            group: .server, since: "2.0.0",
            summary: "Reads and changes settings", complexity: "depends on the subcommand"),
        .client: CommandSpecification(
            "client", arity: -2,
            group: .connection, since: "2.4.0",
            summary: "Describes and closes connections", complexity: "depends on the subcommand"),
        .hearsay: CommandSpecification(
            "hearsay", arity: -2,
            group: .hearsay, since: "0.1.0",
            summary: "Looks at this replica and its digest", complexity: "depends on the subcommand"),
    ]
}
