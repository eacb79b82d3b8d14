import Basics
import Glibc
import NIOCore
import NIOPosix

/// Measures how two nodes that were apart become equal again: two processes of their own, a proxy between them, nothing but public flags and ports.
package enum RepairBench {
    /// What LMDB alone does with as many records, in records a second, each transaction synced.
    package struct RawRates: Equatable, Sendable {
        /// In batches of 1,000.
        package let perSecond: Double
        /// In one batch, in LMDB's order.
        package let sortedPerSecond: Double

        package init(perSecond: Double, sortedPerSecond: Double) { (self.perSecond, self.sortedPerSecond) = (perSecond, sortedPerSecond) }
    }

    /// What the delayed runs add to each way. A round trip costs twice as much.
    static let delay = Duration.milliseconds(100)

    /// Makes the nodes, measures, and removes all of it.
    ///
    /// - Parameters:
    ///   - program: the path of `hearsay`.
    ///   - measureRaw: measures plain LMDB in the folder of a base, which is thrown away afterwards. This module knows a node from outside only.
    ///   - progress: is called with one line now and then, on any thread.
    package static func run(
        _ options: RepairBenchOptions, program: String, measureRaw: (String) throws -> RawRates,
        progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(BenchError) -> RepairBenchReport {
        try options.validate()
        let workspace = try Workspace(in: options.folder)
        let signals = workspace.cleanUpOnSignals()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome: Result<RepairBenchReport, BenchError>
        do {
            var run = try await RepairRun(options, program: program, in: workspace, on: group.next(), progress: progress)
            outcome = .success(try await run.measure(measureRaw))
        } catch let error as BenchError {
            outcome = .failure(error)
        } catch {
            outcome = .failure(.connectionFailed(reason: "\(error)"))
        }
        workspace.cleanUp()
        for source in signals { source.cancel() }
        // It fails only if the group is shut down twice.
        try? await group.shutdownGracefully()
        return try outcome.get()
    }
}

/// One run of the bench: two nodes with a proxy between them.
private struct RepairRun {
    /// How long nothing may change on either side before they are equal.
    private static let patience = Duration.seconds(60)
    /// A node dials again after 7.5 s at the latest.
    private static let dialPatience = Duration.seconds(30)

    private let options: RepairBenchOptions
    private let program: String
    private let workspace: Workspace
    private let loop: any EventLoop
    private let progress: @Sendable (String) -> Void
    private let proxy: CuttingProxy
    private var generator: SplitMix64
    private var differing: DifferingKeys
    /// What both nodes have once they are equal.
    private var entryCount: Int

    init(
        _ options: RepairBenchOptions, program: String, in workspace: Workspace, on loop: any EventLoop,
        progress: @escaping @Sendable (String) -> Void
    ) async throws {
        (self.options, self.program, self.workspace, self.loop, self.progress) = (options, program, workspace, loop, progress)
        self.generator = SplitMix64(seed: options.seed)
        self.differing = DifferingKeys(options, seed: self.generator.next())
        self.entryCount = options.keys
        self.proxy = try await CuttingProxy.start(on: loop)
    }

    mutating func measure(_ measureRaw: (String) throws -> RepairBench.RawRates) async throws -> RepairBenchReport {
        let nodes = try await self.makeEqualNodes()
        var (prompt, delayed, dry): ([RepairSample], [RepairSample], [[Double]]) = ([], [], [])
        for number in 1...self.options.repeatCount {
            // By turns, so that whatever drifts meets both.
            prompt.append(try await self.repair(nodes, delay: .zero, "run \(number) of \(self.options.repeatCount)"))
            let name = "run \(number) of \(self.options.repeatCount), 100 ms each way"
            delayed.append(try await self.repair(nodes, delay: RepairBench.delay, name))
            // Where the logs do it nothing is left to be compared: a link that comes up asks at once.
            if self.options.method == .tree { dry.append(try await self.countedInTime(nodes, "run \(number) of \(self.options.repeatCount), dry")) }
        }
        self.progress("stopping the nodes")
        self.workspace.send(SIGKILL, to: nodes.second.pid)
        try await nodes.first.stop(in: self.workspace, on: self.loop)
        self.progress("putting records into LMDB")
        let raw: RepairBench.RawRates
        do {
            raw = try measureRaw("\(BenchNode.data(of: nodes.first.name, in: self.workspace))/base")
        } catch {
            throw BenchError.rawPutsFailed(reason: "\(error)")
        }
        return RepairBenchReport(options: self.options, prompt: prompt, delayed: delayed, dryProcessorSeconds: dry, raw: raw)
    }

    // MARK: Two equal nodes

    private struct Nodes {
        let first: BenchNode
        let second: BenchNode

        var processorTimes: [Duration] { [self.first, self.second].map { $0.processorTime() } }

        func processorSeconds(since before: [Duration]) -> [Double] { zip(before, self.processorTimes).map { ($1 - $0).inSeconds } }
    }

    private mutating func makeEqualNodes() async throws -> Nodes {
        // The second node is told only where the proxy is, by its seed and by what the first one says of itself: it knows no other way.
        let address = "127.0.0.1:\(self.proxy.port)"
        let methodFlags = self.options.method == .tree ? ["--log-cap", "0"] : []
        let first = try await self.start("n1", ["--peer-listen", "127.0.0.1:0", "--advertise", address] + methodFlags)
        guard let peerPort = first.peerPort else { throw BenchError.nodeFailed(name: first.name, lastLine: "it named no port for peers") }
        try await self.proxy.lead(to: peerPort)
        try await self.write(.everyKeyOnce, count: self.options.keys, prefix: DifferingKeys.equalPrefix, to: first)
        try await self.proxy.heal()
        let second = try await self.start("n2", ["--seed", address] + methodFlags)
        let nodes = Nodes(first: first, second: second)
        try await self.awaitEqual(nodes, every: { _ in .milliseconds(50) }) { self.progress("n2 has \($0)") }
        return nodes
    }

    private func start(_ name: String, _ flags: [String]) async throws(BenchError) -> BenchNode {
        try await BenchNode.start(name, program: self.program, flags: flags, in: self.workspace, on: self.loop)
    }

    private mutating func write(_ work: PhasePlan.Work, count: Int, prefix: String, to node: BenchNode) async throws(BenchError) {
        var options = ServeBenchOptions()
        (options.port, options.clients, options.keys) = (node.port, 16, self.options.keys)
        (options.keyPrefix, options.valueBytes, options.seed) = (prefix, self.options.valueBytes, self.generator.next())
        let progress = self.progress
        try await ServeBench.write(work, count: count, options) { progress("\(node.name) \($0)") }
    }

    // MARK: One repair

    private mutating func repair(_ nodes: Nodes, delay: Duration, _ name: String) async throws -> RepairSample {
        try await self.makeDifferent(nodes, name)
        let before = nodes.processorTimes
        let rangesBefore = try await nodes.first.comparedRanges()
        try await self.proxy.heal(delay: delay)
        let beganAt = try await self.firstByte()
        // A hundredth of the time so far is precise enough, and costs the nodes little.
        let endedAt = try await self.awaitEqual(nodes, every: { max(.milliseconds(2), $0 / 100) }) { _ in }
        let traffic = try await self.proxy.traffic()
        if self.options.method == .log, try await nodes.first.comparedRanges() > rangesBefore { throw BenchError.digestsCompared }
        return RepairSample(seconds: endedAt.since(beganAt).inSeconds, traffic: traffic, processorSeconds: nodes.processorSeconds(since: before))
    }

    /// Cuts the nodes off and writes what is to differ.
    private mutating func makeDifferent(_ nodes: Nodes, _ name: String) async throws {
        // What the last session has still to say.
        await self.loop.pause(.milliseconds(500))
        try await self.proxy.cut()
        self.progress("\(name): writing what differs")
        let keys = self.differing.next()
        try await self.write(.each(keys.first), count: keys.first.count, prefix: keys.prefix, to: nodes.first)
        try await self.write(.each(keys.second), count: keys.second.count, prefix: keys.prefix, to: nodes.second)
        if self.options.pattern != .updates { self.entryCount += self.options.differ }
        try await self.rest(nodes)
        self.progress("\(name): waiting for n2 to dial")
    }

    private func firstByte() async throws -> Instant {
        guard let beganAt = try await self.proxy.firstByte(within: Self.dialPatience) else {
            throw BenchError.neverConnected(seconds: Int(Self.dialPatience.inSeconds))
        }
        return beganAt
    }

    // MARK: One count

    /// A node that moves a table to LMDB just then counts behind that, and the other may have repaired by itself first: rare, and tried again.
    private mutating func countedInTime(_ nodes: Nodes, _ name: String) async throws -> [Double] {
        var found = 0
        for _ in 0..<3 {
            let count = try await self.count(nodes, name)
            if count.found == self.options.differ { return count.seconds }
            found = count.found
        }
        throw BenchError.wrongDifference(found: found, expected: self.options.differ)
    }

    /// Has what differs counted by `REPAIR DRYRUN`, and repaired afterwards.
    ///
    /// Nodes that are linked repair as soon as their summaries show a difference, so these are held back until the command has begun.
    ///
    /// - Returns: how many entries were found, and the processor time of each node from the command to its answer, in seconds.
    private mutating func count(_ nodes: Nodes, _ name: String) async throws -> (found: Int, seconds: [Double]) {
        try await self.makeDifferent(nodes, name)
        try await self.proxy.healGreetings()
        _ = try await self.firstByte()
        for node in [nodes.first, nodes.second] { try await node.awaitLinked(on: self.loop, within: Self.dialPatience) }
        let before = nodes.processorTimes
        async let asked = nodes.first.countDifferences(from: nodes.second)
        // Whoever is answered now came behind the command.
        try await nodes.first.ping()
        try await self.proxy.release()
        let found = try await asked
        let seconds = nodes.processorSeconds(since: before)
        try await self.awaitEqual(nodes, every: { max(.milliseconds(2), $0 / 100) }) { _ in }
        return (found, seconds)
    }

    /// Waits until both nodes have counted what was written, and have nothing else to do.
    private func rest(_ nodes: Nodes) async throws {
        for node in [nodes.first, nodes.second] {
            // To answer, it counts everything.
            _ = try await node.state()
            let deadline = Instant.monotonic + Self.patience
            while try await !node.isAtRest() {
                guard Instant.monotonic < deadline else { throw BenchError.nodeFailed(name: node.name, lastLine: "it does not come to rest") }
                // Questions keep it from what it does when it is idle.
                await self.loop.pause(.milliseconds(100))
            }
        }
    }

    /// Waits until both nodes answer the same digest.
    ///
    /// - Parameters:
    ///   - interval: how long to wait between two questions, from the time that has passed.
    ///   - show: is told what the second node has each time.
    /// - Returns: when that was.
    @discardableResult
    private func awaitEqual(_ nodes: Nodes, every interval: (Duration) -> Duration, show: (String) -> Void) async throws -> Instant {
        let begin = Instant.monotonic
        var changedAt = begin
        var last: (first: BenchNode.State, second: BenchNode.State)?
        while true {
            async let asked = nodes.first.state()
            let second = try await nodes.second.state()
            let first = try await asked
            let now = Instant.monotonic
            if case .serves(let digest) = first, first == second {
                guard digest.hasPrefix("\(self.entryCount):") else { throw BenchError.wrongCount(digest: digest, expected: self.entryCount) }
                return now
            }
            if last?.first != first || last?.second != second { (changedAt, last) = (now, (first, second)) }
            guard now.since(changedAt) < Self.patience else {
                throw BenchError.neverEqual(first: first.text, second: second.text, seconds: Int(Self.patience.inSeconds))
            }
            show(second.text)
            await self.loop.pause(interval(now.since(begin)))
        }
    }
}

/// What one repair took, from the first byte of the connection to equal digests.
struct RepairSample: Equatable, Sendable {
    let seconds: Double
    let traffic: PeerTraffic
    /// Of each node.
    let processorSeconds: [Double]
}
