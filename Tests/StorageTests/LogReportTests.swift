import Simulation
import Testing

@testable import Storage

@Suite struct LogReportTests {
    /// Three segments with two batches of two records each, all synced.
    private func makeLog() throws -> LogRun {
        var run = LogRun(segmentBytes: 900)
        for _ in 0..<6 { try run.commit([200, 200]) }
        return run
    }

    private func offset(of batch: LogRun.Written) -> Int { Int(batch.position - SegmentHeader.position(fromFileName: batch.segment)!) }

    @Test func `an intact log is counted`() throws {
        let run = try self.makeLog()
        for base in [nil, LogPosition(0), run.batches[3].position, run.batches[5].end] {
            let report = try LogReport(disk: run.disk, base: base)
            #expect(report.isIntact && report.tornBytes == 0, "\(report)")
            #expect(report.batches == 6 && report.records == 12 && report.segments == Set(run.batches.map(\.segment)).count)
        }
    }

    @Test func `a torn tail is no damage`() throws {
        var run = try self.makeLog()
        _ = try run.append([100])
        let last = run.batches[6]
        run.disk.flip(bit: 3, ofByte: self.offset(of: last) + 50, in: last.segment)
        let report = try LogReport(disk: run.disk, base: 0)
        #expect(report.isIntact && report.tornBytes == Int(last.end - last.position) && report.batches == 6, "\(report)")
    }

    @Test func `bytes behind the base that had been synced are damage`() throws {
        let run = try self.makeLog()
        let lost = run.batches[2]
        run.disk.flip(bit: 3, ofByte: self.offset(of: lost) + 50, in: lost.segment)
        let report = try LogReport(disk: run.disk, base: run.batches[1].end)
        #expect(report.damage?.segment == lost.segment && report.damage?.position == lost.position && report.drained.isEmpty, "\(report)")
    }

    @Test func `what does not read and lies before the base's end is a finding, and no damage to what is stored`() throws {
        let run = try self.makeLog()
        let lost = run.batches[1]
        run.disk.flip(bit: 3, ofByte: self.offset(of: lost) + 50, in: lost.segment)
        let report = try LogReport(disk: run.disk, base: run.batches[4].position)
        #expect(report.damage == nil && report.drained.count == 1 && report.drained.texts[0].contains(lost.segment) && !report.isIntact, "\(report)")
    }
}
