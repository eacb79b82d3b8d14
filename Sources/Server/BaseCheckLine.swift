import Basics
import Digests
import Storage

/// How the process that checks a base tells the one that has started it what it finds: a line for each event.
package enum BaseCheckLine {
    /// - Returns: the line, with its end.
    package static func text(of event: BaseCheckEvent) -> String {
        switch event {
        case .advanced: "+\n"
        case .damagedEntry(let text): "entry \(self.line(text))\n"
        case .damagedFile(let text): "file \(self.line(text))\n"
        case .otherFormat(let version): "format \(version)\n"
        case .failed(let text): "failed \(self.line(text))\n"
        case .finished(let counts): "finished " + self.words(of: counts).joined(separator: " ") + "\n"
        }
    }

    /// Nil where the line is none.
    package static func event(of line: Substring) -> BaseCheckEvent? {
        if line == "+" { return .advanced }
        guard let space = line.firstIndex(of: " ") else { return nil }
        let rest = line[line.index(after: space)...]
        switch line[..<space] {
        case "entry": return .damagedEntry(String(rest))
        case "file": return .damagedFile(String(rest))
        case "format": return UInt32(rest).map { .otherFormat($0) }
        case "failed": return .failed(String(rest))
        case "finished": return self.counts(of: rest).map { .finished($0) }
        default: return nil
        }
    }

    private static func line(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }

    private static func words(of counts: BaseCounts) -> [String] {
        var numbers = [counts.entries, counts.tombstones, counts.expiring, counts.expired, counts.usedPages, counts.freePages, counts.pageBytes]
        numbers += [UInt64(truncatingIfNeeded: counts.sum >> 64), UInt64(truncatingIfNeeded: counts.sum)]
        if let facts = counts.identity {
            numbers += [facts.cluster.high, facts.cluster.low, facts.replica.high, facts.replica.low, facts.position, UInt64(facts.openMarks)]
        }
        return numbers.map { String($0) }
    }

    private static func counts(of words: Substring) -> BaseCounts? {
        let texts = words.split(separator: " ", omittingEmptySubsequences: false)
        let numbers = texts.compactMap { UInt64($0) }
        guard numbers.count == texts.count, numbers.count == 9 || numbers.count == 15 else { return nil }
        var counts = BaseCounts()
        (counts.entries, counts.tombstones, counts.expiring, counts.expired) = (numbers[0], numbers[1], numbers[2], numbers[3])
        (counts.usedPages, counts.freePages, counts.pageBytes) = (numbers[4], numbers[5], numbers[6])
        counts.sum = UInt128(numbers[7]) << 64 | UInt128(numbers[8])
        if numbers.count == 15 {
            counts.identity = CheckpointFacts(
                cluster: ClusterID(high: numbers[9], low: numbers[10]), replica: ReplicaID(high: numbers[11], low: numbers[12]),
                position: numbers[13], openMarks: Int(clamping: numbers[14]))
        }
        return counts
    }
}
