import Simulation
import Testing

/// Histories that once showed a fault: they run before new ones are drawn.
@Suite struct CorpusTests {
    /// What each showed, and its recipe.
    private static let found: [(fault: String, recipe: String)] = []

    @Test(arguments: Self.found.indices) func `what once showed a fault shows none`(index: Int) throws {
        _ = try World.run(Recipe(Self.found[index].recipe))
    }
}
