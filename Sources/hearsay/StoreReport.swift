import Node
import Server
import Storage

/// What `hearsay verify` has found in a data folder.
struct StoreReport {
    private let path: String
    private var base = BaseReport()
    private let hasBase: Bool
    private let log: LogReport
    private let stop: CleanStop?

    init(path: String) throws(VerifyFailure) {
        let folder: InspectedFolder
        do throws(InspectedFolder.Refusal) { folder = try InspectedFolder(path: path) } catch { throw VerifyFailure(error) }
        (self.path, self.hasBase) = (path, folder.hasBase)
        do throws(NodeFailure) {
            if folder.hasBase { self.base = try CheckProcess(baseFolder: folder.baseFolder).run() }
        } catch { throw VerifyFailure(error) }
        if let version = self.base.otherFormat { throw VerifyFailure(otherFormat: version) }
        do throws(StoreError) {
            self.stop = try CleanStop.read(inFolder: path)
            self.log = try folder.hasLog() ? LogReport(disk: folder.log, base: self.base.counts?.identity?.position) : LogReport()
        } catch { throw VerifyFailure(error) }
        self.compare()
    }

    /// What only shows beside something else.
    private mutating func compare() {
        if !self.hasBase, self.log.segments > 0 { self.base.take(.damagedFile("there is a log, and no LMDB file that goes with it")) }
        guard self.base.isIntact, let counts = self.base.counts, let before = self.stop?.digest, before != counts.digest else { return }
        self.base.take(.damagedFile("the entries are not those of the last stop, whose digest was \(before)"))
    }

    var isIntact: Bool { self.base.isIntact && self.log.isIntact }

    // MARK: Text

    var text: String {
        var lines = [Self.line("store", self.path + self.identity)]
        lines.append(Self.line("stop", self.stop == nil ? "not in order, or the base has changed since" : "in order"))
        lines.append(Self.line("base", self.baseText))
        if let counts = self.base.counts { lines.append(Self.line("digest", counts.digest.description)) }
        lines.append(Self.line("log", self.logText))
        if let marks = self.base.counts?.identity?.openMarks, marks > 0 {
            lines.append(Self.line("marks", "\(marks) places whose entries were lost and have not come back yet"))
        }
        return (lines + self.damageLines).map { $0 + "\n" }.joined()
    }

    private var identity: String {
        guard let facts = self.base.counts?.identity else { return "" }
        return ", replica \(facts.replica)" + (facts.cluster.isNone ? ", of no cluster yet" : ", cluster \(facts.cluster)")
    }

    private var baseText: String {
        guard self.hasBase else { return "none" }
        guard let counts = self.base.counts else { return "could not be read to its end" }
        return
            "\(counts.entries) entries: \(counts.tombstones) tombstones, \(counts.expiring) with a deadline, of which \(counts.expired) have expired; "
            + "\(counts.usedPages) pages of \(humanBytes(counts.pageBytes)), \(counts.freePages) free"
    }

    private var logText: String {
        "\(self.log.segments) segments, \(self.log.batches) batches, \(self.log.records) records, \(humanBytes(self.log.bytes)); "
            + (self.log.tornBytes == 0 ? "no torn tail" : "\(self.log.tornBytes) bytes of a torn tail, which the next start cuts off")
    }

    private var damageLines: [String] {
        guard !self.isIntact else { return [Self.line("damage", "none")] }
        var lines: [String] = []
        lines += Self.lines(self.base.file, "places of data.mdb: no node starts on it; --rebuild gets everything from the other members")
        lines += Self.lines(self.base.entries, "entries: what they were comes back from the other members once the node runs")
        lines += Self.lines(self.log.drained, "segments of the log, of what is in data.mdb too: other members cannot be given it from here")
        if let damage = self.log.damage {
            lines.append(Self.line("damage", "\(damage): --rebuild gets everything from the other members, --drop-damaged-log goes on without it"))
        }
        return lines
    }

    private static func lines(_ findings: Findings, _ what: String) -> [String] {
        guard !findings.isEmpty else { return [] }
        var lines = [Self.line("damage", "\(findings.count) \(what)")] + findings.texts.map { Self.line("", $0) }
        if findings.count > findings.texts.count { lines.append(Self.line("", "and \(findings.count - findings.texts.count) more")) }
        return lines
    }

    private static func line(_ name: String, _ text: String) -> String {
        (name + String(repeating: " ", count: 12 - name.count) + text)
    }
}
