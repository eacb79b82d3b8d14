extension CommandTable {
    /// The commands about the connection that they are sent on, and the transactions that belong to it.
    static let connection: KeyValuePairs<Command, CommandSpecification> = [
        .ping: CommandSpecification(
            "ping", arity: -1, flags: [.fast], categories: [.connection],
            group: .connection, since: "1.0.0",
            syntax: "[message]",
            summary: "Answers PONG, or the message given", complexity: "O(1)"),
        .echo: CommandSpecification(
            "echo", arity: 2, flags: [.loading, .stale, .fast], categories: [.connection],
            group: .connection, since: "1.0.0",
            syntax: "message",
            summary: "Answers the message given", complexity: "O(1)"),
        .hello: CommandSpecification(
            "hello", arity: -1, flags: [.noScript, .loading, .stale, .fast, .noAuthentication, .allowBusy], categories: [.connection],
            group: .connection, since: "6.0.0",
            syntax: "[protover [AUTH username password] [SETNAME clientname]]",
            summary: "Chooses the version of the protocol, and authenticates", complexity: "O(1)"),
        .auth: CommandSpecification(
            "auth", arity: -2, flags: [.noScript, .loading, .stale, .fast, .noAuthentication, .allowBusy], categories: [.connection],
            group: .connection, since: "1.0.0",
            syntax: "[username] password",
            summary: "Authenticates the connection", complexity: "O(1)"),
        .quit: CommandSpecification(
            "quit", arity: -1, flags: [.noScript, .loading, .stale, .fast, .noAuthentication, .allowBusy], categories: [.connection],
            group: .connection, since: "1.0.0",
            summary: "Closes the connection when every answer has been sent", complexity: "O(1)"),
        .reset: CommandSpecification(
            "reset", arity: 1, flags: [.noScript, .loading, .stale, .fast, .noAuthentication, .allowBusy], categories: [.connection],
            group: .connection, since: "6.2.0",
            summary: "Puts the connection back to how it began", complexity: "O(n), n = watched keys and queued commands"),
        .select: CommandSpecification(
            "select", arity: 2, flags: [.loading, .stale, .fast], categories: [.connection],
            group: .connection, since: "1.0.0",
            syntax: "index",
            summary: "Chooses a database; there is only 0", complexity: "O(1)"),
        .multi: CommandSpecification(
            "multi", arity: 1, flags: [.noScript, .loading, .stale, .fast, .allowBusy], categories: [.transaction],
            group: .transactions, since: "1.2.0",
            summary: "Begins a transaction: the commands that follow are queued", complexity: "O(1)"),
        .exec: CommandSpecification(
            "exec", arity: 1, flags: [.noScript, .loading, .stale, .skipSlowLog], categories: [.transaction],
            group: .transactions, since: "1.2.0",
            summary: "Runs the queued commands as one, on this node", complexity: "O(n), n = queued commands"),
        .discard: CommandSpecification(
            "discard", arity: 1, flags: [.noScript, .loading, .stale, .fast, .allowBusy], categories: [.transaction],
            group: .transactions, since: "2.0.0",
            summary: "Forgets the queued commands", complexity: "O(n), n = queued commands"),
        .watch: CommandSpecification(
            "watch", arity: -2, flags: [.noScript, .loading, .stale, .fast, .allowBusy], categories: [.transaction],
            keys: [KeySpecification(1, last: -1, [.readOnly])],
            group: .transactions, since: "2.2.0",
            syntax: "key [key ...]",
            summary: "Makes EXEC do nothing if one of the keys changes on this node before it", complexity: "O(n), n = keys"),
        .unwatch: CommandSpecification(
            "unwatch", arity: 1, flags: [.noScript, .loading, .stale, .fast, .allowBusy], categories: [.transaction],
            group: .transactions, since: "2.2.0",
            summary: "Forgets the watched keys", complexity: "O(n), n = watched keys"),
    ]
}
