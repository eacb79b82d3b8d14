import Digests

/// One entry of a scan: the newest version of a key.
package struct ScannedEntry {
    package let token: Token
    package let key: UnsafeRawBufferPointer
    /// Nil where the base's bytes do not form a record.
    package let record: RecordView?
    /// Versions in the tables are what this process laid out; those of the base are checked when this is asked, keys too.
    package func isIntact(under digestKey: DigestKey) -> Bool {
        !self.isFromBase || BaseEntry(token: self.token, key: self.key, record: self.record).isIntact(under: digestKey)
    }
    fileprivate let isFromBase: Bool
    /// What an answer that shows the entry depends on.
    package let position: LogPosition
}

extension Store {
    /// Visits the newest version of every key of a token range, in token order, until `body` returns false.
    ///
    /// A merge of live table, frozen table and base, the first of them winning where several have a key. Nothing may be put meanwhile. What was lost to
    /// damage and what was dropped is not shown.
    package func scan(_ range: ClosedRange<Token>, _ body: (ScannedEntry) throws(StoreError) -> Bool) throws(StoreError) {
        try self.reader.open()
        var upper = TableCursor(self.live, range)
        var middle = TableCursor(self.frozen?.table, range)
        var lower = try self.reader.seek(range.lowerBound)
        while true {
            var least: Place?
            if let place = upper.place { least = place }
            if let place = middle.place, least.map({ place.precedes($0) }) ?? true { least = place }
            if let entry = lower, entry.token <= range.upperBound {
                let place = Place(token: entry.token, key: entry.key)
                if least.map({ place.precedes($0) }) ?? true { least = place }
            }
            guard let least else { return }
            var entry: ScannedEntry?
            if let found = lower, Place(token: found.token, key: found.key) == least {
                entry = ScannedEntry(token: found.token, key: found.key, record: found.record, isFromBase: true, position: 0)
                if self.isLost(found) { entry = nil }
                if let record = found.record, self.isDropped(record) { entry = nil }
                lower = try self.reader.advance()
            }
            if let slot = middle.take(least) { entry = self.isDropped(slot.record!.view) ? nil : ScannedEntry(slot) }
            if let slot = upper.take(least) { entry = self.isDropped(slot.record!.view) ? nil : ScannedEntry(slot) }
            // Nothing where the entry is one that was lost, or a tombstone that was dropped.
            if let entry { guard try body(entry) else { return } }
        }
    }
}

extension ScannedEntry {
    fileprivate init(_ slot: Table.Slot) {
        let view = slot.record!.view
        self.init(token: slot.token, key: view.key, record: view, isFromBase: false, position: slot.position)
    }
}

/// A place in the order of all entries.
private struct Place: Equatable {
    let token: Token
    let key: UnsafeRawBufferPointer

    static func == (left: Self, right: Self) -> Bool { left.token == right.token && memoryEqual(left.key, right.key) }

    func precedes(_ other: Self) -> Bool {
        self.token != other.token ? self.token < other.token : self.key.lexicographicallyPrecedes(other.key)
    }
}

/// A walk over a table, or over none.
private struct TableCursor {
    private let table: Table?
    private let last: Token
    private var index: Int?

    init(_ table: Table?, _ range: ClosedRange<Token>) {
        (self.table, self.last, self.index) = (table, range.upperBound, table?.firstIndex(in: range))
    }

    var place: Place? {
        guard let table, let index else { return nil }
        return Place(token: table[index].token, key: table[index].record!.view.key)
    }

    /// The slot at a place, passing over it; nil where the walk is elsewhere.
    mutating func take(_ place: Place) -> Table.Slot? {
        guard let table, let index, self.place == place else { return nil }
        self.index = table.index(after: index, through: self.last)
        return table[index]
    }
}
