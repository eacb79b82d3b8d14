/// Named numbers in the order in which they were measured, as text for a person or JSON for a program.
struct Figures {
    private var figures: [(name: String, value: Int)] = []

    mutating func add(_ name: String, _ value: Int) { self.figures.append((name, value)) }

    /// Names are ours and need no escaping.
    func text(json: Bool) -> String {
        if json { return "{" + self.figures.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}" }
        return self.figures.map { "\($0.name) \($0.value)" }.joined(separator: "\n")
    }
}
