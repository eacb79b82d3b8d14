import Digests
import Storage

/// A segment file as an input has it, laid out as `Storage/LogFormat.swift` says. Written a second time here, so that both must agree.
struct LogFile {
    private(set) var bytes: [UInt8]

    private static let magic = Array("HEARSAYL".utf8)
    private static let batchMagic = Array("hsBH".utf8)
    private static let headerByteCount = 48
    private static let batchHeaderByteCount = 40
    /// Positions from here on belong to no log.
    private static let positionLimit: LogPosition = 1 << 61

    /// The segments of an input: each ends where the next one's magic begins.
    static func segments(of input: [UInt8]) -> [LogFile] {
        var starts = [0]
        if input.count >= Self.magic.count {
            starts += (1..<max(1, input.count - Self.magic.count + 1)).filter { input[$0] == Self.magic[0] && input[$0...].starts(with: Self.magic) }
        }
        let ends = starts.dropFirst() + [input.count]
        return zip(starts, ends).prefix(8).map { LogFile(bytes: Array(input[$0..<$1])) }
    }

    /// The name that belongs to the position in the header, where there is one that a log may have.
    var name: String {
        let digits = String(self.position, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits + ".log"
    }

    private var position: LogPosition {
        guard self.bytes.count >= Self.headerByteCount, self.number(UInt64.self, at: 16) < Self.positionLimit else { return 0 }
        return self.number(UInt64.self, at: 16)
    }

    /// Where batches begin, as far as each leads to the next; the end of the last one is the last.
    var batchPositions: [LogPosition] { self.batchOffsets.map { self.position + UInt64($0) } }

    private var batchOffsets: [Int] {
        var (offsets, offset) = ([Int](), Self.headerByteCount)
        while offset + Self.batchHeaderByteCount <= self.bytes.count, self.bytes[offset...].starts(with: Self.batchMagic) {
            offsets.append(offset)
            offset += Self.batchHeaderByteCount + min(Int(self.number(UInt32.self, at: offset + 4)), self.bytes.count)
        }
        return offset <= self.bytes.count ? offsets + [offset] : offsets
    }

    /// The file with every batch at its own position, no longer than the file, and with the checksums of what it holds.
    func resealed(under key: DigestKey) -> LogFile {
        var file = self
        guard file.bytes.count >= Self.headerByteCount else { return file }
        file.store(file.position, at: 16)
        file.store(file.checksum(of: 0..<40), at: 40)
        var offset = Self.headerByteCount
        while offset + Self.batchHeaderByteCount <= file.bytes.count, file.bytes[offset...].starts(with: Self.batchMagic) {
            let start = offset + Self.batchHeaderByteCount
            let end = start + min(Int(file.number(UInt32.self, at: offset + 4)), file.bytes.count - start)
            file.sealRecords(start..<end, under: key)
            file.store(UInt32(end - start), at: offset + 4)
            file.store(file.position + UInt64(offset), at: offset + 8)
            file.store(file.number(UInt64.self, at: 24), at: offset + 16)
            let covered = Array(file.bytes[offset..<offset + 32]) + file.bytes[start..<end]
            file.store(covered.withUnsafeBytes { Digests.checksum(of: $0, seed: 0) }, at: offset + 32)
            offset = end
        }
        return file
    }

    private mutating func sealRecords(_ range: Range<Int>, under key: DigestKey) {
        var offset = range.lowerBound
        while offset + RecordLayout.frameByteCount <= range.upperBound {
            let end = offset + Int(self.number(UInt32.self, at: offset))
            guard end >= offset + RecordLayout.frameByteCount, end <= range.upperBound else { return }
            let valueStart = offset + RecordLayout.frameByteCount + Int(self.number(UInt16.self, at: offset + 6))
            if self.bytes[offset + 4] == RecordType.entry.rawValue, valueStart + 8 <= end {
                let token = self.bytes[offset + RecordLayout.frameByteCount..<valueStart].withUnsafeBytes { key.token(of: $0) }
                self.store(self.checksum(of: valueStart + 8..<end, seed: token.rawValue), at: valueStart)
            }
            offset = end
        }
    }

    private func checksum(of range: Range<Int>, seed: UInt64 = 0) -> UInt64 {
        self.bytes[range].withUnsafeBytes { Digests.checksum(of: $0, seed: seed) }
    }

    private func number<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type, at offset: Int) -> Number {
        self.bytes[offset..<offset + MemoryLayout<Number>.size].withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(as: Number.self)) }
    }

    private mutating func store(_ number: some FixedWidthInteger, at offset: Int) {
        withUnsafeBytes(of: number.littleEndian) { self.bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
}
