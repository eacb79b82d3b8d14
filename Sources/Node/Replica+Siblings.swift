import Basics
import Digests
import RESP
import Storage
import Versioning

/// Keys whose concurrent writes stand beside each other: VGET, VMGET, VSET and VDEL, and what the commands for one value do to them.
///
/// A read answers a context with the values. A write that hands it back takes the place of exactly what was read, wherever it is made; one without stands
/// beside whatever there is. A key has siblings from its first VSET until it is deleted, or the last of them has expired.
extension Replica {
    /// A write that takes no other's place is refused where its key has so many siblings, or they are so long together (I15).
    static let maximumSiblings = 100
    static let maximumSiblingBytes = 1 << 20

    func runSiblings(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        switch call.command {
        case .vget, .vmget: try self.readSiblings(call, &writer)
        case .vset: .answered(dependsOn: try self.setSibling(call, &writer))
        case .vdel: .answered(dependsOn: try self.deleteSiblings(call, &writer))
        default: preconditionFailure("\(call.command) is no command on siblings")
        }
    }

    // MARK: Looking up

    /// What a key has, for a write that keeps what is concurrent.
    private enum Stored {
        case nothing
        /// With what tells this version of the key from others; deletes alone are siblings too.
        case siblings(Siblings, position: LogPosition, layer: Store.Layer)
        /// One that nobody reads any more: its stamp counts still.
        case gone(Siblings.Register, position: LogPosition)
        case register
        case damaged
    }

    private func stored(_ key: UnsafeRawBufferPointer, _ token: Token, at moment: Moment) throws(StoreError) -> Stored {
        switch try self.store.find(token, key: key) {
        case .nothing: return .nothing
        case .damaged: return .damaged
        case .record(let record, let position, let layer):
            guard record.kind == .siblings else {
                return record.isReadable(at: moment.wall) ? .register : .gone(record.asRegister, position: position)
            }
            return record.siblings.map { .siblings($0, position: position, layer: layer) } ?? .damaged
        }
    }

    /// Whether a key has siblings that somebody can read.
    func hasSiblings(_ key: UnsafeRawBufferPointer, at moment: Moment) throws(StoreError) -> Bool {
        guard self.store.hasSiblings, case .record(let record, _, _) = try self.store.find(self.store.token(of: key), key: key) else { return false }
        return record.kind == .siblings && record.isReadable(at: moment.wall)
    }

    // MARK: Writing

    /// What a plain write of a key takes the place of, where it makes siblings.
    struct SiblingPlace {
        fileprivate var siblings: Siblings?
        fileprivate var beneath: Siblings.Register?
    }

    /// Where a plain write of a value makes siblings, as there are some, or a policy wants them of a new key; nil where it makes a register.
    func placeOfSibling(of key: UnsafeRawBufferPointer, _ token: Token, at moment: Moment) throws(StoreError) -> SiblingPlace? {
        try self.placeOfSibling(of: key, token, isNewToo: self.peers?.policies.keepSiblings(key) ?? false, at: moment)
    }

    /// - Parameter isNewToo: a key that is not there is to have siblings too.
    /// - Returns: nil where the write makes a register.
    func placeOfSibling(
        of key: UnsafeRawBufferPointer, _ token: Token, isNewToo: Bool, at moment: Moment
    ) throws(StoreError) -> SiblingPlace? {
        switch try self.stored(key, token, at: moment) {
        case .register, .damaged: nil
        case .nothing: isNewToo ? SiblingPlace() : nil
        case .gone(let register, _): isNewToo ? SiblingPlace(beneath: register) : nil
        case .siblings(let siblings, _, _):
            isNewToo || siblings.newestReadable(at: moment.wall) != nil ? SiblingPlace(siblings: siblings) : nil
        }
    }

    /// Takes the place of all that this node has of a key.
    ///
    /// - Parameter expiryMilliseconds: the deadline of the value; 0 for none.
    func replace(
        _ place: SiblingPlace, with value: UnsafeRawBufferPointer?, expiryMilliseconds: UInt64 = 0, _ key: UnsafeRawBufferPointer, _ token: Token,
        at moment: Moment
    ) throws(StoreError) -> LogPosition {
        let write = SiblingWrite(value: value, expiryMilliseconds: expiryMilliseconds, context: place.siblings.map(self.context) ?? CausalContext())
        return try self.perform(write, key, token, over: place.siblings, beneath: place.beneath, at: moment).position
    }

    /// Writes each of a key's siblings again, in its own place, with another deadline. What is written at the same time elsewhere stands beside them.
    ///
    /// - Returns: how many had another one, and what an answer depends on; nil where the key has no siblings.
    func changeDeadline(of key: UnsafeRawBufferPointer, to expiryMilliseconds: UInt64, at moment: Moment) throws(StoreError) -> (
        count: Int, position: LogPosition
    )? {
        let token = self.store.token(of: key)
        guard self.store.hasSiblings, case .siblings(var siblings, var position, _) = try self.stored(key, token, at: moment) else { return nil }
        let changed = siblings.readable(at: moment.wall).filter { $0.expiryMilliseconds != expiryMilliseconds }
        for version in changed {
            var context = CausalContext()
            // One that was written again under another dot is read once, and goes with it.
            for copy in siblings.versions where copy.stamp == version.stamp { context.insert(copy.dot) }
            let write = SiblingWrite(value: version.value, expiryMilliseconds: expiryMilliseconds, context: context)
            (siblings, position) = try self.perform(write, key, token, over: siblings, beneath: nil, at: moment)
        }
        return (changed.count, position)
    }

    /// One write of a key with siblings: a value, or a delete, in the place of what its context names.
    private struct SiblingWrite {
        var value: UnsafeRawBufferPointer?
        /// 0 for none.
        var expiryMilliseconds: UInt64 = 0
        var context: CausalContext
    }

    /// What somebody has seen who has read a key here. After damage this node may have seen more than it shows.
    private func context(of siblings: Siblings) -> CausalContext { siblings.context(seen: self.store.hasDamage ? Seen() : self.store.seen) }

    private func perform(
        _ write: SiblingWrite, _ key: UnsafeRawBufferPointer, _ token: Token, over siblings: Siblings?, beneath: Siblings.Register?,
        at moment: Moment
    ) throws(StoreError) -> (siblings: Siblings, position: LogPosition) {
        let next = self.nextVersion(isTombstone: write.value == nil, at: moment)
        // What floors have passed is known to have been there, on all nodes.
        let beneath = beneath.flatMap { self.store.floors.covers($0.dot) ? nil : $0 }
        let written = Siblings.writing(
            write.value, expiryMilliseconds: write.expiryMilliseconds, dot: next.dot, stamp: next.stamp, context: write.context, over: siblings,
            beneath: beneath, hasPassed: { self.hasPassed($0, at: moment) }, isOver: self.store.settled.contains,
            isEverywhere: self.store.floors.covers)
        self.statistics.mostSiblings = max(self.statistics.mostSiblings, written.readable(at: moment.wall).count)
        return (written, try self.store.put(written, key: key, token: token, at: moment.now))
    }

    /// Whether a deadline has passed by every clock that is within the drift bound of this one.
    private func hasPassed(_ version: Sibling, at moment: Moment) -> Bool {
        version.expiryMilliseconds > 0 && moment.wall.milliseconds > self.driftMilliseconds
            && version.expiryMilliseconds < moment.wall.milliseconds - self.driftMilliseconds
    }

    /// Writes values that were kept aside beside whatever a key has.
    func replay(_ values: [SalvagedValue], for key: Bytes, at moment: Moment) throws(StoreError) {
        let token = self.store.token(of: key.buffer)
        for value in values {
            let write = SiblingWrite(value: value.bytes, expiryMilliseconds: value.expiryMilliseconds, context: CausalContext())
            switch try self.stored(key.buffer, token, at: moment) {
            case .register, .damaged: try self.put(Bytes(value.bytes), for: key, expiryMilliseconds: value.expiryMilliseconds, at: moment)
            case .nothing: _ = try self.perform(write, key.buffer, token, over: nil, beneath: nil, at: moment)
            case .gone(let register, _): _ = try self.perform(write, key.buffer, token, over: nil, beneath: register, at: moment)
            case .siblings(let siblings, _, _): _ = try self.perform(write, key.buffer, token, over: siblings, beneath: nil, at: moment)
            }
        }
    }

    private func setSibling(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let (key, value, token) = (call.arguments[1].buffer, call.arguments[2].buffer, self.store.token(of: call.arguments[1].buffer))
        guard let options = SiblingOptions(call.arguments) else {
            self.answerSyntaxError(&writer)
            return 0
        }
        let deadline: Int64?
        do throws(DeadlineForm.Failure) { deadline = try options.deadline(at: call.moment.wall) } catch { return self.answer(error, call, &writer) }
        guard let read = self.read(options.context, of: key, &writer) else { return 0 }
        var write = SiblingWrite(value: value, context: read.context)
        if let deadline {
            // Of what is in the past nothing could ever be read: it is as a delete of what it replaces.
            if deadline < Int64(clamping: call.moment.wall.milliseconds) { write.value = nil }
            write.expiryMilliseconds = UInt64(clamping: deadline)
        }
        switch try self.stored(key, token, at: call.moment) {
        case .register: return self.answerWrongType(&writer)
        case .damaged:
            self.answerDamaged(&writer)
            return 0
        case .nothing:
            writer.ok()
            return try self.perform(write, key, token, over: nil, beneath: read.beneath, at: call.moment).position
        case .gone(let register, _):
            writer.ok()
            return try self.perform(write, key, token, over: nil, beneath: register.joined(read.beneath), at: call.moment).position
        case .siblings(let siblings, _, _):
            guard self.hasRoom(for: write, beside: siblings, at: call.moment) else {
                (self.statistics.errors, self.statistics.refusedSiblings) = (self.statistics.errors + 1, self.statistics.refusedSiblings + 1)
                writer.error("ERR the key has as many siblings as it may: read it with VGET, and write with the context that this answers")
                return 0
            }
            writer.ok()
            return try self.perform(write, key, token, over: siblings, beneath: read.beneath, at: call.moment).position
        }
    }

    /// Whether a key may have one more sibling. A write that takes another's place is always taken, for there is no other way back. What has expired only
    /// just counts still: a node whose clock is behind shows it.
    private func hasRoom(for write: SiblingWrite, beside siblings: Siblings, at moment: Moment) -> Bool {
        let others = siblings.versions.filter { !$0.isDelete && !self.hasPassed($0, at: moment) }
        guard let value = write.value, !others.isEmpty, !others.contains(where: { write.context.covers($0.dot) }) else { return true }
        let byteCount = others.reduce(value.count) { $0 + ($1.value?.count ?? 0) }
        return others.count < Self.maximumSiblings && byteCount <= Self.maximumSiblingBytes
    }

    private func deleteSiblings(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let (arguments, key) = (call.arguments, call.arguments[1].buffer)
        guard arguments[2].equalsIgnoringCase("CONTEXT") else {
            self.answerSyntaxError(&writer)
            return 0
        }
        guard let read = self.read(arguments[3], of: key, &writer) else { return 0 }
        let (context, token) = (read.context, self.store.token(of: key))
        var (siblings, beneath, position): (Siblings?, Siblings.Register?, LogPosition) = (nil, read.beneath, 0)
        switch try self.stored(key, token, at: call.moment) {
        case .register: return self.answerWrongType(&writer)
        case .damaged:
            self.answerDamaged(&writer)
            return 0
        case .nothing: break
        case .gone(let register, let at): (beneath, position) = (register.joined(read.beneath), at)
        case .siblings(let stored, let at, _): (siblings, position) = (stored, at)
        }
        writer.integer(siblings?.versions.count { $0.isReadable(at: call.moment.wall) && context.covers($0.dot) } ?? 0)
        // What the context names and has not come yet must be gone when it does; and what has expired here only, by a clock that is ahead.
        let replaces = siblings?.versions.contains { !$0.isDelete && context.covers($0.dot) } ?? false
        guard replaces || !self.hasSeen(context) else { return position }
        let write = SiblingWrite(value: nil, context: context)
        return try self.perform(write, key, token, over: siblings, beneath: beneath, at: call.moment).position
    }

    private func hasSeen(_ context: CausalContext) -> Bool {
        context.entries.allSatisfy { entry in
            let dots = ([entry.through] + entry.beyond).map { Dot(replica: entry.replica, sequence: $0) }
            return self.store.seen.watermark(of: entry.replica) >= entry.through && dots.allSatisfy { self.store.seen.covers($0) }
        }
    }

    /// What a client hands in; nothing where it hands in none. Where it is not what a node gave for the key, the error is written.
    private func read(_ text: Bytes?, of key: UnsafeRawBufferPointer, _ writer: inout ReplyWriter) -> CausalToken? {
        guard let text, !text.isEmpty else { return CausalToken(CausalContext(), stampTime: 0, beneath: nil) }
        let token: CausalToken
        do throws(CausalToken.Failure) { token = try CausalToken(text.buffer, for: self.scope(of: key)) } catch {
            self.statistics.errors += 1
            switch error {
            case .tooLong: writer.error("ERR the context is longer than any that this cluster gives")
            case .foreign: writer.error("ERR the context is damaged, or was given for another key or by another cluster")
            }
            return nil
        }
        guard case .taken = self.stampBounds.verdict(on: token.stampTime) else {
            self.statistics.errors += 1
            writer.error("ERR the context is from a node whose clock is ahead of this one's: HEARSAY MEMBERS shows clocks")
            return nil
        }
        // Given before this node's store was put back: it would name writes that are made anew.
        let own = self.store.identity.replica
        guard !token.context.covers(Dot(replica: own, sequence: self.store.seen.watermark(of: own) + 1)) else {
            self.statistics.errors += 1
            writer.error("ERR the context is from a later state of this node, whose store is an older one now: read the key again")
            return nil
        }
        self.clock.observe(token.stampTime)
        return token
    }

    private func scope(of key: UnsafeRawBufferPointer) -> CausalToken.Scope {
        CausalToken.Scope(cluster: self.store.identity.cluster, digestKey: self.store.identity.digestKey, key: key)
    }

    private func answerWrongType(_ writer: inout ReplyWriter) -> LogPosition {
        self.statistics.errors += 1
        writer.error("WRONGTYPE the key holds a string, whose last write wins: read and write it with GET and SET, or delete it first")
        return 0
    }

    // MARK: Reading

    /// A context may leave only when what it names is durable: at durability `interval` an answer waits longer for that than a value does.
    private func readSiblings(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> Outcome {
        var answer = ReplyWriter(version: writer.version)
        let position = try self.answerSiblings(call, &answer)
        guard self.store.configuration.durability == .interval, position > 0, position >= self.store.synced else {
            writer.append(contentsOf: answer)
            return .answered(dependsOn: position)
        }
        return .job(Job(answer: answer, dependsOn: position))
    }

    private func answerSiblings(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        guard call.command == .vmget else {
            return try self.answerSiblings(of: call.arguments[1].buffer, at: call.moment, isOneOfMany: false, &writer) ?? 0
        }
        var position: LogPosition = 0
        writer.array(count: call.arguments.count - 1)
        for index in 1..<call.arguments.count {
            let start = writer.count
            guard let at = try self.answerSiblings(of: call.arguments[index].buffer, at: call.moment, isOneOfMany: true, &writer),
                writer.count <= Self.maximumAnswerBytes
            else {
                let isDamaged = writer.count == start
                writer.truncate(to: 0)
                if isDamaged { self.answerDamaged(&writer) } else { self.answerTooLong(&writer) }
                return 0
            }
            position = max(position, at)
        }
        return position
    }

    private func answerTooLong(_ writer: inout ReplyWriter) {
        self.statistics.errors += 1
        writer.error("ERR the answer is longer than 24 MiB: ask for fewer keys at once")
    }

    /// - Parameter isOneOfMany: what is no set of siblings is null then, and damage is left to the caller.
    /// - Returns: what the answer depends on; nil for damage among many.
    private func answerSiblings(
        of key: UnsafeRawBufferPointer, at moment: Moment, isOneOfMany: Bool, _ writer: inout ReplyWriter
    ) throws(StoreError) -> LogPosition? {
        switch try self.stored(key, self.store.token(of: key), at: moment) {
        case .damaged:
            if isOneOfMany { return nil }
            self.answerDamaged(&writer)
            return 0
        case .register:
            if !isOneOfMany { return self.answerWrongType(&writer) }
            writer.null()
            return 0
        case .nothing:
            self.statistics.misses += 1
            self.answer([], context: [], &writer)
            return 0
        case .gone(let register, let position):
            self.statistics.misses += 1
            // Nothing is there to be replaced; but what is written with this must not be older than the delete.
            let token = CausalToken(CausalContext(), stampTime: register.stamp.time, beneath: register)
            self.answer([], context: token.text(for: self.scope(of: key)), &writer)
            return position
        case .siblings(let siblings, let position, let layer):
            let token = CausalToken(self.context(of: siblings), stampTime: siblings.newest.stamp.time, beneath: siblings.beneath)
            let readable = Array(siblings.readable(at: moment.wall).reversed())
            self.statistics.mostSiblings = max(self.statistics.mostSiblings, readable.count)
            if readable.isEmpty { self.statistics.misses += 1 } else { self.countHit(in: layer) }
            self.answer(readable, context: token.text(for: self.scope(of: key)), &writer)
            return max(position, self.store.appliedPosition)
        }
    }

    /// The newest first: what GET answers.
    private func answer(_ siblings: [Sibling], context: [UInt8], _ writer: inout ReplyWriter) {
        writer.map(count: 2)
        writer.bulk("context")
        writer.bulk(context)
        writer.bulk("siblings")
        writer.array(count: siblings.count)
        for sibling in siblings { writer.bulk(sibling.value!) }
    }
}
