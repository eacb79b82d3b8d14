import Basics
import Benchmark
import RESP

/// Taking requests apart and putting replies together, a thousand at a time; the figures are for one.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(metrics: [.wallClock, .throughput], scalingFactor: .kilo, maxDuration: .seconds(3))

    Benchmark("parse SET, 100 B values, 16 in a read") { benchmark, bytes in
        parse(bytes, benchmark)
    } setup: {
        requests(16) { "*3\r\n$3\r\nSET\r\n$16\r\nkey:\(twelveDigits($0))\r\n$100\r\n\(String(repeating: "v", count: 100))\r\n" }
    }

    Benchmark("parse GET, 16 in a read") { benchmark, bytes in
        parse(bytes, benchmark)
    } setup: {
        requests(16) { "*2\r\n$3\r\nGET\r\n$16\r\nkey:\(twelveDigits($0))\r\n" }
    }

    Benchmark("parse inline GET, 16 in a read") { benchmark, bytes in
        parse(bytes, benchmark)
    } setup: {
        requests(16) { "GET key:\(twelveDigits($0))\n" }
    }

    Benchmark("parse SET cut in two by the read") { benchmark, bytes in
        var parser = CommandParser(limits: .authenticated())
        for _ in benchmark.scaledIterations {
            bytes.withUnsafeBytes { whole in
                precondition(parser.next(in: UnsafeRawBufferPointer(rebasing: whole[..<100])) == .needsMore)
                precondition(parser.next(in: whole) == .command)
            }
            parser.discarded(parser.consumedBytes)
        }
    } setup: {
        requests(1) { "*3\r\n$3\r\nSET\r\n$16\r\nkey:\(twelveDigits($0))\r\n$100\r\n\(String(repeating: "v", count: 100))\r\n" }
    }

    Benchmark("write +OK") { benchmark in
        var writer = ReplyWriter()
        for index in benchmark.scaledIterations {
            writer.ok()
            if index.isMultiple(of: 16) { writer.removeAll() }
        }
        blackHole(writer.count)
    }

    Benchmark("write a bulk string of 100 B") { benchmark in
        let value = [UInt8](repeating: 118, count: 100)
        var writer = ReplyWriter()
        value.withUnsafeBytes { value in
            for index in benchmark.scaledIterations {
                writer.bulk(Bytes(value))
                if index.isMultiple(of: 16) { writer.removeAll() }
            }
        }
        blackHole(writer.count)
    }
}

/// The bytes of this many requests, each made from its number.
private func requests(_ count: Int, _ request: (Int) -> String) -> [UInt8] {
    (0..<count).flatMap { Array(request($0).utf8) }
}

private func twelveDigits(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: 12 - digits.count) + digits
}

/// Parses the read again and again until the scaled number of commands has come out of it.
private func parse(_ bytes: [UInt8], _ benchmark: Benchmark) {
    var parser = CommandParser(limits: .authenticated())
    var remaining = benchmark.scaledIterations.count
    var argumentBytes = 0
    while remaining > 0 {
        bytes.withUnsafeBytes { read in
            while parser.next(in: read) == .command {
                argumentBytes &+= parser.arguments[parser.arguments.count - 1].count
                remaining -= 1
            }
        }
        parser.discarded(parser.consumedBytes)
    }
    blackHole(argumentBytes)
}
