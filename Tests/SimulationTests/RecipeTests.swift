import Simulation
import Testing

/// Recipes of histories, and what is made of one that shows a fault.
@Suite struct RecipeTests {
    @Test(arguments: [
        "--seed 1", "--seed 18446744073709551615 --nodes 3 --operations 20", "--seed 7 --joiners 2 --use-nodes 2 --use-keys 4",
        "--seed 7 --without loss,power-cut --steps 1-3,7,9-12",
    ]) func `a recipe reads as it is written`(text: String) throws {
        #expect(try Recipe(text).description == text)
    }

    @Test(arguments: ["--seed", "--seed x", "--steps 3-1", "--steps a", "--without rain", "--nodes 0", "seven"])
    func `what is no recipe is refused`(text: String) {
        #expect(throws: MalformedRecipe.self) { try Recipe(text) }
    }

    @Test func `what is left out changes nothing of what is left`() {
        var recipe = Recipe(seed: 3)
        let all = recipe.draw().1.steps
        recipe.without = [.kill, .partition]
        let left = recipe.draw().1.steps
        #expect(left == all.filter { $0.fault != .kill && $0.fault != .partition } && left.count < all.count)
        recipe.steps = [10...20, 30...30]
        #expect(recipe.draw().1.steps == left.filter { (10...20).contains($0.number) || $0.number == 30 })
    }

    @Test(arguments: Fault.allCases) func `every kind of fault is off in 30 of 100 histories and more`(fault: Fault) {
        let off = (1...1_000 as ClosedRange<UInt64>).count { !WorldPlan(seed: $0).has(fault) }
        #expect(off >= 300 && off < 990, "off in \(off) of 1,000")
    }

    @Test func `a story has a line for each step, and says what happens`() throws {
        var recipe = Recipe(seed: 2, operations: 5)
        recipe.without = Fault.allCases
        let lines = recipe.story.split(separator: "\n")
        #expect(lines.count == 6 && lines[0].contains("5 nodes") && lines[1...].allSatisfy { $0.contains("client") })
    }
}
