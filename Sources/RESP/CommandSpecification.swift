/// What the table says about a command or subcommand: what dispatch, COMMAND, HELP and the documentation need to know.
package struct CommandSpecification: Sendable {
    /// The name in small letters; a subcommand's has its container's name and a bar before it, as in `client|id`.
    package let name: StaticString
    /// How many arguments, flags, keys.
    package let traits: CommandTraits
    package let group: CommandGroup
    /// The version of Redis that had the command first; for HEARSAY, that of Hearsay.
    package let since: StaticString
    /// The arguments behind the name, for people.
    package let syntax: StaticString
    /// What it does, in one sentence without its full stop.
    package let summary: StaticString
    package let complexity: StaticString

    let keys: [KeySpecification]
    let tips: [StaticString]
    private let ownCategories: CommandCategories

    /// - Parameters:
    ///   - arity: The number of arguments, the name or names included; negative for "at least".
    ///   - categories: Those that do not follow from the flags.
    init(
        _ name: StaticString, arity: Int8, flags: CommandFlags = [], categories: CommandCategories = [], keys: [KeySpecification] = [],
        group: CommandGroup, since: StaticString, tips: [StaticString] = [], syntax: StaticString = "", summary: StaticString,
        complexity: StaticString
    ) {
        self.name = name
        self.traits = CommandTraits(arity: arity, flags: flags, keys: KeySpecification.span(of: keys))
        (self.group, self.since, self.syntax, self.summary, self.complexity) = (group, since, syntax, summary, complexity)
        (self.keys, self.tips, self.ownCategories) = (keys, tips, categories)
    }

    /// The categories of Redis's access lists: those declared, and those that the flags imply.
    var categories: CommandCategories {
        var categories = self.ownCategories
        let flags = self.traits.flags
        if flags.contains(.write) { categories.insert(.write) }
        if flags.contains(.readOnly) { categories.insert(.read) }
        if flags.contains(.admin) { categories.formUnion([.admin, .dangerous]) }
        categories.insert(flags.contains(.fast) ? .fast : .slow)
        return categories
    }
}

/// What dispatch asks for each call: a few bytes without references, so that asking costs no reference counting.
package struct CommandTraits: Sendable {
    /// The number of arguments, the name or names included; negative for "at least".
    package let arity: Int8
    package let flags: CommandFlags
    let keys: KeySpan

    /// Whether a call with this number of arguments, the name or names included, is well-formed.
    package func accepts(argumentCount: Int) -> Bool {
        self.arity >= 0 ? argumentCount == Int(self.arity) : argumentCount >= -Int(self.arity)
    }

    /// Which of the arguments are keys, in order. The arity must have been accepted.
    package func keyPositions(argumentCount: Int) -> StrideThrough<Int> {
        let last = self.keys.last < 0 ? argumentCount + Int(self.keys.last) : Int(self.keys.last)
        return self.keys.first == 0
            ? stride(from: 1, through: 0, by: 1) : stride(from: Int(self.keys.first), through: last, by: Int(self.keys.step))
    }
}

/// The keys of a command as one range of arguments, for clients from before Redis 7.
struct KeySpan: Equatable, Sendable {
    /// The position of the first key; zero if there is none.
    let first: Int8
    /// The position of the last key; negative to count from the end.
    let last: Int8
    let step: Int8
}

/// Where one group of a command's keys lies, and what happens to them.
struct KeySpecification: Sendable {
    let index: Int8
    /// The last key: 0 for the one at `index`, -1 for all to the end.
    let last: Int8
    let step: Int8
    let flags: KeyFlags
    let notes: StaticString?

    init(_ index: Int8, last: Int8 = 0, step: Int8 = 1, _ flags: KeyFlags, notes: StaticString? = nil) {
        (self.index, self.last, self.step, self.flags, self.notes) = (index, last, step, flags, notes)
    }

    /// All of them as one range. They lie side by side in each of our commands.
    static func span(of keys: [KeySpecification]) -> KeySpan {
        guard let first = keys.first, let last = keys.last else { return KeySpan(first: 0, last: 0, step: 0) }
        precondition(keys.count == 1 || zip(keys, keys.dropFirst()).allSatisfy { $0.last == 0 && $1.index == $0.index + 1 }, "\(keys)")
        return KeySpan(first: first.index, last: last.last < 0 ? last.last : last.index, step: first.step)
    }
}

/// The chapter of the documentation that a command belongs to.
package enum CommandGroup: String, CaseIterable, Sendable {
    case string, siblings, generic, connection, transactions, server, hearsay
}

/// A set of names that COMMAND shows, each a bit, in the order in which Redis shows them.
protocol NamedFlags: OptionSet where RawValue == UInt32, Element == Self {
    /// The name of each bit, from the lowest.
    static var names: [StaticString] { get }
}

extension NamedFlags {
    /// The names of the members.
    var memberNames: [StaticString] {
        Self.names.indices.filter { self.rawValue & 1 << UInt32($0) != 0 }.map { Self.names[$0] }
    }
}

/// How a command may be used.
package struct CommandFlags: NamedFlags, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// May change entries.
    package static let write = CommandFlags(rawValue: 1 << 0)
    /// Reads entries and changes none.
    package static let readOnly = CommandFlags(rawValue: 1 << 1)
    /// May add to what is stored, so it is refused when nothing more fits.
    package static let denyOutOfMemory = CommandFlags(rawValue: 1 << 2)
    /// For operators.
    package static let admin = CommandFlags(rawValue: 1 << 3)
    package static let noScript = CommandFlags(rawValue: 1 << 4)
    /// Answered while the node is starting.
    package static let loading = CommandFlags(rawValue: 1 << 5)
    /// Answered by a node that knows its data to be behind.
    package static let stale = CommandFlags(rawValue: 1 << 6)
    package static let skipSlowLog = CommandFlags(rawValue: 1 << 7)
    /// Takes constant or logarithmic time.
    package static let fast = CommandFlags(rawValue: 1 << 8)
    /// Answered before the client has authenticated.
    package static let noAuthentication = CommandFlags(rawValue: 1 << 9)
    /// Refused between MULTI and EXEC.
    package static let noMulti = CommandFlags(rawValue: 1 << 10)
    package static let allowBusy = CommandFlags(rawValue: 1 << 11)

    static let names: [StaticString] = [
        "write", "readonly", "denyoom", "admin", "noscript", "loading", "stale", "skip_slowlog", "fast", "no_auth", "no_multi", "allow_busy",
    ]
}

/// The categories of Redis's access lists that our commands fall into.
struct CommandCategories: NamedFlags, Sendable {
    let rawValue: UInt32

    static let keyspace = CommandCategories(rawValue: 1 << 0)
    static let read = CommandCategories(rawValue: 1 << 1)
    static let write = CommandCategories(rawValue: 1 << 2)
    static let string = CommandCategories(rawValue: 1 << 3)
    static let admin = CommandCategories(rawValue: 1 << 4)
    static let fast = CommandCategories(rawValue: 1 << 5)
    static let slow = CommandCategories(rawValue: 1 << 6)
    static let dangerous = CommandCategories(rawValue: 1 << 7)
    static let connection = CommandCategories(rawValue: 1 << 8)
    static let transaction = CommandCategories(rawValue: 1 << 9)
    static let siblings = CommandCategories(rawValue: 1 << 10)

    static let names: [StaticString] = [
        "@keyspace", "@read", "@write", "@string", "@admin", "@fast", "@slow", "@dangerous", "@connection", "@transaction",
        "@siblings",
    ]
}

/// What a command does to a group of its keys.
struct KeyFlags: NamedFlags, Sendable {
    let rawValue: UInt32

    static let readOnly = KeyFlags(rawValue: 1 << 0)
    static let readWrite = KeyFlags(rawValue: 1 << 1)
    static let overwrite = KeyFlags(rawValue: 1 << 2)
    static let remove = KeyFlags(rawValue: 1 << 3)
    static let access = KeyFlags(rawValue: 1 << 4)
    static let update = KeyFlags(rawValue: 1 << 5)
    static let insert = KeyFlags(rawValue: 1 << 6)
    static let delete = KeyFlags(rawValue: 1 << 7)
    static let variableFlags = KeyFlags(rawValue: 1 << 8)

    static let names: [StaticString] = ["RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "variable_flags"]
}
