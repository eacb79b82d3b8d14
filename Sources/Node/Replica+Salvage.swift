import Basics
import Digests
import Membership
import RESP
import Storage
import Versioning

/// What this node took along from a store that it gave up, and what becomes of it (I24).
///
/// Once it has everything that the others have, each is decided by itself. What a member wrote under an id that still counts is with that member, and comes
/// from it. Of other ids it is waited until all have settled what they hold of them:
///
///     they have its dot                                   it is known
///     the key has a version as great or greater           it is dominated
///     the key has a lesser one, or its stamp is greater
///     than that of anything that was ever dropped         it re-enters, with its stamp, under a fresh dot
///     a delete, or a value whose time is over             it is moot: there is nothing for it to delete
///     any other value                                     salvaged: it may have been deleted, and nothing tells; an operator decides
///
/// The answer is the same after a crash: what re-entered is found as an equal version.
extension Replica {
    /// Exports on their way to being decided.
    struct Salvaging {
        /// When it is looked for some that can be decided.
        var nextAt: Instant
        /// Behind which the next look begins; nil where it begins anew.
        var place: ExportPlace?
        /// Decided, and to go from the base once what was written for them is durable.
        var decided: [Export] = []
        var salvaged: [Export] = []
        var behind: LogPosition = 0
        var counts = SalvageCounts()

        var isEnding: Bool { !self.decided.isEmpty || !self.salvaged.isEmpty }
    }

    private enum Fate { case known, dominated, reenters, moot, salvaged, waits }

    /// So many are decided in a tick.
    private static let salvageEntries = 100
    private static let salvageInterval = Duration.seconds(1)

    package var salvageCounts: SalvageCounts { self.salvaging.counts }

    /// When `tendSalvage` has something to do although nothing happens; nil where never.
    var salvageDeadline: Instant? { self.mayDecideExports || self.salvaging.isEnding ? self.salvaging.nextAt : nil }

    private var mayDecideExports: Bool {
        self.store.exportCounts.undecided > 0 && self.store.isFounded && !self.isJoining && !self.isExcluded
    }

    /// Decides a few exports, if it is time.
    func tendSalvage(at moment: Moment) throws(StoreError) {
        guard self.mayDecideExports || self.salvaging.isEnding, moment.now >= self.salvaging.nextAt else { return }
        self.salvaging.nextAt = moment.now + .milliseconds(5)
        if self.salvaging.isEnding { return try self.endExports() }
        guard self.writeRefusal == nil, !self.holdsWrites, self.store.admitsWrites else { return self.restSalvage(at: moment.now) }
        // Nobody else may be in a hurry to settle what was written under this node's former ids.
        if self.salvaging.place == nil { _ = self.confirmedFloors(at: moment.now) }
        let exports = try self.store.exports(behind: self.salvaging.place, limit: Self.salvageEntries)
        self.salvaging.place = exports.last.map { ExportPlace(cluster: $0.cluster, dot: $0.dot) }
        for export in exports where export.state == .undecided && export.cluster == self.store.identity.cluster {
            try self.decide(export, at: moment)
        }
        if exports.count < Self.salvageEntries, !self.salvaging.isEnding { self.restSalvage(at: moment.now) }
    }

    private func restSalvage(at now: Instant) { (self.salvaging.place, self.salvaging.nextAt) = (nil, now + Self.salvageInterval) }

    private func decide(_ export: Export, at moment: Moment) throws(StoreError) {
        self.peers?.tickIsMixed = true  // What is written again, and what comes of it and of what is there.
        let fate = try export.withRecord(under: self.store.identity.digestKey) { record, token throws(StoreError) in
            if let siblings = record.siblings { return try self.decide(siblings, record, token, at: moment) }
            let fate = try self.fate(of: record, token, at: moment)
            if fate == .reenters, self.store.damage.contains(token) { return .waits }
            if fate == .reenters { self.salvaging.behind = try self.store.reenter(record, token: token, at: moment.now) }
            return fate
        }
        switch fate {
        case .waits: return
        case nil: self.salvaging.counts.rotten += 1
        case .known: self.salvaging.counts.known += 1
        case .dominated: self.salvaging.counts.dominated += 1
        case .moot: self.salvaging.counts.moot += 1
        case .reenters: self.salvaging.counts.reentered += 1
        case .salvaged:
            self.salvaging.counts.salvaged += 1
            return self.salvaging.salvaged.append(export)
        }
        self.salvaging.decided.append(export)
    }

    /// Decides on each of the siblings of a record: what is to be written again is, as long as all can be decided on.
    private func decide(_ siblings: Siblings, _ record: RecordView, _ token: Token, at moment: Moment) throws(StoreError) -> Fate {
        var (fate, again) = (Fate.known, [Sibling]())
        for version in siblings.versions {
            switch try self.fate(of: version, beneath: siblings.beneath, record, token, at: moment) {
            case .waits: return .waits
            case .reenters:
                again.append(version)
                fate = fate == .salvaged ? .salvaged : .reenters
            case .salvaged: fate = .salvaged
            case let other: fate = fate == .known ? other : fate
            }
        }
        if let beneath = siblings.beneath {
            switch try self.fate(of: beneath, record, token) {
            case .waits: return .waits
            case .reenters:
                // Looking may have shown it. What was written by then is known when it is looked at again.
                if self.store.damage.contains(token) { return .waits }
                self.salvaging.behind = try self.store.reenter(beneath, key: record.key, token: token, at: moment.now)
                fate = fate == .salvaged ? .salvaged : .reenters
            case .known, .dominated, .moot, .salvaged: break
            }
        }
        for version in again {
            if self.store.damage.contains(token) { return .waits }
            self.salvaging.behind = try self.store.reenter(version, beneath: siblings.beneath, key: record.key, token: token, at: moment.now)
        }
        return fate
    }

    /// What is left of a register is that older writes stay away: it is written again where there are such.
    private func fate(of beneath: Siblings.Register, _ record: RecordView, _ token: Token) throws(StoreError) -> Fate {
        guard self.store.settled.contains(beneath.dot.replica) else {
            let counts = self.roster?.isActive(beneath.dot.replica) ?? false
            return counts && self.store.seen.covers(beneath.dot) ? .known : .waits
        }
        if self.store.settled.writes.covers(beneath.dot) { return .known }
        guard case .taken = self.stampBounds.verdict(on: beneath.stamp.time) else { return .moot }
        if self.store.damage.contains(token) { return .waits }
        switch try self.store.find(token, key: record.key) {
        case .damaged: return .waits
        case .nothing: return .moot
        case .record(let current, _, _):
            let oldest = current.siblings?.versions.map(\.stamp).min() ?? current.stamp
            return oldest < beneath.stamp ? .reenters : .moot
        }
    }

    /// One that is newer than all that was ever forgotten is written again: whoever has replaced it names it still. Of an older one nobody can tell, but a
    /// delete takes with it what it had seen and is there, as what has expired does.
    private func fate(
        of version: Sibling, beneath: Siblings.Register?, _ record: RecordView, _ token: Token, at moment: Moment
    ) throws(StoreError) -> Fate {
        guard self.store.settled.contains(version.dot.replica) else {
            let counts = self.roster?.isActive(version.dot.replica) ?? false
            return counts && self.store.seen.covers(version.dot) ? .known : .waits
        }
        if self.store.settled.writes.covers(version.dot) { return .known }
        switch self.stampBounds.verdict(on: version.stamp.time) {
        case .taken: break
        case .held: return .waits
        case .refused: return version.isDelete ? .moot : .salvaged
        }
        if self.store.damage.contains(token) { return .waits }
        var stored: Siblings?
        switch try self.store.find(token, key: record.key) {
        case .damaged: return .waits
        case .nothing: break
        case .record(let current, _, _):
            stored = current.siblings
            if current.kind == .register { return current.stamp < version.stamp ? .reenters : .dominated }
        }
        let versions = stored?.versions ?? []
        if let register = stored?.beneath, register.stamp >= version.stamp { return .dominated }
        if versions.contains(where: { $0.context.covers(version.dot) || $0.stamp == version.stamp }) { return .dominated }
        if version.stamp.time > self.store.clearance.floors.stampTime { return .reenters }
        if version.isReadable(at: moment.wall) { return .salvaged }
        return versions.contains { !$0.isDelete && (version.context.covers($0.dot) || $0.stamp < beneath?.stamp ?? $0.stamp) } ? .reenters : .moot
    }

    /// What of a record is kept aside: of siblings those that nobody else has, and that were not written again.
    private func salvagedValues(of record: RecordView, _ token: Token, at moment: Moment) throws(StoreError) -> [SalvagedValue] {
        guard record.kind == .siblings else {
            return [SalvagedValue(bytes: record.payload, expiryMilliseconds: record.expiryMilliseconds, stamp: record.stamp, dot: record.dot)]
        }
        var stored: [Sibling] = []
        if case .record(let current, _, _) = try self.store.find(token, key: record.key) { stored = current.siblings?.versions ?? [] }
        let kept = (record.siblings?.readable(at: moment.wall) ?? []).filter { version in
            !self.store.settled.writes.covers(version.dot) && !stored.contains { $0.stamp == version.stamp }
        }
        return kept.map { SalvagedValue(bytes: $0.value!, expiryMilliseconds: $0.expiryMilliseconds, stamp: $0.stamp, dot: $0.dot) }
    }

    private func fate(of record: RecordView, _ token: Token, at moment: Moment) throws(StoreError) -> Fate {
        guard self.store.settled.contains(record.dot.replica) else {
            // Of an id that counts no more some member may be about to tell that it has it.
            let counts = self.roster?.isActive(record.dot.replica) ?? false
            return counts && self.store.seen.covers(record.dot) ? .known : .waits
        }
        if self.store.settled.writes.covers(record.dot) { return .known }
        switch self.stampBounds.verdict(on: record.stampTime) {
        case .taken: break
        case .held: return .waits
        case .refused: return record.isTombstone ? .moot : .salvaged
        }
        if self.store.damage.contains(token) { return .waits }
        switch try self.store.find(token, key: record.key) {
        case .damaged: return .waits
        case .record(let stored, _, _):
            let oldest = stored.siblings?.versions.map(\.stamp).min() ?? stored.stamp
            return oldest < record.stamp ? .reenters : .dominated
        case .nothing:
            if record.stampTime > self.store.clearance.floors.stampTime { return .reenters }
            return record.isTombstone || !record.isReadable(at: moment.wall) ? .moot : .salvaged
        }
    }

    /// Takes out of the base what is decided, once nothing depends on it any more.
    private func endExports() throws(StoreError) {
        guard self.salvaging.behind < self.store.synced else { return }
        guard try self.store.end(self.salvaging.decided, salvaged: self.salvaging.salvaged) else { return }
        (self.salvaging.decided, self.salvaging.salvaged) = ([], [])
        if self.store.exportCounts.undecided == 0, self.salvaging.counts != SalvageCounts() { self.tell(self.salvaging.counts.text) }
    }

    /// The log was cut: what was decided is looked at again.
    func forgetDecided() { (self.salvaging.decided, self.salvaging.salvaged, self.salvaging.place) = ([], [], nil) }
}

/// What became of exports since the start.
package struct SalvageCounts: Equatable, Sendable {
    var known = 0
    var dominated = 0
    package var reentered = 0
    var moot = 0
    package var salvaged = 0
    var rotten = 0

    /// For an operator.
    var text: String {
        let all = self.known + self.dominated + self.reentered + self.moot + self.salvaged + self.rotten
        let kept = self.salvaged == 0 ? "" : ": see `hearsay salvage`"
        let rotten = self.rotten == 0 ? "" : ", \(self.rotten) damaged"
        return
            "of \(all) versions that this node took along from its former data the others had \(self.known), or greater ones of \(self.dominated) keys; "
            + "\(self.reentered) are written again, \(self.moot) deletes or expired values have nothing left to do, "
            + "\(self.salvaged) values that may have been deleted meanwhile are kept aside\(kept)\(rotten)"
    }
}

// MARK: HEARSAY SALVAGE

extension Replica {
    private static let salvageLimit = 100

    /// Lists what is kept aside, writes it again, or gives it up.
    func salvage(_ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let arguments = call.arguments
        guard arguments.count > 2 else { return try self.listSalvage(limit: Self.salvageLimit, at: call.moment, &writer) }
        guard arguments.count == 4 else {
            self.answerSyntaxError(&writer)
            return 0
        }
        if arguments[2].equalsIgnoringCase("LIMIT") {
            guard let limit = arguments[3].integer(), (1...Int64(Int32.max)).contains(limit) else {
                self.statistics.errors += 1
                writer.error("ERR", "LIMIT takes a number from 1 to \(Int32.max)")
                return 0
            }
            return try self.listSalvage(limit: Int(limit), at: call.moment, &writer)
        }
        if arguments[2].equalsIgnoringCase("REPLAY") { return try self.endSalvage(of: arguments[3], replays: true, call, &writer) }
        if arguments[2].equalsIgnoringCase("DISCARD") { return try self.endSalvage(of: arguments[3], replays: false, call, &writer) }
        self.answerSyntaxError(&writer)
        return 0
    }

    private func listSalvage(limit: Int, at moment: Moment, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        var rows = ReplyWriter(version: writer.version)
        var count = 0
        for export in try self.salvagedExports(limit: limit) {
            let shown: Void? = try export.withRecord(under: self.store.identity.digestKey) { record, token throws(StoreError) in
                for value in try self.salvagedValues(of: record, token, at: moment) {
                    rows.map(count: 5)
                    rows.bulk("key")
                    rows.bulk(record.key)
                    rows.bulk("value")
                    rows.bulk(value.bytes)
                    rows.bulk("written_milliseconds")
                    rows.integer(Int(clamping: value.stamp.milliseconds))
                    rows.bulk("written_by")
                    rows.bulk("\(value.dot.replica)")
                    rows.bulk("expires_milliseconds")
                    rows.integer(Int(clamping: record.expiryMilliseconds))
                    count += 1
                }
            }
            if shown == nil {  // Damaged.
                rows.null()
                count += 1
            }
        }
        writer.array(count: count)
        writer.append(contentsOf: rows)
        return 0
    }

    private func salvagedExports(limit: Int, where isWanted: (Export) -> Bool = { _ in true }) throws(StoreError) -> [Export] {
        var (found, place) = ([Export](), nil as ExportPlace?)
        while found.count < limit {
            let exports = try self.store.exports(behind: place, limit: Self.salvageEntries)
            guard let last = exports.last else { break }
            found += exports.filter { export in
                export.state == .salvaged && isWanted(export) && !self.salvaging.decided.contains { $0.dot == export.dot }
            }.prefix(limit - found.count)
            place = ExportPlace(cluster: last.cluster, dot: last.dot)
        }
        return found
    }

    /// Writes the greatest value of a key that is kept aside, over whatever the key has, or only gives up what there is of it.
    private func endSalvage(of key: Bytes, replays: Bool, _ call: Call, _ writer: inout ReplyWriter) throws(StoreError) -> LogPosition {
        let name = Array(key.buffer)
        let exports = try self.salvagedExports(limit: .max) { $0.key == name }
        guard !exports.isEmpty else {
            self.statistics.errors += 1
            writer.error("ERR", "nothing of that key is kept aside; HEARSAY SALVAGE lists what is")
            return 0
        }
        if replays {
            guard self.writeRefusal == nil, !self.holdsWrites, self.store.admitsWrites else {
                self.statistics.errors += 1
                writer.error("ERR", "\(self.writeRefusal ?? "writes wait just now"): nothing is written, and the value stays aside")
                return 0
            }
            var greatest: Stamp?
            for export in exports {
                _ = try export.withRecord(under: self.store.identity.digestKey) { record, token throws(StoreError) in
                    if record.kind == .siblings {
                        return try self.replay(try self.salvagedValues(of: record, token, at: call.moment), for: key, at: call.moment)
                    }
                    if let stamp = greatest, record.stamp < stamp { return }
                    greatest = record.stamp
                    try self.put(Bytes(record.payload), for: key, expiryMilliseconds: record.expiryMilliseconds, at: call.moment)
                }
            }
            self.salvaging.behind = self.store.appliedPosition
        }
        self.salvaging.decided += exports
        self.salvaging.nextAt = min(self.salvaging.nextAt, call.moment.now)
        writer.ok()
        return self.store.appliedPosition
    }
}

/// A value that is kept aside, as it was written. Its bytes lie in those of its export.
struct SalvagedValue {
    let bytes: UnsafeRawBufferPointer
    /// 0 for none.
    let expiryMilliseconds: UInt64
    let stamp: Stamp
    let dot: Dot
}
