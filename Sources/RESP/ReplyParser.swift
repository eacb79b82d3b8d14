/// Takes replies apart as they arrive, RESP2 and RESP3: the client's side, for `hearsay status` and for tests.
///
/// It owns what it has been given and not used yet. A failure means that the framing is lost; it repeats itself from then on.
///
/// - Bound: `Limits`, for depth, elements, lines and strings. Nothing is reserved by a length that was only announced.
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
        let type: UInt8
        let count: Int
        var elements: [Reply] = []
    }

    /// A string whose bytes are still arriving.
    private struct Payload: Sendable {
        let type: UInt8
        let count: Int
    }

    private var bytes: [UInt8] = []
    private var position = 0
    private var scanned = 0
    private var open: [Aggregate] = []
    private var payload: Payload?
    private var failure: Failure?

    package init() {}

    /// Adds bytes that arrived.
    package mutating func append(_ bytes: some Sequence<UInt8>) {
        if self.position > 0 {
            self.bytes.removeFirst(self.position)
            self.scanned -= self.position
            self.position = 0
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
            if let payload {
                guard let string = try self.takePayload(payload) else { return nil }
                if let reply = self.close(with: string) { return reply }
            } else {
                guard let line = try self.takeLine() else { return nil }
                if let element = try self.read(line), let reply = self.close(with: element) { return reply }
            }
        }
    }

    /// Puts an element into the aggregate it belongs to, and that into its own while they are full; the reply, if it is whole now.
    private mutating func close(with element: Reply) -> Reply? {
        var element = element
        while var aggregate = self.open.popLast() {
            aggregate.elements.append(element)
            guard aggregate.elements.count == aggregate.count else {
                self.open.append(aggregate)
                return nil
            }
            guard let whole = Self.reply(aggregate.type, aggregate.elements) else { return nil }
            element = whole
        }
        return element
    }

    /// The aggregate of these elements; nil for an attribute, which is dropped.
    private static func reply(_ type: UInt8, _ elements: [Reply]) -> Reply? {
        switch type {
        case UInt8(ascii: "*"): .array(elements)
        case UInt8(ascii: "~"): .set(elements)
        case UInt8(ascii: ">"): .push(elements)
        case UInt8(ascii: "%"): .map(stride(from: 0, to: elements.count, by: 2).map { .init(elements[$0], elements[$0 + 1]) })
        default: nil
        }
    }
}

// MARK: Tokens

extension ReplyParser {
    /// Takes a line up to its CR LF, its type first; nil if it is not whole yet.
    private mutating func takeLine() throws(Failure) -> ArraySlice<UInt8>? {
        while self.scanned < self.bytes.count, self.bytes[self.scanned] != UInt8(ascii: "\n") { self.scanned += 1 }
        guard self.scanned - self.position <= Limits.lineBytes else { throw .tooLong(limitBytes: Limits.lineBytes) }
        guard self.scanned < self.bytes.count else { return nil }
        let line = self.bytes[self.position..<self.scanned]
        guard line.count >= 2, line.last == UInt8(ascii: "\r") else { throw .missingLineEnd }
        self.scanned += 1
        self.position = self.scanned
        return line.dropLast()
    }

    /// What a line says: an element; or nil where it opens an aggregate or a string.
    private mutating func read(_ line: ArraySlice<UInt8>) throws(Failure) -> Reply? {
        let type = line[line.startIndex]
        let rest = line.dropFirst()
        let text = String(decoding: rest, as: UTF8.self)
        switch type {
        case UInt8(ascii: "+"): return .simple(text)
        case UInt8(ascii: "-"): return .error(text)
        case UInt8(ascii: ":"): return .integer(try Self.integer(rest))
        case UInt8(ascii: "_"): return .null
        case UInt8(ascii: "#"): return .boolean(try Self.boolean(text))
        case UInt8(ascii: ","): return .double(try Self.double(text))
        case UInt8(ascii: "("): return .bigNumber(text)
        case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"): return try self.openString(type, try Self.integer(rest))
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "%"), UInt8(ascii: "|"):
            return try self.openAggregate(type, try Self.integer(rest))
        default: throw .unknownType(type)
        }
    }

    private mutating func openString(_ type: UInt8, _ count: Int64) throws(Failure) -> Reply? {
        if count == -1, type == UInt8(ascii: "$") { return .null }
        guard count >= 0 else { throw .invalidLength }
        guard count <= Limits.bulkBytes else { throw .tooLong(limitBytes: Limits.bulkBytes) }
        self.payload = Payload(type: type, count: Int(count))
        return nil
    }

    private mutating func openAggregate(_ type: UInt8, _ count: Int64) throws(Failure) -> Reply? {
        if count == -1, type == UInt8(ascii: "*") { return .null }
        guard count >= 0 else { throw .invalidLength }
        guard count <= Limits.elements else { throw .tooManyElements(limit: Limits.elements) }
        guard self.open.count < Limits.depth else { throw .tooDeep(limit: Limits.depth) }
        guard count > 0 else { return Self.reply(type, []) }
        let isMap = type == UInt8(ascii: "%") || type == UInt8(ascii: "|")
        self.open.append(Aggregate(type: type, count: Int(count) * (isMap ? 2 : 1)))
        return nil
    }

    private mutating func takePayload(_ payload: Payload) throws(Failure) -> Reply? {
        guard self.bytes.count - self.position >= payload.count + 2 else { return nil }
        let end = self.position + payload.count
        let string = self.bytes[self.position..<end]
        guard self.bytes[end] == UInt8(ascii: "\r"), self.bytes[end + 1] == UInt8(ascii: "\n") else { throw .missingLineEnd }
        (self.position, self.scanned) = (end + 2, end + 2)
        self.payload = nil
        switch payload.type {
        case UInt8(ascii: "!"):
            return .error(String(decoding: string, as: UTF8.self))
        case UInt8(ascii: "="):
            // Three letters and a colon come before the text.
            guard string.count >= 4, string[string.startIndex + 3] == UInt8(ascii: ":") else { throw .invalidLength }
            return .verbatim(format: String(decoding: string.prefix(3), as: UTF8.self), Array(string.dropFirst(4)))
        default:
            return .bulk(Array(string))
        }
    }

    private static func integer(_ digits: ArraySlice<UInt8>) throws(Failure) -> Int64 {
        guard let value = digits.withUnsafeBytes({ Bytes($0).integer() }) else { throw .invalidNumber }
        return value
    }

    private static func boolean(_ text: String) throws(Failure) -> Bool {
        switch text {
        case "t": return true
        case "f": return false
        default: throw .invalidNumber
        }
    }

    private static func double(_ text: String) throws(Failure) -> Double {
        guard let value = Double(text) else { throw .invalidNumber }
        return value
    }
}
