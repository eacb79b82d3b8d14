extension CommandSpecification {
    /// The entry of COMMAND and COMMAND INFO: ten elements, as Redis 7 writes them.
    package func writeInfo(to writer: inout ReplyWriter) {
        writer.array(count: 10)
        writer.bulk(self.name)
        writer.integer(Int(self.traits.arity))
        writer.statusSet(self.traits.flags.memberNames)
        writer.integer(Int(self.traits.keys.first))
        writer.integer(Int(self.traits.keys.last))
        writer.integer(Int(self.traits.keys.step))
        writer.statusSet(self.categories.memberNames)
        writer.set(count: self.tips.count)
        for tip in self.tips { writer.bulk(tip) }
        writer.set(count: self.keys.count)
        for key in self.keys { key.write(to: &writer) }
        let subcommands = self.subcommands
        if subcommands.isEmpty { writer.set(count: 0) } else { writer.array(count: subcommands.count) }  // So does Redis 7.
        for subcommand in subcommands { subcommand.specification.writeInfo(to: &writer) }
    }

    /// The name and entry of COMMAND DOCS, a key and a value of its map.
    package func writeDocs(to writer: inout ReplyWriter) {
        let subcommands = self.subcommands
        writer.bulk(self.name)
        writer.map(count: subcommands.isEmpty ? 4 : 5)
        writer.bulk("summary")
        writer.bulk(self.summary)
        writer.bulk("since")
        writer.bulk(self.since)
        writer.bulk("group")
        writer.bulk(self.group.rawValue)
        writer.bulk("complexity")
        writer.bulk(self.complexity)
        guard !subcommands.isEmpty else { return }
        writer.bulk("subcommands")
        writer.map(count: subcommands.count)
        for subcommand in subcommands { subcommand.specification.writeDocs(to: &writer) }
    }

    private var subcommands: [Subcommand] { Command.lookup(Bytes(self.name))?.subcommands ?? [] }
}

extension Command {
    /// The answer to a container's HELP: what its subcommands are called and do.
    package func writeHelp(to writer: inout ReplyWriter) {
        let name = self.specification.name.description.uppercased()
        writer.array(count: 1 + self.subcommands.count * 2)
        writer.status("\(name) <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        for subcommand in self.subcommands {
            let specification = subcommand.specification
            let syntax = specification.syntax.utf8CodeUnitCount == 0 ? "" : " \(specification.syntax)"
            writer.status(specification.lastName.text.uppercased() + syntax)
            writer.status("    \(specification.summary).")
        }
    }
}

extension KeySpecification {
    fileprivate func write(to writer: inout ReplyWriter) {
        writer.map(count: self.notes == nil ? 3 : 4)
        if let notes = self.notes {
            writer.bulk("notes")
            writer.bulk(notes)
        }
        writer.bulk("flags")
        writer.statusSet(self.flags.memberNames)
        writer.bulk("begin_search")
        writer.map(count: 2)
        writer.bulk("type")
        writer.bulk("index")
        writer.bulk("spec")
        writer.map(count: 1)
        writer.bulk("index")
        writer.integer(Int(self.index))
        writer.bulk("find_keys")
        writer.map(count: 2)
        writer.bulk("type")
        writer.bulk("range")
        writer.bulk("spec")
        writer.map(count: 3)
        writer.bulk("lastkey")
        writer.integer(Int(self.last))
        writer.bulk("keystep")
        writer.integer(Int(self.step))
        writer.bulk("limit")
        writer.integer(0)
    }
}

extension ReplyWriter {
    fileprivate mutating func statusSet(_ names: [StaticString]) {
        self.set(count: names.count)
        for name in names { self.simple(name) }
    }

    fileprivate mutating func status(_ text: String) {
        self.raw("+")
        self.text(text)
        self.raw("\r\n")
    }
}
