extension CommandTable {
    /// The subcommands of COMMAND.
    static let commandSubcommands: KeyValuePairs<Subcommand, CommandSpecification> = [
        .commandInfo: CommandSpecification(
            "command|info", arity: -2, flags: [.loading, .stale], categories: [.connection],
            group: .server, since: "2.8.13", tips: ["nondeterministic_output_order"],
            syntax: "[command-name [command-name ...]]",
            summary: "Describes some commands, or all: arity, flags, keys", complexity: "O(n), n = commands"),
        .commandList: CommandSpecification(
            "command|list", arity: -2, flags: [.loading, .stale], categories: [.connection],
            group: .server, since: "7.0.0", tips: ["nondeterministic_output_order"],
            syntax: "[FILTERBY MODULE module-name | ACLCAT category | PATTERN pattern]",
            summary: "Lists the names of commands", complexity: "O(n), n = commands"),
        .commandDocs: CommandSpecification(
            "command|docs", arity: -2, flags: [.loading, .stale], categories: [.connection],
            group: .server, since: "7.0.0", tips: ["nondeterministic_output_order"],
            syntax: "[command-name [command-name ...]]",
            summary: "Documents some commands, or all", complexity: "O(n), n = commands"),
        .commandCount: CommandSpecification(
            "command|count", arity: 2, flags: [.loading, .stale], categories: [.connection],
            group: .server, since: "2.8.13",
            summary: "Counts the commands", complexity: "O(1)"),
        .commandGetKeys: CommandSpecification(
            "command|getkeys", arity: -4, flags: [.loading, .stale], categories: [.connection],
            group: .server, since: "2.8.13",
            syntax: "command [arg ...]",
            summary: "Tells which arguments of a command are keys", complexity: "O(n), n = arguments"),
        .commandHelp: CommandSpecification(
            "command|help", arity: 2, flags: [.loading, .stale], categories: [.connection],
            group: .server, since: "5.0.0",
            summary: "Prints this help", complexity: "O(1)"),
    ]

    /// The subcommands of CONFIG.
    static let configSubcommands: KeyValuePairs<Subcommand, CommandSpecification> = [
        .configGet: CommandSpecification(
            "config|get", arity: -3, flags: [.admin, .noScript, .loading, .stale],
            group: .server, since: "2.0.0",
            syntax: "parameter [parameter ...]",
            summary: "Answers the settings whose names match the patterns", complexity: "O(n), n = settings"),
        .configSet: CommandSpecification(
            "config|set", arity: -4, flags: [.admin, .noScript, .loading, .stale],
            group: .server, since: "2.0.0",
            syntax: "parameter value [parameter value ...]",
            summary: "Changes settings until the node stops", complexity: "O(n), n = settings given"),
        .configResetStatistics: CommandSpecification(
            "config|resetstat", arity: 2, flags: [.admin, .noScript, .loading, .stale],
            group: .server, since: "2.0.0",
            summary: "Sets the counters that INFO shows back to zero", complexity: "O(1)"),
        .configHelp: CommandSpecification(
            "config|help", arity: 2, flags: [.loading, .stale],
            group: .server, since: "5.0.0",
            summary: "Prints this help", complexity: "O(1)"),
    ]

    /// The subcommands of CLIENT.
    static let clientSubcommands: KeyValuePairs<Subcommand, CommandSpecification> = [
        .clientID: CommandSpecification(
            "client|id", arity: 2, flags: [.noScript, .loading, .stale], categories: [.connection],
            group: .connection, since: "5.0.0",
            summary: "Answers the number of this connection", complexity: "O(1)"),
        .clientInfo: CommandSpecification(
            "client|info", arity: 2, flags: [.noScript, .loading, .stale], categories: [.connection],
            group: .connection, since: "6.2.0", tips: ["nondeterministic_output"],
            summary: "Describes this connection", complexity: "O(1)"),
        .clientList: CommandSpecification(
            "client|list", arity: -2, flags: [.admin, .noScript, .loading, .stale], categories: [.connection],
            group: .connection, since: "2.4.0", tips: ["nondeterministic_output"],
            syntax: "[TYPE NORMAL | MASTER | REPLICA | PUBSUB] [ID client-id [client-id ...]]",
            summary: "Describes all connections", complexity: "O(n), n = connections"),
        .clientGetName: CommandSpecification(
            "client|getname", arity: 2, flags: [.noScript, .loading, .stale], categories: [.connection],
            group: .connection, since: "2.6.9",
            summary: "Answers the name of this connection", complexity: "O(1)"),
        .clientSetName: CommandSpecification(
            "client|setname", arity: 3, flags: [.noScript, .loading, .stale], categories: [.connection],
            group: .connection, since: "2.6.9",
            syntax: "connection-name",
            summary: "Names this connection", complexity: "O(1)"),
        .clientSetInfo: CommandSpecification(
            "client|setinfo", arity: 4, flags: [.noScript, .loading, .stale], categories: [.connection],
            group: .connection, since: "7.2.0",
            syntax: "LIB-NAME libname | LIB-VER libver",
            summary: "Notes which client library is used", complexity: "O(1)"),
        .clientKill: CommandSpecification(
            "client|kill", arity: -3, flags: [.admin, .noScript, .loading, .stale], categories: [.connection],
            group: .connection, since: "2.4.0",
            syntax:
                "ip:port | [ID client-id] [TYPE NORMAL | MASTER | REPLICA | PUBSUB] [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME YES | NO]",
            summary: "Closes connections", complexity: "O(n), n = connections"),
        .clientHelp: CommandSpecification(
            "client|help", arity: 2, flags: [.loading, .stale], categories: [.connection],
            group: .connection, since: "5.0.0",
            summary: "Prints this help", complexity: "O(1)"),
    ]

    /// The subcommands of HEARSAY.
    static let hearsaySubcommands: KeyValuePairs<Subcommand, CommandSpecification> = [
        .hearsayStatus: CommandSpecification(
            "hearsay|status", arity: 2, flags: [.loading, .stale],
            group: .hearsay, since: "0.1.0", tips: ["nondeterministic_output"],
            summary: "Describes the replica: its name, its log, what it holds", complexity: "O(1)"),
        .hearsayDigest: CommandSpecification(
            "hearsay|digest", arity: 2,
            group: .hearsay, since: "0.1.0",
            summary: "Answers the number of entries and their digest, equal on nodes that hold the same",
            complexity: "O(1), and the writes since the last digest"),
        .hearsayVerify: CommandSpecification(
            "hearsay|verify", arity: 2, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.1.0",
            summary: "Recomputes the digest from a scan of all entries and compares", complexity: "O(n), n = entries"),
        .hearsayMembers: CommandSpecification(
            "hearsay|members", arity: 2, flags: [.loading, .stale],
            group: .hearsay, since: "0.2.0", tips: ["nondeterministic_output"],
            summary: "Lists the members that this node knows: address, link, whether their roots are equal, how far their clocks are off",
            complexity: "O(n), n = members"),
        .hearsayLag: CommandSpecification(
            "hearsay|lag", arity: 2, flags: [.loading, .stale],
            group: .hearsay, since: "0.3.0", tips: ["nondeterministic_output"],
            summary: "Tells for each member how many writes of each other it lacks, and up to which moment it has all of them",
            complexity: "O(n²), n = members"),
        .hearsayDiff: CommandSpecification(
            "hearsay|diff", arity: -3, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.2.0", tips: ["nondeterministic_output"],
            syntax: "member [LIMIT count]",
            summary: "Shows keys that differ from a member's: both versions, who is ahead, and why the other is not; changes nothing",
            complexity: "O(d log n), d = entries that differ"),
        .hearsayRepair: CommandSpecification(
            "hearsay|repair", arity: -3, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.2.0", tips: ["nondeterministic_output"],
            syntax: "member [DRYRUN]",
            summary: "Exchanges with a member what differs, or only counts it", complexity: "O(d log n), d = entries that differ"),
        .hearsayLeave: CommandSpecification(
            "hearsay|leave", arity: 2, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.3.0",
            summary: "Leaves the cluster for good, once the other members have all that this node has", complexity: "O(n), n = members"),
        .hearsayRemove: CommandSpecification(
            "hearsay|remove", arity: 3, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.3.0",
            syntax: "member",
            summary: "Takes a member that is down and will not come back off the list of members, for good", complexity: "O(n), n = members"),
        .hearsayFence: CommandSpecification(
            "hearsay|fence", arity: 3, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.4.0",
            syntax: "member",
            summary: "Waits no longer for a member that stays away: it comes back only with the data of the others, and with what only it has",
            complexity: "O(n), n = members"),
        .hearsaySalvage: CommandSpecification(
            "hearsay|salvage", arity: -2, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.4.0", tips: ["nondeterministic_output"],
            syntax: "[LIMIT count | REPLAY key | DISCARD key]",
            summary: "Shows values that this node kept aside when it came back, writes one again, or gives it up",
            complexity: "O(n), n = values kept aside"),
        .hearsaySetting: CommandSpecification(
            "hearsay|setting", arity: -2, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.3.0",
            syntax: "[name [value]]",
            summary: "Shows or changes what all members share", complexity: "O(n), n = settings"),
        .hearsayPolicy: CommandSpecification(
            "hearsay|policy", arity: -2, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.5.0",
            syntax: "[SET prefix siblings | SET prefix lww]",
            summary: "Shows or changes what a plain SET makes of new keys below a prefix, on all members", complexity: "O(n), n = prefixes"),
        .hearsaySiblings: CommandSpecification(
            "hearsay|siblings", arity: -2, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.5.0", tips: ["nondeterministic_output"],
            syntax: "[PREFIX prefix] [LIMIT count] | KEY key",
            summary: "Lists keys with more than one sibling, and how many; or who wrote the siblings of a key, when, and what",
            complexity: "O(n), n = keys"),
        .hearsayDamage: CommandSpecification(
            "hearsay|damage", arity: -2, flags: [.admin, .noScript, .noMulti],
            group: .hearsay, since: "0.3.0",
            syntax: "[ACCEPT]",
            summary: "Shows where entries were lost to damage and have not come back, or gives them up", complexity: "O(n), n = places"),
        .hearsayHelp: CommandSpecification(
            "hearsay|help", arity: 2, flags: [.loading, .stale],
            group: .hearsay, since: "0.1.0",
            summary: "Prints this help", complexity: "O(1)"),
    ]
}
