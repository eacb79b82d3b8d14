import RESP

// A parser's aggregates lie in the bytes that came, so those of tests are written and read.

extension Reply {
    /// Writes the reply as a server would.
    func write(to writer: inout ReplyWriter) {
        switch self {
        case .simple(let text): withBytes("+\(text)\r\n") { writer.raw($0.buffer) }
        case .error(let text): withBytes("-\(text)\r\n") { writer.raw($0.buffer) }
        case .integer(let value): writer.integer(value)
        case .bulk(let bytes): writer.bulk(bytes)
        case .null: writer.null()
        case .double(let value): writer.double(value)
        case .boolean(let value): writer.boolean(value)
        case .bigNumber(let digits): withBytes("(\(digits)\r\n") { writer.raw($0.buffer) }
        case .verbatim(_, let bytes): writer.verbatim(String(decoding: bytes, as: UTF8.self))
        case .array(let elements):
            writer.array(count: elements.count)
            for element in elements { element.write(to: &writer) }
        case .set(let elements):
            writer.set(count: elements.count)
            for element in elements { element.write(to: &writer) }
        case .push(let elements):
            writer.push(count: elements.count)
            for element in elements { element.write(to: &writer) }
        case .map(let pairs):
            writer.map(count: pairs.count)
            for pair in pairs {
                pair.key.write(to: &writer)
                pair.value.write(to: &writer)
            }
        }
    }
}

extension Reply.Elements: ExpressibleByArrayLiteral {
    init(_ elements: [Reply]) {
        guard case .array(let read) = read({ $0.array(count: elements.count) }, elements) else { preconditionFailure("\(elements)") }
        self = read
    }

    package init(arrayLiteral elements: Reply...) { self.init(elements) }
}

extension Reply.Pairs: ExpressibleByArrayLiteral {
    init(_ pairs: [Reply.Pair]) {
        guard case .map(let read) = read({ $0.map(count: pairs.count) }, pairs.flatMap { [$0.key, $0.value] }) else {
            preconditionFailure("\(pairs)")
        }
        self = read
    }

    package init(arrayLiteral pairs: Reply.Pair...) { self.init(pairs) }
}

/// What a client reads of an aggregate of these elements.
private func read(_ begin: (inout ReplyWriter) -> Void, _ elements: [Reply]) -> Reply? {
    var writer = ReplyWriter(version: .three)
    begin(&writer)
    for element in elements { element.write(to: &writer) }
    var parser = ReplyParser()
    parser.append(writer.withBytes { Array($0) })
    return try? parser.next()
}
