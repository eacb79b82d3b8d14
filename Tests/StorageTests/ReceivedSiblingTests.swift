import Basics
import Digests
import Simulation
import Testing
import Versioning

@testable import Storage

/// Which of the siblings that a peer has sent are a key's (I14, I17, I23).
@Suite struct ReceivedSiblingTests {
    private static let peer = ReplicaID(high: 0, low: 77)
    private static let key = [UInt8]("k")

    private func open(_ base: MemoryBase = MemoryBase()) throws -> Store {
        var random = SplitMix64(seed: 1)
        let store = try Store.open(disk: SimulatedDisk(), base: base, configuration: StoreConfiguration(), founds: true, using: &random).store
        var seen = Seen()
        for sequence: UInt64 in 1...9 { _ = seen.insert(Dot(replica: Self.peer, sequence: sequence)) }
        store.join(seen)
        return store
    }

    /// What a peer sends of the key that has these of its own writes.
    private func frame(_ values: [UInt64], deletes: [UInt64] = [], for store: Store) -> [UInt8] {
        let text: StaticString = "value"
        let versions = (values + deletes).map { sequence in
            Sibling(
                dot: Dot(replica: Self.peer, sequence: sequence), stamp: Stamp(time: sequence << 20, replica: Self.peer), context: CausalContext(),
                value: deletes.contains(sequence) ? nil : UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        }
        let siblings = Siblings(versions: versions)!
        return Self.key.withUnsafeBytes {
            RecordLayout.frame(VersionHeader(siblings), key: $0, token: store.token(of: $0), payload: siblings.encoded)
        }
    }

    private func merge(_ frame: [UInt8], into store: Store, revives: Bool) throws {
        _ = try frame.span.bytes.withUnsafeBytes { bytes throws(StoreError) in
            let (record, token) = RecordView.received(bytes, under: store.identity.digestKey)!
            return try store.merge(record, token: token, .session(revives: revives), at: Instant(nanoseconds: 0))
        }
    }

    /// The sequence numbers of what the key has.
    private func stored(in store: Store) throws -> [UInt64] {
        try Self.key.span.bytes.withUnsafeBytes { key throws(StoreError) in
            guard case .record(let record, _, _) = try store.find(store.token(of: key), key: key) else { return [] }
            return record.siblings!.versions.map(\.dot.sequence)
        }
    }

    @Test func `one that was seen and is not there was removed, unless a session shows that it was lost`() throws {
        let store = try self.open()
        try self.merge(self.frame([3, 5], deletes: [4], for: store), into: store, revives: false)
        #expect(try self.stored(in: store) == [])
        try self.merge(self.frame([12], for: store), into: store, revives: false)
        try self.merge(self.frame([3, 12], deletes: [4], for: store), into: store, revives: false)
        #expect(try self.stored(in: store) == [12], "beside what is new as well")
        try self.merge(self.frame([3, 12], deletes: [4], for: store), into: store, revives: true)
        #expect(try self.stored(in: store) == [3, 4, 12], "a delete as well, which takes only what it should")
    }

    @Test func `of a key that was damaged all count that any member has, whichever comes first`() throws {
        let intact = try self.open()
        let base = MemoryBase()
        var contents = base.contents
        contents.checkpoint = Checkpoint(identity: intact.identity)
        var value = Array(self.frame([3], for: intact).dropFirst(RecordLayout.frameByteCount + Self.key.count))
        value[value.count - 1] ^= 1
        let token = Self.key.withUnsafeBytes { intact.token(of: $0) }
        contents.entries = [MemoryBase.Entry(token: token, key: Self.key, value: value)]
        let store = try self.open(MemoryBase(contents))
        #expect(store.hasDamage)
        try self.merge(self.frame([3], for: store), into: store, revives: false)
        try self.merge(self.frame([5], deletes: [4], for: store), into: store, revives: false)
        #expect(try self.stored(in: store) == [3, 4, 5])
    }
}
