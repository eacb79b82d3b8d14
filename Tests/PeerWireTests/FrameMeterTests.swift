import AntiEntropy
import Basics
import TestSupport
import Testing

@testable import PeerWire

@Suite struct FrameMeterTests {
    /// What a meter counts in bytes that come in pieces of up to this size.
    private func recordBytes(in bytes: [UInt8], piece: (inout SplitMix64) -> Int, using random: inout SplitMix64) -> Int {
        var (meter, sum, rest) = (FrameMeter(), 0, bytes[...])
        while !rest.isEmpty {
            let next = rest.prefix(piece(&random))
            rest = rest.dropFirst(next.count)
            sum += next.withUnsafeBytes { meter.recordBytes(in: $0) }
        }
        return sum
    }

    private static func recordBytes(of message: PeerMessage) -> Int {
        switch message {
        case .push(let push): push.records.count
        case .session(_, _, .records(let records)), .catchUp(_, .tell(let records)), .bootstrap(_, _, .records(let records)): records.count
        default: 0
        }
    }

    @Test(arguments: seeds(100))
    func `it counts the records of pushes, sessions, logs and bootstraps and nothing else, whatever way the bytes are cut`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let messages = (0..<30).map { _ in MessageDrawing.message(using: &random) }
        var bytes: [UInt8] = []
        for message in messages { PeerWire.append(message, to: &bytes) }
        let expected = messages.reduce(0) { $0 + Self.recordBytes(of: $1) }
        #expect(self.recordBytes(in: bytes, piece: { _ in .max }, using: &random) == expected)
        #expect(self.recordBytes(in: bytes, piece: { _ in 1 }, using: &random) == expected)
        #expect(self.recordBytes(in: bytes, piece: { Int.random(in: 1...3_000, using: &$0) }, using: &random) == expected)
    }

    @Test func `it counts records in parts, at a frame's length and on both sides of it`() {
        var random = SplitMix64(seed: 1)
        let limit = PeerWire.maximumFrameBytes - 5
        for count in [limit - 1, limit, limit + 1, 2 * limit, 1 << 20] {
            var bytes: [UInt8] = []
            PeerWire.append(.session(number: 3, sequence: 9, .records([UInt8](repeating: 7, count: count))), to: &bytes)
            PeerWire.append(.roster([UInt8](repeating: 8, count: count)), to: &bytes)
            PeerWire.append(.push(Push(hops: 0, named: [ReplicaID(high: 1, low: 1)], records: [UInt8](repeating: 9, count: count))), to: &bytes)
            #expect(self.recordBytes(in: bytes, piece: { _ in 1_000 }, using: &random) == 2 * count)
        }
    }

    @Test func `bytes count when they pass, not when their frame begins`() {
        var bytes: [UInt8] = []
        PeerWire.append(.session(number: 3, sequence: 9, .records([UInt8](repeating: 7, count: 100))), to: &bytes)
        var meter = FrameMeter()
        #expect(bytes[..<9].withUnsafeBytes { meter.recordBytes(in: $0) } == 0)
        #expect(bytes[9..<49].withUnsafeBytes { meter.recordBytes(in: $0) } == 40)
        #expect(bytes[49...].withUnsafeBytes { meter.recordBytes(in: $0) } == 60)
    }

    @Test(arguments: seeds(100))
    func `bytes that are no frames never trap, and behind a length that no frame has nothing counts`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let noise = (0..<5_000).map { _ in UInt8.random(in: 0...255, using: &random) & 31 }
        let counted = self.recordBytes(in: noise, piece: { Int.random(in: 1...100, using: &$0) }, using: &random)
        #expect((0...noise.count).contains(counted))
        var bytes: [UInt8] = [0, 0, 0, 0]
        PeerWire.append(.session(number: 3, sequence: 9, .records([7])), to: &bytes)
        #expect(self.recordBytes(in: bytes, piece: { _ in 3 }, using: &random) == 0)
    }
}
