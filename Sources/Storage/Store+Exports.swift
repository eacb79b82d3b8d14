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
    /// - Precondition: its key has nothing, or what is older.
    /// - Returns: what depends on it.
    package func reenter(_ record: RecordView, token: Token, at now: Instant) -> LogPosition {
        let replica = self.identity.replica
        var header = record.versionHeader
        header.dot = Dot(replica: replica, sequence: self.seen.watermark(of: replica) + 1)
        // Of a value that has left nothing is to show, whatever a clock says later; what is older it still has to keep away.
        if record.isHeaderOnly { (header.isTombstone, header.expiryMilliseconds) = (true, 0) }
        let payload = record.payload
        return self.put(header, key: record.key, token: token, payloadByteCount: payload.count, at: now) { $0.copyMemory(from: payload) }
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
