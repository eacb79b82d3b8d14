/// Why a test could not do what it set out to do with processes and sockets; thrown, it fails the test with this text.
package enum ProcessFailure: Error, CustomStringConvertible, Equatable {
    /// A system call failed with this `errno`.
    case system(call: String, code: Int32)
    /// Something did not happen in time. `transcript` is what there was to read until then.
    case tooLate(waitingFor: String, transcript: String)
    /// A program ended, or closed its connection, before it did what the test waits for.
    case endedEarly(waitingFor: String, transcript: String)
    /// The other side sent what the protocol does not allow.
    case unreadableReply(String)
    /// A program or file that the tests need is not there.
    case missing(path: String, remedy: String)

    package var description: String {
        switch self {
        case .system(let call, let code): "\(call) failed with errno \(code)"
        case .tooLate(let goal, let transcript): "timed out waiting for \(goal); there was: \(transcript)"
        case .endedEarly(let goal, let transcript): "it ended while the test waited for \(goal); there was: \(transcript)"
        case .unreadableReply(let bytes): "not a reply: \(bytes)"
        case .missing(let path, let remedy): "\(path) is missing: \(remedy)"
        }
    }
}
