/// Takes a client's input apart: RESP arrays of bulk strings, and inline commands, one per line.
///
/// The driver keeps one buffer per connection, appends what arrives and calls `next(in:)` with all of it until it answers `.needsMore`.
/// Then it drops `consumedBytes` from the front and says so with `discarded(_:)`:
///
///     append(received)
///     loop: next(in: buffer) ── .command ──> run `arguments`, then loop
///                            ── .needsMore ──> drop the first consumedBytes; discarded(consumedBytes); wait for more
///
///     buffer:  [ finished commands | the command being read                  ]
///              0                   consumedBytes         position     count   position: the next byte to look at
///
/// Between two calls bytes may be added at the end, dropped at the front (at most `consumedBytes`) and moved as a whole, nothing else.
///
/// A command over one of the `limits` is skipped as it arrives and reported as `.oversized`: its bytes are finished at once, so that the
/// driver never stores them. Only if the framing itself is lost does the parser fail, and then for good.
///
/// - Invariant: `consumedBytes <= position`, and `position` never moves back: no call looks at a byte that an earlier one has looked at, and
///   none looks at a payload.
/// - Complexity: O(1) for a call that brings no whole argument, however long that argument is. No allocation in steady state.
/// - Source: the protocol of Redis 7 (networking.c, `processInlineBuffer` and `processMultibulkBuffer`); `LengthLine` says where we are stricter.
package struct CommandParser: ~Copyable {
    package enum Outcome: Equatable, Sendable {
        /// All that could be taken apart has been: more bytes have to arrive.
        case needsMore
        /// One more command is whole: `arguments` has it.
        case command
        /// A command was skipped. The client gets an error in its place and stays connected.
        case oversized(Excess)
        /// The framing is lost: the client gets the error's message, if `isAnswered`, and the connection is closed.
        case failure(ProtocolError)
    }

    private enum Phase: UInt8 {
        case start, inlineLine
        case argumentCount, argumentMarker, argumentLength, argumentBytes, argumentEnd, argumentLineFeed
    }

    /// How many ranges stay allocated between bursts: at most 256 × 8 B = 2 KiB for an idle connection.
    private static let retainedRanges = 256

    /// The limits of commands whose first byte has not been looked at yet, and of the rest of one that has.
    package var limits: Limits

    /// How many bytes at the front of the buffer are finished, the last command's included: they may be dropped once it has been run.
    package private(set) var consumedBytes = 0

    private var phase = Phase.start
    private var position = 0
    private var length = LengthLine()
    private var inline = InlineLine()
    private var ranges = ArgumentTable()
    private var remainingArguments = 0
    private var remainingBytes = 0
    private var declaredBytes = 0
    private var excess: Excess?
    private var failure: ProtocolError?
    /// A command to be handed out, and whether it is a line.
    private var whole: UnsafeRawBufferPointer?
    private var isLine = false

    package init(limits: Limits) {
        self.limits = limits
    }

    /// The arguments of the command that the last call of `next(in:)` completed; none after any other outcome.
    package var arguments: Arguments {
        guard let whole else {
            return Arguments(words: UnsafeRawBufferPointer(start: nil, count: 0), starts: UnsafeBufferPointer(start: nil, count: 0))
        }
        return self.isLine ? self.inline.words : Arguments(bytes: whole, ranges: self.ranges.ranges)
    }

    /// Whether a command has begun that is not whole yet, its bytes being dropped or not.
    package var isInsideCommand: Bool { self.phase != .start }

    /// The memory that the parser holds, in bytes, for a limit on what all clients hold together.
    package var allocatedBytes: Int { self.ranges.allocatedBytes + self.inline.allocatedBytes }

    /// Goes on where the last call stopped. `bytes` begins with the first byte that was not discarded yet.
    package mutating func next(in bytes: UnsafeRawBufferPointer) -> Outcome {
        precondition(bytes.count >= self.position, "\(bytes.count) bytes, but \(self.position) had been read in \(self.phase)")
        self.whole = nil
        if let failure { return .failure(failure) }
        while self.position < bytes.count {
            if let outcome = self.step(bytes) { return outcome }
        }
        if self.excess != nil || self.phase == .inlineLine { self.consumedBytes = self.position }
        return .needsMore
    }

    /// Tells that the first `count` bytes of the buffer have been dropped. Ends the validity of `arguments`.
    package mutating func discarded(_ count: Int) {
        precondition(count >= 0 && count <= self.consumedBytes, "\(count) of \(self.consumedBytes) finished bytes in \(self.phase)")
        self.consumedBytes -= count
        self.position -= count
        self.whole = nil
        if self.phase == .start {
            self.ranges.removeAll(retaining: Self.retainedRanges)
            self.inline.releaseMemory()
        }
    }

    /// Takes the next part of the command. There is at least one byte to look at.
    private mutating func step(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        switch self.phase {
        case .start: self.begin(bytes[self.position])
        case .inlineLine: self.readInline(bytes)
        case .argumentCount: self.readArgumentCount(bytes)
        case .argumentMarker: self.excess == nil ? self.readArguments(bytes) : self.readArgumentMarker(bytes)
        case .argumentLength: self.readArgumentLength(bytes)
        case .argumentBytes: self.excess == nil ? self.readArgument(bytes) : self.skipArgument(bytes)
        case .argumentEnd, .argumentLineFeed: self.readArgumentEnd(bytes)
        }
    }

    private mutating func begin(_ first: UInt8) -> Outcome? {
        self.ranges.removeAll()
        (self.declaredBytes, self.excess) = (0, nil)
        if first == UInt8(ascii: "*") {
            self.position += 1
            self.length = LengthLine()
            self.isLine = false
            self.phase = .argumentCount
        } else {
            self.inline.begin()
            self.isLine = true
            self.phase = .inlineLine
        }
        return nil
    }

    private mutating func fail(_ error: ProtocolError) -> Outcome {
        self.failure = error
        return .failure(error)
    }
}

// MARK: Arrays of bulk strings

extension CommandParser {
    private mutating func readArgumentCount(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        switch self.length.read(bytes, at: &self.position) {
        case .needsMore:
            return nil
        case .invalid:
            return self.fail(.invalidMultibulkLength)
        case .tooLong:
            return self.fail(.tooBigMultibulkCount)
        case .length(let count) where count <= 0:
            self.phase = .start  // Redis ignores an empty command, and so do clients that send one.
            self.consumedBytes = self.position
            return nil
        case .length(let count):
            guard count <= Limits.maximumDeclaredArguments else { return self.fail(.invalidMultibulkLength) }
            if count > self.limits.maximumArguments {
                guard self.limits.skipsOversized else { return self.fail(.unauthenticatedMultibulkLength) }
                self.skip(.arguments(limit: self.limits.maximumArguments))
            }
            self.remainingArguments = count
            self.phase = .argumentMarker
            return nil
        }
    }

    /// Takes all arguments that have arrived whole and break no limit: the usual case, without a state between their parts.
    ///
    /// What is left to the other functions is the argument at which the bytes end, and whatever is wrong.
    private mutating func readArguments(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        var (position, remaining, declared) = (self.position, self.remainingArguments, self.declaredBytes)
        while remaining > 0, position < bytes.count, bytes[position] == UInt8(ascii: "$"),
            let (count, start) = LengthLine.plain(bytes, at: position + 1), count <= self.limits.maximumBulkBytes,
            declared + count <= self.limits.maximumCommandBytes, count + 2 <= bytes.count - start,
            bytes[start + count] == UInt8(ascii: "\r"), bytes[start + count + 1] == UInt8(ascii: "\n")
        {
            self.ranges.append(ArgumentRange(offset: start - self.consumedBytes, count: count))
            position = start + count + 2
            declared += count
            remaining -= 1
        }
        (self.position, self.remainingArguments, self.declaredBytes) = (position, remaining, declared)
        if remaining == 0 { return self.finish(UnsafeRawBufferPointer(rebasing: bytes[self.consumedBytes..<position])) }
        return position < bytes.count ? self.readArgumentMarker(bytes) : .needsMore
    }

    private mutating func readArgumentMarker(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        let byte = bytes[self.position]
        guard byte == UInt8(ascii: "$") else { return self.fail(.expectedBulk(got: byte)) }
        self.position += 1
        self.length = LengthLine()
        self.phase = .argumentLength
        return nil
    }

    private mutating func readArgumentLength(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        switch self.length.read(bytes, at: &self.position) {
        case .needsMore:
            return nil
        case .invalid:
            return self.fail(.invalidBulkLength)
        case .tooLong:
            return self.fail(.tooBigBulkCount)
        case .length(let count):
            guard count >= 0, count <= Limits.maximumDeclaredBulkBytes else { return self.fail(.invalidBulkLength) }
            self.declaredBytes += count  // At most 2^20 arguments of 2^29 bytes: no overflow.
            if count > self.limits.maximumBulkBytes {
                guard self.limits.skipsOversized else { return self.fail(.unauthenticatedBulkLength) }
                self.skip(.bulkBytes(limit: self.limits.maximumBulkBytes))
            } else if self.declaredBytes > self.limits.maximumCommandBytes {
                guard self.limits.skipsOversized else { return self.fail(.unauthenticatedBulkLength) }
                self.skip(.commandBytes(limit: self.limits.maximumCommandBytes))
            }
            self.remainingBytes = count
            self.phase = .argumentBytes
            return nil
        }
    }

    /// Takes the whole payload at once, without looking at it, or waits for all of it.
    private mutating func readArgument(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        guard bytes.count - self.position >= self.remainingBytes else { return .needsMore }
        self.ranges.append(ArgumentRange(offset: self.position - self.consumedBytes, count: self.remainingBytes))
        self.position += self.remainingBytes
        self.phase = .argumentEnd
        return nil
    }

    private mutating func skipArgument(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        let count = min(bytes.count - self.position, self.remainingBytes)
        self.position += count
        self.remainingBytes -= count
        if self.remainingBytes == 0 { self.phase = .argumentEnd }
        return nil
    }

    private mutating func readArgumentEnd(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        let expected = self.phase == .argumentEnd ? UInt8(ascii: "\r") : UInt8(ascii: "\n")
        guard bytes[self.position] == expected else { return self.fail(.invalidBulkLength) }
        self.position += 1
        guard self.phase == .argumentLineFeed else {
            self.phase = .argumentLineFeed
            return nil
        }
        self.remainingArguments -= 1
        guard self.remainingArguments == 0 else {
            self.phase = .argumentMarker
            return nil
        }
        return self.finish(UnsafeRawBufferPointer(rebasing: bytes[self.consumedBytes..<self.position]))
    }

    /// From here to its end the command is only followed: what has been read of it is finished, too.
    private mutating func skip(_ excess: Excess) {
        self.excess = self.excess ?? excess
    }

    private mutating func finish(_ whole: UnsafeRawBufferPointer) -> Outcome {
        self.phase = .start
        self.consumedBytes = self.position
        if let excess = self.excess {
            self.excess = nil
            return .oversized(excess)
        }
        self.whole = whole
        return .command
    }
}

// MARK: Inline commands

extension CommandParser {
    private mutating func readInline(_ bytes: UnsafeRawBufferPointer) -> Outcome? {
        let result = self.inline.read(bytes, at: &self.position, maximumBytes: self.limits.maximumInlineBytes)
        switch result {
        case .needsMore:
            return nil
        case .tooLong:
            return self.fail(.tooBigInlineRequest)
        case .unbalancedQuotes:
            return self.fail(.unbalancedQuotes)
        case .complete where self.inline.words.count == 0:
            self.phase = .start  // An empty line.
            self.consumedBytes = self.position
            return nil
        case .complete:
            let words = self.inline.words
            if words[0].equalsIgnoringCase("POST") || words[0].equalsIgnoringCase("Host:") { return self.fail(.crossProtocol) }
            self.excess = self.inlineExcess(words)
            if self.excess != nil, !self.limits.skipsOversized { return self.fail(.tooBigInlineRequest) }
            return self.finish(self.inline.text)
        }
    }

    /// The limit that a whole line breaks. A line is short enough to be judged when it is whole.
    private func inlineExcess(_ words: Arguments) -> Excess? {
        if words.count > self.limits.maximumArguments { return .arguments(limit: self.limits.maximumArguments) }
        var total = 0
        for index in 0..<words.count {
            total += words[index].count
            if words[index].count > self.limits.maximumBulkBytes { return .bulkBytes(limit: self.limits.maximumBulkBytes) }
            if total > self.limits.maximumCommandBytes { return .commandBytes(limit: self.limits.maximumCommandBytes) }
        }
        return nil
    }
}
