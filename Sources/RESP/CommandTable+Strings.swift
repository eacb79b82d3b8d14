extension CommandTable {
    /// The commands that read and write values.
    static let strings: KeyValuePairs<Command, CommandSpecification> = [
        .set: CommandSpecification(
            "set", arity: -3, flags: [.write, .denyOutOfMemory], categories: [.string],
            keys: [KeySpecification(1, [.readWrite, .access, .update, .variableFlags], notes: "written and read if GET is among the arguments")],
            group: .string, since: "1.0.0",
            syntax:
                "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            summary: "Sets a key to a value, whatever it held", complexity: "O(1)"),
        .setnx: CommandSpecification(
            "setnx", arity: 3, flags: [.write, .denyOutOfMemory, .fast], categories: [.string],
            keys: [KeySpecification(1, [.overwrite, .insert])],
            group: .string, since: "1.0.0",
            syntax: "key value",
            summary: "Sets a key that does not exist on this node", complexity: "O(1)"),
        .getset: CommandSpecification(
            "getset", arity: 3, flags: [.write, .denyOutOfMemory, .fast], categories: [.string],
            keys: [KeySpecification(1, [.readWrite, .access, .update])],
            group: .string, since: "1.0.0",
            syntax: "key value",
            summary: "Sets a key and answers what it held", complexity: "O(1)"),
        .get: CommandSpecification(
            "get", arity: 2, flags: [.readOnly, .fast], categories: [.string],
            keys: [KeySpecification(1, [.readOnly, .access])],
            group: .string, since: "1.0.0",
            syntax: "key",
            summary: "Answers the value of a key", complexity: "O(1)"),
        .getdel: CommandSpecification(
            "getdel", arity: 2, flags: [.write, .fast], categories: [.string],
            keys: [KeySpecification(1, [.readWrite, .access, .delete])],
            group: .string, since: "6.2.0",
            syntax: "key",
            summary: "Answers the value of a key and deletes the key", complexity: "O(1)"),
        .getrange: CommandSpecification(
            "getrange", arity: 4, flags: [.readOnly], categories: [.string],
            keys: [KeySpecification(1, [.readOnly, .access])],
            group: .string, since: "2.4.0",
            syntax: "key start end",
            summary: "Answers part of a value; negative offsets count from its end", complexity: "O(n), n = bytes answered"),
        .mget: CommandSpecification(
            "mget", arity: -2, flags: [.readOnly, .fast], categories: [.string],
            keys: [KeySpecification(1, last: -1, [.readOnly, .access])],
            group: .string, since: "1.0.0",
            syntax: "key [key ...]",
            summary: "Answers the values of several keys", complexity: "O(n), n = keys"),
        .mset: CommandSpecification(
            "mset", arity: -3, flags: [.write, .denyOutOfMemory], categories: [.string],
            keys: [KeySpecification(1, last: -1, step: 2, [.overwrite, .update])],
            group: .string, since: "1.0.1",
            syntax: "key value [key value ...]",
            summary: "Sets several keys", complexity: "O(n), n = keys"),
        .msetnx: CommandSpecification(
            "msetnx", arity: -3, flags: [.write, .denyOutOfMemory], categories: [.string],
            keys: [KeySpecification(1, last: -1, step: 2, [.overwrite, .insert])],
            group: .string, since: "1.0.1",
            syntax: "key value [key value ...]",
            summary: "Sets several keys if none of them exists on this node", complexity: "O(n), n = keys"),
        .strlen: CommandSpecification(
            "strlen", arity: 2, flags: [.readOnly, .fast], categories: [.string],
            keys: [KeySpecification(1, [.readOnly])],
            group: .string, since: "2.2.0",
            syntax: "key",
            summary: "Answers the length of a value in bytes", complexity: "O(1)"),
        .append: CommandSpecification(
            "append", arity: 3, flags: [.write, .denyOutOfMemory, .fast], categories: [.string],
            keys: [KeySpecification(1, [.readWrite, .insert])],
            group: .string, since: "2.0.0",
            syntax: "key value",
            summary: "Appends to a value", complexity: "O(n), n = bytes of the new value"),
        .setrange: CommandSpecification(
            "setrange", arity: 4, flags: [.write, .denyOutOfMemory], categories: [.string],
            keys: [KeySpecification(1, [.readWrite, .update])],
            group: .string, since: "2.2.0",
            syntax: "key offset value",
            summary: "Overwrites part of a value, zero bytes filling a gap", complexity: "O(n), n = bytes of the new value"),
    ]
}
