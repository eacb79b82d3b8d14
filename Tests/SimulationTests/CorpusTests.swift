import Simulation
import Testing

/// Histories that once showed a fault: they run before new ones are drawn.
@Suite struct CorpusTests {
    /// What each showed, and its recipe.
    private static let found: [(fault: String, recipe: String)] = [
        ("seen-with-data: a session's accepter said what it had seen when its turn came, not when the session began", "--seed 3538"),
        ("convergence: at interval a session takes as long as the syncs that its messages wait for", "--seed 1517"),
        ("acknowledged-kept: a sync on a slow disk, held up by a pause, is not the node's to hurry", "--seed 13790"),
        ("convergence: damage stays open where dropped tombstones keep roots apart, and floors where damage is open", "--seed 10131"),
        ("convergence: what a damaged node's log alone holds nobody asks it for", "--seed 16645"),
        ("acknowledged-kept: what only a member had written that never came back was left behind by one that was fenced", "--seed 2730"),
        ("acknowledged-kept: gaps that count as seen are nothing that a member has", "--seed 862"),
        ("liveness: what a member that came back late holds is waited for no longer than from the start", "--seed 14602"),
    ]

    @Test(arguments: Self.found.indices) func `what once showed a fault shows none`(index: Int) throws {
        _ = try World.run(Recipe(Self.found[index].recipe))
    }
}
