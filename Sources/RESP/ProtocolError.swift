/// Why a client's input could not be taken apart: its framing is lost, so the connection is answered with `message` and closed.
///
/// The wording is Redis's (networking.c of 7.0), as client libraries and people search for it.
package enum ProtocolError: Error, Equatable, Sendable {
    /// The number of arguments is no number, or more than any client may announce.
    case invalidMultibulkLength
    /// The length of an argument is no number, more than any client may announce, or not the argument's length.
    case invalidBulkLength
    /// An argument did not begin with `$`.
    case expectedBulk(got: UInt8)
    case tooBigMultibulkCount
    case tooBigBulkCount
    case tooBigInlineRequest
    case unbalancedQuotes
    /// More arguments than a client may send before it has authenticated.
    case unauthenticatedMultibulkLength
    /// More bytes than a client may send before it has authenticated.
    case unauthenticatedBulkLength
    /// An HTTP request, which a browser may have been tricked into sending: closed at once, and without an answer.
    case crossProtocol

    /// Whether the client is told before the connection is closed.
    package var isAnswered: Bool { self != .crossProtocol }

    /// The text behind `ERR `, in Redis's words.
    package var message: String {
        switch self {
        case .invalidMultibulkLength: "Protocol error: invalid multibulk length"
        case .invalidBulkLength: "Protocol error: invalid bulk length"
        case .expectedBulk(let byte): "Protocol error: expected '$', got '\(Self.character(byte))'"
        case .tooBigMultibulkCount: "Protocol error: too big mbulk count string"
        case .tooBigBulkCount: "Protocol error: too big bulk count string"
        case .tooBigInlineRequest: "Protocol error: too big inline request"
        case .unbalancedQuotes: "Protocol error: unbalanced quotes in request"
        case .unauthenticatedMultibulkLength: "Protocol error: unauthenticated multibulk length"
        case .unauthenticatedBulkLength: "Protocol error: unauthenticated bulk length"
        case .crossProtocol: "Possible SECURITY ATTACK detected: POST or Host: commands on the client port"
        }
    }

    /// Redis writes the byte as it is; escaped, it cannot garble a terminal or a log.
    private static func character(_ byte: UInt8) -> String {
        (0x20...0x7e).contains(byte) ? String(Unicode.Scalar(byte)) : hexadecimalEscape(byte)
    }
}
