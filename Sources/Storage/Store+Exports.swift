import Basics
import Digests
import Versioning

/// What a node took along when it gave up its store, and what becomes of that.
extension Store {
    /// Versions that this node took along, behind a place, of whatever cluster.
    package func exports(behind place: ExportPlace?, limit: Int) throws(StoreError) -> [Export] {
        try self.reader.open()
        return try self.reader.exports(behind: place, limit: limit)
    }

    /// Writes a version again, under the next dot of this node and with the stamp that it had: nothing that is newer loses to it, on any node (I24).
    ///
    /// - Returns: what depends on it.
    package func reenter(_ record: RecordView, token: Token, at now: Instant) throws(StoreError) -> LogPosition {
        var header = record.versionHeader
        header.dot = self.nextDot
        // Of a value that has left nothing is to show, whatever a clock says later; what is older it still has to keep away.
        if record.isHeaderOnly { (header.isTombstone, header.expiryMilliseconds) = (true, 0) }
        return try self.enter(header, record.key, token, Array(record.payload), at: now)
    }

    /// Writes a sibling again, under the next dot of this node, with the stamp and the context that it had: it stands beside whatever came since, and takes
    /// the place of nothing but what it took the place of.
    ///
    /// - Returns: what depends on it.
    package func reenter(
        _ version: Sibling, beneath: Siblings.Register?, key: UnsafeRawBufferPointer, token: Token, at now: Instant
    ) throws(StoreError) -> LogPosition {
        let again = Sibling(
            dot: self.nextDot, stamp: version.stamp, context: version.context, value: version.value, expiryMilliseconds: version.expiryMilliseconds)
        guard let alone = Siblings(beneath: beneath, versions: [again]) else {
            preconditionFailure("\(version.stamp) is no later than what was beneath")
        }
        return try self.enter(VersionHeader(alone), key, token, alone.encoded, at: now)
    }

    /// Writes again that a register was there, of which nothing is left but that it was: what is older than it stays away.
    ///
    /// - Returns: what depends on it.
    package func reenter(
        _ beneath: Siblings.Register, key: UnsafeRawBufferPointer, token: Token, at now: Instant
    ) throws(StoreError) -> LogPosition {
        try self.enter(VersionHeader(dot: self.nextDot, stamp: beneath.stamp, isTombstone: true), key, token, [], at: now)
    }

    private var nextDot: Dot { Dot(replica: self.identity.replica, sequence: self.seen.watermark(of: self.identity.replica) + 1) }

    /// Takes an old version as if a peer had told of it: what it and the key's come to may be neither the one nor the other.
    private func enter(
        _ header: VersionHeader, _ key: UnsafeRawBufferPointer, _ token: Token, _ payload: [UInt8], at now: Instant
    ) throws(StoreError) -> LogPosition {
        let frame = RecordLayout.frame(header, key: key, token: token, payload: payload)
        let merged = try frame.span.bytes.withUnsafeBytes { frame throws(StoreError) in
            guard let record = RecordView(frame: frame) else { preconditionFailure("a record of \(frame.count) bytes does not read") }
            return try self.merge(record, token: token, .push, at: now)
        }
        switch merged {
        case .applied(let position), .superseded(let position): return position
        case .known: preconditionFailure("\(header.dot) is known, or its place is damaged")
        }
    }

    /// Has the next start give up this store.
    ///
    /// - Returns: what depends on it.
    package func order(_ order: ReturnOrder) -> LogPosition {
        let value = order.controlValue
        // With nothing said to be there everything is taken along, and found to be known later.
        return self.setControl(.returning, value.count > ControlRecord.maximumValueByteCount ? ReturnOrder(seen: Seen()).controlValue : value)
    }

    /// Ends exports: those that are decided go, what an operator has to decide stays as that.
    ///
    /// The loop writes to the base itself: it happens rarely, and there is no drain just then.
    ///
    /// - Precondition: what was written for them is durable.
    /// - Returns: false where there is no room, or a drain is under way: again later.
    package func end(_ decided: [Export], salvaged: [Export]) throws(StoreError) -> Bool {
        guard !self.isBaseMoving else { return false }
        let writer = self.base.makeWriter()
        do throws(StoreError) {
            try writer.begin()
            for export in decided { try writer.removeExport(at: export.place) }
            for var export in salvaged {
                export.state = .salvaged
                try writer.keep(export)
            }
            try writer.commit(nil as Checkpoint?)
        } catch {
            writer.abort()
            guard error.isDiskFull else { throw error }
            return false
        }
        for export in decided { self.exportCounts.count(export.state, by: -1) }
        for export in salvaged {
            self.exportCounts.count(export.state, by: -1)
            self.exportCounts.count(.salvaged)
        }
        self.reader.reset()
        return true
    }
}

/// Has the next start give up the store for that of a member which has seen so much: what it has not seen is taken along.
package struct ReturnOrder: Equatable, Sendable {
    package let seen: Seen

    package init(seen: Seen) { self.seen = seen }

    package var controlValue: [UInt8] {
        var bytes: [UInt8] = []
        self.seen.encode(into: &bytes)
        return bytes
    }

    /// Nil where the bytes are none.
    package init?(controlValue bytes: [UInt8]) {
        guard let seen = bytes.withUnsafeBytes({ try? Seen(decoding: $0) }) else { return nil }
        self.init(seen: seen)
    }
}

/// What giving up a store did, for the log.
package struct StartOverReport: Equatable, Sendable {
    /// Versions that were taken along.
    package var exports = 0
    /// Entries that were not what was written: nobody can tell what they were.
    package var rotten = 0
}
