import Basics

/// Which history: the seed that draws it, and what of it is left out. As text it is what `hearsay simulate` takes.
package struct Recipe: Equatable, Sendable {
    package var seed: UInt64
    /// With how many nodes and operations it is drawn.
    package var nodes: Int
    package var operations: Int
    /// Empty nodes that join meanwhile.
    package var joiners = 0
    /// Kinds of faults that are left out.
    package var without: [Fault] = []
    /// With fewer nodes and keys: what is drawn for one beyond falls on another.
    package var nodesUsed: Int?
    package var keysUsed: Int?
    /// The numbers of the steps that are played; nil for all.
    package var steps: [ClosedRange<Int>]?

    package init(seed: UInt64, nodes: Int = 5, operations: Int = 1_000) {
        (self.seed, self.nodes, self.operations) = (seed, nodes, operations)
    }

    /// The plan and the script of the history. A step has the number that it has in the whole script.
    package func draw() -> (WorldPlan, Script) {
        var plan = WorldPlan(seed: self.seed, nodes: self.nodes, operations: self.operations)
        plan.add(joiners: self.joiners, seed: self.seed)
        for load in [Fault.siblings, .siblingDeadlines] where self.without.contains(load) { plan.leaveOut(load) }  // What clients do follows from it.
        var script = Script(plan, seed: self.seed)
        for fault in self.without { plan.leaveOut(fault) }
        script.steps.removeAll { step in
            step.fault.map(self.without.contains) ?? false || !(self.steps?.contains { $0.contains(step.number) } ?? true)
        }
        plan.nodes = self.nodesUsed ?? plan.nodes
        if let keys = self.keysUsed {
            plan.keys = keys
            script.limit(keys: keys)
        }
        return (plan, script)
    }
}

extension Recipe: CustomStringConvertible {
    /// Options of `hearsay simulate`.
    package var description: String {
        var words = ["--seed \(self.seed)"]
        if self.nodes != 5 { words.append("--nodes \(self.nodes)") }
        if self.operations != 1_000 { words.append("--operations \(self.operations)") }
        if self.joiners > 0 { words.append("--joiners \(self.joiners)") }
        if let nodesUsed { words.append("--use-nodes \(nodesUsed)") }
        if let keysUsed { words.append("--use-keys \(keysUsed)") }
        if !self.without.isEmpty { words.append("--without \(self.without.map(\.rawValue).joined(separator: ","))") }
        if let steps {
            words.append("--steps \(steps.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ","))")
        }
        return words.joined(separator: " ")
    }
}

/// Options that make no recipe.
package struct MalformedRecipe: Error, CustomStringConvertible {
    package let description: String
}

extension Recipe {
    /// Reads what `description` writes.
    package init(_ text: String) throws(MalformedRecipe) {
        self.init(seed: 1)
        var words = text.split(separator: " ").map(String.init)[...]
        while let option = words.popFirst() {
            guard let value = words.popFirst() else { throw MalformedRecipe(description: "\(option) takes a value") }
            switch option {
            case "--seed":
                guard let seed = UInt64(value) else { throw MalformedRecipe(description: "\(value) is no seed") }
                self.seed = seed
            case "--nodes": self.nodes = try Self.number(value)
            case "--joiners": self.joiners = try Self.number(value)
            case "--operations": self.operations = try Self.number(value)
            case "--use-nodes": self.nodesUsed = try Self.number(value)
            case "--use-keys": self.keysUsed = try Self.number(value)
            case "--without": self.without = try Self.faults(value)
            case "--steps": self.steps = try Self.ranges(value)
            default: throw MalformedRecipe(description: "unknown option \(option)")
            }
        }
    }

    private static func number(_ text: String) throws(MalformedRecipe) -> Int {
        guard let number = Int(text), number > 0, number <= 10_000_000 else { throw MalformedRecipe(description: "\(text) is no number from 1 on") }
        return number
    }

    /// Names of kinds of faults, with commas between them.
    package static func faults(_ text: String) throws(MalformedRecipe) -> [Fault] {
        var faults: [Fault] = []
        for name in text.split(separator: ",") {
            guard let fault = Fault(rawValue: String(name)) else {
                throw MalformedRecipe(description: "\(name) is no kind of fault; there are \(Fault.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            faults.append(fault)
        }
        return faults
    }

    /// Numbers and ranges of numbers, with commas between them.
    package static func ranges(_ text: String) throws(MalformedRecipe) -> [ClosedRange<Int>] {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-").map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last else {
                throw MalformedRecipe(description: "\(part) is no range of steps")
            }
            ranges.append(first...last)
        }
        return ranges
    }

    /// The ranges that hold just these numbers, which ascend.
    static func ranges(of numbers: [Int]) -> [ClosedRange<Int>] {
        numbers.reduce(into: []) { ranges, number in
            if let last = ranges.last, last.upperBound == number - 1 {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
    }
}
