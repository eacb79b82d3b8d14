import Basics
import RESP
import Storage

/// The commands on how long keys live. Each returns what its answer depends on.
///
/// A deadline is a part of the version and is decided once, by the clock of the node that takes the command; from then on every node judges it by its
/// own. Nothing happens when it passes (I27). Another deadline is another version of the key, with its value in it again; of siblings each is written
/// again, in its own place.
extension Replica {
    func runExpiry(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        switch call.command {
        case .expire: try self.expire(call, .ex, &writer)
        case .pexpire: try self.expire(call, .px, &writer)
        case .expireat: try self.expire(call, .exat, &writer)
        case .pexpireat: try self.expire(call, .pxat, &writer)
        case .ttl, .pttl, .expiretime, .pexpiretime: try self.tellDeadline(call, &writer)
        case .persist: try self.persist(call, &writer)
        default: preconditionFailure("\(call.command) is no command on deadlines")
        }
    }

    /// Answers what is wrong with a deadline.
    func answer(_ failure: DeadlineForm.Failure, _ call: Call, _ writer: inout ReplyWriter) -> LogPosition {
        switch failure {
        case .notInteger: self.answerNotInteger(&writer)
        case .invalid:
            self.statistics.errors += 1
            writer.error("ERR", "invalid expire time in '\(call.command.specification.name)' command")
        }
        return 0
    }

    // MARK: SET

    func set(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        if call.arguments.count == 3 {
            let position = try self.put(call.arguments[2], for: call.arguments[1], at: call.moment)
            writer.ok()
            return position
        }
        guard let options = StringOptions(call.arguments, ofGetex: false) else {
            self.answerSyntaxError(&writer)
            return 0
        }
        let deadline: Int64?
        do throws(DeadlineForm.Failure) { deadline = try options.deadline(at: call.moment.wall) } catch { return self.answer(error, call, &writer) }
        // As without options, nothing needs to be read for a deadline alone.
        guard options.condition != nil || options.answersOld || options.keepsExpiry else {
            writer.ok()
            return try self.put(call.arguments[2], until: deadline, call)
        }
        return try self.set(call, options, deadline, &writer)
    }

    private func set(_ call: Call, _ options: StringOptions, _ deadline: Int64?, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        if options.condition != nil, !self.judgesConditions(&writer) { return 0 }
        let old = try self.value(of: call.arguments[1], at: call.moment)
        if options.answersOld || options.keepsExpiry, case .damaged = old {
            self.answerDamaged(&writer)
            return 0
        }
        let isMet = options.condition.map { $0 == .present ? old.isPresent : !old.isPresent } ?? true
        // The old bytes are answered before the put, which may reuse nothing of them but need not keep them.
        if options.answersOld {
            _ = self.answer(old, &writer)
        } else if isMet {
            writer.ok()
        } else {
            writer.null()
        }
        guard isMet else { return old.position }
        if options.keepsExpiry, case .bytes(_, _, let expiryMilliseconds) = old {
            return try self.put(call.arguments[2], for: call.arguments[1], expiryMilliseconds: expiryMilliseconds, at: call.moment)
        }
        return try self.put(call.arguments[2], until: deadline, call)
    }

    /// SETEX and PSETEX.
    func setWithDeadline(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let form = call.command == .setex ? DeadlineForm.ex : .px
        let deadline: Int64
        do throws(DeadlineForm.Failure) {
            deadline = try form.positiveMilliseconds(call.arguments[2], at: call.moment.wall)
        } catch { return self.answer(error, call, &writer) }
        writer.ok()
        return try self.put(call.arguments[3], until: deadline, call)
    }

    /// Writes a value that is read until a deadline, or for ever. Of one that is in the past nothing could ever be read: it is as a delete.
    private func put(_ value: Bytes, until deadline: Int64?, _ call: Call) throws(StoreError) -> LogPosition {
        guard let deadline else { return try self.put(value, for: call.arguments[1], at: call.moment) }
        guard deadline >= Int64(clamping: call.moment.wall.milliseconds), deadline > 0 else {
            return try self.putTombstone(for: call.arguments[1], at: call.moment)
        }
        return try self.put(value, for: call.arguments[1], expiryMilliseconds: UInt64(deadline), at: call.moment)
    }

    // MARK: GETEX

    func getAndChangeDeadline(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard let options = StringOptions(call.arguments, ofGetex: true) else {
            self.answerSyntaxError(&writer)
            return 0
        }
        let value = try self.readCounted(call.arguments[1], at: call.moment)
        // As in Redis, a key that is not there is answered before a number that is none.
        guard case .bytes(let bytes, let position, let current) = value else { return self.answer(value, &writer) }
        let deadline: Int64?
        do throws(DeadlineForm.Failure) { deadline = try options.deadline(at: call.moment.wall) } catch { return self.answer(error, call, &writer) }
        writer.bulk(bytes)
        if let deadline { return try self.put(bytes, changedTo: deadline, call) }
        guard case .persist = options.expiry else { return position }
        return try self.keep(bytes, current, call)?.position ?? position
    }

    /// Writes a key's value again without its deadline, of siblings each that has one.
    ///
    /// - Returns: what an answer depends on, and whether there was one.
    private func keep(_ bytes: UnsafeRawBufferPointer, _ current: UInt64, _ call: Call) throws(StoreError) -> (
        hasChanged: Bool, position: LogPosition
    )? {
        if let siblings = try self.changeDeadline(of: call.arguments[1].buffer, to: 0, at: call.moment) {
            return (siblings.count > 0, siblings.position)
        }
        guard current != 0 else { return nil }
        return (true, try self.put(Bytes(bytes), for: call.arguments[1], at: call.moment))
    }

    /// Writes a key's value again with another deadline, of siblings each; a delete where that has come.
    private func put(_ bytes: UnsafeRawBufferPointer, changedTo deadline: Int64, _ call: Call) throws(StoreError) -> LogPosition {
        guard deadline > Int64(clamping: call.moment.wall.milliseconds), deadline > 0 else {
            return try self.putTombstone(for: call.arguments[1], at: call.moment)
        }
        if let siblings = try self.changeDeadline(of: call.arguments[1].buffer, to: UInt64(deadline), at: call.moment) { return siblings.position }
        return try self.put(Bytes(bytes), for: call.arguments[1], expiryMilliseconds: UInt64(deadline), at: call.moment)
    }

    // MARK: EXPIRE and PERSIST

    private func expire(_ call: Call, _ form: DeadlineForm, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard let condition = self.expireCondition(call.arguments, &writer) else {
            self.statistics.errors += 1
            return 0
        }
        let deadline: Int64
        do throws(DeadlineForm.Failure) {
            deadline = try form.milliseconds(call.arguments[2], at: call.moment.wall)
        } catch { return self.answer(error, call, &writer) }
        if !condition.isEmpty, !self.judgesConditions(&writer) { return 0 }
        let value = try self.value(of: call.arguments[1], at: call.moment)
        guard case .bytes(let bytes, let position, let current) = value else {
            if case .damaged = value { self.answerDamaged(&writer) } else { writer.integer(0) }
            return value.position
        }
        guard condition.isMet(by: deadline, current: current) else {
            writer.integer(0)
            return position
        }
        writer.integer(1)
        return try self.put(bytes, changedTo: deadline, call)
    }

    /// What the arguments behind the number say. Where they contradict each other or are not known, the error is written.
    private func expireCondition(_ arguments: Arguments, _ writer: inout ReplyWriter) -> ExpireCondition? {
        var condition: ExpireCondition = []
        for index in 3..<max(3, arguments.count) {
            let word = arguments[index]
            if word.equalsIgnoringCase("NX") {
                condition.insert(.never)
            } else if word.equalsIgnoringCase("XX") {
                condition.insert(.some)
            } else if word.equalsIgnoringCase("GT") {
                condition.insert(.later)
            } else if word.equalsIgnoringCase("LT") {
                condition.insert(.earlier)
            } else {
                writer.error("ERR", "Unsupported option \(word.prefix(128).text)")
                return nil
            }
        }
        if condition.contains(.never), condition != .never {
            writer.error("ERR NX and XX, GT or LT options at the same time are not compatible")
            return nil
        }
        if condition.isSuperset(of: [.later, .earlier]) {
            writer.error("ERR GT and LT options at the same time are not compatible")
            return nil
        }
        return condition
    }

    private func persist(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let value = try self.value(of: call.arguments[1], at: call.moment)
        if case .damaged = value {
            self.answerDamaged(&writer)
            return 0
        }
        guard case .bytes(let bytes, _, let current) = value, let kept = try self.keep(bytes, current, call) else {
            writer.integer(0)
            return value.position
        }
        writer.integer(kept.hasChanged ? 1 : 0)
        return kept.position
    }

    // MARK: TTL

    private func tellDeadline(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let value = try self.readCounted(call.arguments[1], at: call.moment)
        switch value {
        case .absent: writer.integer(-2)
        case .damaged: self.answerDamaged(&writer)
        case .bytes(_, _, expiryMilliseconds: 0): writer.integer(-1)
        case .bytes(_, _, let expiryMilliseconds):
            let isAbsolute = call.command == .expiretime || call.command == .pexpiretime
            let left = expiryMilliseconds - (isAbsolute ? 0 : min(call.moment.wall.milliseconds, expiryMilliseconds))
            let isInSeconds = call.command == .ttl || call.command == .expiretime
            writer.integer(Int(clamping: isInSeconds ? left / 1_000 + (left % 1_000 >= 500 ? 1 : 0) : left))
        }
        return value.position
    }
}
