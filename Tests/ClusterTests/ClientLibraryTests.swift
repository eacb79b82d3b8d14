import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// The Python client `redis`, in the version that `deploy/test.sh` installs, with the settings it has by itself.
    @Suite struct ClientLibraryTests {
        @Test func `redis-py works as against Redis: connections, pipelines, transactions, scans, errors`() throws {
            let python = "\(ProcessTests.root)/.build-venv/bin/python"
            try #require(access(python, X_OK) == 0, "\(python) is missing: run deploy/test.sh once, which creates it")
            let node = try NodeProcess(["--allow-flush"])
            let checks = try FinishedProcess(python, ["\(ProcessTests.root)/Tests/ClusterTests/redis_py_checks.py", "\(node.port)"])
            #expect(checks.ending == .exited(0), "\(checks.output)\(checks.errors)")
        }
    }
}
