import PeerWire

/// Any bytes are messages or an error, the same however they are split; a message that was read is written and read as the same.
enum FrameCheck {
    /// A member's, and a stranger's.
    private static let limits = [PeerWire.maximumMessageBytes, PeerWire.maximumFrameBytes]

    static func run(_ input: UnsafeRawBufferPointer) throws {
        for limit in self.limits {
            let whole = try HeapMeter.bound("frame reader", inputBytes: input.count) { self.skim(input, limit) }
            var (read, split) = (Connection(limit: limit), Connection(limit: limit))
            try read.receive(input)
            try Pieces.forEach(input) { try split.receive($0) }
            try require(
                read.messages == split.messages && read.error == split.error && read.messages.count == whole,
                "whole \(whole): \(read.messages), \(read.error as Any); in pieces \(split.messages), \(split.error as Any): \(Array(input))")
            for message in read.messages { try self.checkRoundTrip(message) }
            if read.error == nil, read.rest == 0 { try self.checkMeter(input, read.messages) }
        }
    }

    private static func checkRoundTrip(_ message: PeerMessage) throws {
        var bytes: [UInt8] = []
        PeerWire.append(message, to: &bytes)
        var again = Connection(limit: PeerWire.maximumMessageBytes)
        try bytes.withUnsafeBytes { try again.receive($0) }
        try require(
            again.messages == [message] && again.error == nil && again.rest == 0,
            "\(message) is written as \(bytes) and read as \(again.messages), \(again.error as Any)")
    }

    /// Tools that look on count the same records, however the bytes come.
    private static func checkMeter(_ input: UnsafeRawBufferPointer, _ messages: [PeerMessage]) throws {
        var (whole, split, sum) = (FrameMeter(), FrameMeter(), 0)
        let count = whole.recordBytes(in: input)
        Pieces.forEach(input) { sum += split.recordBytes(in: $0) }
        let records = messages.reduce(0) { sum, message in
            switch message {
            case .push(let push): sum + push.records.count
            case .session(_, _, .records(let bytes)), .catchUp(_, .tell(let bytes)), .bootstrap(_, _, .records(let bytes)): sum + bytes.count
            default: sum
            }
        }
        try require(count == sum && count == records, "\(count) bytes of records, in pieces \(sum), in messages \(records): \(Array(input))")
    }

    /// Only reads: what is held meanwhile is the reader's.
    private static func skim(_ input: UnsafeRawBufferPointer, _ limit: Int) -> Int {
        var (reader, offset, messages) = (FrameReader(maximumMessageBytes: limit), 0, 0)
        while let (message, consumed) = try? reader.next(in: UnsafeRawBufferPointer(rebasing: input[offset...])), consumed > 0 {
            (offset, messages) = (offset + consumed, messages + (message == nil ? 0 : 1))
        }
        return messages
    }

    /// A link's input side as a replica's driver has it.
    private struct Connection {
        private var reader: FrameReader
        private var buffer: [UInt8] = []
        private var received = 0
        private(set) var messages: [PeerMessage] = []
        private(set) var error: PeerWireError?

        init(limit: Int) { self.reader = FrameReader(maximumMessageBytes: limit) }

        /// Bytes that belong to no whole message yet.
        var rest: Int { self.buffer.count + self.reader.heldBytes }

        mutating func receive(_ bytes: UnsafeRawBufferPointer) throws {
            self.buffer.append(contentsOf: bytes)
            self.received += bytes.count
            while self.error == nil {
                do throws(PeerWireError) {
                    let (message, consumed) = try Self.next(self.buffer, &self.reader)
                    guard consumed > 0 else { break }
                    self.buffer.removeFirst(consumed)
                    if let message { self.messages.append(message) }
                } catch { self.error = error }
            }
            try require(
                self.reader.heldBytes <= 2 * self.received + 64, "the reader holds \(self.reader.heldBytes) bytes of \(self.received) received")
        }

        private static func next(_ buffer: [UInt8], _ reader: inout FrameReader) throws(PeerWireError) -> (PeerMessage?, Int) {
            // Typed throws do not pass through generic closures of the standard library, so the copy is made here.
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.count, alignment: 1)
            defer { copy.deallocate() }
            copy.copyBytes(from: buffer)
            return try reader.next(in: UnsafeRawBufferPointer(copy))
        }
    }
}
