import Glibc
import Testing

@testable import Bench

@Suite struct ServeBenchTests {
    /// One client, so that the server's values are those that this run wrote.
    private func run(_ manner: ScriptedServer.Manner, _ change: (inout ServeBenchOptions) -> Void) async throws -> ServeBenchReport {
        let server = try await ScriptedServer.start(manner)
        var options = ServeBenchOptions()
        (options.port, options.clients, options.keys, options.limit) = (server.port, 1, 100, .requests(1_000))
        change(&options)
        let outcome: Result<ServeBenchReport, any Error>
        do { outcome = .success(try await ServeBench.run(options)) } catch { outcome = .failure(error) }
        try await server.stop()
        return try outcome.get()
    }

    @Test(arguments: [1, 7, 16, 3_000]) func `every request is answered and counted once`(_ pipeline: Int) async throws {
        let report = try await self.run(.good) {
            ($0.pipeline, $0.load) = (pipeline, true)
        }
        #expect(report.failures == [])
        #expect(report.operations == 1_000 && report.sets.count + report.gets.count == 1_000)
        #expect(report.gets.count == report.hits && report.misses == 0 && report.hitRate == 1)
        #expect(report.load?.operations == 100)
        // 1,000 fair draws: 500 with a standard deviation of 16, and the seed is fixed.
        #expect((400...600).contains(report.gets.count))
        #expect(report.sets.longest >= report.sets.p50 && report.longestPauseMicroseconds > 0)
    }

    @Test func `the requests are shared among the clients and none is lost`() async throws {
        let report = try await self.run(.good) {
            ($0.clients, $0.pipeline, $0.getShare) = (7, 16, 0)
        }
        #expect(report.operations == 1_000 && report.sets.count == 1_000 && report.gets.count == 0)
    }

    @Test func `a run of seconds ends`() async throws {
        let report = try await self.run(.good) { $0.limit = .seconds(1) }
        #expect(report.operations > 0 && report.seconds >= 0.9)
    }

    @Test func `a missing value is a miss and fails a run that expects hits`() async throws {
        let report = try await self.run(.good) { ($0.getShare, $0.expectedHitRate) = (1, 0.5) }
        #expect(report.misses == 1_000 && report.hits == 0 && report.hitRate == 0)
        #expect(report.failures == ["hit rate 0.000000 is below 0.500000: 1,000 misses"])
        #expect(try await self.run(.good) { $0.getShare = 1 }.failures == [])
    }

    @Test func `error replies are named and fail the run unless they are allowed`() async throws {
        for allowed in [false, true] {
            let report = try await self.run(.refusesSets) { ($0.getShare, $0.allowErrors) = (0, allowed) }
            #expect(report.errors.kinds == [.init(text: "ERR disk full", count: 1_000)])
            #expect(report.failures == (allowed ? [] : ["1,000 requests were answered with an error"]))
            #expect(report.operations == 1_000 && report.sets.count == 0)
        }
    }

    @Test func `a load that fails stops the run`() async throws {
        await #expect(throws: BenchError.loadFailed(errors: 100, first: "ERR disk full")) { try await self.run(.refusesSets) { $0.load = true } }
    }

    @Test func `a value of another length fails the run`() async throws {
        let report = try await self.run(.corruptsValues) { $0.load = true }
        #expect(report.wrongValues == report.gets.count && report.wrongValues > 0)
        #expect(report.failures.count == 1)
    }

    @Test func `a connection closed by the node ends the run with that cause`() async throws {
        await #expect(throws: BenchError.closedByPeer(lastError: nil)) { try await self.run(.closes(atRequest: 500)) { _ in } }
        await #expect(throws: BenchError.closedByPeer(lastError: nil)) { try await self.run(.closes(atRequest: 0)) { _ in } }
    }

    @Test func `a silent node is given up`() async throws {
        await #expect(throws: BenchError.stalled(seconds: 1)) { try await self.run(.fallsSilent) { $0.patienceSeconds = 1 } }
    }

    @Test func `a reply of the wrong kind ends the run`() async throws {
        await #expect(throws: BenchError.unexpectedReply(request: "GET", reply: "integer")) {
            try await self.run(.answersIntegers) { $0.getShare = 1 }
        }
    }

    @Test func `the password is sent on every connection, and a refusal is the node's own text`() async throws {
        let manner = ScriptedServer.Manner.wantsPassword("open sesame")
        #expect(try await self.run(manner) { ($0.password, $0.clients, $0.idleClients) = (Array("open sesame".utf8), 3, 3) }.failures == [])
        await #expect(throws: BenchError.refused(text: "WRONGPASS invalid")) { try await self.run(manner) { $0.password = Array("x".utf8) } }
        await #expect(throws: BenchError.refused(text: "NOAUTH Authentication required.")) { try await self.run(manner) { _ in } }
    }

    @Test func `digests are asked meanwhile and reported apart`() async throws {
        let report = try await self.run(.good) {
            ($0.limit, $0.digestEvery) = (.seconds(1), .milliseconds(10))
        }
        let digests = try #require(report.digests)
        #expect(digests.count > 0)
        #expect(report.operations == report.sets.count + report.gets.count)
    }

    @Test func `nobody listening is one clear line`() async throws {
        // A port that is bound and not listened on: nobody else can take it meanwhile.
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var (address, length) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
        (address.sin_family, address.sin_addr.s_addr) = (sa_family_t(AF_INET), UInt32(0x7f00_0001).bigEndian)
        let isBound = withUnsafeMutableBytes(of: &address) { bytes in
            let pointer = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
            return bind(descriptor, pointer, length) == 0 && getsockname(descriptor, pointer, &length) == 0
        }
        try #require(isBound)
        var options = ServeBenchOptions()
        options.port = Int(UInt16(bigEndian: address.sin_port))
        let error = await #expect(throws: BenchError.self) { try await ServeBench.run(options) }
        #expect(error?.description == "cannot connect to 127.0.0.1:\(options.port): Connection refused")
    }

    @Test func `the same seed sends the same requests`() async throws {
        let reports = [
            try await self.run(.good) { $0.seed = 9 }, try await self.run(.good) { $0.seed = 9 }, try await self.run(.good) { $0.seed = 10 },
        ]
        #expect(reports[0].hits == reports[1].hits && reports[0].sets.count == reports[1].sets.count)
        #expect((reports[0].hits, reports[0].sets.count) != (reports[2].hits, reports[2].sets.count))
    }
}
