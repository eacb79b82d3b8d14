import Basics
import Dispatch
import Foundation
import TestSupport
import Testing

/// Tests of whole nodes as users meet them: real processes, ports, files and clients.
///
/// One after the other: each has a node or more to itself, and several at once would measure each other.
@Suite(.serialized, .onItsOwnThread)
enum ProcessTests {
    /// Set for long campaigns, by `deploy/soak.sh`.
    static let isSoak = ProcessInfo.processInfo.environment["HEARSAY_SOAK"] == "1"

    /// Where the random choices of this run come from; every failure that depends on them names it. HEARSAY_SEED repeats a run.
    static let seed = ProcessInfo.processInfo.environment["HEARSAY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: .min ... .max)

    /// The root of the package.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
}

/// Runs a test on a thread of its own.
///
/// These tests block, on sockets and on processes. On the few threads that all async code shares they would stop the tests of every other suite.
struct OwnThreadTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void) async throws {
        try await withTaskExecutorPreference(OneThread()) { try await function() }
    }
}

extension Trait where Self == OwnThreadTrait {
    static var onItsOwnThread: Self { Self() }
}

/// Runs the tasks that prefer it one after the other, on a thread that nothing else uses.
private final class OneThread: TaskExecutor {
    private let queue = DispatchQueue(label: "hearsay.test")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Checks that a node's digest, kept up write by write, equals one recomputed by a scan, and returns it.
@discardableResult
func expectDigestVerifies(_ client: RedisClient, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws -> String? {
    let digest = try client.ask("HEARSAY", "DIGEST").text
    let verified = try client.ask("HEARSAY", "VERIFY")
    #expect(verified.errorText == nil, comment, sourceLocation: sourceLocation)
    #expect(verified.text == digest, comment, sourceLocation: sourceLocation)
    return digest
}
