import Basics
import Digests
import Storage
import Versioning

/// A record that reads, wherever it came from: every field can be looked at, and a peer that gets it reads the same.
enum RecordCheck {
    static func run(_ record: RecordView, under key: DigestKey) throws {
        var frame: [UInt8] = []
        RecordLayout.appendFrame(of: record, to: &frame)
        try self.checkOrder(record)
        try frame.withUnsafeBytes { frame in
            try require(
                RecordLayout.firstFrame(in: frame)?.count == frame.count && RecordLayout.frameCount(in: Array(frame)) == 1,
                "\(record.versionHeader) is sent as \(Array(frame))")
            guard let (received, token) = RecordView.received(frame, under: key) else { return }
            try self.checkReceived(received, record, token, frame, key)
        }
    }

    private static func checkReceived(
        _ received: RecordView, _ record: RecordView, _ token: Token, _ frame: UnsafeRawBufferPointer, _ key: DigestKey
    ) throws {
        let header = received.versionHeader
        let byteCount = RecordLayout.byteCount(of: header, keyByteCount: received.key.count, payloadByteCount: received.payload.count)
        try require(
            header == record.versionHeader && received.payload.elementsEqual(record.payload) && received.key.elementsEqual(record.key)
                && token == key.token(of: record.key) && byteCount == frame.count
                && received.fingerprint(under: key) == record.fingerprint(under: key),
            "\(record.versionHeader) is received as \(header): \(Array(frame))")
        var head: [UInt8] = []
        RecordLayout.appendFrame(of: received, withPayload: false, to: &head)
        try head.withUnsafeBytes { head in
            guard let read = RecordView(receivedHeader: head) else { throw FuzzFailure(description: "no header in \(Array(head))") }
            try require(read.versionHeader == header, "\(header) without its value is \(read.versionHeader)")
        }
    }

    private static func checkOrder(_ record: RecordView) throws {
        try require(!record.precedes(record), "\(record.versionHeader) precedes itself")
    }
}
