import Node

/// FLUSHALL and FLUSHDB work.
var flushing: ReplicaConfiguration {
    var configuration = ReplicaConfiguration()
    configuration.allowsFlush = true
    return configuration
}
