/// Where a node listens for peers: a host name or address, and a port.
///
/// - Invariant: the host has 1 to 255 bytes (what DNS allows), all printable ASCII and no space, so that equal addresses have equal bytes and can be
///   logged as they are; the port is not 0.
package struct PeerAddress: Hashable, Sendable {
    package static let maximumHostBytes = 255

    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) throws(MalformedMembership) {
        guard (1...Self.maximumHostBytes).contains(host.utf8.count) else { throw .hostLength(host.utf8.count) }
        if let wrong = host.utf8.first(where: { !(0x21...0x7e).contains($0) }) { throw .hostByte(wrong) }
        guard port != 0 else { throw .portZero }
        (self.host, self.port) = (host, port)
    }
}

extension PeerAddress: Comparable {
    /// By host, byte by byte, then by port: an order for outputs, of no meaning.
    package static func < (left: Self, right: Self) -> Bool { (left.host, left.port) < (right.host, right.port) }
}

extension PeerAddress: CustomStringConvertible {
    /// `host:port`, with brackets around an IPv6 address.
    package var description: String { self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)" }
}
