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
}
