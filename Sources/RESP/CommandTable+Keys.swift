extension CommandTable {
    /// The commands about keys, whatever they hold.
    static let keys: KeyValuePairs<Command, CommandSpecification> = [
        .del: CommandSpecification(
            "del", arity: -2, flags: [.write], categories: [.keyspace],
            keys: [KeySpecification(1, last: -1, [.remove, .delete])],
            group: .generic, since: "1.0.0",
            syntax: "key [key ...]",
            summary: "Deletes keys", complexity: "O(n), n = keys"),
        .unlink: CommandSpecification(
            "unlink", arity: -2, flags: [.write, .fast], categories: [.keyspace],
            keys: [KeySpecification(1, last: -1, [.remove, .delete])],
            group: .generic, since: "4.0.0",
            syntax: "key [key ...]",
            summary: "Deletes keys, as DEL does", complexity: "O(n), n = keys"),
        .exists: CommandSpecification(
            "exists", arity: -2, flags: [.readOnly, .fast], categories: [.keyspace],
            keys: [KeySpecification(1, last: -1, [.readOnly])],
            group: .generic, since: "1.0.0",
            syntax: "key [key ...]",
            summary: "Counts how many of the keys exist", complexity: "O(n), n = keys"),
        .touch: CommandSpecification(
            "touch", arity: -2, flags: [.readOnly, .fast], categories: [.keyspace],
            keys: [KeySpecification(1, last: -1, [.readOnly])],
            group: .generic, since: "3.2.1",
            syntax: "key [key ...]",
            summary: "Counts how many of the keys exist, as EXISTS does", complexity: "O(n), n = keys"),
        .rename: CommandSpecification(
            "rename", arity: 3, flags: [.write], categories: [.keyspace],
            keys: [KeySpecification(1, [.readWrite, .access, .delete]), KeySpecification(2, [.overwrite, .update])],
            group: .generic, since: "1.0.0",
            syntax: "key newkey",
            summary: "Moves a value to another key, overwriting that", complexity: "O(n), n = bytes of the value"),
        .renamenx: CommandSpecification(
            "renamenx", arity: 3, flags: [.write, .fast], categories: [.keyspace],
            keys: [KeySpecification(1, [.readWrite, .access, .delete]), KeySpecification(2, [.overwrite, .insert])],
            group: .generic, since: "1.0.0",
            syntax: "key newkey",
            summary: "Moves a value to a key that does not exist on this node", complexity: "O(n), n = bytes of the value"),
        .copy: CommandSpecification(
            "copy", arity: -3, flags: [.write, .denyOutOfMemory], categories: [.keyspace],
            keys: [KeySpecification(1, [.readOnly, .access]), KeySpecification(2, [.overwrite, .update])],
            group: .generic, since: "6.2.0",
            syntax: "source destination [DB destination-db] [REPLACE]",
            summary: "Copies a value to another key", complexity: "O(n), n = bytes of the value"),
        .type: CommandSpecification(
            "type", arity: 2, flags: [.readOnly, .fast], categories: [.keyspace],
            keys: [KeySpecification(1, [.readOnly])],
            group: .generic, since: "1.0.0",
            syntax: "key",
            summary: "Answers the type of what a key holds", complexity: "O(1)"),
        .scan: CommandSpecification(
            "scan", arity: -2, flags: [.readOnly], categories: [.keyspace],
            group: .generic, since: "2.8.0", tips: ["nondeterministic_output"],
            syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
            summary: "Goes through the keys in steps", complexity: "O(1) a call, O(n) for all, n = keys"),
        .keys: CommandSpecification(
            "keys", arity: 2, flags: [.readOnly], categories: [.keyspace, .dangerous],
            group: .generic, since: "1.0.0", tips: ["nondeterministic_output_order"],
            syntax: "pattern",
            summary: "Answers every key that matches a pattern", complexity: "O(n), n = keys"),
        .randomkey: CommandSpecification(
            "randomkey", arity: 1, flags: [.readOnly], categories: [.keyspace],
            group: .generic, since: "1.0.0", tips: ["nondeterministic_output"],
            summary: "Answers some key", complexity: "O(1)"),
        .dbsize: CommandSpecification(
            "dbsize", arity: 1, flags: [.readOnly, .fast], categories: [.keyspace],
            group: .server, since: "1.0.0",
            summary: "Counts the keys", complexity: "O(1)"),
        .flushall: CommandSpecification(
            "flushall", arity: -1, flags: [.write], categories: [.keyspace, .dangerous],
            group: .server, since: "1.0.0",
            syntax: "[ASYNC | SYNC]",
            summary: "Deletes every key, if the node was started with --allow-flush", complexity: "O(n), n = keys"),
        .flushdb: CommandSpecification(
            "flushdb", arity: -1, flags: [.write], categories: [.keyspace, .dangerous],
            group: .server, since: "1.0.0",
            syntax: "[ASYNC | SYNC]",
            summary: "Deletes every key, as FLUSHALL does", complexity: "O(n), n = keys"),
        .wait: CommandSpecification(
            "wait", arity: 3, flags: [.noScript], categories: [.connection],
            group: .generic, since: "3.0.0", tips: ["request_policy:all_shards", "response_policy:agg_min"],
            syntax: "numreplicas timeout",
            summary: "Waits until so many other members have this connection's last write durably; answers how many do",
            complexity: "O(n), n = members"),
    ]
}
