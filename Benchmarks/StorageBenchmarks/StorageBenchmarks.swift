import Benchmark
import Storage

/// What a write and a read cost the core loop, and a drain its thread. The figures of puts and lookups are for one; those of drains for a table.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(metrics: [.wallClock, .throughput], maxDuration: .seconds(3))

    for tick in [1, 16] {
        Benchmark("put 100 B: encode, log, table, ticks of \(tick)", configuration: .init(scalingFactor: .kilo, maxIterations: 300)) {
            benchmark, workload in
            workload.put(benchmark.scaledIterations.count, tick: tick)
        } setup: {
            try Workload(keyCount: 200_000)
        }
    }

    Benchmark("find among 200,000 in the table", configuration: .init(scalingFactor: .kilo)) { benchmark, workload in
        try find(benchmark, workload)
    } setup: {
        let workload = try Workload(keyCount: 200_000)
        workload.putAll()
        return workload
    }

    Benchmark("find among 200,000 in LMDB", configuration: .init(scalingFactor: .kilo)) { benchmark, workload in
        try find(benchmark, workload)
    } setup: {
        let workload = try Workload(keyCount: 200_000)
        workload.putAll()
        try workload.store.drained(drain(workload), at: .init(nanoseconds: 2))
        return workload
    }

    Benchmark("drain 50,000 entries into an empty LMDB, synced", configuration: .init(warmupIterations: 0, maxIterations: 10)) { benchmark in
        let workload = try Workload(keyCount: 50_000)
        workload.putAll()
        benchmark.startMeasurement()
        blackHole(try drain(workload))
        benchmark.stopMeasurement()
    }
}

/// Looks up the scaled number of keys, all of which are there.
private func find(_ benchmark: Benchmark, _ workload: Workload) throws {
    let count = benchmark.scaledIterations.count
    let found = try workload.find(count)
    precondition(found == count, "\(found) of \(count) keys found")
}

/// Moves the whole table to the base.
private func drain(_ workload: Workload) throws -> [DigestAdjustment] {
    var drain = Drain(try workload.freeze(), into: workload.base.makeWriter())
    var all: [DigestAdjustment] = []
    while true {
        switch try drain.step() {
        case .stored: break
        case .committed(let adjustments): all += adjustments
        case .finished(let adjustments): return all + adjustments
        }
    }
}
