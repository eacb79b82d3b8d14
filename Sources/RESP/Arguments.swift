/// The arguments of one command, its name first. Valid until the parser is called again or its bytes move, as each `Bytes` in it.
///
/// - Invariant: what the parser hands out after `.command` holds at least one argument.
package struct Arguments {
    private enum Places {
        case ranges(ArgumentRanges)
        /// Where each word of a line begins: it ends where the next one does.
        case words(UnsafeBufferPointer<InlineLine.WordStart>)
    }

    private let bytes: UnsafeRawBufferPointer
    private let places: Places

    init(bytes: UnsafeRawBufferPointer, ranges: ArgumentRanges) {
        (self.bytes, self.places) = (bytes, .ranges(ranges))
    }

    /// The words of a line, which lie one behind the other without anything between them.
    init(words: UnsafeRawBufferPointer, starts: UnsafeBufferPointer<InlineLine.WordStart>) {
        (self.bytes, self.places) = (words, .words(starts))
    }

    /// The number of arguments, the command's name included.
    package var count: Int {
        switch self.places {
        case .ranges(let ranges): ranges.count
        case .words(let starts): starts.count
        }
    }

    package subscript(index: Int) -> Bytes {
        precondition(index >= 0 && index < self.count, "argument \(index) of \(self.count)")
        switch self.places {
        case .ranges(let ranges):
            let range = ranges[index]
            let start = Int(range.offset)
            return Bytes(UnsafeRawBufferPointer(rebasing: self.bytes[start..<start + Int(range.count)]))
        case .words(let starts):
            let end = index + 1 < starts.count ? Int(starts[index + 1]) : self.bytes.count
            return Bytes(UnsafeRawBufferPointer(rebasing: self.bytes[Int(starts[index])..<end]))
        }
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
                body(
                    Arguments(
                        bytes: bytes, ranges: ArgumentRanges(first: ranges, blocks: UnsafeBufferPointer(start: nil, count: 0), count: ranges.count)))
            }
        }
    }
}
