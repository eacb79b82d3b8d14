extension CommandTable {
    /// The table as Markdown, a chapter per group, for the documentation: one row per command and subcommand.
    package static func markdown() -> String {
        let all = Self.shared.commands + Self.shared.subcommands
        let chapters = CommandGroup.allCases.map { group in
            let title = group.rawValue.prefix(1).uppercased() + group.rawValue.dropFirst()
            let rows = all.filter { $0.group == group }.map(\.markdownRow).joined()
            return "### \(title)\n\n| Command | What it does | Cost |\n|---|---|---|\n\(rows)"
        }
        return chapters.joined(separator: "\n")
    }
}

extension CommandSpecification {
    fileprivate var markdownRow: String {
        let name = self.name.description.uppercased().split(separator: "|").joined(separator: " ")
        let syntax = self.syntax.utf8CodeUnitCount == 0 ? "" : " \(self.syntax)"
        let escaped = (name + syntax).split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
        return "| `\(escaped)` | \(self.summary) | \(self.complexity) |\n"
    }
}
