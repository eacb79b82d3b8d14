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
        try self.store.scan(range) { entry in
            guard let record = entry.record else { return true }
            return body(StoredEntry(scanned: entry, record: record, store: self.store))
        }
    }
}

/// An entry of a scan as a repair session looks at it.
struct StoredEntry: ReadableEntry {
    fileprivate let scanned: ScannedEntry
    fileprivate let record: RecordView
    fileprivate let store: Store

    var token: Token { self.scanned.token }
    var fingerprint: Fingerprint { self.record.fingerprint(under: self.store.identity.digestKey) }
    var stamp: Stamp { self.record.stamp }
    var dot: Dot { self.record.dot }
    var isMerged: Bool { self.record.kind == .siblings }
    var isIntact: Bool {
        if self.scanned.isIntact(under: self.store.identity.digestKey) { return true }
        self.store.foundRotten(self.token, key: self.record.key)
        return false
    }
    func appendRecord(to bytes: inout [UInt8]) { RecordLayout.appendFrame(of: self.record, to: &bytes) }
    func appendHeader(to bytes: inout [UInt8]) { RecordLayout.appendFrame(of: self.record, withPayload: false, to: &bytes) }
}
