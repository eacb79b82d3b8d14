import Simulation
import Testing

/// Histories that once showed a fault: they run before new ones are drawn.
@Suite struct CorpusTests {
    /// What each showed, and its recipe.
    private static let found: [(fault: String, recipe: String)] = [
        (
            "seen-with-data: a session's accepter said what it had seen when its turn came, not when the session began",
            "--seed 3538 --without siblings"
        ),
        ("convergence: at interval a session takes as long as the syncs that its messages wait for", "--seed 1517 --without siblings"),
        ("acknowledged-kept: a sync on a slow disk, held up by a pause, is not the node's to hurry", "--seed 13790 --without siblings"),
        (
            "convergence: damage stays open where dropped tombstones keep roots apart, and floors where damage is open",
            "--seed 10131 --without siblings"
        ),
        ("convergence: what a damaged node's log alone holds nobody asks it for", "--seed 16645 --without siblings"),
        ("convergence: of two damaged nodes each waits for the other to say what it has seen", "--seed 9544 --without siblings"),
        (
            "acknowledged-kept: what only a member had written that never came back was left behind by one that was fenced",
            "--seed 2730 --without siblings"
        ),
        ("liveness: nobody tells an older copy of a member what a fenced one has of it", "--seed 3384 --without siblings"),
        ("convergence: a session keeps a full table from being drained, and waits for room in it", "--seed 15747 --without siblings"),
        ("acknowledged-kept: gaps that count as seen are nothing that a member has", "--seed 862 --without siblings"),
        ("seen-with-data: a member hears from others to have seen the gaps of an id that it has not settled", "--seed 9093 --without siblings"),
        (
            "digest-equals-scan: floors pass over the gaps of a settled id, where a session that broke had brought something",
            "--seed 4172 --without siblings"
        ),
        (
            "seen-with-data: a copy that does not know whether it is the newest confirms a delete, while the newest writes on",
            "--seed 7381 --without siblings"
        ),
        ("liveness: what a member that came back late holds is waited for no longer than from the start", "--seed 14602 --without siblings"),
        ("acknowledged-kept: a delete of siblings that a fenced node had made was given up, though what it had replaced lives", "--seed 303"),
        ("siblings-are-the-concurrent-writes: what was beneath siblings was lost where these were gone", "--seed 10150"),
        ("acknowledged-kept: a register that a fenced node had written, and siblings after it, kept older ones away no more", "--seed 6835"),
        ("convergence: floors pass what was beneath siblings in the very batch in which these come", "--seed 6883"),
        ("convergence: one node knows of a register beneath siblings that others have dropped", "--seed 552"),
        ("convergence: what two members bring back of siblings that were damaged counts only as far as the first had it", "--seed 43135"),
        ("liveness: members that had nothing yet let an empty node take the place of the only one that had everything", "--seed 70828"),
        ("seen-with-data: a delete of siblings that an id was settled without has been dropped from beside an older one", "--seed 132144"),
        ("convergence: a delete of siblings that an id was settled without is held by all but one", "--seed 103186"),
        (
            "convergence: a node that counts again looks for what has expired a minute later",
            "--seed 103357 --use-keys 1 --without clock-step,leave,partition,restore,pause,slow-disk --steps 112,214-215,743-744,747,1000,1013"
        ),
        ("convergence: what comes while floors are on their way to the disk is drained before they count", "--seed 63692"),
        ("convergence: what comes while floors are on their way to the disk is drained before they count", "--seed 65845"),
        ("convergence: floors pass a delete that a session brings again, beside what is newer", "--seed 62138"),
        (
            "siblings-are-the-concurrent-writes: a register that a session brings of an id that was settled without it takes older siblings",
            "--seed 50044 --without sibling-deadlines"
        ),
        ("liveness: a fenced node whose log is damaged takes a new id, under which nobody knows it", "--seed 42573"),
        (
            "acknowledged-kept: an operator emptied the only member that had it right after it had let another give up its store",
            "--seed 488 --nodes 3 --operations 600 --joiners 2 --without slow-disk,drift,clock-step,clock-freeze,siblings "
                + "--steps 0-26,36,74-221,273-308,327-445,447-471,508-521,523-580"
        ),
        (
            "acknowledged-kept: one that is killed when it has been told to come back gives up its store with the next start",
            "--seed 3886 --without kill,offset,drift,restore,siblings "
                + "--steps 0-20,35-55,73-83,98-111,154-179,183-188,199-202,217-223,273-293,308-321,329-335"
        ),
        (
            "seen-with-data: what a restored node writes under dots that only it ever knew is judged by what they named before",
            "--seed 11368 --without power-cut,slow-disk,clock-step,clock-freeze,no-clock,siblings "
                + "--steps 0-47,51-110,114-140,144-191,195,210-233,351-358"
        ),
    ]

    @Test(arguments: Self.found.indices) func `what once showed a fault shows none`(index: Int) throws {
        _ = try World.run(Recipe(Self.found[index].recipe))
    }
}
