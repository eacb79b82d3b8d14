extension ServeBenchReport {
    /// The report for a person: a table of a few lines, and at its end one line for each failure.
    package func text() -> String {
        let options = self.options
        var lines = [
            "\(options.address), \(grouped(options.clients)) clients, pipeline \(options.pipeline), \(grouped(options.keys)) keys, "
                + "\(grouped(options.valueBytes)) B values, GET share \(fixed(options.getShare, decimals: 2)), seed \(options.seed)"
        ]
        if let load {
            lines.append(Self.rateLine("load", operations: load.operations, seconds: load.seconds))
        }
        lines.append(Self.rateLine("run", operations: self.operations, seconds: self.seconds))
        lines.append(leftAligned("µs", width: 8) + ["count", "p50", "p90", "p99", "p99.9", "max"].map { rightAligned($0, width: 13) }.joined())
        if self.sets.count > 0 { lines.append(Self.latencyLine("SET", self.sets)) }
        if self.gets.count > 0 { lines.append(Self.latencyLine("GET", self.gets)) }
        if let digests { lines.append(Self.latencyLine("DIGEST", digests)) }
        lines.append("pause    longest without a reply \(fixed(self.longestPauseMicroseconds / 1_000, decimals: 1)) ms")
        if self.gets.count > 0 {
            lines.append("hits     \(grouped(self.hits)) of \(grouped(self.hits + self.misses)), rate \(fixed(self.hitRate, decimals: 6))")
        }
        if options.idleClients > 0 {
            lines.append("idle     \(grouped(options.idleClients - self.idleClosedCount)) of \(grouped(options.idleClients)) connections stayed open")
        }
        lines += self.errors.kinds.map { "error    \(grouped($0.count)) × \($0.text)" }
        if self.errors.otherCount > 0 { lines.append("error    \(grouped(self.errors.otherCount)) × other texts") }
        lines += self.failures.map { "FAILED   \($0)" }
        return lines.joined(separator: "\n")
    }

    private static func rateLine(_ name: String, operations: Int, seconds: Double) -> String {
        let rate = seconds > 0 ? Int((Double(operations) / seconds).rounded()) : 0
        return leftAligned(name, width: 9) + "\(grouped(operations)) replies in \(fixed(seconds, decimals: 2)) s, \(grouped(rate))/s"
    }

    private static func latencyLine(_ name: String, _ latency: LatencySummary) -> String {
        let numbers = [latency.p50, latency.p90, latency.p99, latency.p999, latency.longest].map { fixed($0, decimals: 1) }
        return leftAligned(name, width: 8) + ([grouped(latency.count)] + numbers).map { rightAligned($0, width: 13) }.joined()
    }

    /// The report for a program: one JSON object on one line. Latencies are in microseconds; the password is left out.
    package func json() -> String {
        var object = JSONObject()
        object.add("host", self.options.host)
        object.add("port", self.options.port)
        object.add("clients", self.options.clients)
        object.add("pipeline", self.options.pipeline)
        object.add("keys", self.options.keys)
        object.add("value_bytes", self.options.valueBytes)
        object.add("get_share", self.options.getShare, decimals: 6)
        object.add("seed", self.options.seed)
        if let load {
            var member = JSONObject()
            member.add("operations", load.operations)
            member.add("seconds", load.seconds, decimals: 6)
            object.add("load", member)
        } else {
            object.addNull("load")
        }
        object.add("operations", self.operations)
        object.add("seconds", self.seconds, decimals: 6)
        object.add("rate", self.rate, decimals: 1)
        object.add("set_us", Self.jsonLatency(self.sets))
        object.add("get_us", Self.jsonLatency(self.gets))
        if let digests { object.add("digest_us", Self.jsonLatency(digests)) } else { object.addNull("digest_us") }
        object.add("longest_pause_us", self.longestPauseMicroseconds, decimals: 1)
        object.add("hits", self.hits)
        object.add("misses", self.misses)
        object.add("hit_rate", self.hitRate, decimals: 6)
        object.add("wrong_values", self.wrongValues)
        object.add("errors", self.errors.total)
        object.add("error_kinds", self.errors.kinds.map(Self.jsonErrorKind))
        object.add("idle_clients", self.options.idleClients)
        object.add("idle_closed", self.idleClosedCount)
        object.add("failures", self.failures)
        return object.text
    }

    private static func jsonLatency(_ latency: LatencySummary) -> JSONObject {
        var object = JSONObject()
        object.add("count", latency.count)
        object.add("p50", latency.p50, decimals: 1)
        object.add("p90", latency.p90, decimals: 1)
        object.add("p99", latency.p99, decimals: 1)
        object.add("p99.9", latency.p999, decimals: 1)
        object.add("max", latency.longest, decimals: 1)
        return object
    }

    private static func jsonErrorKind(_ kind: ErrorTally.Kind) -> JSONObject {
        var object = JSONObject()
        object.add("text", kind.text)
        object.add("count", kind.count)
        return object
    }
}
