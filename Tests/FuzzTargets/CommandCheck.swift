import RESP

/// Any bytes are commands or an error, the same however they are split, and every command keeps the limits.
enum CommandCheck {
    /// Those of production, and small ones that short inputs reach.
    private static let limits: [CommandParser.Limits] = [
        .authenticated(), .unauthenticated,
        CommandParser.Limits(maximumArguments: 5, maximumBulkBytes: 12, maximumCommandBytes: 30, maximumInlineBytes: 40, skipsOversized: true),
        CommandParser.Limits(maximumArguments: 5, maximumBulkBytes: 12, maximumCommandBytes: 30, maximumInlineBytes: 40, skipsOversized: false),
    ]

    enum Event: Equatable {
        case command([[UInt8]])
        case oversized(CommandParser.Excess)
        case failure(ProtocolError)
    }

    static func run(_ input: UnsafeRawBufferPointer) throws {
        for limits in self.limits {
            var whole = Connection(limits: limits)
            var split = Connection(limits: limits)
            whole.receive(input)
            Pieces.forEach(input) { split.receive($0) }
            try require(whole.events == split.events, "\(limits): whole \(whole.events), in pieces \(split.events): \(Array(input))")
            var last: [[UInt8]] = []
            for case .command(let arguments) in whole.events where arguments != last {
                try self.check(arguments, within: limits)
                last = arguments
            }
            try HeapMeter.bound("command parser", inputBytes: input.count) { Self.skim(input, limits) }
        }
        var connection = Connection(limits: .authenticated())
        connection.receive(input)
        try self.checkReadingAhead(input, connection.events)
    }

    private static func check(_ arguments: [[UInt8]], within limits: CommandParser.Limits) throws {
        let bytes = arguments.reduce(0) { $0 + $1.count }
        try require(
            (1...limits.maximumArguments).contains(arguments.count) && bytes <= limits.maximumCommandBytes
                && arguments.allSatisfy { $0.count <= limits.maximumBulkBytes },
            "\(arguments) is over \(limits)")
        var written = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments { written += Array("$\(argument.count)\r\n".utf8) + argument + Array("\r\n".utf8) }
        var again = Connection(limits: limits)
        written.withUnsafeBytes { again.receive($0) }
        try require(again.events == [.command(arguments)], "\(arguments) is written as \(written) and read as \(again.events)")
    }

    /// What is read ahead are the keys of the GETs that come first, up to what breaks the protocol: reading ahead does not look for that.
    private static func checkReadingAhead(_ input: UnsafeRawBufferPointer, _ events: [Event]) throws {
        var keys: [[UInt8]] = []
        let end = Pieces.withExactCopy(input) { PipelinedGets.forEachKey(in: $0, from: 0, limit: 16) { keys.append(Array($0)) } }
        try require(end <= input.count, "read ahead up to \(end) of \(input.count) bytes")
        for (key, event) in zip(keys, events) {
            if case .failure = event { return }
            guard case .command(let arguments) = event, arguments.count == 2, arguments[1] == key else {
                throw FuzzFailure(description: "\(key) read ahead, \(event) parsed: \(Array(input))")
            }
        }
    }

    /// Only parses: what is held meanwhile is the parser's.
    private static func skim(_ input: UnsafeRawBufferPointer, _ limits: CommandParser.Limits) {
        var parser = CommandParser(limits: limits)
        while true {
            switch parser.next(in: input) {
            case .command, .oversized: continue
            case .needsMore, .failure: return
            }
        }
    }

    /// A connection's input side as the server drives it: one buffer that grows at the end, lies elsewhere each time, and is cut at the front.
    private struct Connection: ~Copyable {
        private var parser: CommandParser
        private var buffer: [UInt8] = []
        private(set) var events: [Event] = []

        init(limits: CommandParser.Limits) { self.parser = CommandParser(limits: limits) }

        mutating func receive(_ bytes: UnsafeRawBufferPointer) {
            if case .failure = self.events.last { return }
            self.buffer.append(contentsOf: bytes)
            self.buffer.withUnsafeBytes { buffer in Pieces.withExactCopy(buffer) { Self.drain($0, &self.parser, &self.events) } }
            let finished = self.parser.consumedBytes
            self.buffer.removeFirst(finished)
            self.parser.discarded(finished)
        }

        private static func drain(_ bytes: UnsafeRawBufferPointer, _ parser: inout CommandParser, _ events: inout [Event]) {
            while true {
                switch parser.next(in: bytes) {
                case .needsMore: return
                case .oversized(let excess): events.append(.oversized(excess))
                case .failure(let error): return events.append(.failure(error))
                case .command:
                    let arguments = parser.arguments
                    events.append(.command((0..<arguments.count).map { arguments[$0].copy() }))
                }
            }
        }
    }
}
