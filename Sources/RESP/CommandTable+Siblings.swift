extension CommandTable {
    /// The commands on keys whose concurrent writes stand beside each other.
    static let siblings: KeyValuePairs<Command, CommandSpecification> = [
        .vget: CommandSpecification(
            "vget", arity: 2, flags: [.readOnly], categories: [.siblings],
            keys: [KeySpecification(1, [.readOnly, .access])],
            group: .siblings, since: "0.5.0",
            syntax: "key",
            summary: "Answers all siblings of a key, the newest first, and the context to write in their place with",
            complexity: "O(n), n = siblings"),
        .vmget: CommandSpecification(
            "vmget", arity: -2, flags: [.readOnly], categories: [.siblings],
            keys: [KeySpecification(1, last: -1, [.readOnly, .access])],
            group: .siblings, since: "0.5.0",
            syntax: "key [key ...]",
            summary: "Answers what VGET does for several keys; null for one that holds a register",
            complexity: "O(n), n = siblings of all keys"),
        .vset: CommandSpecification(
            "vset", arity: -3, flags: [.write, .denyOutOfMemory], categories: [.siblings],
            keys: [KeySpecification(1, [.readWrite, .update])],
            group: .siblings, since: "0.5.0",
            syntax: "key value [CONTEXT context] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds]",
            summary: "Writes a value in the place of the siblings that a context names, and beside all others",
            complexity: "O(n), n = bytes of all siblings"),
        .vdel: CommandSpecification(
            "vdel", arity: 4, flags: [.write], categories: [.siblings],
            keys: [KeySpecification(1, [.readWrite, .delete])],
            group: .siblings, since: "0.5.0",
            syntax: "key CONTEXT context",
            summary: "Deletes the siblings that a context names, and answers how many of them there were",
            complexity: "O(n), n = bytes of all siblings"),
    ]
}
