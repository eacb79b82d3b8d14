import Digests
import Versioning

/// What a repair session reads of a node's entries. The driver passes it with every call, so that the session holds no state of the store.
///
/// - Invariant: during one call all answers are as of one log position, with every entry folded.
package protocol EntryReader<Failure> {
    associatedtype Failure: Error
    associatedtype Entry: ReadableEntry

    /// The depth of the digest tree's leaves: digests down to there are at hand, deeper ones are counted from entries.
    var leafBits: Int { get }
    func digest(of node: DigestNode) throws(Failure) -> Digest
    /// Visits entries in token order until `body` returns false. An entry is valid during the call.
    func visit(_ range: ClosedRange<Token>, _ body: (Entry) -> Bool) throws(Failure)
}

/// One entry as a session looks at it.
package protocol ReadableEntry {
    var token: Token { get }
    var fingerprint: Fingerprint { get }
    var stamp: Stamp { get }
    var dot: Dot { get }
    /// True where two versions merge to a third: their stamps decide nothing, and both cross.
    var isMerged: Bool { get }
    /// False for an entry whose bytes are damaged: it counts in digests and is never sent.
    var isIntact: Bool { get }
    /// Appends the record as a peer gets it.
    func appendRecord(to bytes: inout [UInt8])
    /// Appends the record without its value: what tells versions apart, and the key.
    func appendHeader(to bytes: inout [UInt8])
}
