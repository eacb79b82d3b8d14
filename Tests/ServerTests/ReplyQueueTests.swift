import NIOCore
import Storage
import Testing

@testable import Server

/// Answers wait for the log in the order of their commands, and become errors where it was cut back (I5, I6).
@Suite struct ReplyQueueTests {
    private static let failure = "-ERR no space left on the device: the write was not stored\r\n"

    /// Queues one burst: each answer's text, and what it depends on.
    private func append(_ replies: [(String, LogPosition)], to queue: inout ReplyQueue) {
        var (buffer, ends) = (ByteBuffer(), [ReplyQueue.Reply]())
        for (text, position) in replies {
            buffer.writeString(text)
            ends.append(ReplyQueue.Reply(end: buffer.readableBytes, dependsOn: position))
        }
        queue.append(buffer, ends)
    }

    /// What may leave.
    private func released(_ queue: inout ReplyQueue, durable: LogPosition) -> [String] {
        var texts: [String] = []
        while let buffer = queue.popReleased(durable: durable) { texts.append(String(buffer: buffer)) }
        return texts
    }

    @Test func `an answer leaves once everything before and at its position is durable`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 100)], to: &queue)
        #expect(self.released(&queue, durable: 99) == [])
        #expect(self.released(&queue, durable: 100) == [], "everything before 100 is durable, and the batch at 100 is not")
        #expect(self.released(&queue, durable: 101) == ["+a\r\n"])
        #expect(queue.isEmpty)
    }

    @Test func `a burst leaves whole, with the last of what it depends on`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 100), ("+b\r\n", 0), ("+c\r\n", 300), ("+d\r\n", 200)], to: &queue)
        #expect(self.released(&queue, durable: 300) == [])
        #expect(self.released(&queue, durable: 301) == ["+a\r\n+b\r\n+c\r\n+d\r\n"])
    }

    @Test func `no answer overtakes an earlier one`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 300)], to: &queue)
        self.append([("+b\r\n", 100)], to: &queue)
        self.append([("+c\r\n", 0)], to: &queue)
        #expect(self.released(&queue, durable: 200) == [])
        #expect(self.released(&queue, durable: 301) == ["+a\r\n", "+b\r\n", "+c\r\n"])
    }

    @Test func `what depends on nothing leaves while the log is empty`() {
        var queue = ReplyQueue()
        queue.append(ByteBuffer(string: "+PONG\r\n"), [])
        self.append([("$-1\r\n", 0)], to: &queue)
        #expect(self.released(&queue, durable: 0) == ["+PONG\r\n", "$-1\r\n"])
    }

    @Test func `bytes are counted while they wait`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 100), ("+bb\r\n", 100)], to: &queue)
        self.append([("+c\r\n", 200)], to: &queue)
        #expect(queue.byteCount == 13)
        _ = queue.popReleased(durable: 101)
        #expect(queue.byteCount == 4)
        queue.fail(from: 200)
        #expect(queue.byteCount == Self.failure.utf8.count)
        _ = queue.popReleased(durable: 101)
        #expect(queue.byteCount == 0 && queue.isEmpty)
    }

    @Test func `a cut turns exactly the answers that depend on what was there into errors`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 100)], to: &queue)
        self.append([("+b\r\n", 100), ("+c\r\n", 200), ("$1\r\nd\r\n", 0), ("+e\r\n", 199), ("*1\r\n:1\r\n", 300)], to: &queue)
        self.append([("+f\r\n", 0), ("+g\r\n", 150)], to: &queue)
        self.append([("+h\r\n", 201)], to: &queue)
        queue.fail(from: 200)
        #expect(
            self.released(&queue, durable: 200) == [
                "+a\r\n", "+b\r\n\(Self.failure)$1\r\nd\r\n+e\r\n\(Self.failure)", "+f\r\n+g\r\n", Self.failure,
            ])
    }

    @Test func `after a cut an error waits for nothing, and its neighbours for what they did`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 250), ("+b\r\n", 150)], to: &queue)
        queue.fail(from: 200)
        #expect(self.released(&queue, durable: 150) == [])
        #expect(self.released(&queue, durable: 151) == ["\(Self.failure)+b\r\n"])
    }

    @Test func `a second cut finds the errors of the first as they are`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 150), ("+b\r\n", 250)], to: &queue)
        queue.fail(from: 200)
        queue.fail(from: 200)
        queue.fail(from: 150)
        #expect(self.released(&queue, durable: 0) == [Self.failure + Self.failure])
    }

    @Test func `a cut to the very beginning fails what depends on the log and nothing else`() {
        var queue = ReplyQueue()
        self.append([("+a\r\n", 64)], to: &queue)
        queue.append(ByteBuffer(string: "+PONG\r\n"), [])
        self.append([("$-1\r\n", 0), ("+b\r\n", 64)], to: &queue)
        queue.fail(from: 0)
        #expect(self.released(&queue, durable: 0) == [Self.failure, "+PONG\r\n", "$-1\r\n" + Self.failure])
    }

    @Test func `a burst of which a part has been read is cut at the right places`() {
        var buffer = ByteBuffer(string: "xx+a\r\n+b\r\n")
        buffer.moveReaderIndex(forwardBy: 2)
        var queue = ReplyQueue()
        queue.append(buffer, [ReplyQueue.Reply(end: 4, dependsOn: 100), ReplyQueue.Reply(end: 8, dependsOn: 200)])
        queue.fail(from: 200)
        #expect(self.released(&queue, durable: 101) == ["+a\r\n" + Self.failure])
    }
}
