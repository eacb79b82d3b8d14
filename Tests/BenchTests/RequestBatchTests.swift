import Basics
import NIOCore
import Testing

@testable import Bench

@Suite struct RequestBatchTests {
    @Test func `a batch is RESP with keys of fixed width and values of the exact size`() {
        for valueBytes in [0, 1, 7, 8, 9, 100] {
            var batch = RequestBatch(keyPrefix: "key:", valueBytes: valueBytes)
            var (generator, copy) = (SplitMix64(seed: 3), SplitMix64(seed: 3))
            batch.append(.get, key: 42, values: &generator)
            batch.append(.set, key: 999_999_999_999, values: &generator)
            let value = self.value(valueBytes, from: &copy)
            let expected =
                Array("*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000042\r\n*3\r\n$3\r\nSET\r\n$16\r\nkey:999999999999\r\n$\(valueBytes)\r\n".utf8)
                + value + Array("\r\n".utf8)
            #expect(Array(batch.buffer.readableBytesView) == expected, "value of \(valueBytes) bytes")
            #expect(batch.kinds == [.get, .set])
        }
    }

    @Test func `a SET that expires says so behind its value`() {
        var batch = RequestBatch(keyPrefix: "key:", valueBytes: 0, timeToLive: 10)
        var generator = SplitMix64(seed: 3)
        batch.append(.set, key: 7, values: &generator)
        #expect(
            Array(batch.buffer.readableBytesView) == Array("*5\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$0\r\n\r\n$2\r\nEX\r\n$2\r\n10\r\n".utf8))
    }

    @Test func `an emptied batch begins again in the same memory`() {
        var batch = RequestBatch(keyPrefix: "", valueBytes: 16)
        var generator = SplitMix64(seed: 1)
        for key: UInt64 in 0..<100 { batch.append(.set, key: key, values: &generator) }
        let capacity = batch.buffer.capacity
        batch.removeAll()
        #expect(batch.kinds.isEmpty && batch.buffer.readableBytes == 0)
        for key: UInt64 in 0..<100 { batch.append(.set, key: key, values: &generator) }
        #expect(batch.buffer.capacity == capacity)
        #expect(batch.buffer.readableBytes == 100 * batch.longestRequestBytes)
    }

    /// The value as eight bytes at a time of the generator, in the machine's order.
    private func value(_ count: Int, from generator: inout SplitMix64) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count { withUnsafeBytes(of: generator.next()) { bytes += $0 } }
        return Array(bytes[..<count])
    }
}
