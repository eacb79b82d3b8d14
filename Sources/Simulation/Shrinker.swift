/// Makes a history that shows a violation short: leaves out what it does not need, as long as the same check fails.
///
/// First what comes behind, then kinds of faults, nodes and keys, then ever smaller parts of the script.
///
/// - Bound: `maximumRuns` histories are played.
/// - Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (TSE 2002), for the parts of the script; what comes before that
///   is ours.
package struct Shrinker {
    package static let maximumRuns = 400

    package private(set) var recipe: Recipe
    package private(set) var violation: Violation
    package private(set) var runs = 0
    private var numbers: [Int]
    private let play: (Recipe) -> Violation?

    /// - Parameter play: plays a history and says what failed; nil where nothing did.
    package init(_ recipe: Recipe, _ violation: Violation, play: @escaping (Recipe) -> Violation? = World.violation(of:)) {
        (self.recipe, self.violation, self.play) = (recipe, violation, play)
        self.numbers = recipe.draw().1.steps.map(\.number)
    }

    package mutating func shrink() {
        self.cutEnd()
        self.leaveOutKinds()
        let (plan, _) = self.recipe.draw()
        for nodes in 2..<max(2, plan.nodes) where self.tries({ $0.nodesUsed = nodes }) { break }
        for keys in [1, 2, 4, 8, 16] where keys < plan.keys && self.tries({ $0.keysUsed = keys }) { break }
        self.thinOut()
        self.leaveOutKinds()
    }

    /// - Returns: true, and what was changed stays, where the same check still fails.
    private mutating func tries(_ change: (inout Recipe) -> Void) -> Bool {
        guard self.runs < Self.maximumRuns else { return false }
        self.runs += 1
        var candidate = self.recipe
        change(&candidate)
        guard let violation = self.play(candidate), violation.check == self.violation.check else { return false }
        (self.recipe, self.violation) = (candidate, violation)
        return true
    }

    private mutating func triesSteps(_ numbers: [Int]) -> Bool {
        guard self.tries({ $0.steps = Recipe.ranges(of: numbers) }) else { return false }
        self.numbers = numbers
        return true
    }

    /// The shortest beginning, by halves.
    private mutating func cutEnd() {
        var (low, high) = (0, self.numbers.count)
        let all = self.numbers
        while low < high {
            let middle = (low + high) / 2
            if self.triesSteps(Array(all[..<middle])) { high = middle } else { low = middle + 1 }
        }
    }

    private mutating func leaveOutKinds() {
        for fault in Fault.allCases where self.recipe.draw().0.has(fault) && !self.recipe.without.contains(fault) {
            if self.tries({ $0.without.append(fault) }) {
                let left = self.recipe.draw().1.steps.map(\.number)
                self.numbers = left
            }
        }
    }

    /// Leaves parts out: halves first, single steps in the end.
    private mutating func thinOut() {
        var size = max(1, self.numbers.count / 2)
        while self.runs < Self.maximumRuns {
            var (start, isShorter) = (0, false)
            while start < self.numbers.count {
                let end = min(start + size, self.numbers.count)
                if self.triesSteps(Array(self.numbers[..<start] + self.numbers[end...])) { isShorter = true } else { start = end }
            }
            if size == 1, !isShorter { return }
            if !isShorter || size > self.numbers.count { size = max(1, size / 2) }
        }
    }
}
