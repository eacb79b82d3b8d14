/// The answers to COMMAND and its subcommands: they come from the table alone.
extension CommandTable {
    /// Answers COMMAND (`subcommand` nil) or one of its subcommands. The arity has been accepted.
    package static func answer(_ subcommand: Subcommand?, _ arguments: Arguments, to writer: inout ReplyWriter) {
        switch subcommand {
        case .commandInfo where arguments.count > 2:
            writer.array(count: arguments.count - 2)
            for index in 2..<arguments.count {
                if let specification = self.specification(named: arguments[index]) {
                    specification.writeInfo(to: &writer)
                } else {
                    writer.null()
                }
            }
        case .commandDocs:
            self.answerDocs(arguments, to: &writer)
        case .commandList:
            self.answerList(arguments, to: &writer)
        case .commandCount:
            writer.integer(Command.allCases.count)
        case .commandGetKeys:
            self.answerGetKeys(arguments, to: &writer)
        case .commandHelp:
            Command.command.writeHelp(to: &writer)
        case nil, .commandInfo:
            writer.array(count: Command.allCases.count)
            for command in Command.allCases { command.specification.writeInfo(to: &writer) }
        case let other?:
            preconditionFailure("\(other) is no subcommand of COMMAND")  // Only our own dispatch can cause this.
        }
    }

    /// Names that are in no table are left out, as in Redis.
    private static func answerDocs(_ arguments: Arguments, to writer: inout ReplyWriter) {
        let named = (2..<max(2, arguments.count)).compactMap { self.specification(named: arguments[$0]) }
        let specifications = arguments.count > 2 ? named : Self.shared.commands
        writer.map(count: specifications.count)
        for specification in specifications { specification.writeDocs(to: &writer) }
    }

    private static func answerList(_ arguments: Arguments, to writer: inout ReplyWriter) {
        let all = Self.shared.commands + Self.shared.subcommands
        guard arguments.count > 2 else { return self.writeNames(of: all, to: &writer) }
        guard arguments.count == 5, arguments[2].equalsIgnoringCase("FILTERBY") else { return writer.error("ERR syntax error") }
        let value = arguments[4]
        if arguments[3].equalsIgnoringCase("MODULE") {
            self.writeNames(of: [], to: &writer)
        } else if arguments[3].equalsIgnoringCase("ACLCAT") {
            self.writeNames(of: all.filter { $0.categories.memberNames.contains { value.equalsIgnoringCategoryMark($0) } }, to: &writer)
        } else if arguments[3].equalsIgnoringCase("PATTERN") {
            guard let pattern = try? GlobPattern(value) else { return writer.error("ERR pattern is too long") }
            self.writeNames(of: all.filter { pattern.matches(Bytes($0.name)) }, to: &writer)
        } else {
            writer.error("ERR syntax error")
        }
    }

    private static func writeNames(of specifications: [CommandSpecification], to writer: inout ReplyWriter) {
        writer.set(count: specifications.count)
        for specification in specifications { writer.bulk(specification.name) }
    }

    private static func answerGetKeys(_ arguments: Arguments, to writer: inout ReplyWriter) {
        guard let command = Command.lookup(arguments[2]) else { return writer.error("ERR Invalid command specified") }
        let count = arguments.count - 2
        guard command.traits.keys.first > 0 else { return writer.error("ERR The command has no key arguments") }
        guard command.traits.accepts(argumentCount: count) else {
            return writer.error("ERR Invalid number of arguments specified for command")
        }
        let positions = Array(command.traits.keyPositions(argumentCount: count))
        writer.array(count: positions.count)
        for position in positions { writer.bulk(arguments[position + 2]) }
    }
}

extension Bytes {
    /// Whether these name the category that is shown as `category`, whose first character is the mark `@`.
    fileprivate func equalsIgnoringCategoryMark(_ category: StaticString) -> Bool {
        let name = UnsafeRawBufferPointer(start: category.utf8Start + 1, count: category.utf8CodeUnitCount - 1)
        return self.count == name.count && zip(self.buffer, name).allSatisfy { asciiLowercased($0) == $1 }
    }
}
