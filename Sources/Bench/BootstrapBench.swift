import Basics
import Glibc
import NIOCore
import NIOPosix

/// Measures how an empty node gets everything from a member: processes of their own, nothing but public flags and ports.
package enum BootstrapBench {
    /// Makes the nodes, measures, and removes all of it.
    ///
    /// - Parameters:
    ///   - program: the path of `hearsay`.
    ///   - measureRaw: loads all entries of the base in the first folder into a new one below the second, sorted and synced in one batch, and says how
    ///     many there are and how long that took. This module knows a node from outside only.
    ///   - progress: is called with one line now and then, on any thread.
    package static func run(
        _ options: BootstrapBenchOptions, program: String, measureRaw: (String, String) throws -> (entries: Int, seconds: Double),
        progress: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws(BenchError) -> BootstrapBenchReport {
        try options.validate()
        let workspace = try Workspace(in: options.folder)
        let signals = workspace.cleanUpOnSignals()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let outcome: Result<BootstrapBenchReport, BenchError>
        do {
            let run = BootstrapRun(options: options, program: program, workspace: workspace, loop: group.next(), progress: progress)
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

/// One bootstrap, from the start of the joiner's process until it serves everything.
struct BootstrapSample: Equatable, Sendable {
    let seconds: Double
    /// Of records, as they cross.
    let bytes: Int
    /// Of the member and the joiner.
    let processorSeconds: [Double]
}

/// One run of the bench: a member, and joiners one after the other.
private struct BootstrapRun {
    /// How long a joiner may have nothing new.
    private static let patience = Duration.seconds(60)
    private static let keyPrefix = "key:"

    let options: BootstrapBenchOptions
    let program: String
    let workspace: Workspace
    let loop: any EventLoop
    let progress: @Sendable (String) -> Void

    func measure(_ measureRaw: (String, String) throws -> (entries: Int, seconds: Double)) async throws -> BootstrapBenchReport {
        let member = try await BenchNode.start(
            "n1", program: self.program, flags: ["--peer-listen", "127.0.0.1:0", "--bootstrap-rate", "\(self.options.bytesPerSecond)"],
            in: self.workspace, on: self.loop)
        try await self.fill(member)
        var (samples, joiners) = ([BootstrapSample](), 0)
        for number in 1...self.options.repeatCount {
            self.progress("bootstrap \(number) of \(self.options.repeatCount)")
            joiners += 1
            samples.append(try await self.bootstrap(joiners, from: member))
        }
        self.progress("clients, without a bootstrap")
        let calm = try await ServeBench.run(self.load(of: member))
        self.progress("clients, with bootstraps one after the other")
        async let disturbed = ServeBench.run(self.load(of: member))
        let end = Instant.monotonic + .seconds(self.options.seconds)
        let before = joiners
        while Instant.monotonic < end {
            joiners += 1
            _ = try await self.bootstrap(joiners, from: member)
        }
        let report = try await disturbed
        self.progress("stopping the member")
        try await member.stop(in: self.workspace, on: self.loop)
        self.progress("loading LMDB")
        let raw = try self.measure(measureRaw, BenchNode.data(of: member.name, in: self.workspace) + "/base")
        return BootstrapBenchReport(
            options: self.options, samples: samples, rawSeconds: raw, calm: calm, disturbed: report, disturbingBootstraps: joiners - before)
    }

    private func measure(_ measureRaw: (String, String) throws -> (entries: Int, seconds: Double), _ base: String) throws(BenchError) -> [Double] {
        var seconds: [Double] = []
        for number in 1...self.options.repeatCount {
            let folder = "\(self.workspace.folder)/raw\(number)"
            do {
                let raw = try measureRaw(base, folder)
                guard raw.entries == self.options.keys else {
                    throw BenchError.wrongCount(digest: "\(raw.entries) entries in LMDB", expected: self.options.keys)
                }
                seconds.append(raw.seconds)
            } catch { throw .rawPutsFailed(reason: "\(error)") }
        }
        return seconds
    }

    // MARK: The member

    private func fill(_ member: BenchNode) async throws {
        var options = ServeBenchOptions()
        (options.port, options.clients, options.keys, options.keyPrefix) = (member.port, 16, self.options.keys, Self.keyPrefix)
        (options.valueBytes, options.seed) = (self.options.valueBytes, self.options.seed)
        let progress = self.progress
        try await ServeBench.write(.everyKeyOnce, count: self.options.keys, options) { progress("n1 \($0)") }
        self.progress("waiting for n1 to rest")
        // To answer, it counts everything.
        _ = try await member.state()
        let deadline = Instant.monotonic + Self.patience
        while try await !member.isAtRest() {
            guard Instant.monotonic < deadline else { throw BenchError.nodeFailed(name: member.name, lastLine: "it does not come to rest") }
            await self.loop.pause(.milliseconds(100))
        }
    }

    /// A few clients, each with one request at a time.
    private func load(of member: BenchNode) -> ServeBenchOptions {
        var options = ServeBenchOptions()
        (options.port, options.clients, options.keys, options.keyPrefix) = (member.port, self.options.clients, self.options.keys, Self.keyPrefix)
        (options.valueBytes, options.seed, options.limit) = (self.options.valueBytes, self.options.seed &+ 1, .seconds(self.options.seconds))
        options.expectedHitRate = 1
        return options
    }

    // MARK: A joiner

    private func bootstrap(_ number: Int, from member: BenchNode) async throws -> BootstrapSample {
        guard let peerPort = member.peerPort else { throw BenchError.nodeFailed(name: member.name, lastLine: "it named no port for peers") }
        let (began, before) = (Instant.monotonic, member.processorTime())
        let joiner = try await BenchNode.start(
            "joiner\(number)", program: self.program, flags: ["--seed", "127.0.0.1:\(peerPort)"], in: self.workspace, on: self.loop)
        var (last, changedAt) = ("", began)
        while true {
            let state = try await joiner.bootstrapState()
            let now = Instant.monotonic
            if state.isServing {
                let processor = [member.processorTime() - before, joiner.processorTime()].map(\.inSeconds)
                try await self.check(joiner)
                return BootstrapSample(seconds: now.since(began).inSeconds, bytes: state.bytes, processorSeconds: processor)
            }
            if state.text != last { (last, changedAt) = (state.text, now) }
            guard now.since(changedAt) < Self.patience else {
                throw BenchError.neverEqual(first: member.name, second: last, seconds: Int(Self.patience.inSeconds))
            }
            await self.loop.pause(max(.milliseconds(2), now.since(began) / 100))
        }
    }

    /// It has as many entries as there are, and goes.
    private func check(_ joiner: BenchNode) async throws {
        guard case .serves(let digest) = try await joiner.state(), digest.hasPrefix("\(self.options.keys):") else {
            throw BenchError.wrongCount(digest: "\(try await joiner.state())", expected: self.options.keys)
        }
        self.workspace.send(SIGKILL, to: joiner.pid)
        while !self.workspace.hasEnded(joiner.pid) { await self.loop.pause(.milliseconds(5)) }
        self.workspace.remove(joiner.name)
    }
}
