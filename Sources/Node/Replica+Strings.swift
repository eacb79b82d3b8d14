import RESP
import Storage

/// The commands that read and write values. Each returns what its answer depends on.
extension Replica {
    func get(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        self.answer(try self.readCounted(call.arguments[1], at: call.moment), &writer)
    }

    func answer(_ value: Value, _ writer: inout ReplyWriter) -> LogPosition {
        switch value {
        case .absent: writer.null()
        case .bytes(let bytes, _, _): writer.bulk(bytes)
        case .damaged: self.answerDamaged(&writer)
        }
        return value.position
    }

    func runString(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        switch call.command {
        case .setnx: try self.setIfAbsent(call, &writer)
        case .setex, .psetex: try self.setWithDeadline(call, &writer)
        case .getex: try self.getAndChangeDeadline(call, &writer)
        case .getset: try self.getAndSet(call, &writer)
        case .getdel: try self.getAndDelete(call, &writer)
        case .getrange: try self.getRange(call, &writer)
        case .mget: try self.getMany(call, &writer)
        case .mset, .msetnx: try self.setMany(call, &writer)
        case .strlen: try self.length(call, &writer)
        case .append: try self.append(call, &writer)
        case .setrange: try self.setRange(call, &writer)
        default: preconditionFailure("\(call.command) is no command on values")
        }
    }

    private func setIfAbsent(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard self.judgesConditions(&writer) else { return 0 }
        let old = try self.value(of: call.arguments[1], at: call.moment)
        writer.integer(old.isPresent ? 0 : 1)
        return old.isPresent ? old.position : try self.put(call.arguments[2], for: call.arguments[1], at: call.moment)
    }

    private func getAndSet(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let old = try self.value(of: call.arguments[1], at: call.moment)
        _ = self.answer(old, &writer)
        if case .damaged = old { return 0 }
        return try self.put(call.arguments[2], for: call.arguments[1], at: call.moment)
    }

    private func getAndDelete(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let old = try self.readCounted(call.arguments[1], at: call.moment)
        let position = self.answer(old, &writer)
        guard case .bytes = old else { return position }
        return try self.putTombstone(for: call.arguments[1], at: call.moment)
    }

    // MARK: Several keys

    private func getMany(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let start = writer.count
        var position: LogPosition = 0
        writer.array(count: call.arguments.count - 1)
        for index in 1..<call.arguments.count {
            let value = try self.readCounted(call.arguments[index], at: call.moment)
            if case .damaged = value {
                writer.truncate(to: start)
                self.answerDamaged(&writer)
                return 0
            }
            position = max(position, self.answer(value, &writer))
            guard writer.count - start <= Self.maximumAnswerBytes else {
                writer.truncate(to: start)
                self.statistics.errors += 1
                writer.error("ERR the answer is longer than 24 MiB: ask for fewer keys at once")
                return 0
            }
        }
        return position
    }

    private func setMany(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard call.arguments.count % 2 == 1 else {
            self.statistics.errors += 1
            writer.wrongArity(call.command.specification)
            return 0
        }
        var position: LogPosition = 0
        if call.command == .msetnx {
            guard self.judgesConditions(&writer) else { return 0 }
            for index in stride(from: 1, to: call.arguments.count, by: 2) {
                let old = try self.value(of: call.arguments[index], at: call.moment)
                if old.isPresent {
                    writer.integer(0)
                    return old.position
                }
            }
        }
        for index in stride(from: 1, to: call.arguments.count, by: 2) {
            position = try self.put(call.arguments[index + 1], for: call.arguments[index], at: call.moment)
        }
        if call.command == .msetnx { writer.integer(1) } else { writer.ok() }
        return position
    }

    // MARK: Parts of values

    private func length(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let value = try self.readCounted(call.arguments[1], at: call.moment)
        switch value {
        case .absent: writer.integer(0)
        case .bytes(let bytes, _, _): writer.integer(bytes.count)
        case .damaged: self.answerDamaged(&writer)
        }
        return value.position
    }

    private func getRange(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard let first = call.arguments[2].integer(), let last = call.arguments[3].integer() else {
            self.answerNotInteger(&writer)
            return 0
        }
        let value = try self.readCounted(call.arguments[1], at: call.moment)
        switch value {
        case .absent: writer.bulk("")
        case .bytes(let bytes, _, _): writer.bulk(UnsafeRawBufferPointer(rebasing: bytes[byteRange(first, last, of: bytes.count)]))
        case .damaged: self.answerDamaged(&writer)
        }
        return value.position
    }

    private func append(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        try self.change(call, at: nil, with: call.arguments[2], &writer)
    }

    private func setRange(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard let offset = call.arguments[2].integer() else {
            self.answerNotInteger(&writer)
            return 0
        }
        guard offset >= 0 else {
            self.statistics.errors += 1
            writer.error("ERR offset is out of range")
            return 0
        }
        return try self.change(call, at: Int(offset), with: call.arguments[3], &writer)
    }

    /// Writes `part` over the value from `offset` on, or behind its end, and answers the new length. The deadline stays.
    private func change(_ call: Call, at offset: Int?, with part: Bytes, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let value = try self.value(of: call.arguments[1], at: call.moment)
        var (old, expiryMilliseconds): (UnsafeRawBufferPointer, UInt64) = (UnsafeRawBufferPointer(start: nil, count: 0), 0)
        switch value {
        case .absent: break
        case .bytes(let bytes, _, let expiry): (old, expiryMilliseconds) = (bytes, expiry)
        case .damaged:
            self.answerDamaged(&writer)
            return 0
        }
        // As in Redis, writing nothing changes nothing and makes no key.
        if offset != nil, part.isEmpty {
            writer.integer(old.count)
            return value.position
        }
        let start = offset ?? old.count
        let (end, overflow) = start.addingReportingOverflow(part.count)
        guard !overflow, end <= self.configuration.maximumValueBytes else {
            self.statistics.errors += 1
            writer.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
            return 0
        }
        let byteCount = max(end, old.count)
        writer.integer(byteCount)
        return try self.put(for: call.arguments[1], byteCount: byteCount, expiryMilliseconds: expiryMilliseconds, at: call.moment) { target in
            if !old.isEmpty { target.copyMemory(from: old) }
            if start > old.count { UnsafeMutableRawBufferPointer(rebasing: target[old.count..<start]).initializeMemory(as: UInt8.self, repeating: 0) }
            if !part.isEmpty { UnsafeMutableRawBufferPointer(rebasing: target[start..<end]).copyMemory(from: part.buffer) }
        }
    }
}

/// The bytes that GETRANGE's two offsets name: negative ones count from the end, and both ends are included.
func byteRange(_ first: Int64, _ last: Int64, of count: Int) -> Range<Int> {
    // Both negative and the wrong way round is nothing in Redis, whatever the length.
    if first < 0 && last < 0 && first > last { return 0..<0 }
    let count64 = Int64(count)
    let start = first < 0 ? max(0, count64 &+ first) : first
    let end = min(last < 0 ? max(0, count64 &+ last) : last, count64 - 1)
    guard count > 0, start <= end else { return 0..<0 }
    return Int(start)..<Int(end) + 1
}
