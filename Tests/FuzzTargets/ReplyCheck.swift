import RESP

/// Any bytes are replies or a failure, the same however they are split.
enum ReplyCheck {
    private struct Reading: Equatable {
        var replies: [Reply] = []
        var failure: ReplyParser.Failure?

        mutating func take(_ bytes: UnsafeRawBufferPointer, _ parser: inout ReplyParser) {
            parser.append(bytes)
            do throws(ReplyParser.Failure) {
                while let reply = try parser.next() { self.replies.append(reply) }
            } catch { self.failure = error }
        }
    }

    static func run(_ input: UnsafeRawBufferPointer) throws {
        try HeapMeter.bound("reply parser", inputBytes: input.count) { self.skim(input) }
        var (whole, split, parser) = (Reading(), Reading(), ReplyParser())
        whole.take(input, &parser)
        parser = ReplyParser()
        Pieces.forEach(input) { split.take($0, &parser) }
        // As texts, too: a double that is no number equals nothing.
        try require(
            whole == split || "\(whole)" == "\(split)", "whole \(whole), in pieces \(split): \(Array(input))")
    }

    /// Looks at each reply, and at all elements of it, and keeps none: what is held meanwhile is the parser's and the reply's.
    private static func skim(_ input: UnsafeRawBufferPointer) {
        var parser = ReplyParser()
        parser.append(input)
        while let reply = try? parser.next() { self.visit(reply) }
    }

    private static func visit(_ reply: Reply) {
        switch reply {
        case .array(let elements), .set(let elements), .push(let elements):
            for element in elements { self.visit(element) }
        case .map(let pairs):
            for pair in pairs {
                self.visit(pair.key)
                self.visit(pair.value)
            }
        case .simple, .error, .integer, .bulk, .null, .double, .boolean, .bigNumber, .verbatim: break
        }
    }
}
