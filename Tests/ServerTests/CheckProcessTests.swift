import Basics
import Storage
import Testing

@testable import Server

/// What the death of a check means, and what it says before.
@Suite struct CheckProcessTests {
    private static let finished = "finished 5 1 2 1 9 3 4096 0 7"

    /// A child that is a shell with this text.
    private func run(_ script: String, patience: Duration = .seconds(60)) throws -> BaseReport {
        try CheckProcess(["/bin/sh", "-c", script], patience: patience).run()
    }

    @Test func `what is told line by line is the report`() throws {
        let report = try self.run("echo +; echo 'entry token 1 key \"a\"'; echo 'file page 7'; echo +; echo '\(Self.finished)'")
        #expect(report.entries.texts == ["token 1 key \"a\""] && report.file.texts == ["page 7"])
        #expect(report.counts?.entries == 5 && report.counts?.sum == 7 && report.counts?.identity == nil)
    }

    @Test(arguments: ["SEGV", "BUS", "ABRT", "ILL", "FPE", "TRAP"])
    func `a death as damage brings it is damage, beside what was told before`(signal: String) throws {
        let report = try self.run("echo 'entry one'; kill -\(signal) $$")
        #expect(report.entries.texts == ["one"] && report.file.count == 1 && report.counts == nil)
        #expect(report.file.texts[0].hasPrefix("reading it through LMDB ended in"))
    }

    @Test func `a child that says nothing any more is ended, and that is damage`() throws {
        let report = try self.run("echo +; exec sleep 1000", patience: .milliseconds(50))
        #expect(report.file.count == 1 && report.file.texts[0].contains("no progress"))
    }

    @Test(arguments: [
        "kill -KILL $$", "kill -TERM $$", "exit 3", "exit 0", "echo nonsense", "echo failed open data.mdb: Permission denied", "echo +",
    ])
    func `any other end without a result is no finding, and the check cannot be made`(script: String) {
        #expect { try self.run(script) } throws: { ($0 as? NodeFailure)?.code == .inputOutput }
    }

    @Test func `what kept the check from reading is told`() {
        #expect { try self.run("echo failed open data.mdb: Permission denied") } throws: {
            ($0 as? NodeFailure)?.description.contains("Permission denied") ?? false
        }
    }

    @Test func `damage that keeps the check from its end is a result`() throws {
        #expect(try self.run("echo 'file page 7'").file.count == 1)
    }

    @Test func `a program that is not there is told`() {
        #expect { try CheckProcess(["/nowhere/hearsay"], patience: .seconds(1)).run() } throws: {
            ($0 as? NodeFailure)?.description.contains("No such file") ?? false
        }
    }

    @Test func `every event is read as what was written`() {
        var counts = BaseCounts()
        (counts.entries, counts.tombstones, counts.expiring, counts.expired) = (.max, 2, 3, 4)
        (counts.usedPages, counts.freePages, counts.pageBytes, counts.sum) = (5, 6, 7, .max - 9)
        var identified = counts
        identified.identity = CheckpointFacts(
            cluster: ClusterID(high: 1, low: 2), replica: ReplicaID(high: 3, low: 4), position: 5, openMarks: 6)
        let events: [BaseCheckEvent] = [
            .advanced, .damagedEntry("a b"), .damagedFile(""), .otherFormat(7), .failed("why"), .finished(counts), .finished(identified),
        ]
        for event in events {
            let line = BaseCheckLine.text(of: event)
            #expect(line.hasSuffix("\n") && BaseCheckLine.event(of: line.dropLast()) == event)
        }
        #expect(BaseCheckLine.event(of: BaseCheckLine.text(of: .damagedFile("two\nlines")).dropLast()) == .damagedFile("two lines"))
        for text in ["", "entry", "finished 1 2", "finished x", "format -1", "else 1"] { #expect(BaseCheckLine.event(of: text[...]) == nil) }
    }
}
