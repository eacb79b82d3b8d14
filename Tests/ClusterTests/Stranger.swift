import Basics
import TestSupport

/// What connects to a node's peer port and is no node: it says whatever a test wants.
struct Stranger {
    static let replica = [UInt8](repeating: 0x5e, count: 16)
    static let noCluster = [UInt8](repeating: 0, count: 16)

    let socket: Socket

    init(_ node: NodeProcess) throws { self.socket = try Socket(port: node.peerPort!, server: node) }

    /// The id of the cluster that the node greets with.
    func heardCluster() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < 39 { bytes += try self.socket.receive() }
        return Array(bytes[23..<39])  // Behind length 4, type 1, magic 8, versions 2, features 8.
    }

    /// Has the node let it in, and returns the roster that it is given.
    func heardRoster() throws -> [UInt8] {
        self.say(Self.hello(cluster: Self.noCluster))
        var bytes: [UInt8] = []
        while true {
            bytes += try self.socket.receive()
            var rest = bytes[...]
            while rest.count >= 5 {
                let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
                guard rest.count >= 4 + length else { break }
                let frame = rest.dropFirst(4).prefix(length)
                rest = rest.dropFirst(4 + length)
                if frame.first == 3 { return Array(frame.dropFirst(1 + 192)) }  // Behind type and digest key.
            }
        }
    }

    /// Sends as much as the node takes: it may close at any byte.
    ///
    /// - Returns: false where it has closed.
    @discardableResult
    func say(_ bytes: [UInt8]) -> Bool { (try? self.socket.send(bytes)) != nil }

    // MARK: Frames

    static func frame(_ type: UInt8, _ payload: [UInt8]) -> [UInt8] { Self.bytes(UInt32(payload.count + 1)) + [type] + payload }

    static func hello(cluster: [UInt8], name: String = "stranger") -> [UInt8] {
        var payload = Array("HEARSAYP".utf8) + [1, 1] + Self.bytes(UInt64(0)) + cluster + Self.replica
        payload += Self.bytes(UInt64(7)) + Self.bytes(UInt64(7)) + [0, 1, UInt8(name.utf8.count)] + Array(name.utf8)
        return Self.frame(1, payload + [0, 0, 0])
    }

    /// Its clock reads 1970.
    static func introduction(_ roster: [UInt8]) -> [UInt8] {
        let clock = [UInt8](repeating: 0, count: 6)
        return Self.frame(
            9, Self.bytes(UInt64(0)) + Self.bytes(UInt64(0)) + Self.bytes(UInt64(0)) + clock + Self.bytes(UInt32(roster.count)) + roster + [0])
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }

    // MARK: Noise

    /// A stream that no node sends, of one of several kinds: from plain noise to what is well formed but for its innermost bytes.
    static func noise(cluster: [UInt8], roster: [UInt8], using generator: inout SplitMix64) -> [UInt8] {
        let greeting = Self.hello(cluster: cluster) + Self.introduction(roster)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: return Self.random(1...4_096, &generator)
        case 1: return (0..<5).flatMap { _ in Self.randomFrame(&generator) }
        case 2: return greeting + (0..<20).flatMap { _ in Self.randomFrame(&generator) }
        case 3: return Self.hello(cluster: Self.noCluster) + (0..<20).flatMap { _ in Self.randomFrame(&generator) }
        case 4:
            var hello = Self.hello(cluster: cluster)
            for _ in 0..<3 { hello[Int.random(in: hello.indices, using: &generator)] = .random(in: .min ... .max, using: &generator) }
            return hello + Self.random(0...200, &generator)
        default:
            // One frame of a kind that a member may send, again and again with other contents: the likeliest to get far.
            let type = Self.types.randomElement(using: &generator)!
            return greeting + (0..<20).flatMap { _ in Self.frame(type, Self.sensible(type, &generator)) }
        }
    }

    private static let types: [UInt8] = Array(1...13) + Array(16...30) + Array(32...34) + [40, 41]

    private static func randomFrame(_ generator: inout SplitMix64) -> [UInt8] {
        let type = Bool.random(using: &generator) ? Self.types.randomElement(using: &generator)! : .random(in: .min ... .max, using: &generator)
        return Self.frame(type, Self.random(0...300, &generator))
    }

    /// A payload whose numbers are small, as those of real frames are.
    private static func sensible(_ type: UInt8, _ generator: inout SplitMix64) -> [UInt8] {
        (0..<Int.random(in: 0...120, using: &generator)).map { _ in
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: 0
            case 1: 1
            case 2: .random(in: 0...16, using: &generator)
            default: .random(in: .min ... .max, using: &generator)
            }
        }
    }

    static func random(_ counts: ClosedRange<Int>, _ generator: inout SplitMix64) -> [UInt8] {
        (0..<Int.random(in: counts, using: &generator)).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
