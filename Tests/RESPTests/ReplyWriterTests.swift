import Basics
import RESP
import Testing

struct ReplyWriterTests {
    @Test func `scalars are written as each version has them`() {
        func scalars(_ writer: inout ReplyWriter) {
            writer.ok()
            writer.simple("PONG")
            writer.integer(-12)
            writer.boolean(true)
            writer.boolean(false)
            writer.null()
            writer.nullArray()
            writer.double(2.5)
        }
        #expect(written(.two, scalars) == "+OK\r\n+PONG\r\n:-12\r\n:1\r\n:0\r\n$-1\r\n*-1\r\n$3\r\n2.5\r\n")
        #expect(written(.three, scalars) == "+OK\r\n+PONG\r\n:-12\r\n#t\r\n#f\r\n_\r\n_\r\n,2.5\r\n")
    }

    @Test func `aggregates fall back to arrays in RESP2`() {
        func aggregates(_ writer: inout ReplyWriter) {
            writer.array(count: 3)
            writer.map(count: 3)
            writer.set(count: 3)
            writer.push(count: 3)
        }
        #expect(written(.two, aggregates) == "*3\r\n*6\r\n*3\r\n*3\r\n")
        #expect(written(.three, aggregates) == "*3\r\n%3\r\n~3\r\n>3\r\n")
    }

    @Test func `strings are written from whatever holds them`() {
        func strings(_ writer: inout ReplyWriter) {
            writer.bulk("literal" as StaticString)
            writer.bulk("")
            writer.bulk("grüße")
            writer.bulk([13, 10, 0] as [UInt8])
            withBytes("key") { writer.bulk($0) }
            writer.bulk(UnsafeRawBufferPointer(start: nil, count: 0))
            writer.bulk(decimal: 1_234)
            writer.verbatim("text")
        }
        let common = "$7\r\nliteral\r\n$0\r\n\r\n$7\r\ngrüße\r\n$3\r\n\r\n\0\r\n$3\r\nkey\r\n$0\r\n\r\n$4\r\n1234\r\n"
        #expect(written(.two, strings) == common + "$4\r\ntext\r\n")
        #expect(written(.three, strings) == common + "=8\r\ntxt:text\r\n")
    }

    @Test func `integers of every length are written in full`() {
        var expected = ":\(Int64.min)\r\n:\(Int64.max)\r\n:0\r\n"
        let powers = (0..<19).map { (0..<$0).reduce(1) { product, _ in product * 10 } }
        for power in powers { expected += ":\(power)\r\n:\(power - 1)\r\n:\(-power)\r\n" }
        let text = written { writer in
            writer.integer(Int64.min)
            writer.integer(Int64.max)
            writer.integer(0)
            for power in powers {
                writer.integer(power)
                writer.integer(power - 1)
                writer.integer(-power)
            }
        }
        #expect(text == expected)
    }

    @Test(
        arguments: [
            (0, "0"), (-0.5, "-0.5"), (3, "3"), (0.1, "0.1"), (1e300, "1e+300"), (.infinity, "inf"), (-.infinity, "-inf"), (.nan, "nan"),
        ] as [(Double, String)])
    func `doubles are written short`(value: Double, text: String) {
        #expect(written(.three) { $0.double(value) } == ",\(text)\r\n")
    }

    @Test func `an error stays one line`() {
        #expect(written { $0.error("ERR syntax error") } == "-ERR syntax error\r\n")
        #expect(written { $0.error("WRONGTYPE", "a\r\nb\nc") } == "-WRONGTYPE a  b c\r\n")
    }

    @Test func `a reply that was begun can be taken back`() {
        var writer = ReplyWriter()
        writer.ok()
        let mark = writer.count
        writer.array(count: 9)
        writer.truncate(to: mark)
        writer.error("ERR damaged")
        let text = writer.withBytes { String(decoding: $0, as: UTF8.self) }
        #expect(text == "+OK\r\n-ERR damaged\r\n")
    }

    @Test func `elements can be gathered before their number is known`() {
        var elements = ReplyWriter()
        elements.integer(1)
        elements.integer(2)
        let text = written { writer in
            writer.array(count: 2)
            writer.append(contentsOf: elements)
        }
        #expect(text == "*2\r\n:1\r\n:2\r\n")
    }

    @Test func `memory is kept up to what the caller wants to retain`() {
        var writer = ReplyWriter()
        writer.bulk([UInt8](repeating: 1, count: 100_000))
        writer.removeAll(retaining: 1 << 20)
        let kept = writer.allocatedBytes
        #expect(kept >= 100_000)
        writer.removeAll(retaining: 1_024)
        let (left, count) = (writer.allocatedBytes, writer.count)
        #expect(left == 0)
        #expect(count == 0)
    }

    @Test(arguments: [UInt64](1...5))
    func `what is written is what a client reads`(seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let reply = randomReply(depth: 3, using: &generator)
            var writer = ReplyWriter(version: .three)
            reply.write(to: &writer)
            var parser = ReplyParser()
            let bytes = writer.withBytes { Array($0) }
            var rest = bytes[...]
            var found: Reply?
            while found == nil, !rest.isEmpty {
                let size = min(rest.count, Int.random(in: 1...20, using: &generator))
                parser.append(rest.prefix(size))
                rest = rest.dropFirst(size)
                found = try parser.next()
            }
            #expect(found == reply, "seed \(seed)")
            #expect(rest.isEmpty)
        }
    }
}

// MARK: Errors of Redis's wording

struct ErrorTextTests {
    @Test(arguments: [
        (["foob"], "-ERR unknown command 'foob', with args beginning with: \r\n"),
        (["foo", "bar", "baz"], "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz' \r\n"),
        (["f\r\no", "b\na"], "-ERR unknown command 'f  o', with args beginning with: 'b a' \r\n"),
    ])
    func `an unknown command is repeated with its arguments`(words: [String], text: String) throws {
        #expect(try withArguments(words) { arguments in written { $0.unknownCommand(arguments) } } == text)
    }

    @Test func `long names and arguments are cut off where Redis cuts them`() throws {
        let text = try withArguments([
            String(repeating: "n", count: 200), String(repeating: "a", count: 100), String(repeating: "b", count: 100), "c",
        ]) {
            arguments in written { $0.unknownCommand(arguments) }
        }
        // 'a * 100' and a space are 103 bytes, which leaves 25 of the second argument and nothing of the third.
        let name = String(repeating: "n", count: 128)
        let arguments = "'\(String(repeating: "a", count: 100))' '\(String(repeating: "b", count: 25))' "
        #expect(text == "-ERR unknown command '\(name)', with args beginning with: \(arguments)\r\n")
    }

    @Test func `a wrong number of arguments names the command, and the subcommand with a bar`() {
        #expect(written { $0.wrongArity(Command.get.specification) } == "-ERR wrong number of arguments for 'get' command\r\n")
        #expect(written { $0.wrongArity(Subcommand.clientID.specification) } == "-ERR wrong number of arguments for 'client|id' command\r\n")
    }

    @Test func `an unknown subcommand points to HELP`() {
        let text = withBytes("foo") { name in written { $0.unknownSubcommand(name, of: .client) } }
        #expect(text == "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n")
    }
}

// MARK: Random replies

/// A reply of any type, nested at most `depth` deep.
private func randomReply(depth: Int, using generator: inout SplitMix64) -> Reply {
    func elements(_ generator: inout SplitMix64) -> [Reply] {
        (0..<Int.random(in: 0...4, using: &generator)).map { _ in randomReply(depth: depth - 1, using: &generator) }
    }
    switch Int.random(in: 0..<(depth > 0 ? 11 : 7), using: &generator) {
    case 0: return .null
    case 1: return .integer(Int64(bitPattern: generator.next()))
    case 2: return .bulk((0..<Int.random(in: 0...50, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) })
    case 3: return .boolean(Bool.random(using: &generator))
    case 4: return .double(Double.random(in: -1e6...1e6, using: &generator))
    case 5: return .error("ERR \(generator.next())")
    case 6: return .verbatim(format: "txt", Array("\(generator.next())".utf8))
    case 7: return .array(Reply.Elements(elements(&generator)))
    case 8: return .set(Reply.Elements(elements(&generator)))
    case 9: return .push(Reply.Elements(elements(&generator)))
    default: return .map(Reply.Pairs(elements(&generator).map { Reply.Pair($0, .null) }))
    }
}
