import Foundation
import Glibc
import Synchronization

/// A TCP proxy on a free port of 127.0.0.1 that a test cuts and heals: the network on the way from one node to another.
///
/// It has its port from the start and learns later where it leads, so that a node can be told of another that does not run yet, and
/// goes on finding it when it comes back on another port. Without a target, or cut, it closes every connection.
package final class CuttingProxy: Sendable {
    package let port: UInt16
    private let orders: Orders

    package init(to target: UInt16? = nil) throws(ProcessFailure) {
        let listener = try Descriptor("socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        let number = listener.number
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutableBytes(of: &address) { bytes in
            let address = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
            return bind(number, address, length) == 0 && listen(number, 64) == 0 && getsockname(number, address, &length) == 0
        }
        guard bound else { throw .system(call: "bind", code: errno) }
        self.port = UInt16(bigEndian: address.sin_port)
        self.orders = try Orders(Orders.Standing(target: target))
        let loop = ProxyLoop(listener, self.orders)
        let moved = Moved(loop)
        Thread.detachNewThread { moved.loop.run() }
    }

    deinit { self.orders.change { $0.hasEnded = true } }

    /// Leads to another port from now on. What is connected is closed.
    package func lead(to target: UInt16?) {
        self.orders.change {
            $0.target = target
            $0.cuts += 1
        }
    }

    /// Closes what is connected, and whatever connects until it is healed.
    package func cut() {
        self.orders.change {
            $0.isCut = true
            $0.cuts += 1
        }
    }

    package func heal() { self.orders.change { $0.isCut = false } }

    /// From now on only the first two frames pass in each direction of a connection, each a length of four bytes, lowest first, and as many bytes:
    /// hello and introduction. What follows waits until `release`.
    package func holdBehindGreeting() { self.orders.change { $0.holdsBehindGreeting = true } }

    package func release() { self.orders.change { $0.holdsBehindGreeting = false } }

    /// The loop on its way to its thread.
    private struct Moved: @unchecked Sendable {  // Nobody else has the loop: it is made for the thread and goes with it.
        let loop: ProxyLoop
        init(_ loop: ProxyLoop) { self.loop = loop }
    }
}

/// What the proxy's thread is to do, and what wakes it.
private final class Orders: Sendable {
    struct Standing {
        var target: UInt16?
        var isCut = false
        /// A connection goes at the first cut after it was made.
        var cuts = 0
        var holdsBehindGreeting = false
        var hasEnded = false
    }

    private let standing: Mutex<Standing>
    private let pipe: Pipe

    init(_ standing: Standing) throws(ProcessFailure) {
        let pipe = try Pipe(capacityBytes: 4_096)
        _ = fcntl(pipe.reading.number, F_SETFL, O_NONBLOCK)
        self.standing = Mutex(standing)
        self.pipe = pipe
    }

    var current: Standing { self.standing.withLock { $0 } }
    /// Readable after a change, until `noteWoken`.
    var wakeNumber: Int32 { self.pipe.reading.number }

    func change(_ body: (inout Standing) -> Void) {
        self.standing.withLock { body(&$0) }
        var byte: UInt8 = 1
        _ = write(self.pipe.writing.number, &byte, 1)
    }

    func noteWoken() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(self.wakeNumber, &bytes, bytes.count) > 0 {}
    }
}

/// The proxy's thread: one `poll` over all that is connected.
private final class ProxyLoop {
    private let listener: Descriptor
    private let orders: Orders
    private var relays: [Relay] = []

    init(_ listener: consuming Descriptor, _ orders: Orders) {
        self.listener = listener
        self.orders = orders
    }

    func run() {
        while case let standing = self.orders.current, !standing.hasEnded {
            self.relays.removeAll { $0.cuts != standing.cuts || $0.isDone }
            var entries = [
                pollfd(fd: self.orders.wakeNumber, events: Int16(POLLIN), revents: 0),
                pollfd(fd: self.listener.number, events: Int16(POLLIN), revents: 0),
            ]
            for relay in self.relays { entries += relay.entries(isHeld: standing.holdsBehindGreeting) }
            guard poll(&entries, nfds_t(entries.count), -1) > 0 else { continue }
            if entries[0].revents != 0 { self.orders.noteWoken() }
            let now = self.orders.current
            for (index, relay) in self.relays.enumerated() where relay.cuts == now.cuts {
                relay.move(near: entries[2 + 2 * index].revents, far: entries[3 + 2 * index].revents, isHeld: now.holdsBehindGreeting)
            }
            if entries[1].revents != 0 { self.accept(now) }
        }
    }

    private func accept(_ standing: Orders.Standing) {
        guard let near = try? Descriptor("accept", Glibc.accept(self.listener.number, nil, nil)), !standing.isCut, let target = standing.target,
            let far = try? Descriptor("socket", socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        else { return }
        var address = loopback(port: target)
        let number = far.number
        let connected = withUnsafeBytes(of: &address) { bytes in
            connect(number, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        guard connected == 0 else { return }
        self.relays.append(Relay(near: near, far: far, cuts: standing.cuts))
    }
}

/// One connection through the proxy.
private final class Relay {
    let cuts: Int
    private let near: Descriptor
    private let far: Descriptor
    private var outward = Flow()
    private var inward = Flow()
    private(set) var isDone = false

    init(near: consuming Descriptor, far: consuming Descriptor, cuts: Int) {
        var yes: Int32 = 1
        for number in [near.number, far.number] {
            _ = fcntl(number, F_SETFL, O_NONBLOCK)
            setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        self.cuts = cuts
        self.near = near
        self.far = far
    }

    /// What to wait for: the near end's entry, then the far end's.
    func entries(isHeld: Bool) -> [pollfd] {
        [
            Self.entry(self.near.number, takes: self.outward.takesMore, gives: self.inward.passable(isHeld: isHeld) > 0),
            Self.entry(self.far.number, takes: self.inward.takesMore, gives: self.outward.passable(isHeld: isHeld) > 0),
        ]
    }

    private static func entry(_ number: Int32, takes: Bool, gives: Bool) -> pollfd {
        let events = (takes ? Int16(POLLIN) : 0) | (gives ? Int16(POLLOUT) : 0)
        // `poll` ignores an entry whose descriptor is negative; otherwise it would report the other side's end again and again.
        return pollfd(fd: events == 0 ? -1 : number, events: events, revents: 0)
    }

    func move(near: Int16, far: Int16, isHeld: Bool) {
        if near != 0, !self.outward.take(from: self.near.number) { self.isDone = true }
        if far != 0, !self.inward.take(from: self.far.number) { self.isDone = true }
        if !self.outward.pass(to: self.far.number, isHeld: isHeld) || !self.inward.pass(to: self.near.number, isHeld: isHeld) { self.isDone = true }
        // The last words of a side that has closed still arrive.
        if self.outward.isOver || self.inward.isOver { self.isDone = true }
    }
}

/// One direction of a connection.
private struct Flow {
    private static let roomBytes = 1 << 20
    private static let lengthByteCount = 4
    private static let greetingFrames = 2

    private var waiting: [UInt8] = []
    private var hasEnded = false
    private var passedBytes = 0
    /// Where the frames of the greeting end, as far as their lengths have come.
    private var frameEnds: [Int] = []

    var takesMore: Bool { !self.hasEnded && self.waiting.count < Self.roomBytes }
    var isOver: Bool { self.hasEnded && self.waiting.isEmpty }

    func passable(isHeld: Bool) -> Int {
        guard isHeld else { return self.waiting.count }
        return min(self.waiting.count, max(0, (self.frameEnds.last ?? 0) - self.passedBytes))
    }

    /// Takes what has come. False where the connection is broken.
    mutating func take(from number: Int32) -> Bool {
        guard self.takesMore else { return true }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(number, &buffer, buffer.count, 0)
        guard count >= 0 else { return errno == EAGAIN }
        if count == 0 { self.hasEnded = true }
        self.waiting += buffer.prefix(count)
        while self.frameEnds.count < Self.greetingFrames {
            let start = (self.frameEnds.last ?? 0) - self.passedBytes
            guard start >= 0, self.waiting.count >= start + Self.lengthByteCount else { break }
            let length = self.waiting[start..<start + Self.lengthByteCount].reversed().reduce(0) { $0 << 8 | Int($1) }
            self.frameEnds.append((self.frameEnds.last ?? 0) + Self.lengthByteCount + length)
        }
        return true
    }

    /// Passes on what may pass and the socket takes. False where the connection is broken.
    mutating func pass(to number: Int32, isHeld: Bool) -> Bool {
        let allowed = self.passable(isHeld: isHeld)
        guard allowed > 0 else { return true }
        let count = send(number, self.waiting, allowed, Int32(MSG_NOSIGNAL))
        guard count >= 0 else { return errno == EAGAIN }
        self.waiting.removeFirst(count)
        self.passedBytes += count
        return true
    }
}

/// An address of this machine that no other can reach.
func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
    return address
}
