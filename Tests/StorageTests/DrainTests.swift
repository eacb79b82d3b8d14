import Basics
import Digests
import Synchronization
import TestSupport
import Testing

@testable import Storage

@Suite struct DrainTests {
    private static let identity: Identity = {
        var generator = SplitMix64(seed: 1)
        return Identity(cluster: ClusterID(using: &generator), digestKey: TestRecord.digestKey, replica: TestRecord.replica)
    }()

    /// Versions of the keys 0 to 29, some of them tombstones, of a given round.
    private func makeTable(round: UInt64, fold: Table.Fold = .below, payloadByteCount: Int = 1) -> Table {
        TestRecord.table(
            (UInt8(0)..<30).map { key in
                let isTombstone = (UInt64(key) + round).isMultiple(of: 4)
                let expiry = (UInt64(key) + 2 * round).isMultiple(of: 3) ? round : 0
                let header = TestRecord.header(sequence: round * 100 + UInt64(key), time: round, isTombstone: isTombstone, expiry: expiry)
                return ([key], header, isTombstone ? [] : [UInt8](repeating: UInt8(round), count: payloadByteCount))
            }, fold: fold)
    }

    private func makeDrain(_ table: Table, into base: any Base, pages: Int = 7) -> (drain: Drain, progress: DrainProgress) {
        let progress = DrainProgress()
        let job = DrainJob(table: table, checkpoint: Checkpoint(identity: Self.identity, position: 9), progress: progress)
        return (Drain(job, into: base.makeWriter(), transactionPages: pages), progress)
    }

    /// Steps to the end; a full base is tried again at once.
    private func finish(_ drain: inout Drain) throws -> (adjustments: [DigestAdjustment], commits: Int, failures: Int) {
        var (all, commits, failures): ([DigestAdjustment], Int, Int) = ([], 0, 0)
        while true {
            do throws(StoreError) {
                switch try drain.step() {
                case .stored: break
                case .committed(let adjustments):
                    commits += 1
                    all += adjustments
                case .finished(let adjustments): return (all + adjustments, commits + 1, failures)
                }
            } catch {
                failures += 1
                guard error.isDiskFull else { throw error }
                drain.retry()
            }
        }
    }

    private func scan(_ base: any Base) throws -> BaseScan { try BaseScan(base, base.makeReader(), TestRecord.digestKey) }

    /// What the adjustments amount to.
    private func sum(_ adjustments: [DigestAdjustment]) -> (digest: Digest, live: Int, expiring: Int) {
        let digest = adjustments.reduce(Digest.empty) { $0 + Digest(entries: UInt64(truncatingIfNeeded: $1.entries), sum: $1.sum) }
        return (digest, adjustments.reduce(0) { $0 + $1.live }, adjustments.reduce(0) { $0 + $1.expiring })
    }

    @Test func `adjustments add up to what the base gained`() throws {
        let base = MemoryBase()
        var before = try self.scan(base)
        for round in UInt64(1)...4 {
            var (drain, progress) = self.makeDrain(self.makeTable(round: round), into: base)
            let (digest, live, expiring) = self.sum(try self.finish(&drain).adjustments)
            let after = try self.scan(base)
            #expect(digest == after.tree.root - before.tree.root && live == after.liveKeys - before.liveKeys)
            #expect(expiring == after.expiringKeys - before.expiringKeys && after.expiringKeys > 0)
            #expect(progress.entries == 30)
            before = after
        }
    }

    @Test func `an entry that the digest contains needs no adjustment, and one that it has nothing of needs all`() throws {
        let base = MemoryBase()
        var (drain, _) = self.makeDrain(self.makeTable(round: 1), into: base)
        _ = try self.finish(&drain)
        (drain, _) = self.makeDrain(self.makeTable(round: 2, fold: .this), into: base)
        #expect(try self.finish(&drain).adjustments.isEmpty)
        (drain, _) = self.makeDrain(self.makeTable(round: 3, fold: .nothing), into: base)
        let (digest, live, _) = self.sum(try self.finish(&drain).adjustments)
        let scan = try self.scan(base)
        #expect(digest == scan.tree.root && live == scan.liveKeys)
    }

    @Test(arguments: 1...14)
    func `a base that is full at any commit is tried again, and nothing is stored or counted twice`(failingCommit: Int) throws {
        let commits = Mutex(0)
        let base = MemoryBase { () throws(StoreError) in
            let commit = commits.withLock { count in
                count += 1
                return count
            }
            if commit == failingCommit { throw .baseFull(operation: "commit") }
        }
        var (drain, progress) = self.makeDrain(self.makeTable(round: 1), into: base, pages: 3)
        let (adjustments, _, failures) = try self.finish(&drain)
        let scan = try self.scan(base)
        #expect(failures == (failingCommit <= 10 ? 1 : 0))
        #expect(self.sum(adjustments).digest == scan.tree.root && scan.tree.root.entries == 30)
        #expect(base.readCheckpoint()?.position == 9 && progress.entries == 30)
    }

    @Test func `an error that is not a full disk ends the drain with nothing of the transaction stored (I7)`() throws {
        let base = MemoryBase { () throws(StoreError) in throw .base(operation: "commit", code: 5) }
        var (drain, _) = self.makeDrain(self.makeTable(round: 1), into: base)
        #expect(throws: StoreError.base(operation: "commit", code: 5)) { try self.finish(&drain) }
        #expect(base.contents == MemoryBase.Contents())
    }

    @Test(arguments: [(1, 30), (7, 5), (15, 2), (29, 2), (30, 1), (31, 1)])
    func `a transaction ends at its bound of pages`(pages: Int, commits: Int) throws {
        var (drain, _) = self.makeDrain(self.makeTable(round: 1), into: MemoryBase(), pages: pages)
        #expect(try self.finish(&drain).commits == commits)
    }

    @Test func `a long value counts as the pages that it takes`() throws {
        var (drain, _) = self.makeDrain(self.makeTable(round: 1, payloadByteCount: 2 * 4_096), into: MemoryBase(), pages: 9)
        // 23 of 30 entries are values: a page for the entry, two for the value, and four for what a split may leave half full; seven
        // tombstones take one: 168 pages, and a transaction ends only between two entries.
        #expect((12...23).contains(try self.finish(&drain).commits))
    }

    @Test func `the checkpoint moves with the last transaction and no earlier (I17)`() throws {
        let base = MemoryBase()
        var (drain, _) = self.makeDrain(self.makeTable(round: 1), into: base)
        while base.contents.entries.count < 30 {
            #expect(base.readCheckpoint() == nil)
            _ = try drain.step()
        }
        #expect(base.readCheckpoint()?.position == 9)
    }

    @Test func `what a transaction before a crash has stored is not stored again, unless it has rotted`() throws {
        let base = MemoryBase()
        var (drain, _) = self.makeDrain(self.makeTable(round: 1), into: base)
        _ = try self.finish(&drain)
        var contents = base.contents
        let victim = try #require(contents.entries.firstIndex { $0.value.count > RecordLayout.minimumHeaderByteCount })
        contents.entries[victim].value[RecordLayout.minimumHeaderByteCount] ^= 1
        let rotten = MemoryBase(contents)
        #expect(try self.scan(rotten).rotten.count == 1)
        (drain, _) = self.makeDrain(self.makeTable(round: 1), into: rotten, pages: 1)
        let (adjustments, commits, _) = try self.finish(&drain)
        #expect(commits == 2 && rotten.contents.entries == base.contents.entries)
        #expect(self.sum(adjustments).digest == Digest.empty)
    }

    @Test func `what a transaction before a crash has stored is counted where the digest has nothing of it`() throws {
        let base = MemoryBase()
        var (earlier, _) = self.makeDrain(self.makeTable(round: 1), into: base)
        _ = try self.finish(&earlier)
        let scan = try self.scan(base)
        for (fold, digest) in [(Table.Fold.below, Digest.empty), (.this, .empty), (.nothing, scan.tree.root)] {
            var (drain, _) = self.makeDrain(self.makeTable(round: 1, fold: fold), into: base)
            let sum = self.sum(try self.finish(&drain).adjustments)
            #expect(sum.digest == digest)
            #expect(sum.live == (fold == .nothing ? scan.liveKeys : 0))
        }
    }

    @Test func `an empty table moves the checkpoint alone`() throws {
        let base = MemoryBase()
        var (drain, _) = self.makeDrain(Table(), into: base)
        #expect(try drain.step() == .finished([]))
        #expect(base.readCheckpoint()?.position == 9 && base.contents.entries.isEmpty)
    }
}
