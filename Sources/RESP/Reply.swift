/// A reply as a client reads it, in either version of the protocol.
package enum Reply: Equatable, Sendable {
    package struct Pair: Equatable, Sendable {
        package let key: Reply
        package let value: Reply

        package init(_ key: Reply, _ value: Reply) {
            (self.key, self.value) = (key, value)
        }
    }

    /// Text that is not UTF-8 has question marks for what is not ASCII.
    case simple(String)
    /// The whole text, its code included: `ERR syntax error`.
    case error(String)
    case integer(Int64)
    case bulk([UInt8])
    /// The absent value and the absent array.
    case null
    case array(Elements)
    case map(Pairs)
    case set(Elements)
    case push(Elements)
    case double(Double)
    case boolean(Bool)
    /// A number of more than 64 bits, as its digits.
    case bigNumber(String)
    /// Text and what it is written in: `txt` or `mkd`.
    case verbatim(format: String, [UInt8])

    /// The text of a simple, bulk or verbatim string; nil for any other reply. What is not UTF-8 becomes U+FFFD.
    package var text: String? {
        switch self {
        case .simple(let text): text
        case .bulk(let bytes), .verbatim(_, let bytes): String(decoding: bytes, as: UTF8.self)
        case .error, .integer, .null, .array, .map, .set, .push, .double, .boolean, .bigNumber: nil
        }
    }
}
