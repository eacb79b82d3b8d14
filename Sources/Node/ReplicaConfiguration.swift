import Storage

/// What an operator decides for a node, as far as commands depend on it.
package struct ReplicaConfiguration: Sendable {
    /// What to do with commands whose outcome depends on a condition: it is judged on this node alone, and another node may judge otherwise.
    package enum LocalConditions: String, Sendable, CaseIterable {
        case allow
        case refuse
    }

    /// The password that clients give; nil where none is asked for.
    package var password: [UInt8]?
    package var localConditions = LocalConditions.allow
    /// The longest value in bytes.
    package var maximumValueBytes = 16 << 20
    /// Whether FLUSHALL and FLUSHDB work.
    package var allowsFlush = false
    /// How long a client may be idle; zero for any time.
    package var idleTimeoutSeconds = 0
    package var maximumClients = 10_000
    /// What the buffers of all clients may hold together, in bytes.
    package var maximumClientMemoryBytes = 256 << 20
    package var syncIntervalMilliseconds = 100
    /// How often to compare with other nodes while something changes, what that grows to while nothing does, and with how many at a time.
    package var gossipIntervalMilliseconds = 200
    package var gossipIdleIntervalMilliseconds = 5_000
    package var fanout = 3
    /// How many bytes a second are given to nodes that join, all of them together; 0 for as many as there can be.
    package var bootstrapBytesPerSecond = 0

    package init() {}

    var gossipInterval: Duration { .milliseconds(self.gossipIntervalMilliseconds) }
    var gossipIdleInterval: Duration { .milliseconds(self.gossipIdleIntervalMilliseconds) }
}

/// What lies around a replica and shows in INFO and STATUS: the driver knows it.
package struct Surroundings: Sendable {
    package var processID: Int32 = 0
    package var port = 0
    package var folder = ""
    package var uptimeSeconds: UInt64 = 0
    package var residentBytes: UInt64 = 0
    /// Memory that the process does not share with files: what LMDB's map shows is not in it.
    package var privateBytes: UInt64 = 0
    package var userSeconds = 0.0
    package var systemSeconds = 0.0
    package var clientBufferBytes = 0
    package var blockedClients = 0
    package var refusedConnections = 0
    package var evictedClients = 0
    package var receivedBytes = 0
    package var sentBytes = 0
    /// The greatest time that one fdatasync took, and the last one's.
    package var slowestSyncMicroseconds = 0
    package var lastSyncMicroseconds = 0

    package init() {}
}

/// The program's version, which INFO, HELLO and `hearsay version` show.
package let programVersion = "0.1.0"
/// The Redis whose protocol, wording and COMMAND flags are followed.
package let protocolVersion = "7.0.15"
