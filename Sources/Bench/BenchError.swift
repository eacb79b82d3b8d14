/// Why a load run could not be carried out. What the node merely answered badly stands in the report instead.
package enum BenchError: Error, Equatable, Sendable {
    /// An option is outside its bounds.
    case invalidOption(name: String, reason: String)
    /// The system allows this process fewer open files than the connections need.
    case tooFewDescriptors(needed: Int, limit: Int)
    case cannotConnect(address: String, reason: String)
    /// The node answered the greeting (AUTH, PING) of a new connection with an error.
    case refused(text: String)
    /// The node closed a connection that still waited for replies. `lastError` is the last error reply on it, if there was one.
    case closedByPeer(lastError: String?)
    case connectionFailed(reason: String)
    case malformedReply(ReplyFault)
    /// A reply of a kind that its request cannot have, such as an integer for GET.
    case unexpectedReply(request: String, reply: String)
    /// Requests were outstanding and nothing arrived on any connection for this long.
    case stalled(seconds: Int)
    /// Some keys could not be written before the measurement.
    case loadFailed(errors: Int, first: String)
    /// A folder could not be made, or a program not be started.
    case cannotPrepare(what: String, reason: String)
    /// A node of the bench ended, or did not answer.
    case nodeFailed(name: String, lastLine: String)
    /// The node did not dial within this time.
    case neverConnected(seconds: Int)
    /// The nodes did not become equal, and nothing has changed on either for this long.
    case neverEqual(first: String, second: String, seconds: Int)
    /// Both nodes have the same entries, and not as many as were written.
    case wrongCount(digest: String, expected: Int)
    /// A dry run found more or fewer entries than differ.
    case wrongDifference(found: Int, expected: Int)
    /// The nodes were to catch up from their logs.
    case digestsCompared
    case rawPutsFailed(reason: String)
}

extension BenchError: CustomStringConvertible {
    /// One line for a person.
    package var description: String {
        switch self {
        case .invalidOption(let name, let reason): "\(name): \(reason)"
        case .tooFewDescriptors(let needed, let limit): "\(needed) open files are needed but only \(limit) allowed: raise the limit with ulimit -n"
        case .cannotConnect(let address, let reason): "cannot connect to \(address): \(reason)"
        case .refused(let text): "the node refused a connection: \(text)"
        case .closedByPeer(let lastError?): "the node closed a connection with requests outstanding; its last error was: \(lastError)"
        case .closedByPeer(nil): "the node closed a connection with requests outstanding"
        case .connectionFailed(let reason): "a connection failed: \(reason)"
        case .malformedReply(let fault): "malformed reply: \(fault)"
        case .unexpectedReply(let request, let reply): "\(request) was answered by \(reply)"
        case .stalled(let seconds): "no reply on any connection for \(seconds) s"
        case .loadFailed(let errors, let first): "loading failed: \(errors) errors, the first: \(first)"
        case .cannotPrepare(let what, let reason): "cannot prepare \(what): \(reason)"
        case .nodeFailed(let name, let lastLine): "node \(name) failed: \(lastLine)"
        case .neverConnected(let seconds): "the nodes did not connect within \(seconds) s"
        case .neverEqual(let first, let second, let seconds): "the nodes stand at \(first) and \(second), and nothing has changed for \(seconds) s"
        case .wrongCount(let digest, let expected): "both nodes stand at \(digest), which is not the \(expected) entries that were written"
        case .wrongDifference(let found, let expected): "a dry run found \(found) entries that differ, where \(expected) do"
        case .digestsCompared: "the nodes compared digests, where their logs were to bring all that differed"
        case .rawPutsFailed(let reason): "measuring LMDB failed: \(reason)"
        }
    }
}
