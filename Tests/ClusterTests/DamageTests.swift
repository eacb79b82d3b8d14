import Basics
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// I17: what has rotted on one node comes back from the others, and is never served.
    @Suite struct DamageTests {
        private static let keys = 500

        /// So long, and so unlike anything else, that it can be found in LMDB's file.
        private func value(_ number: Int) -> String { "value-\(number)-" + String(repeating: "abcdefgh", count: 8) }

        @Test func `a hundred flipped bits in entries of a stopped node are found at its start, answered with errors, and healed by the others`()
            throws
        {
            var random = SplitMix64(seed: ProcessTests.seed)
            let cluster = try TestCluster(3)
            try expectOK((0..<Self.keys).map { ["SET", "key\($0)", self.value($0)] }, cluster.client(0))
            try cluster.waitUntilEqual()
            try cluster.stop(2)  // A stop drains everything to LMDB.
            let file = URL(fileURLWithPath: "\(cluster.nodes[2].data)/base/data.mdb")
            var data = try Data(contentsOf: file)
            let victims = (0..<Self.keys).shuffled(using: &random).prefix(100)
            for number in victims {
                let value = Data(self.value(number).utf8)
                let (byte, bit) = (Int.random(in: value.indices, using: &random), UInt8.random(in: 0..<8, using: &random))
                // Pages that LMDB has let go of may hold it too.
                while let range = data.range(of: value) { data[range.lowerBound + byte] ^= 1 << bit }
            }
            try data.write(to: file)

            cluster.cut([2], from: [0, 1])
            try cluster.restart(2)
            try cluster.waitUntilServing()
            let client = try cluster.client(2)
            #expect(try info("damaged_entries", client) == "100", "HEARSAY_SEED=\(ProcessTests.seed)")
            for number in 0..<Self.keys {
                let answer = try client.ask("GET", "key\(number)")
                if victims.contains(number) { #expect(answer.errorText == "ERR damaged") } else { #expect(answer.text == self.value(number)) }
            }
            cluster.heal()
            try eventually("what was lost to come back") { try info("damage_open", client) == "0" }
            let all = try cluster.waitUntilEqual()
            #expect(all.count == Self.keys && (0..<Self.keys).allSatisfy { all["key\($0)"] == self.value($0) })
            #expect(try client.ask("HEARSAY", "VERIFY").errorText == nil)
            _ = try cluster.nodes[2].waitForLogLine("what was lost to damage has come back")
        }
    }
}
