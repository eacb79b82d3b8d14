/// A reply of the Redis protocol, versions 2 and 3, as far as a node sends them.
package indirect enum Reply: Equatable, Sendable {
    case simple(String)
    /// The whole text, code first: `ERR unknown command ...`.
    case error(String)
    case integer(Int)
    case bulk([UInt8])
    case null
    case array([Reply])
    /// Keys and values in turn.
    case map([Reply])

    package static let ok = Reply.simple("OK")

    package static func text(_ text: String) -> Reply { .bulk(Array(text.utf8)) }

    /// The text of a bulk, simple or error reply.
    package var text: String? {
        switch self {
        case .simple(let text), .error(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        case .integer, .null, .array, .map: nil
        }
    }

    /// The text of an error reply.
    package var errorText: String? { if case .error(let text) = self { text } else { nil } }
}

/// A blocking client with a parser of its own: a node's parser and writer are not tested with themselves.
package final class RedisClient {
    private let socket: Socket
    /// Received and not yet taken: all from `position` on.
    private var buffer: [UInt8] = []
    private var position = 0

    package init(_ socket: Socket) {
        self.socket = socket
    }

    /// Sends commands without waiting for replies.
    package func send(_ commands: [[String]]) throws(ProcessFailure) {
        try self.socket.send(commands.flatMap { command in encode(command.map { Array($0.utf8) }) })
    }

    /// Sends a command and takes its reply.
    package func ask(_ words: String...) throws(ProcessFailure) -> Reply { try self.ask(words) }

    package func ask(_ words: [String]) throws(ProcessFailure) -> Reply {
        try self.send([words])
        return try self.reply()
    }

    /// Sends a command whose arguments need not be text and takes its reply.
    package func ask(bytes words: [[UInt8]]) throws(ProcessFailure) -> Reply {
        try self.socket.send(encode(words))
        return try self.reply()
    }

    /// The next reply. Throws `endedEarly` if the peer closes before it is whole.
    package func reply() throws(ProcessFailure) -> Reply {
        let line = try self.line()
        let rest = String(decoding: line.dropFirst(), as: UTF8.self)
        switch line.first {
        case UInt8(ascii: "+"): return .simple(rest)
        case UInt8(ascii: "-"): return .error(rest)
        case UInt8(ascii: ":"): return .integer(try Self.number(rest))
        case UInt8(ascii: "_"): return .null
        case UInt8(ascii: "$"):
            let count = try Self.number(rest)
            return count < 0 ? .null : .bulk(try self.take(count))
        case UInt8(ascii: "*"):
            let count = try Self.number(rest)
            return count < 0 ? .null : .array(try self.replies(count))
        case UInt8(ascii: "%"): return .map(try self.replies(2 * Self.number(rest)))
        default: throw .unreadableReply(String(decoding: line, as: UTF8.self))
        }
    }

    /// True once the peer has closed and everything sent before has been taken. Waits for either a reply or the close.
    package func isAtEnd() throws(ProcessFailure) -> Bool {
        guard self.position == self.buffer.count else { return false }
        do {
            return try !self.receiveMore()
        } catch .system(call: "recv", _) {
            return true  // Reset: the peer closed before it had read all that was sent to it.
        }
    }

    private func replies(_ count: Int) throws(ProcessFailure) -> [Reply] {
        var replies: [Reply] = []
        for _ in 0..<count { replies.append(try self.reply()) }
        return replies
    }

    private func line() throws(ProcessFailure) -> ArraySlice<UInt8> {
        while true {
            let unread = self.buffer[self.position...]
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                guard unread[..<end].last == UInt8(ascii: "\r") else { throw .unreadableReply(String(decoding: unread[..<end], as: UTF8.self)) }
                self.position = end + 1
                return unread[..<(end - 1)]
            }
            try self.needMore("a reply")
        }
    }

    /// The bytes of a bulk reply, without the line end behind them.
    private func take(_ count: Int) throws(ProcessFailure) -> [UInt8] {
        while self.buffer.count - self.position < count + 2 { try self.needMore("the rest of a reply") }
        defer { self.position += count + 2 }
        return Array(self.buffer[self.position..<self.position + count])
    }

    private func needMore(_ goal: String) throws(ProcessFailure) {
        self.buffer.removeFirst(self.position)
        self.position = 0
        guard try self.receiveMore() else {
            throw .endedEarly(waitingFor: goal, transcript: String(decoding: self.buffer.prefix(200), as: UTF8.self))
        }
    }

    private func receiveMore() throws(ProcessFailure) -> Bool {
        let more = try self.socket.receive()
        self.buffer += more
        return !more.isEmpty
    }

    private static func number(_ text: String) throws(ProcessFailure) -> Int {
        guard let number = Int(text) else { throw .unreadableReply(text) }
        return number
    }
}

/// A command as an array of bulk strings.
package func encode(_ words: [[UInt8]]) -> [UInt8] {
    var bytes = Array("*\(words.count)\r\n".utf8)
    for word in words {
        bytes += Array("$\(word.count)\r\n".utf8)
        bytes += word
        bytes += Array("\r\n".utf8)
    }
    return bytes
}
