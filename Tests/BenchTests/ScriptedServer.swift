import NIOCore
import NIOPosix

/// A server of a few Redis commands on a free port, whose answers a test bends. Each connection has values of its own.
struct ScriptedServer: Sendable {
    /// What it does besides serving well.
    enum Manner: Equatable, Sendable {
        case good
        /// Answers each SET with an error.
        case refusesSets
        /// Keeps one byte more than it was given.
        case corruptsValues
        /// Closes the connection instead of answering the request of this number, counted from 0, the greeting included.
        case closes(atRequest: Int)
        /// Answers nothing after the greeting.
        case fallsSilent
        /// Asks for this password.
        case wantsPassword(String)
        /// Answers GET with an integer.
        case answersIntegers
    }

    let port: Int
    private let channel: any Channel
    private let group: MultiThreadedEventLoopGroup

    static func start(_ manner: Manner = .good) async throws -> ScriptedServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Handler(manner)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedServer(port: channel.localAddress?.port ?? 0, channel: channel, group: group)
    }

    func stop() async throws { try await self.group.shutdownGracefully() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let manner: Manner
        private var input = ByteBuffer()
        private var values: [String: [UInt8]] = [:]
        private var requestCount = 0

        init(_ manner: Manner) { self.manner = manner }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var read = self.unwrapInboundIn(data)
            self.input.writeBuffer(&read)
            var output = ByteBuffer()
            while let words = self.nextRequest() {
                defer { self.requestCount += 1 }
                if self.manner == .closes(atRequest: self.requestCount) { return context.close(promise: nil) }
                self.answer(words, into: &output)
            }
            context.writeAndFlush(self.wrapOutboundOut(output), promise: nil)
        }

        private func answer(_ words: [[UInt8]], into output: inout ByteBuffer) {
            switch (String(decoding: words[0], as: UTF8.self), self.manner) {
            case ("AUTH", .wantsPassword(let password)):
                output.writeString(words[1].elementsEqual(password.utf8) ? "+OK\r\n" : "-WRONGPASS invalid\r\n")
            case ("PING", .wantsPassword) where self.requestCount == 0:
                output.writeString("-NOAUTH Authentication required.\r\n")
            case ("PING", _):
                output.writeString("+PONG\r\n")
            case (_, .fallsSilent):
                break
            case ("SET", .refusesSets):
                output.writeString("-ERR disk full\r\n")
            case ("SET", _):
                self.values[String(decoding: words[1], as: UTF8.self)] = words[2] + (self.manner == .corruptsValues ? [0] : [])
                output.writeString("+OK\r\n")
            case ("GET", .answersIntegers):
                output.writeString(":1\r\n")
            case ("GET", _):
                guard let value = self.values[String(decoding: words[1], as: UTF8.self)] else {
                    _ = output.writeString("$-1\r\n")
                    return
                }
                output.writeString("$\(value.count)\r\n")
                output.writeBytes(value)
                output.writeString("\r\n")
            case ("HEARSAY", _):
                output.writeString("$34\r\n0:\(String(repeating: "0", count: 32))\r\n")
            default:
                output.writeString("-ERR unknown command\r\n")
            }
        }

        /// The words of the next whole request; what is not whole stays.
        private func nextRequest() -> [[UInt8]]? {
            var reader = self.input
            guard let count = Self.number(after: "*", in: &reader) else { return nil }
            var words: [[UInt8]] = []
            for _ in 0..<count {
                guard let length = Self.number(after: "$", in: &reader), let word = reader.readBytes(length: length),
                    reader.readBytes(length: 2) != nil
                else { return nil }
                words.append(word)
            }
            self.input = reader
            self.input.discardReadBytes()
            return words
        }

        private static func number(after mark: Character, in buffer: inout ByteBuffer) -> Int? {
            let view = buffer.readableBytesView
            guard let end = view.firstIndex(of: UInt8(ascii: "\n")), let line = buffer.readString(length: end - view.startIndex + 1) else {
                return nil
            }
            precondition(line.first == mark && line.hasSuffix("\r\n"), "malformed request: \(line)")
            return Int(line.dropFirst().dropLast())
        }
    }
}
