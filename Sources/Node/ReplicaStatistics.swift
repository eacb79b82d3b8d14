/// Events since the start, for INFO.
package struct ReplicaStatistics: Sendable {
    var connections = 0
    var commands = 0
    var errors = 0
    var hitsInTable = 0
    var hitsInFrozenTable = 0
    var hitsInBase = 0
    var misses = 0
    /// Commands whose outcome depended on a condition that was judged on this node alone.
    var localConditions = 0
    var refusedConditions = 0
    /// Commands for one value that were answered with the newest of siblings, or the only one.
    var siblingReads = 0
    /// Writes beside siblings that were too many, or too long.
    var refusedSiblings = 0
    /// The most siblings that a key was seen with when it was read or written here.
    var mostSiblings = 0
}
