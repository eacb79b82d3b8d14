import Foundation
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// Much at once, large at once, and members that do not keep up.
    @Suite struct FlowTests {
        /// Around the length of a frame, and the largest there may be.
        private static let sizes = [0, 1, 59_000, 61_440, 65_400, 65_536, 66_000, 1 << 20, 16 << 20]

        @Test func `values of every size reach all members, written while all are linked`() throws {
            let cluster = try TestCluster(3)
            for (index, size) in Self.sizes.enumerated() {
                #expect(try cluster.client(index % 3).ask("SET", "size:\(size)", String(repeating: "v", count: size)) == .ok)
            }
            try Self.expectSizes(cluster)
        }

        @Test func `values of every size reach all members, written while one was away`() throws {
            let cluster = try TestCluster(3)
            cluster.cut([0, 1], from: [2])
            try cluster.waitUntilLinked([0: [1], 1: [0], 2: []])
            for (index, size) in Self.sizes.enumerated() {
                #expect(try cluster.client(index % 2 == 0 ? 0 : 2).ask("SET", "size:\(size)", String(repeating: "v", count: size)) == .ok)
            }
            cluster.heal()
            try Self.expectSizes(cluster)
        }

        @Test func `a member that stands still costs the others bounded memory and no answer, and catches up`() throws {
            let cluster = try TestCluster(3)
            #expect(kill(cluster.nodes[2].pid, SIGSTOP) == 0)
            let before = try cluster.nodes[0].anonymousBytes()
            let value = String(repeating: "v", count: 20_000)
            // 40 MB: the same keys again and again, so that the table keeps their bytes and little else grows.
            for _ in 0..<20 { try expectOK((0..<100).map { ["SET", "key:\($0)", value] }, cluster.client(0)) }
            try eventually("the other member to have it all") { try cluster.client(1).ask("GET", "key:99") == .text(value) }
            let grown = try cluster.nodes[0].anonymousBytes() - before
            // The table keeps 40 MB, what waits for the silent member at most 8 MiB and two socket buffers; the rest is the allocator's.
            #expect(grown < 100 << 20, "\(grown) bytes more")
            #expect(kill(cluster.nodes[2].pid, SIGCONT) == 0)
            #expect(try cluster.waitUntilEqual().count == 100)
        }

        private static func expectSizes(_ cluster: TestCluster) throws {
            let data = try cluster.waitUntilEqual()
            #expect(data.count == Self.sizes.count)
            for size in Self.sizes { #expect(data["size:\(size)"]?.utf8.count == size) }
            for index in 0..<3 { try expectDigestVerifies(cluster.client(index)) }
        }
    }
}
