import DequeModule
import Storage

/// The frames for one peer, in order. Each leaves when the log is durable beyond what it depends on (I6).
///
/// - Bound: pushes are taken up to `maximumPushBytes`, all else up to `maximumBytes`; what does not fit is dropped, as rounds find what is missing.
///   A session says nothing where this much waits.
struct PeerOutput {
    static let maximumPushBytes = 8 << 20
    /// A peer that asks on and on and reads no answer gets so much and no more.
    static let maximumBytes = 9 << 20

    private struct Frames {
        let bytes: [UInt8]
        let dependsOn: LogPosition
    }

    private var waiting: Deque<Frames> = []
    private(set) var byteCount = 0

    var isEmpty: Bool { self.waiting.isEmpty }

    /// Takes a message, of any length while less than `maximumBytes` wait: a session's may be as long as a record.
    mutating func append(_ bytes: [UInt8], dependsOn: LogPosition) {
        guard self.byteCount < Self.maximumBytes else { return }
        self.add(bytes, dependsOn: dependsOn)
    }

    /// - Returns: false where there is no room.
    mutating func appendPush(_ bytes: [UInt8]) -> Bool {
        guard self.byteCount + bytes.count <= Self.maximumPushBytes else { return false }
        self.add(bytes, dependsOn: 0)
        return true
    }

    private mutating func add(_ bytes: [UInt8], dependsOn: LogPosition) {
        self.byteCount += bytes.count
        self.waiting.append(Frames(bytes: bytes, dependsOn: dependsOn))
    }

    /// The next frames that may leave; nil where there are none.
    mutating func pop(synced: LogPosition) -> [UInt8]? {
        guard let first = self.waiting.first, first.dependsOn == 0 || first.dependsOn < synced else { return nil }
        self.waiting.removeFirst()
        self.byteCount -= first.bytes.count
        return first.bytes
    }

    /// True where something that waits depends on what is cut off the log from `origin` on.
    func isCut(back origin: LogPosition) -> Bool {
        self.waiting.contains { $0.dependsOn >= max(origin, 1) }
    }
}
