extension CommandParser {
    /// How much one command may hold. What is over a limit is refused before it is stored.
    package struct Limits: Sendable, Equatable {
        /// The most arguments that any client may announce; the framing of more is not followed.
        package static let maximumDeclaredArguments = 1_048_576
        /// The longest argument that any client may announce, in bytes (Redis's `proto-max-bulk-len`).
        package static let maximumDeclaredBulkBytes = 512 << 20

        /// The longest line that any client may send, in bytes: where a word of it begins is kept in 16 bits.
        package static let longestInlineBytes = 64 << 10

        /// The most arguments of a command, its name included.
        package var maximumArguments: Int
        /// The longest argument, in bytes.
        package var maximumBulkBytes: Int
        /// The most bytes of all arguments of a command together.
        package var maximumCommandBytes: Int
        /// The longest line of an inline command, in bytes, its line feed not counted.
        package var maximumInlineBytes: Int
        /// Whether a command over a limit is skipped and answered with an error. Before authentication it ends the connection instead.
        package var skipsOversized: Bool

        /// Before a client has given its password: enough for AUTH and HELLO, too little to hurt (CVE-2021-32675).
        package static let unauthenticated = Limits(
            maximumArguments: 10, maximumBulkBytes: 16 << 10, maximumCommandBytes: 160 << 10, maximumInlineBytes: 16 << 10, skipsOversized: false)

        /// After that, or where no password is asked for. `valueBytes` is the longest value that the node stores.
        package static func authenticated(valueBytes: Int = 16 << 20) -> Limits {
            Limits(
                maximumArguments: 65_536, maximumBulkBytes: valueBytes, maximumCommandBytes: 64 << 20, maximumInlineBytes: Self.longestInlineBytes,
                skipsOversized: true)
        }

        /// - Precondition: no limit is beyond what `ArgumentRange` reaches, nor beyond what a client may announce.
        package init(
            maximumArguments: Int, maximumBulkBytes: Int, maximumCommandBytes: Int, maximumInlineBytes: Int, skipsOversized: Bool
        ) {
            precondition((1...Self.maximumDeclaredArguments).contains(maximumArguments), "\(maximumArguments) arguments")
            precondition((1...Self.maximumDeclaredBulkBytes).contains(maximumBulkBytes), "\(maximumBulkBytes) bytes of an argument")
            precondition((1...(1 << 30)).contains(maximumCommandBytes), "\(maximumCommandBytes) bytes of a command")
            precondition((1...Self.longestInlineBytes).contains(maximumInlineBytes), "\(maximumInlineBytes) bytes of a line")
            self.maximumArguments = maximumArguments
            self.maximumBulkBytes = maximumBulkBytes
            self.maximumCommandBytes = maximumCommandBytes
            self.maximumInlineBytes = maximumInlineBytes
            self.skipsOversized = skipsOversized
        }
    }

    /// Which limit a command broke that was skipped, and the limit.
    package enum Excess: Equatable, Sendable {
        case arguments(limit: Int)
        case bulkBytes(limit: Int)
        case commandBytes(limit: Int)

        /// The text behind `ERR `. The wording is ours: Redis has no limits of this kind.
        package var message: String {
            switch self {
            case .arguments(let limit): "command has more than \(limit) arguments"
            case .bulkBytes(let limit): "argument is longer than \(limit) bytes"
            case .commandBytes(let limit): "command is longer than \(limit) bytes"
            }
        }
    }
}
