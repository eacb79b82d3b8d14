/// What reads bytes from outside, each with a check that any bytes at all must pass.
///
/// The programs in `Tests/Fuzz` call the checks with what libFuzzer makes up, `FuzzTests` with the kept inputs and seeded changes of them.
/// A check throws where a property does not hold; a trap in what it calls is found as such.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// What clients send, and what a server answers them.
    case resp = "RESP"
    /// What comes to the peer port: frames and their messages.
    case peerFrames = "PeerFrames"
    /// The same at a replica: founding, joining, and what a member may say.
    case handshake = "Handshake"
    /// Segments of the log, as a start reads them.
    case logRecords = "LogRecords"
    /// What LMDB hands over: entries and the checkpoint.
    case lmdbRecords = "LMDBRecords"

    package func check(_ input: UnsafeRawBufferPointer) throws {
        switch self {
        case .resp:
            try CommandCheck.run(input)
            try ReplyCheck.run(input)
        case .peerFrames: try FrameCheck.run(input)
        case .handshake: try HandshakeCheck.run(input)
        case .logRecords: try LogCheck.run(input)
        case .lmdbRecords: try BaseCheck.run(input)
        }
    }

    package func check(_ input: [UInt8]) throws {
        try input.withUnsafeBytes { try self.check($0) }
    }

    /// For a program of libFuzzer's: ends the process where a property does not hold, so that the input is kept. Before its first input it checks
    /// those of which memory holds most.
    package func checkOrDie(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        do {
            if HeapMeter.start() {
                for input in try self.denseInputs(byteCount: Self.greatestByteCount) { try self.check(input.bytes) }
            }
            try self.check(UnsafeRawBufferPointer(start: start, count: count))
        } catch {
            fatalError("\(self.rawValue): \(error)")  // Not `precondition`, whose text optimised builds leave out.
        }
    }
}

/// A property that an input has shown not to hold, with the whole state.
package struct FuzzFailure: Error, CustomStringConvertible {
    package let description: String
}

func require(_ condition: Bool, _ state: @autoclosure () -> String) throws(FuzzFailure) {
    guard condition else { throw FuzzFailure(description: state()) }
}
