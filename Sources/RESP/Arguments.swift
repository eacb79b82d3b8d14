/// Where one argument lies, relative to the first byte of its command.
///
/// 32 bits reach all of a command: `CommandParser.Limits` caps commands well below 4 GiB.
struct ArgumentRange: BitwiseCopyable {
    let offset: UInt32
    let count: UInt32

    init(offset: Int, count: Int) {
        (self.offset, self.count) = (UInt32(offset), UInt32(count))
    }
}

/// The arguments of one command, its name first. Valid until the parser is called again or its bytes move, as each `Bytes` in it.
///
/// - Invariant: what the parser hands out after `.command` holds at least one argument.
package struct Arguments {
    private let bytes: UnsafeRawBufferPointer
    private let ranges: UnsafeBufferPointer<ArgumentRange>

    init(bytes: UnsafeRawBufferPointer, ranges: UnsafeBufferPointer<ArgumentRange>) {
        (self.bytes, self.ranges) = (bytes, ranges)
    }

    /// The number of arguments, the command's name included.
    package var count: Int { self.ranges.count }

    package subscript(index: Int) -> Bytes {
        precondition(index >= 0 && index < self.ranges.count, "argument \(index) of \(self.ranges.count)")
        let range = self.ranges[index]
        let start = Int(range.offset)
        return Bytes(UnsafeRawBufferPointer(rebasing: self.bytes[start..<start + Int(range.count)]))
    }

    /// The arguments as owned bytes, for a command that has to wait, as between MULTI and EXEC.
    package func copy() -> ArgumentsCopy { ArgumentsCopy(self) }
}

/// Arguments that own their bytes and so may be kept.
package struct ArgumentsCopy: Sendable {
    private var bytes: [UInt8] = []
    private var ranges: [ArgumentRange] = []

    init(_ arguments: Arguments) {
        self.ranges.reserveCapacity(arguments.count)
        self.bytes.reserveCapacity((0..<arguments.count).reduce(0) { $0 + arguments[$1].count })
        for index in 0..<arguments.count {
            let argument = arguments[index]
            self.ranges.append(ArgumentRange(offset: self.bytes.count, count: argument.count))
            self.bytes.append(contentsOf: argument.buffer)
        }
    }

    /// The memory held, in bytes, for a limit on what a client may queue.
    package var byteCount: Int { self.bytes.count + self.ranges.count * MemoryLayout<ArgumentRange>.stride }

    /// Lends the arguments to `body` for the length of the call.
    package func withArguments<Result>(_ body: (Arguments) -> Result) -> Result {
        self.bytes.withUnsafeBytes { bytes in
            self.ranges.withUnsafeBufferPointer { ranges in body(Arguments(bytes: bytes, ranges: ranges)) }
        }
    }
}
