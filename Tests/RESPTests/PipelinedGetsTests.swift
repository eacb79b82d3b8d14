import Basics
import RESP
import TestSupport
import Testing

/// Looking ahead finds the keys of GETs in line, and never more than is there.
@Suite struct PipelinedGetsTests {
    private func look(_ text: String, from offset: Int = 0, limit: Int = 16) -> (keys: [String], end: Int) {
        var keys: [String] = []
        let end = Array(text.utf8).withUnsafeBytes { bytes in
            PipelinedGets.forEachKey(in: bytes, from: offset, limit: limit) { keys.append(String(decoding: $0, as: UTF8.self)) }
        }
        return (keys, end)
    }

    private static func get(_ key: String, name: String = "GET") -> String { "*2\r\n$3\r\n\(name)\r\n$\(key.utf8.count)\r\n\(key)\r\n" }

    @Test func `GETs that follow each other are found, whatever the case of their name`() {
        let text = Self.get("a") + Self.get("", name: "get") + Self.get("a longer key", name: "gEt")
        #expect(self.look(text) == (["a", "", "a longer key"], text.utf8.count))
    }

    @Test func `no more than asked for are found, and the next look goes on behind them`() {
        let text = Self.get("a") + Self.get("b") + Self.get("c")
        let (keys, end) = self.look(text, limit: 2)
        #expect((keys, end) == (["a", "b"], 2 * Self.get("a").utf8.count))
        #expect(self.look(text, from: end).keys == ["c"])
        #expect(self.look(text, from: text.utf8.count) == ([], text.utf8.count))
    }

    @Test(arguments: [
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n", "*2\r\n$3\r\nGEX\r\n$1\r\na\r\n", "GET a\r\n",
        "*2\r\n$3\r\nGET\r\n$-1\r\na\r\n", "*2\r\n$3\r\nGET\r\n$9999999999999999999\r\na\r\n", "*2\r\n$3\r\nGET\r\n:1\r\na\r\n",
    ])
    func `anything else ends the look`(text: String) {
        #expect(self.look(Self.get("a") + text) == (["a"], Self.get("a").utf8.count))
    }

    @Test func `a GET that has not arrived whole is not found, wherever it ends`() {
        let first = Self.get("first"), text = Array((first + Self.get("second")).utf8)
        for count in 0..<text.count {
            // A copy of its own, so that a read behind the end is one outside of the allocation.
            let start = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
            defer { start.deallocate() }
            start.copyBytes(from: text.prefix(count))
            var found = 0
            let end = PipelinedGets.forEachKey(in: UnsafeRawBufferPointer(start), from: 0, limit: 16) { _ in found += 1 }
            #expect(found == (count < first.utf8.count ? 0 : 1))
            #expect(end == (found == 0 ? 0 : first.utf8.count))
        }
    }
}
