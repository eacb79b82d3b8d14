import DequeModule
import NIOCore
import Storage

/// Answers of one client that are written and may not leave yet: they show what the log does not hold durably.
///
/// - Invariant: answers leave in the order of their commands. An answer that depends on a position leaves when that is durable, or,
///   if the append fails, as an error in its place.
struct ReplyQueue {
    /// Answers to the commands of one burst.
    private struct Burst {
        var buffer: ByteBuffer
        /// The greatest position that one of them depends on.
        let dependsOn: LogPosition
        /// Where each answer ends, and what it depends on.
        let replies: [Reply]
    }

    struct Reply {
        let end: Int
        let dependsOn: LogPosition
    }

    private var bursts: Deque<Burst> = []
    private(set) var byteCount = 0
    /// The memory that the answers take.
    private(set) var allocatedBytes = 0

    var isEmpty: Bool { self.bursts.isEmpty }

    /// What a failed append answers. Nothing of the write will ever be visible.
    private static let failureText = "-ERR no space left on the device: the write was not stored\r\n"

    mutating func append(_ buffer: ByteBuffer, _ replies: [Reply]) {
        let dependsOn = replies.reduce(0) { max($0, $1.dependsOn) }
        self.byteCount += buffer.readableBytes
        self.allocatedBytes += buffer.storageCapacity
        self.bursts.append(Burst(buffer: buffer, dependsOn: dependsOn, replies: replies))
    }

    /// The next answers that may leave; nil where there are none.
    mutating func popReleased(durable: LogPosition) -> ByteBuffer? {
        guard let first = self.bursts.first, first.dependsOn.isReleased(durable: durable) else { return nil }
        self.bursts.removeFirst()
        self.byteCount -= first.buffer.readableBytes
        self.allocatedBytes -= first.buffer.storageCapacity
        return first.buffer
    }

    /// The log was cut back to `origin`: every answer that depends on what was there becomes an error, which depends on nothing.
    mutating func fail(from origin: LogPosition) {
        let origin = max(origin, 1)  // Position 0 stands for nothing to depend on, also where the log's very first batch failed.
        for index in self.bursts.indices where self.bursts[index].dependsOn >= origin {
            let burst = self.bursts[index]
            var (buffer, replies, start) = (ByteBuffer(), [Reply](), 0)
            for reply in burst.replies {
                if reply.dependsOn >= origin {
                    buffer.writeString(Self.failureText)
                } else if let slice = burst.buffer.getSlice(at: burst.buffer.readerIndex + start, length: reply.end - start) {
                    buffer.writeImmutableBuffer(slice)
                }
                start = reply.end
                replies.append(Reply(end: buffer.readableBytes, dependsOn: reply.dependsOn >= origin ? 0 : reply.dependsOn))
            }
            self.byteCount += buffer.readableBytes - burst.buffer.readableBytes
            self.allocatedBytes += buffer.storageCapacity - burst.buffer.storageCapacity
            self.bursts[index] = Burst(buffer: buffer, dependsOn: replies.reduce(0) { max($0, $1.dependsOn) }, replies: replies)
        }
    }
}

extension LogPosition {
    /// Whether an answer that depends on this position may leave: 0 stands for nothing to depend on, also while the log is empty.
    func isReleased(durable: LogPosition) -> Bool { self == 0 || self < durable }
}
