import AntiEntropy
import Digests
import Storage
import Versioning

/// The store as a repair session reads it. Only while everything is folded.
struct StoreReader: EntryReader {
    let store: Store

    var leafBits: Int { self.store.leafBits }

    func digest(of node: DigestNode) throws(StoreError) -> Digest { try self.store.digest(ofNode: node) }

    func visit(_ range: ClosedRange<Token>, _ body: (StoredEntry) -> Bool) throws(StoreError) {
        let key = self.store.identity.digestKey
        try self.store.scan(range) { entry in
            guard let record = entry.record else { return true }
            return body(StoredEntry(scanned: entry, record: record, digestKey: key))
        }
    }
}

/// An entry of a scan as a repair session looks at it.
struct StoredEntry: ReadableEntry {
    fileprivate let scanned: ScannedEntry
    fileprivate let record: RecordView
    fileprivate let digestKey: DigestKey

    var token: Token { self.scanned.token }
    var fingerprint: Fingerprint { self.record.fingerprint(under: self.digestKey) }
    var stamp: Stamp { self.record.stamp }
    var dot: Dot { self.record.dot }
    var isIntact: Bool { self.scanned.isIntact(under: self.digestKey) }
    func appendRecord(to bytes: inout [UInt8]) { RecordLayout.appendFrame(of: self.record, to: &bytes) }
    func appendHeader(to bytes: inout [UInt8]) { RecordLayout.appendFrame(of: self.record, withPayload: false, to: &bytes) }
}
