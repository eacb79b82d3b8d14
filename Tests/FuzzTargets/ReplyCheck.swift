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
        var (whole, split, parser) = (Reading(), Reading(), ReplyParser())
        try HeapMeter.bound("reply parser", inputBytes: input.count) { whole.take(input, &parser) }
        parser = ReplyParser()
        Pieces.forEach(input) { split.take($0, &parser) }
        // As texts, too: a double that is no number equals nothing.
        try require(
            whole == split || "\(whole)" == "\(split)", "whole \(whole), in pieces \(split): \(Array(input))")
    }
}
