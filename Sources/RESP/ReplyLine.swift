/// A line of a reply without its CR LF: a whole element, or what announces a string or an aggregate.
struct ReplyLine {
    typealias Failure = ReplyParser.Failure
    typealias Limits = ReplyParser.Limits

    enum Content {
        case element(Reply)
        /// Bytes and CR LF follow.
        case string(byteCount: Int)
        /// Elements follow; of a map and an attribute keys and values in turn.
        case elements(count: Int)
    }

    private let type: UInt8
    private let rest: ArraySlice<UInt8>

    /// - Precondition: the line is not empty.
    init(_ line: ArraySlice<UInt8>) { (self.type, self.rest) = (line[line.startIndex], line.dropFirst()) }

    /// Removes a line that a parser has checked from the front.
    init(takenFrom bytes: inout ArraySlice<UInt8>) {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { preconditionFailure("no line in \(bytes)") }
        self.init(bytes[..<(end - 1)])
        bytes = bytes[(end + 1)...]
    }

    var isVerbatim: Bool { self.type == UInt8(ascii: "=") }

    /// What follows belongs to no reply.
    var isAttribute: Bool { self.type == UInt8(ascii: "|") }

    /// What the line says, which a parser has checked.
    var checked: Content {
        do throws(Failure) { return try self.content() } catch { preconditionFailure("\(error): \(self)") }
    }

    func content() throws(Failure) -> Content {
        switch self.type {
        case UInt8(ascii: "+"): return .element(.simple(Self.text(self.rest)))
        case UInt8(ascii: "-"): return .element(.error(Self.text(self.rest)))
        case UInt8(ascii: ":"): return .element(.integer(try self.integer()))
        case UInt8(ascii: "_"): return .element(.null)
        case UInt8(ascii: "#"): return .element(.boolean(try self.boolean()))
        case UInt8(ascii: ","): return .element(.double(try self.double()))
        case UInt8(ascii: "("): return .element(.bigNumber(Self.text(self.rest)))
        case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"): return try self.announcedString()
        case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "%"), UInt8(ascii: "|"): return try self.announcedElements()
        default: throw .unknownType(self.type)
        }
    }

    private func announcedString() throws(Failure) -> Content {
        let count = try self.integer()
        if count == -1, self.type == UInt8(ascii: "$") { return .element(.null) }
        guard count >= 0 else { throw .invalidLength }
        guard count <= Limits.bulkBytes else { throw .tooLong(limitBytes: Limits.bulkBytes) }
        return .string(byteCount: Int(count))
    }

    private func announcedElements() throws(Failure) -> Content {
        let count = try self.integer()
        if count == -1, self.type == UInt8(ascii: "*") { return .element(.null) }
        guard count >= 0 else { throw .invalidLength }
        guard count <= Limits.elements else { throw .tooManyElements(limit: Limits.elements) }
        let arePairs = self.type == UInt8(ascii: "%") || self.isAttribute
        return .elements(count: Int(count) * (arePairs ? 2 : 1))
    }

    // MARK: Replies

    /// Whether three letters and a colon come before the text.
    static func isVerbatim(_ string: ArraySlice<UInt8>) -> Bool {
        string.count >= 4 && string[string.startIndex + 3] == UInt8(ascii: ":")
    }

    /// The string that the line announces, of these bytes.
    func string(_ string: ArraySlice<UInt8>) -> Reply {
        switch self.type {
        case UInt8(ascii: "!"): .error(Self.text(string))
        case UInt8(ascii: "="): .verbatim(format: Self.text(string.prefix(3)), Array(string.dropFirst(4)))
        default: .bulk(Array(string))
        }
    }

    /// The aggregate that the line announces, of these elements; nil for an attribute.
    func aggregate(_ elements: Reply.Elements) -> Reply? {
        switch self.type {
        case UInt8(ascii: "*"): .array(elements)
        case UInt8(ascii: "~"): .set(elements)
        case UInt8(ascii: ">"): .push(elements)
        case UInt8(ascii: "%"): .map(Reply.Pairs(elements))
        default: nil
        }
    }

    // MARK: Values

    private func integer() throws(Failure) -> Int64 {
        guard let value = self.rest.withUnsafeBytes({ Bytes($0).integer() }) else { throw .invalidNumber }
        return value
    }

    private func boolean() throws(Failure) -> Bool {
        if self.rest.elementsEqual([UInt8(ascii: "t")]) { return true }
        if self.rest.elementsEqual([UInt8(ascii: "f")]) { return false }
        throw .invalidNumber
    }

    private func double() throws(Failure) -> Double {
        guard let value = Double(Self.text(self.rest)) else { throw .invalidNumber }
        return value
    }

    /// - Note: U+FFFD in place of what is not UTF-8 would make text up to three times as long as what came.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return String(unsafeUninitializedCapacity: bytes.count) { text in
            for (index, byte) in bytes.enumerated() { text[index] = byte < 0x80 ? byte : UInt8(ascii: "?") }
            return bytes.count
        }
    }
}
