import Basics
import Digests
import TestSupport
import Testing
import Versioning

@testable import Storage

@Suite struct RecordTests {
    private static let headers = [
        TestRecord.header(sequence: 9, time: 77),
        TestRecord.header(sequence: .max, time: .max, isTombstone: true),
        TestRecord.header(expiry: 1),
        TestRecord.header(stampReplica: TestRecord.otherReplica),
        TestRecord.header(isTombstone: true, expiry: .max, stampReplica: TestRecord.otherReplica),
    ]
    private static let keys = [[], [0], [UInt8]("key"), [UInt8](repeating: 0xab, count: RecordLayout.maximumKeyByteCount)]

    @Test(arguments: Self.headers)
    func `a record reads as it was written, from the log and from LMDB`(header: VersionHeader) {
        for key in Self.keys {
            for payload in [[], [1], [UInt8](repeating: 3, count: 5_000)] {
                let frame = TestRecord.frame(header, key: key, payload: payload)
                #expect(frame.count == RecordLayout.byteCount(of: header, keyByteCount: key.count, payloadByteCount: payload.count))
                frame.withUnsafeBytes { bytes in
                    let record = RecordView(frame: bytes)!
                    self.expect(record, header, key, payload)
                    let copies = (Array(record.key), Array(record.value))
                    copies.0.withUnsafeBytes { key in
                        copies.1.withUnsafeBytes { self.expect(RecordView(key: key, value: $0)!, header, copies.0, payload) }
                    }
                }
            }
        }
    }

    @Test(arguments: [Self.headers[2], TestRecord.header(expiry: 7, stampReplica: TestRecord.otherReplica)])
    func `a value that has expired leaves, with all that stands for it staying what it was`(header: VersionHeader) throws {
        let key = [UInt8]("key")
        let token = TestRecord.token(of: key)
        for payload in [[UInt8](repeating: 3, count: 9), [UInt8](repeating: 4, count: 5_000)] {
            try TestRecord.frame(header, key: key, payload: payload).withRecord { whole in
                let whole = try #require(whole)
                #expect(!whole.isHeaderOnly)
                let value = try #require(whole.headerOnlyValue(token: token))
                #expect(value.count == whole.headerBytes.count + 8)
                try key.withUnsafeBytes { key in
                    try value.withUnsafeBytes { value in
                        let left = try #require(RecordView(key: key, value: value))
                        #expect(left.isHeaderOnly && left.payload.isEmpty && left.headerOnlyValue(token: token) == nil)
                        #expect(left.versionHeader == header && left.checksum == whole.checksum && left.isSameVersion(as: whole))
                        #expect(left.fingerprint(under: TestRecord.digestKey) == whole.fingerprint(under: TestRecord.digestKey))
                        #expect(left.isIntact(token: token) && !left.isIntact(token: Token(rawValue: token.rawValue ^ 1)))
                        #expect(!left.precedes(whole) && !whole.precedes(left))
                        #expect(!left.isReadable(at: WallTime(milliseconds: 0)), "whatever the clock says")
                        // Among peers it travels like any other.
                        var frame: [UInt8] = []
                        RecordLayout.appendFrame(of: left, to: &frame)
                        frame.withUnsafeBytes { #expect(RecordView.received($0, under: TestRecord.digestKey)?.record.isHeaderOnly == true) }
                        var (header, wholeHeader): ([UInt8], [UInt8]) = ([], [])
                        RecordLayout.appendFrame(of: left, withPayload: false, to: &header)
                        RecordLayout.appendFrame(of: whole, withPayload: false, to: &wholeHeader)
                        #expect(header == wholeHeader)
                    }
                }
                // No bit of it reads as another version.
                for index in value.indices {
                    var changed = value
                    changed[index] ^= 0x10
                    key.withUnsafeBytes { key in
                        changed.withUnsafeBytes { #expect(RecordView(key: key, value: $0).map { $0.isIntact(token: token) } != true) }
                    }
                }
            }
        }
    }

    @Test func `no value leaves that has no deadline, and none that is no longer than what takes its place`() {
        let key = [UInt8]("key")
        for (header, count) in [(Self.headers[2], 7), (Self.headers[2], 8), (Self.headers[0], 100), (Self.headers[1], 0), (Self.headers[4], 0)] {
            TestRecord.frame(header, key: key, payload: [UInt8](repeating: 1, count: count)).withRecord {
                #expect($0!.headerOnlyValue(token: TestRecord.token(of: key)) == nil && !$0!.isHeaderOnly)
            }
        }
    }

    private func expect(_ record: RecordView, _ header: VersionHeader, _ key: [UInt8], _ payload: [UInt8]) {
        #expect(record.versionHeader == header)
        #expect(Array(record.key) == key && Array(record.payload) == payload)
        #expect(record.isIntact(token: TestRecord.token(of: key)))
        let model = StoreModel.Write(key: key, header: header, payload: payload, position: 0)
        #expect(record.fingerprint(under: TestRecord.digestKey) == model.fingerprint(under: TestRecord.digestKey))
    }

    @Test(arguments: Self.headers)
    func `no part of a record and no change of its bits reads as another version`(header: VersionHeader) {
        let (key, payload) = ([UInt8]("key"), [UInt8]("a value"))
        let frame = TestRecord.frame(header, key: key, payload: payload)
        for count in 0..<frame.count {
            let part = Array(frame[..<count])
            part.withRecord { #expect($0 == nil) }
            self.expectHarmless(self.withLength(part), header, key, payload)
        }
        for index in frame.indices {
            for change in (0..<8).map({ UInt8(1) << $0 }) + [0xff, 0x55] {
                var changed = frame
                changed[index] ^= change
                self.expectHarmless(changed, header, key, payload)
                self.expectHarmless(self.withLength(changed), header, key, payload)
            }
        }
        self.expectHarmless(self.withLength(frame + [0]), header, key, payload)
    }

    /// The same bytes with a length that fits them.
    private func withLength(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 4 else { return bytes }
        return withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { Array($0) } + bytes[4...]
    }

    /// Unreadable, seen to be damaged, or what was written.
    private func expectHarmless(_ bytes: [UInt8], _ header: VersionHeader, _ key: [UInt8], _ payload: [UInt8]) {
        bytes.withRecord { record in
            guard let record, record.isIntact(token: TestRecord.digestKey.token(of: record.key)) else { return }
            #expect(record.versionHeader == header && Array(record.key) == key && Array(record.payload) == payload, "\(bytes)")
        }
    }

    @Test func `a key of 501 bytes does not read`() {
        let frame = TestRecord.frame(TestRecord.header(), key: [UInt8](repeating: 1, count: 500), payload: [1])
        var longer = self.withLength(frame + [1])
        longer[6] = UInt8(truncatingIfNeeded: 501)
        longer.withRecord { #expect($0 == nil) }
    }

    @Test func `versions are ordered by stamp, tombstone, dot, checksum and bytes, in that order (I8)`() {
        let ascending: [[UInt8]] = [
            TestRecord.frame(TestRecord.header(sequence: 9, time: 1 << 16 | 5, isTombstone: true), key: [1], payload: []),
            TestRecord.frame(TestRecord.header(sequence: 8, time: 2 << 16 | 0, isTombstone: true), key: [1], payload: []),
            TestRecord.frame(TestRecord.header(sequence: 7, time: 2 << 16 | 1, isTombstone: true), key: [1], payload: []),
            // From here on the stamp's time is the same: the replica decides, then the tombstone, then the dot.
            TestRecord.frame(TestRecord.header(sequence: 1, time: 3 << 16), key: [1], payload: [1]),
            TestRecord.frame(TestRecord.header(sequence: 2, time: 3 << 16), key: [1], payload: [0]),
            TestRecord.frame(
                TestRecord.header(sequence: 1, time: 3 << 16, dotReplica: TestRecord.otherReplica, stampReplica: TestRecord.replica), key: [1],
                payload: []),
            TestRecord.frame(TestRecord.header(sequence: 1, time: 3 << 16, isTombstone: true), key: [1], payload: []),
            TestRecord.frame(TestRecord.header(sequence: 1, time: 3 << 16, stampReplica: TestRecord.otherReplica), key: [1], payload: []),
        ]
        self.expectAscending(ascending)
    }

    @Test func `two payloads under one dot and stamp are ordered by checksum, then by bytes (I8)`() {
        let versions = (0..<20).map { TestRecord.frame(TestRecord.header(), key: [1], payload: [UInt8($0)]) }
        let checksumOffset = RecordLayout.frameByteCount + 1
        let checksum = { (frame: [UInt8]) in
            frame.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: checksumOffset, as: UInt64.self)) }
        }
        self.expectAscending(versions.sorted { checksum($0) < checksum($1) })
        let collided = (0..<5).map { last in
            var frame = versions[0]
            frame[frame.count - 1] = UInt8(last)
            return frame
        }
        self.expectAscending(collided)
    }

    private func expectAscending(_ frames: [[UInt8]]) {
        for (index, frame) in frames.enumerated() {
            for (otherIndex, other) in frames.enumerated() {
                let precedes = frame.withRecord { left in other.withRecord { right in left!.precedes(right!) } }
                #expect(precedes == (index < otherIndex), "\(index) before \(otherIndex)")
            }
        }
    }

    @Test func `every field of a version changes its fingerprint, and no two encodings run into each other (I18)`() {
        let headers: [VersionHeader] =
            Self.headers + [
                TestRecord.header(), TestRecord.header(sequence: 2), TestRecord.header(time: 2), TestRecord.header(isTombstone: true),
                TestRecord.header(expiry: 2), TestRecord.header(dotReplica: TestRecord.otherReplica),
                TestRecord.header(dotReplica: TestRecord.otherReplica, stampReplica: TestRecord.otherReplica),
            ]
        let keys: [[UInt8]] = [[], [0], [0, 0], [1], [1, 0], [UInt8]("key")]
        var seen: Set<Fingerprint> = []
        var count = 0
        for header in headers {
            for key in keys {
                for payload: [UInt8] in [[], [0], [1], [0, 0]] {
                    seen.insert(TestRecord.frame(header, key: key, payload: payload).withRecord { $0!.fingerprint(under: TestRecord.digestKey) })
                    count += 1
                }
            }
        }
        #expect(seen.count == count)
        var generator = SplitMix64(seed: 8)
        let otherKey = DigestKey(using: &generator)
        let frame = TestRecord.frame(headers[0], key: [1], payload: [1])
        #expect(frame.withRecord { $0!.fingerprint(under: otherKey) != $0!.fingerprint(under: TestRecord.digestKey) })
    }
}
