import Basics
import Digests
import RESP
import Versioning

/// What a node knows of one client between its commands.
package final class Session {
    /// Never used again for another client of this process.
    package let id: UInt64
    /// The client's address and the one it connected to, as host:port.
    package let address: String
    package let localAddress: String
    package let connectedAt: Instant
    /// When it connected or was last reset: how long it may take to authenticate counts from here.
    package private(set) var begunAt: Instant

    package var version = ReplyWriter.Version.two
    package var isAuthenticated: Bool
    var failedAuthentications = 0
    var name: [UInt8] = []
    var libraryName: [UInt8] = []
    var libraryVersion: [UInt8] = []
    var transaction: Transaction?
    var watches: [Watch] = []
    package internal(set) var lastActive: Instant
    package internal(set) var lastCommand: Command?
    /// Its last write, or one of another client since; nil before the first.
    var lastWrite: Dot?
    /// Set by CLIENT KILL: the driver closes the connection once its answers are out.
    package internal(set) var isKilled = false
    /// What the connection's buffers hold, as the driver counts it, for CLIENT LIST.
    package var bufferedInputBytes = 0
    package var bufferedOutputBytes = 0

    package init(id: UInt64, address: String, localAddress: String, isAuthenticated: Bool, at now: Instant) {
        (self.id, self.address, self.localAddress, self.isAuthenticated) = (id, address, localAddress, isAuthenticated)
        (self.connectedAt, self.begunAt, self.lastActive) = (now, now, now)
    }

    /// Commands between MULTI and EXEC.
    struct Transaction {
        var commands: [ArgumentsCopy] = []
        var byteCount = 0
        /// A command was refused while queueing: EXEC answers EXECABORT.
        var isAborted = false
        /// One of them is a write.
        var writes = false
    }

    /// A watched key and the write that it showed.
    struct Watch {
        let key: [UInt8]
        let token: Token
        /// Nil where the key had never been written.
        let state: State?

        /// What must be as it was when EXEC comes.
        struct State: Equatable {
            /// Not the dot: a write that was taken back leaves its dot to another.
            let stamp: Stamp
            /// A key that expires in between has changed, as in Redis 7; one that had expired before has not.
            let isAbsent: Bool
        }
    }

    func endTransaction() { (self.transaction, self.watches) = (nil, []) }

    /// Back to how the connection began, as RESET does; a password has to be given again.
    func reset(isAuthenticated: Bool, at now: Instant) {
        (self.version, self.isAuthenticated, self.begunAt, self.name) = (.two, isAuthenticated, now, [])
        self.endTransaction()
    }
}
