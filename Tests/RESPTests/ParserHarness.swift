import Basics
import RESP

/// What a parser reported, with owned bytes.
enum Event: Equatable, Sendable, CustomStringConvertible {
    case command([[UInt8]])
    case oversized(CommandParser.Excess)
    case failure(ProtocolError)

    static func command(_ words: String...) -> Event { .command(words.map { Array($0.utf8) }) }

    var argumentLengths: [Int] {
        guard case .command(let arguments) = self else { return [] }
        return arguments.map(\.count)
    }

    var description: String {
        switch self {
        case .command(let arguments): "command \(arguments.map { String(decoding: $0.prefix(40), as: UTF8.self) })"
        case .oversized(let excess): "oversized \(excess)"
        case .failure(let error): "failure \(error)"
        }
    }
}

/// A connection's input side, as the server's driver is: one buffer that grows at the end and is cut at the front.
struct Connection: ~Copyable {
    var parser: CommandParser
    private(set) var buffer: [UInt8] = []
    private(set) var events: [Event] = []
    private(set) var largestBufferBytes = 0
    private var isClosed = false

    init(limits: CommandParser.Limits = .authenticated()) {
        self.parser = CommandParser(limits: limits)
    }

    mutating func receive(_ bytes: some Collection<UInt8>) {
        guard !self.isClosed else { return }
        self.buffer.append(contentsOf: bytes)
        self.largestBufferBytes = max(self.largestBufferBytes, self.buffer.count)
        let moved = self.buffer + []  // A buffer may lie elsewhere each time.
        moved.withUnsafeBytes { self.drain($0) }
        let finished = self.parser.consumedBytes
        self.buffer.removeFirst(finished)
        self.parser.discarded(finished)
    }

    private mutating func drain(_ bytes: UnsafeRawBufferPointer) {
        while true {
            switch self.parser.next(in: bytes) {
            case .needsMore:
                return
            case .command:
                let arguments = self.parser.arguments
                self.events.append(.command((0..<arguments.count).map { arguments[$0].copy() }))
            case .oversized(let excess):
                self.events.append(.oversized(excess))
            case .failure(let error):
                self.events.append(.failure(error))
                self.isClosed = true
                return
            }
        }
    }
}

/// What a parser makes of `input` when it arrives in pieces of the sizes that `nextSize` gives.
func events(
    of input: some Collection<UInt8>, limits: CommandParser.Limits = .authenticated(), nextSize: () -> Int
) -> [Event] {
    var connection = Connection(limits: limits)
    var rest = input[...]
    while !rest.isEmpty {
        let size = min(rest.count, max(1, nextSize()))
        connection.receive(rest.prefix(size))
        rest = rest.dropFirst(size)
    }
    return connection.events
}

func events(whole input: some Collection<UInt8>, limits: CommandParser.Limits = .authenticated()) -> [Event] {
    events(of: input, limits: limits) { input.count }
}

func events(bytewise input: some Collection<UInt8>, limits: CommandParser.Limits = .authenticated()) -> [Event] {
    events(of: input, limits: limits) { 1 }
}

/// The RESP array that a client library sends for these arguments.
func array(_ arguments: [[UInt8]]) -> [UInt8] {
    arguments.reduce(into: Array("*\(arguments.count)\r\n".utf8)) { bytes, argument in
        bytes += "$\(argument.count)\r\n".utf8
        bytes += argument
        bytes += "\r\n".utf8
    }
}

func array(_ words: String...) -> [UInt8] { array(words.map { Array($0.utf8) }) }

/// Lends a string's bytes.
func withBytes<Result>(_ text: String, _ body: (Bytes) throws -> Result) rethrows -> Result {
    try Array(text.utf8).withUnsafeBytes { try body(Bytes($0)) }
}

/// Lends words as the arguments of a command.
func withArguments<Result>(_ words: [String], _ body: (Arguments) throws -> Result) throws -> Result {
    var parser = CommandParser(limits: .authenticated())
    return try array(words.map { Array($0.utf8) }).withUnsafeBytes { bytes in
        precondition(parser.next(in: bytes) == .command)
        return try body(parser.arguments)
    }
}

/// What a writer holds after `body`, as text.
func written(_ version: ReplyWriter.Version = .two, _ body: (inout ReplyWriter) -> Void) -> String {
    var writer = ReplyWriter(version: version)
    body(&writer)
    return writer.withBytes { String(decoding: $0, as: UTF8.self) }
}
