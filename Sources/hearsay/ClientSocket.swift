import Glibc
import RESP

/// A blocking connection to a node's client port, for commands that ask a thing or two.
struct ClientSocket: ~Copyable {
    enum Failure: Error {
        case unreachable(String)
        case refused(String)

        var description: String {
            switch self {
            case .unreachable(let text), .refused(let text): text
            }
        }

        var exitCode: Int32 {
            switch self {
            case .unreachable: 69
            case .refused: 1
            }
        }
    }

    /// How long one answer may take.
    private static let patienceSeconds = 10
    private let descriptor: Int32

    init(host: String, port: Int) throws(Failure) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "\(port)", &hints, &found)
        guard code == 0, let first = found else { throw .unreachable(String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(first) }
        var (candidate, lastError): (UnsafeMutablePointer<addrinfo>?, Int32) = (first, 0)
        while let address = candidate {
            let descriptor = socket(address.pointee.ai_family, address.pointee.ai_socktype, address.pointee.ai_protocol)
            if descriptor >= 0 {
                var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
                setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
                if connect(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 {
                    self.descriptor = descriptor
                    return
                }
                lastError = errno
                close(descriptor)
            }
            candidate = address.pointee.ai_next
        }
        throw .unreachable(String(cString: strerror(lastError)))
    }

    deinit { close(self.descriptor) }

    /// Sends one command and waits for its answer.
    func ask(_ arguments: [[UInt8]]) throws(Failure) -> Reply {
        try self.send(arguments)
        return try self.receive()
    }

    /// Sends words, and gives their answer's text; an error answer is thrown.
    @discardableResult
    func demand(_ words: String...) throws(Failure) -> Reply {
        let reply = try self.ask(words.map { Array($0.utf8) })
        if case .error(let text) = reply { throw .refused(text) }
        return reply
    }

    /// Whether an answer has begun to come within a time.
    func isAnswered(withinMilliseconds milliseconds: Int32) -> Bool {
        var descriptor = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&descriptor, 1, milliseconds) > 0
    }

    func send(_ arguments: [[UInt8]]) throws(Failure) {
        var request = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments { request += Array("$\(argument.count)\r\n".utf8) + argument + Array("\r\n".utf8) }
        var sent = 0
        while sent < request.count {
            let count = request[sent...].withUnsafeBytes { Glibc.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw .unreachable(String(cString: strerror(errno))) }
            sent += count
        }
    }

    func receive() throws(Failure) -> Reply {
        var parser = ReplyParser()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            do throws(ReplyParser.Failure) {
                if let reply = try parser.next() { return reply }
            } catch { throw .unreachable("it does not speak the Redis protocol") }
            let count = recv(self.descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else {
                throw .unreachable(errno == EAGAIN ? "no answer within \(Self.patienceSeconds) s" : String(cString: strerror(errno)))
            }
            guard count > 0 else { throw .unreachable("it closed the connection") }
            parser.append(buffer[..<count])
        }
    }
}
