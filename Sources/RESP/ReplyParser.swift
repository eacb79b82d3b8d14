/// Takes replies apart as they arrive, RESP2 and RESP3: the client's side, for `hearsay status` and for tests.
///
/// It owns what it has been given and not used yet, and gives each reply a copy of its own bytes: those of an aggregate are checked here, and read
/// where the reply is looked at. A failure means that the framing is lost; it repeats itself from then on.
///
/// - Bound: `Limits`, for depth, elements, lines and strings. Nothing is reserved by a length that was only announced, and no reply takes more
///   than the bytes that it came in.
/// - Complexity: each byte is looked at once, however the replies are split.
/// - Note: Attributes (`|`) are read and dropped, as no reply of ours depends on one. Streamed strings and aggregates (`$?`), which no
///   server sends, are refused.
package struct ReplyParser: Sendable {
    package enum Failure: Error, Equatable, Sendable {
        case unknownType(UInt8)
        case invalidLength
        case invalidNumber
        case missingLineEnd
        case tooLong(limitBytes: Int)
        case tooManyElements(limit: Int)
        case tooDeep(limit: Int)
    }

    package enum Limits {
        /// The deepest nesting; the entries of COMMAND need all of it.
        package static let depth = 8
        package static let elements = 1_048_576
        package static let lineBytes = 65_536
        package static let bulkBytes = 512 << 20
    }

    /// An aggregate whose elements are still being read.
    private struct Aggregate: Sendable {
        let isAttribute: Bool
        var missing: Int
    }

    /// A string whose bytes are still arriving.
    private struct Payload: Sendable {
        let isVerbatim: Bool
        let count: Int
    }

    private var bytes: [UInt8] = []
    /// Where the reply under way begins.
    private var start = 0
    private var position = 0
    private var scanned = 0
    private var open: [Aggregate] = []
    private var payload: Payload?
    private var failure: Failure?

    package init() {}

    /// Adds bytes that arrived.
    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if self.start > 0 {
            self.bytes.removeFirst(self.start)
            self.position -= self.start
            self.scanned -= self.start
            self.start = 0
        }
        self.bytes.append(contentsOf: bytes)
    }

    /// The next whole reply; nil if more bytes have to arrive.
    package mutating func next() throws(Failure) -> Reply? {
        if let failure { throw failure }
        do {
            return try self.parse()
        } catch {
            self.failure = error
            throw error
        }
    }

    private mutating func parse() throws(Failure) -> Reply? {
        while true {
            let isWhole: Bool
            if let payload {
                guard try self.takePayload(payload) else { return nil }
                isWhole = self.endElement()
            } else {
                guard let line = try self.takeLine() else { return nil }
                isWhole = try self.read(line)
            }
            if isWhole { return self.takeReply() }
        }
    }

    /// Goes on behind a line.
    ///
    /// - Returns: whether the reply ends with it.
    private mutating func read(_ line: ReplyLine) throws(Failure) -> Bool {
        switch try line.content() {
        case .element: return self.endElement()
        case .string(let count):
            self.payload = Payload(isVerbatim: line.isVerbatim, count: count)
            return false
        case .elements(let count):
            guard self.open.count < Limits.depth else { throw .tooDeep(limit: Limits.depth) }
            guard count == 0 else {
                self.open.append(Aggregate(isAttribute: line.isAttribute, missing: count))
                return false
            }
            return line.isAttribute ? false : self.endElement()
        }
    }

    /// An element is whole, and with it every aggregate of which it is the last.
    ///
    /// - Returns: whether the reply is.
    private mutating func endElement() -> Bool {
        while let last = self.open.indices.last {
            self.open[last].missing -= 1
            guard self.open[last].missing == 0 else { return false }
            if self.open.removeLast().isAttribute { return false }
        }
        return true
    }

    private mutating func takeReply() -> Reply {
        var bytes = self.bytes[self.start..<self.position]
        self.start = self.position
        return Reply(taking: &bytes).detached
    }
}

// MARK: Lines and strings

extension ReplyParser {
    /// Takes a line up to its CR LF; nil if it is not whole yet.
    private mutating func takeLine() throws(Failure) -> ReplyLine? {
        while self.scanned < self.bytes.count, self.bytes[self.scanned] != UInt8(ascii: "\n") { self.scanned += 1 }
        guard self.scanned - self.position <= Limits.lineBytes else { throw .tooLong(limitBytes: Limits.lineBytes) }
        guard self.scanned < self.bytes.count else { return nil }
        let line = self.bytes[self.position..<self.scanned]
        guard line.count >= 2, line.last == UInt8(ascii: "\r") else { throw .missingLineEnd }
        self.scanned += 1
        self.position = self.scanned
        return ReplyLine(line.dropLast())
    }

    /// - Returns: whether the string is whole.
    private mutating func takePayload(_ payload: Payload) throws(Failure) -> Bool {
        guard self.bytes.count - self.position >= payload.count + 2 else { return false }
        let end = self.position + payload.count
        guard self.bytes[end] == UInt8(ascii: "\r"), self.bytes[end + 1] == UInt8(ascii: "\n") else { throw .missingLineEnd }
        guard !payload.isVerbatim || ReplyLine.isVerbatim(self.bytes[self.position..<end]) else { throw .invalidLength }
        (self.position, self.scanned) = (end + 2, end + 2)
        self.payload = nil
        return true
    }
}
