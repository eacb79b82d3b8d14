import Digests
import RESP
import Storage

/// The commands on keys whatever they hold. Each returns what its answer depends on.
extension Replica {
    func runKeys(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        switch call.command {
        case .del, .unlink: try self.delete(call, &writer)
        case .exists, .touch: try self.countPresent(call, &writer)
        case .rename, .renamenx: try self.rename(call, &writer)
        case .copy: try self.copy(call, &writer)
        case .type: try self.answerType(call, &writer)
        case .scan: try self.scan(call, &writer)
        default: preconditionFailure("\(call.command) is no command on keys")
        }
    }

    /// A damaged value counts as a key and can be deleted: that is one way out.
    private func delete(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        var (count, position): (Int, LogPosition) = (0, 0)
        for index in 1..<call.arguments.count {
            let value = try self.value(of: call.arguments[index], at: call.moment)
            position = max(position, value.position)
            guard value.isPresent else { continue }
            position = max(position, try self.putTombstone(for: call.arguments[index], at: call.moment))
            count += 1
        }
        writer.integer(count)
        return position
    }

    private func countPresent(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        var (count, position): (Int, LogPosition) = (0, 0)
        for index in 1..<call.arguments.count {
            let value = try self.readCounted(call.arguments[index], at: call.moment)
            position = max(position, value.position)
            if value.isPresent { count += 1 }
        }
        writer.integer(count)
        return position
    }

    private func answerType(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let value = try self.value(of: call.arguments[1], at: call.moment)
        let hasSiblings = try self.hasSiblings(call.arguments[1].buffer, at: call.moment)
        writer.simple(hasSiblings ? "siblings" : value.isPresent ? "string" : "none")
        return value.position
    }

    private func rename(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let (source, target) = (call.arguments[1], call.arguments[2])
        let isConditional = call.command == .renamenx
        if isConditional, !self.judgesConditions(&writer) { return 0 }
        let value = try self.value(of: source, at: call.moment)
        guard case .bytes(let bytes, let position, let expiryMilliseconds) = value else {
            if case .damaged = value {
                self.answerDamaged(&writer)
            } else {
                self.statistics.errors += 1
                writer.error("ERR no such key")
            }
            return value.position
        }
        if isConditional {
            let present = try self.value(of: target, at: call.moment)
            if present.isPresent {
                writer.integer(0)
                return max(position, present.position)
            }
        }
        if isConditional { writer.integer(1) } else { writer.ok() }
        if source == target { return position }
        try self.put(Bytes(bytes), for: target, expiryMilliseconds: expiryMilliseconds, at: call.moment)
        return try self.putTombstone(for: source, at: call.moment)
    }

    private func copy(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        var (replaces, index) = (false, 3)
        while index < call.arguments.count {
            let word = call.arguments[index]
            if word.equalsIgnoringCase("REPLACE") {
                replaces = true
            } else if word.equalsIgnoringCase("DB"), index + 1 < call.arguments.count {
                index += 1
                guard call.arguments[index].integer() == 0 else {
                    self.statistics.errors += 1
                    let isNumber = call.arguments[index].integer() != nil
                    writer.error(isNumber ? "ERR DB index is out of range" : "ERR value is not an integer or out of range")
                    return 0
                }
            } else {
                self.answerSyntaxError(&writer)
                return 0
            }
            index += 1
        }
        return try self.copy(call, replaces: replaces, &writer)
    }

    private func copy(_ call: Call, replaces: Bool, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let (source, target) = (call.arguments[1], call.arguments[2])
        guard source != target else {
            self.statistics.errors += 1
            writer.error("ERR source and destination objects are the same")
            return 0
        }
        if !replaces, !self.judgesConditions(&writer) { return 0 }
        let value = try self.value(of: source, at: call.moment)
        guard case .bytes(let bytes, let position, let expiryMilliseconds) = value else {
            if case .damaged = value { self.answerDamaged(&writer) } else { writer.integer(0) }
            return value.position
        }
        if !replaces {
            let present = try self.value(of: target, at: call.moment)
            if present.isPresent {
                writer.integer(0)
                return max(position, present.position)
            }
        }
        writer.integer(1)
        return try self.put(Bytes(bytes), for: target, expiryMilliseconds: expiryMilliseconds, at: call.moment)
    }

    // MARK: SCAN

    private struct ScanOptions {
        var pattern: GlobPattern?
        var count = 10
        /// What SCAN TYPE names; nil for keys of any kind, an empty set for what no key here is.
        var kinds: [Kind]?

        enum Failure: Error { case syntax, notInteger, patternTooLong }

        init(_ arguments: Arguments) throws(Failure) {
            var index = 2
            while index < arguments.count {
                guard index + 1 < arguments.count else { throw .syntax }
                let (word, value) = (arguments[index], arguments[index + 1])
                if word.equalsIgnoringCase("MATCH") {
                    do throws(GlobPattern.Failure) { self.pattern = try GlobPattern(value) } catch { throw .patternTooLong }
                } else if word.equalsIgnoringCase("COUNT") {
                    guard let count = value.integer() else { throw .notInteger }
                    guard count >= 1 else { throw .syntax }
                    self.count = Int(count)
                } else if word.equalsIgnoringCase("TYPE") {
                    self.kinds = value.equalsIgnoringCase("string") ? [.register] : value.equalsIgnoringCase("siblings") ? [.siblings] : []
                } else {
                    throw .syntax
                }
                index += 2
            }
        }
    }

    /// The cursor is the token to go on from, so nothing that is there throughout is missed or told twice, whatever is written
    /// meanwhile. Keys of one token are told together.
    private func scan(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard let cursor = call.arguments[1].unsignedInteger() else {
            self.statistics.errors += 1
            writer.error("ERR invalid cursor")
            return 0
        }
        let options: ScanOptions
        do throws(ScanOptions.Failure) { options = try ScanOptions(call.arguments) } catch {
            switch error {
            case .syntax: self.answerSyntaxError(&writer)
            case .notInteger: self.answerNotInteger(&writer)
            case .patternTooLong: self.answerPatternTooLong(&writer)
            }
            return 0
        }
        var page = KeyPage(entries: min(options.count, Self.sliceEntries), pattern: options.pattern)
        let next = try self.visit(&page, from: Token(rawValue: cursor), kinds: options.kinds, at: call.moment)
        writer.array(count: 2)
        writer.bulk(decimal: next?.rawValue ?? 0)
        writer.array(count: page.count)
        writer.append(contentsOf: page.keys)
        return page.position
    }

    func answerPatternTooLong(_ writer: inout ReplyWriter) {
        self.statistics.errors += 1
        writer.error("ERR pattern is longer than 1024 bytes")
    }

    /// Keys gathered by one slice of a scan.
    struct KeyPage: ~Copyable {
        /// How many entries are visited before the page ends with the token at hand.
        let entries: Int
        let pattern: GlobPattern?
        var keys = ReplyWriter()
        var count = 0
        var position: LogPosition = 0

        init(entries: Int, pattern: GlobPattern?) { (self.entries, self.pattern) = (entries, pattern) }
    }

    /// Fills a page from a token on.
    ///
    /// - Returns: the token to go on from; nil at the end.
    func visit(_ page: inout KeyPage, from start: Token, kinds: [Kind]? = nil, search: SiblingSearch? = nil, at moment: Moment) throws(StoreError)
        -> Token?
    {
        var (visited, last, next): (Int, Token?, Token?) = (0, nil, nil)
        var keys = ReplyWriter()
        var (count, position): (Int, LogPosition) = (0, 0)
        let (limit, pattern, gathered) = (page.entries, page.pattern, page.count)
        try self.store.scan(start...Token.last) { entry in
            // A cursor of 0 means the beginning, so the first token may not be one to stop before.
            if visited >= limit, entry.token != last, entry.token.rawValue != 0 {
                next = entry.token
                return false
            }
            (visited, last) = (visited + 1, entry.token)
            // An answer without a key says that it is gone, and depends on that as much.
            position = max(position, entry.position)
            guard kinds.map({ kinds in entry.record.map { kinds.contains($0.kind) } ?? kinds.contains(.register) }) ?? true,
                entry.record?.isReadable(at: moment.wall) ?? true, pattern?.matches(entry.key) ?? true
            else { return true }
            if let search {
                guard let siblings = search.count(entry.record, entry.key, at: moment.wall) else { return true }
                keys.bulk(entry.key)
                keys.integer(siblings)
                count += 1
                return gathered + count < search.limit
            }
            keys.bulk(entry.key)
            count += 1
            return true
        }
        page.keys.append(contentsOf: keys)
        (page.count, page.position) = (page.count + count, max(page.position, position))
        return next
    }
}
