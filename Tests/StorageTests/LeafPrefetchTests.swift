import Basics
import Digests
import Foundation
import TestSupport
import Testing
import Versioning

@testable import Storage

/// Prefetching reads pages that may be anything by now; it must stay inside them, and change nothing.
@Suite struct LeafPrefetchTests {
    @Test(arguments: seeds(20))
    func `whatever a page holds, nothing outside of it is read`(seed: UInt64) throws {
        // A page between two that fault.
        let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))
        let memory = mmap(nil, 3 * pageByteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        defer { munmap(memory, 3 * pageByteCount) }
        let page = memory + pageByteCount
        try #require(mprotect(page, pageByteCount, PROT_READ | PROT_WRITE) == 0)
        var random = SplitMix64(seed: seed)
        var prefetch = LeafPrefetch(leafPages: 1, pageByteCount: pageByteCount)
        let tokens = (0..<LeafPrefetch.maximumTokens + 1).map { _ in Token(rawValue: random.next()) }
        for token in tokens { prefetch.note(token, at: page + Int.random(in: 0..<pageByteCount, using: &random)) }
        for _ in 0..<200 {
            for offset in stride(from: 0, to: pageByteCount, by: 8) { page.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self) }
            // Often a leaf with as many nodes as fit, or more.
            page.storeBytes(of: UInt16(Bool.random(using: &random) ? 2 : 6), toByteOffset: 10, as: UInt16.self)
            let end = [15, 16, 17, 18, pageByteCount - 2, pageByteCount, pageByteCount + 1, 65_535].randomElement(using: &random)!
            page.storeBytes(of: UInt16(end), toByteOffset: 12, as: UInt16.self)
            _ = tokens.withUnsafeBufferPointer { prefetch.touch($0) }
        }
    }

    @Test(arguments: seeds(5))
    func `lookups find the same with it and without, while pages move under it`(seed: UInt64) throws {
        let scratch = try ScratchFolder()
        let base = try LMDBBase(folder: scratch.path)
        let (reader, writer) = (try base.makeReader(), base.makeWriter())
        reader.reset()
        var random = SplitMix64(seed: seed)
        var newest: [[UInt8]: UInt64] = [:]
        for round in 1...20 {
            try writer.begin()
            for number in 0..<100 {
                let (key, sequence) = (Array("key:\(Int.random(in: 0..<2_000, using: &random))".utf8), UInt64(round * 1_000 + number))
                // Some values have pages of their own.
                let payload = [UInt8](repeating: 7, count: Int.random(in: 0..<10, using: &random) == 0 ? 10_000 : 50)
                let (slot, chunk) = TestRecord.slot(TestRecord.header(sequence: sequence), key: key, payload: payload)
                _ = try key.withUnsafeBytes { bytes throws(StoreError) in try writer.seek(slot.token, key: bytes) == nil }
                try writer.put(slot.record!.view, token: slot.token)
                newest[key] = sequence
                withExtendedLifetime(chunk) {}
            }
            try writer.commit(nil)
            try reader.open()
            if round.isMultiple(of: 5) { try reader.baseChanged() }
            for batch in newest.keys.shuffled(using: &random).chunked(LeafPrefetch.maximumTokens) {
                batch.map(TestRecord.token).withUnsafeBufferPointer { reader.prefetch($0) }
                for key in batch {
                    let found = try key.withUnsafeBytes { bytes throws(StoreError) in
                        try reader.find(TestRecord.token(of: key), key: bytes)?.record?.dot.sequence
                    }
                    #expect(found == newest[key])
                }
            }
            reader.reset()
        }
    }
}

extension Array {
    fileprivate func chunked(_ count: Int) -> [[Element]] {
        stride(from: 0, to: self.count, by: count).map { Array(self[$0..<Swift.min($0 + count, self.count)]) }
    }
}
