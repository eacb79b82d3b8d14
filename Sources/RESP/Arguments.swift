/// The arguments of one command, its name first. Valid until the parser is called again or its bytes move, as each `Bytes` in it.
///
/// - Invariant: what the parser hands out after `.command` holds at least one argument.
package struct Arguments {
    // In 32 bytes, which pass in registers. No command is longer than 32 bits reach.
    private let start: UnsafeRawPointer?
    private let byteCount: UInt32
    private let argumentCount: UInt32
    /// An array's ranges: the first `ArgumentTable.blockRanges` where there is more, else all; nil for a line.
    private let ranges: UnsafePointer<ArgumentRange>?
    /// Of an array the table's further blocks, of a line where each word begins: it ends where the next one does.
    private let more: UnsafeRawPointer?

    /// The number of arguments, the command's name included.
    package var count: Int { Int(self.argumentCount) }

    init(bytes: UnsafeRawBufferPointer, ranges: ArgumentRanges) {
        (self.start, self.byteCount, self.argumentCount) = (bytes.baseAddress, UInt32(bytes.count), UInt32(ranges.count))
        (self.ranges, self.more) = (ranges.first, ranges.others.map { UnsafeRawPointer($0) })
    }

    /// The words of a line, which lie one behind the other without anything between them.
    init(words: UnsafeRawBufferPointer, starts: UnsafeBufferPointer<InlineLine.WordStart>) {
        (self.start, self.byteCount, self.argumentCount) = (words.baseAddress, UInt32(words.count), UInt32(starts.count))
        (self.ranges, self.more) = (nil, starts.baseAddress.map { UnsafeRawPointer($0) })
    }

    package subscript(index: Int) -> Bytes {
        precondition(index >= 0 && index < self.count, "argument \(index) of \(self.count)")
        guard let ranges, index < ArgumentTable.blockRanges || self.more == nil else { return self.farArgument(index) }
        return self.argument(ranges[index])
    }

    private func argument(_ range: ArgumentRange) -> Bytes { self.bytes(Int(range.offset), Int(range.offset) + Int(range.count)) }

    private func bytes(_ start: Int, _ end: Int) -> Bytes {
        Bytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(start: self.start, count: Int(self.byteCount))[start..<end]))
    }

    @inline(never)
    private func farArgument(_ index: Int) -> Bytes {
        guard let more else { preconditionFailure("argument \(index) of \(self.count) lies nowhere") }
        guard self.ranges == nil else {
            let block = more.assumingMemoryBound(to: UnsafePointer<ArgumentRange>.self)[index / ArgumentTable.blockRanges - 1]
            return self.argument(block[index % ArgumentTable.blockRanges])
        }
        let starts = more.assumingMemoryBound(to: InlineLine.WordStart.self)
        return self.bytes(Int(starts[index]), index + 1 < self.count ? Int(starts[index + 1]) : Int(self.byteCount))
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
            self.ranges.withUnsafeBufferPointer { ranges in
                body(Arguments(bytes: bytes, ranges: ArgumentRanges(first: ranges.baseAddress, others: nil, count: ranges.count)))
            }
        }
    }
}
