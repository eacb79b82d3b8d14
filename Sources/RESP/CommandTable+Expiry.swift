extension CommandTable {
    /// The commands on how long keys live.
    static let expiry: KeyValuePairs<Command, CommandSpecification> = [
        .setex: CommandSpecification(
            "setex", arity: 4, flags: [.write, .denyOutOfMemory], categories: [.string],
            keys: [KeySpecification(1, [.overwrite, .update])],
            group: .string, since: "2.0.0",
            syntax: "key seconds value",
            summary: "Sets a key to a value that expires", complexity: "O(1)"),
        .psetex: CommandSpecification(
            "psetex", arity: 4, flags: [.write, .denyOutOfMemory], categories: [.string],
            keys: [KeySpecification(1, [.overwrite, .update])],
            group: .string, since: "2.6.0",
            syntax: "key milliseconds value",
            summary: "Sets a key to a value that expires", complexity: "O(1)"),
        .getex: CommandSpecification(
            "getex", arity: -2, flags: [.write, .fast], categories: [.string],
            keys: [KeySpecification(1, [.readWrite, .access, .update], notes: "written where an option changes the deadline")],
            group: .string, since: "6.2.0",
            syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
            summary: "Answers the value of a key and changes when it expires", complexity: Self.rewriting),
        .expire: Self.expire("expire", since: "1.0.0", syntax: "key seconds [NX | XX | GT | LT]", "Makes a key expire after some seconds"),
        .pexpire: Self.expire(
            "pexpire", since: "2.6.0", syntax: "key milliseconds [NX | XX | GT | LT]", "Makes a key expire after some milliseconds"),
        .expireat: Self.expire(
            "expireat", since: "1.2.0", syntax: "key unix-time-seconds [NX | XX | GT | LT]", "Makes a key expire at a time in seconds since 1970"),
        .pexpireat: Self.expire(
            "pexpireat", since: "2.6.0", syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
            "Makes a key expire at a time in milliseconds since 1970"),
        .ttl: Self.tell(
            "ttl", since: "1.0.0", tips: ["nondeterministic_output"], "Answers in how many seconds a key expires; -1 for never, -2 without the key"),
        .pttl: Self.tell("pttl", since: "2.6.0", tips: ["nondeterministic_output"], "Answers in how many milliseconds a key expires, as TTL does"),
        .expiretime: Self.tell("expiretime", since: "7.0.0", "Answers when a key expires, in seconds since 1970; -1 and -2 as TTL"),
        .pexpiretime: Self.tell("pexpiretime", since: "7.0.0", "Answers when a key expires, in milliseconds since 1970; -1 and -2 as TTL"),
        .persist: CommandSpecification(
            "persist", arity: 2, flags: [.write, .fast], categories: [.keyspace],
            keys: [KeySpecification(1, [.readWrite, .update])],
            group: .generic, since: "2.2.0",
            syntax: "key",
            summary: "Keeps a key from expiring", complexity: Self.rewriting),
    ]

    /// The deadline is a part of the version: another one is another version, with the value in it.
    private static let rewriting: StaticString = "O(n), n = bytes of the value, which is written again"

    private static func expire(_ name: StaticString, since: StaticString, syntax: StaticString, _ summary: StaticString) -> CommandSpecification {
        CommandSpecification(
            name, arity: -3, flags: [.write, .fast], categories: [.keyspace], keys: [KeySpecification(1, [.readWrite, .update])],
            group: .generic, since: since, syntax: syntax, summary: summary, complexity: Self.rewriting)
    }

    private static func tell(_ name: StaticString, since: StaticString, tips: [StaticString] = [], _ summary: StaticString) -> CommandSpecification {
        CommandSpecification(
            name, arity: 2, flags: [.readOnly, .fast], categories: [.keyspace], keys: [KeySpecification(1, [.readOnly, .access])],
            group: .generic, since: since, tips: tips, syntax: "key", summary: summary, complexity: "O(1)")
    }
}
