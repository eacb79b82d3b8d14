import Digests
import RESP
import Storage
import Versioning

/// MULTI, EXEC and WATCH, on this node alone: what EXEC writes is one batch of the log, there whole or not at all after a crash.
extension Replica {
    /// The most bytes that commands between MULTI and EXEC may hold, and the most that EXEC may write.
    static let maximumTransactionBytes = 64 << 20

    static func runsInsideTransaction(_ command: Command) -> Bool {
        switch command {
        case .exec, .discard, .multi, .watch, .quit, .reset: true
        default: false
        }
    }

    /// Commands whose answers are computed in slices, or may have to wait, while others' commands come: no part of a transaction.
    private static func takesSlices(_ command: Command, _ arguments: Arguments) -> Bool {
        switch command {
        case .keys, .randomkey, .dbsize, .flushall, .flushdb, .wait, .vget, .vmget: return true
        case .hearsay:
            let subcommand = command.subcommand(named: arguments[1])
            return [.hearsayDigest, .hearsayVerify, .hearsayDiff, .hearsayRepair, .hearsaySiblings].contains(subcommand)
        default: return false
        }
    }

    func queue(_ command: Command, _ arguments: Arguments, _ session: Session, _ writer: inout ReplyWriter) {
        guard !Self.takesSlices(command, arguments) else {
            self.refuse(session)
            return writer.error("ERR Command not allowed inside a transaction")
        }
        let copy = arguments.copy()
        let byteCount = session.transaction!.byteCount + copy.byteCount
        guard byteCount <= Self.maximumTransactionBytes else {
            self.refuse(session)
            return writer.error("ERR transaction is longer than 64 MiB")
        }
        session.transaction!.byteCount = byteCount
        session.transaction!.commands.append(copy)
        if command.traits.flags.contains(.write) { session.transaction!.writes = true }
        writer.simple("QUEUED")
    }

    func runTransaction(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let session = call.session
        switch call.command {
        case .multi:
            guard session.transaction == nil else { return self.refuse("ERR MULTI calls can not be nested", &writer) }
            session.transaction = Session.Transaction()
            writer.ok()
        case .discard:
            guard session.transaction != nil else { return self.refuse("ERR DISCARD without MULTI", &writer) }
            session.endTransaction()
            writer.ok()
        case .watch:
            guard session.transaction == nil else { return self.refuse("ERR WATCH inside MULTI is not allowed", &writer) }
            return try self.watch(call, &writer)
        case .unwatch:
            session.watches = []
            writer.ok()
        case .exec:
            return try self.execute(call, &writer)
        default: preconditionFailure("\(call.command) is no command on transactions")
        }
        return 0
    }

    private func refuse(_ text: StaticString, _ writer: inout ReplyWriter) -> LogPosition {
        self.statistics.errors += 1
        writer.error(text)
        return 0
    }

    /// The most keys that one client may watch.
    private static let maximumWatches = 65_536

    private func watch(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard self.judgesConditions(&writer) else { return 0 }
        guard call.session.watches.count + call.arguments.count - 1 <= Self.maximumWatches else {
            return self.refuse("ERR too many watched keys", &writer)
        }
        for index in 1..<call.arguments.count {
            let key = call.arguments[index]
            let token = self.store.token(of: key.buffer)
            let newest = try self.newest(token, key.buffer, at: call.moment)
            call.session.watches.append(Session.Watch(key: key.copy(), token: token, state: newest.state))
        }
        writer.ok()
        return 0
    }

    private typealias Newest = (state: Session.Watch.State?, position: LogPosition)

    private func newest(_ token: Token, _ key: UnsafeRawBufferPointer, at moment: Moment) throws(StoreError) -> Newest {
        guard case .record(let record, let position, _) = try self.store.find(token, key: key) else { return (nil, 0) }
        return (Session.Watch.State(stamp: record.stamp, isAbsent: !record.isReadable(at: moment.wall)), position)
    }

    private func newest(_ watch: Session.Watch, at moment: Moment) throws(StoreError) -> Newest {
        try watch.key.span.bytes.withUnsafeBytes { key throws(StoreError) in try self.newest(watch.token, key, at: moment) }
    }

    private func execute(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard let transaction = call.session.transaction else { return self.refuse("ERR EXEC without MULTI", &writer) }
        let watches = call.session.watches
        call.session.endTransaction()
        guard !transaction.isAborted else { return self.refuse("EXECABORT Transaction discarded because of previous errors.", &writer) }
        var position: LogPosition = 0
        for watch in watches {
            let newest = try self.newest(watch, at: call.moment)
            // What was absent may have been dropped.
            guard newest.state == watch.state || (newest.state == nil && watch.state?.isAbsent == true) else {
                writer.nullArray()
                return newest.position
            }
            position = max(position, newest.position)
        }
        if transaction.writes, let reason = self.writeRefusal {
            self.statistics.errors += 1
            writer.error("EXECABORT", "Transaction discarded because of: \(reason)")
            return 0
        }
        return max(position, try self.execute(transaction, call, &writer))
    }

    private func execute(_ transaction: Session.Transaction, _ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let (mark, start, bytes) = (self.store.mark(), writer.count, self.store.tickBytes)
        var position: LogPosition = 0
        writer.array(count: transaction.commands.count)
        for command in transaction.commands {
            let outcome = try self.execute(command, call, &writer)
            if case .answered(let dependsOn) = outcome { position = max(position, dependsOn) }
            let writesTooMuch = self.store.tickBytes - bytes > Self.maximumTransactionBytes
            guard !writesTooMuch, writer.count - start <= Self.maximumAnswerBytes else {
                try self.store.rollBack(to: mark)
                writer.truncate(to: start)
                if writesTooMuch { return self.refuse("EXECABORT Transaction discarded: it writes more than 64 MiB.", &writer) }
                return self.refuse("EXECABORT Transaction discarded: its answer is longer than 24 MiB.", &writer)
            }
        }
        return position
    }

    private func execute(_ command: ArgumentsCopy, _ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        var result: Result<Outcome, StoreError> = .success(.answered(dependsOn: 0))
        // `withArguments` passes no typed errors on.
        var inner = ReplyWriter(version: call.session.version)
        command.withArguments { arguments in
            guard let command = Command.lookup(arguments[0]) else { preconditionFailure("an unknown command was queued") }
            let nested = Call(command: command, arguments: arguments, session: call.session, moment: call.moment)
            do throws(StoreError) { result = .success(try self.dispatch(nested, &inner)) } catch { result = .failure(error) }
        }
        writer.append(contentsOf: inner)
        writer.version = call.session.version
        return try result.get()
    }
}
