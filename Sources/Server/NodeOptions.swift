import Node
import Storage

/// All that `hearsay node` can be told.
package struct NodeOptions: Sendable {
    package var folder: String
    /// The address and port that clients connect to; port 0 for any that is free.
    package var host = "127.0.0.1"
    package var port = 7_379
    package var store = StoreConfiguration()
    package var replica = ReplicaConfiguration()
    package var dropsDamagedLog = false
    package var allowsInsecureListen = false

    package init(folder: String) { self.folder = folder }

    /// Files that the node itself keeps open: log, LMDB, epoll, the listener, and some for what comes and goes.
    static let reservedFiles = 64

    /// Checks what belongs together.
    package func validate() throws(NodeFailure) {
        let isLoopback = self.host == "localhost" || self.host == "::1" || self.host.hasPrefix("127.")
        if !isLoopback, self.replica.password == nil, !self.allowsInsecureListen {
            throw NodeFailure(
                .refused,
                "refusing to listen on \(self.host) without a password: add --password-file FILE, or --insecure-listen to let everybody in")
        }
    }
}
