import Basics
import Simulation
import Testing

/// What is made of a history that shows a fault.
@Suite struct ShrinkerTests {
    /// A fault that shows where three steps are left, messages are lost and there are three nodes.
    private static func violation(of recipe: Recipe) -> Violation? {
        let (plan, script) = recipe.draw()
        let numbers = script.steps.map(\.number)
        guard [40, 41, 700].allSatisfy(numbers.contains), plan.has(.loss), plan.nodes >= 3 else { return nil }
        return Violation(.convergence, "\(numbers.count) steps")
    }

    private static let lossy = (1...100 as ClosedRange<UInt64>).map { Recipe(seed: $0) }.first { $0.draw().0.has(.loss) && $0.draw().0.has(.kill) }!

    @Test func `what a fault does not need is left out`() throws {
        var shrinker = Shrinker(Self.lossy, try #require(Self.violation(of: Self.lossy)), play: Self.violation)
        shrinker.shrink()
        #expect(shrinker.recipe.steps == [40...41, 700...700])
        #expect(shrinker.recipe.nodesUsed == 3 && shrinker.recipe.keysUsed == 1)
        let plan = shrinker.recipe.draw().0
        for fault in Fault.allCases { #expect(plan.has(fault) == (fault == .loss), "\(fault)") }
        #expect(shrinker.violation.text == "3 steps" && shrinker.runs <= Shrinker.maximumRuns)
        // What it comes to is what it says.
        #expect(Self.violation(of: try Recipe("\(shrinker.recipe)")) != nil)
    }

    @Test func `another fault is not taken for the one that was found`() throws {
        var shrinker = Shrinker(Self.lossy, Violation(.liveness, "found")) { Self.violation(of: $0) }
        shrinker.shrink()
        #expect(shrinker.recipe == Self.lossy && shrinker.violation.text == "found")
    }

    @Test func `a fault that shows whatever is left out ends within the bound of runs`() {
        var shrinker = Shrinker(Self.lossy, Violation(.liveness, "always")) { _ in Violation(.liveness, "always") }
        shrinker.shrink()
        #expect(shrinker.recipe.draw().1.steps.isEmpty && shrinker.runs < Shrinker.maximumRuns)
        var stubborn = Shrinker(Self.lossy, Violation(.liveness, "whole")) { $0.draw().1.steps.count > 500 ? Violation(.liveness, "whole") : nil }
        stubborn.shrink()
        #expect(stubborn.runs <= Shrinker.maximumRuns && stubborn.recipe.draw().1.steps.count < 1_000)
    }
}

/// The queue of a simulated world.
@Suite struct EventQueueTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `events come in order of time, and those of one moment as they were added`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var (queue, model, taken) = (EventQueue<Int>(), [(at: UInt64, event: Int)](), 0)
        for event in 0..<3_000 {
            let at = random.next() % 50
            queue.add(event, at: Instant(nanoseconds: at))
            model.append((at, event))
            guard random.next() % 3 == 0 else { continue }
            let index = model.indices.min { (model[$0].at, model[$0].event) < (model[$1].at, model[$1].event) }!
            #expect(queue.next?.nanoseconds == model[index].at)
            let first = queue.removeFirst()
            #expect(first?.event == model[index].event && first?.at.nanoseconds == model[index].at)
            model.remove(at: index)
            taken += 1
        }
        for (at, event) in model.sorted(by: { ($0.at, $0.event) < ($1.at, $1.event) }) {
            let first = queue.removeFirst()
            #expect(first?.event == event && first?.at.nanoseconds == at)
        }
        #expect(queue.next == nil && queue.removeFirst() == nil && taken > 500)
    }
}
