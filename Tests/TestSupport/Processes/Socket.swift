import Glibc

/// A blocking TCP connection to a port of 127.0.0.1: bytes as they are, for tests of what goes over the wire.
///
/// Nothing blocks for longer than `patience`; then the call throws and fails the test.
package final class Socket {
    private let descriptor: Descriptor
    private let server: AnyObject?

    /// Connects. `server` is kept as long as the connection: a test that uses only the connection still needs the process behind it.
    package init(port: UInt16, server: AnyObject? = nil, patience: Duration = .seconds(60)) throws(ProcessFailure) {
        self.server = server
        self.descriptor = try Descriptor("socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        var limit = timeval(tv_sec: Int(patience.components.seconds), tv_usec: 0)
        var yes: Int32 = 1
        let number = self.descriptor.number
        guard setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size)) == 0,
            setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size)) == 0,
            setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size)) == 0
        else { throw .system(call: "setsockopt", code: errno) }
        var address = loopback(port: port)
        let connected = withUnsafeBytes(of: &address) { bytes in
            connect(number, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        guard connected == 0 else { throw .system(call: "connect", code: errno) }
    }

    /// Sends all of `bytes`.
    package func send(_ bytes: some Collection<UInt8>) throws(ProcessFailure) {
        let bytes = Array(bytes)
        var sent = 0
        while sent < bytes.count {
            // No signal: a peer that has closed must fail this call, not end the whole test run.
            let count = bytes.withUnsafeBytes {
                Glibc.send(self.descriptor.number, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count >= 0 else { throw .system(call: "send", code: errno) }
            sent += count
        }
    }

    package func send(_ text: String) throws(ProcessFailure) {
        try self.send(Array(text.utf8))
    }

    /// The next bytes, as many as there are; empty when the peer has closed its side.
    package func receive() throws(ProcessFailure) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(self.descriptor.number, &buffer, buffer.count, 0)
        guard count >= 0 else {
            throw errno == EAGAIN ? .tooLate(waitingFor: "bytes from a socket", transcript: "") : .system(call: "recv", code: errno)
        }
        return Array(buffer.prefix(count))
    }

    /// Everything up to the peer's close, as text.
    package func readToEnd() throws(ProcessFailure) -> String {
        var bytes: [UInt8] = []
        while case let more = try self.receive(), !more.isEmpty { bytes += more }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Says that nothing more will be sent, as `nc -N` does at the end of its input; answers still arrive.
    package func shutdownSending() throws(ProcessFailure) {
        guard shutdown(self.descriptor.number, Int32(SHUT_WR)) == 0 else { throw .system(call: "shutdown", code: errno) }
    }
}
