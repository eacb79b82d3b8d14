import Basics
import Digests
import TestSupport
import Testing
import Versioning

@testable import Storage

@Suite struct CheckpointTests {
    private func makeCheckpoint(seed: UInt64, replicas: Int) -> Checkpoint {
        var generator = SplitMix64(seed: seed)
        var checkpoint = Checkpoint(identity: Identity(using: &generator), position: generator.next() >> 3, greatestStamp: generator.next())
        for _ in 0..<replicas {
            let replica = ReplicaID(using: &generator)
            for sequence: UInt64 in [1, 2, 3, 5, 9] { _ = checkpoint.seen.insert(Dot(replica: replica, sequence: sequence)) }
        }
        return checkpoint
    }

    @Test(arguments: [0, 1, 20])
    func `a checkpoint reads as it was written`(replicas: Int) throws {
        let checkpoint = self.makeCheckpoint(seed: 1, replicas: replicas)
        #expect(try checkpoint.encode().withUnsafeBytes { try Checkpoint(decoding: $0) } == checkpoint)
    }

    @Test(arguments: [0, 3])
    func `every part and every change of its bytes is refused, and nothing traps`(replicas: Int) {
        let bytes = self.makeCheckpoint(seed: 2, replicas: replicas).encode()
        for count in 0..<bytes.count { self.expectRefused(Array(bytes[..<count])) }
        for index in bytes.indices {
            for change in (0..<8).map({ UInt8(1) << $0 }) + [0xff] {
                var changed = bytes
                changed[index] ^= change
                self.expectRefused(changed)
                self.expectRefused(self.withChecksum(changed), orReadsAs: changed)
            }
        }
        self.expectRefused(bytes + [0])
    }

    private func expectRefused(_ bytes: [UInt8]) {
        #expect(throws: StoreError.self) { try bytes.withUnsafeBytes { try Checkpoint(decoding: $0) } }
    }

    /// With a right checksum bytes may decode, to whatever they say; they may not trap.
    private func expectRefused(_ bytes: [UInt8], orReadsAs changed: [UInt8]) {
        if let checkpoint = try? bytes.withUnsafeBytes({ try Checkpoint(decoding: $0) }) { #expect(checkpoint.encode().count == changed.count) }
    }

    private func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
        let body = Array(bytes.dropLast(8))
        let sum = body.withUnsafeBytes { checksum(of: $0, seed: 0) }
        return body + withUnsafeBytes(of: sum.littleEndian) { Array($0) }
    }

    @Test func `a store of another format is refused by its number, another program's file as such`() {
        var bytes = self.makeCheckpoint(seed: 3, replicas: 1).encode()
        bytes[8] = 2
        #expect(throws: StoreError.foreign(reason: "the store has format 2; this program reads format 1")) {
            try bytes.withUnsafeBytes { try Checkpoint(decoding: $0) }
        }
        bytes[0] ^= 1
        #expect(throws: StoreError.foreign(reason: "the LMDB file in the data folder was not written by Hearsay")) {
            try bytes.withUnsafeBytes { try Checkpoint(decoding: $0) }
        }
    }
}
