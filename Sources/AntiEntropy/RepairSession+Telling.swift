import Basics
import Digests

/// The messages of a turn, each no more than a slice of work: well below a millisecond, and within a frame.
extension RepairSession {
    /// Bytes of sums, entries or records in one message. A single record may be longer.
    package static let messageBytes = 60 << 10
    /// Entries that are read for one message.
    static let messageEntries = 1_000
    /// Places or stamps in one message.
    static let messagePlaces = 1_500

    mutating func nextOfTurn<Reader: EntryReader>(_ reader: Reader) throws(Reader.Failure) -> SessionMessage? {
        if let message = self.nextQuestion() { return message }
        if !self.turn.hasShown { return try self.nextShown(reader) }
        return try self.nextGiven(reader)
    }

    /// What we lack, and which versions we have.
    private mutating func nextQuestion() -> SessionMessage? {
        if let nodes = self.turn.askNodes.removeFirst(Self.messagePlaces) {
            self.turn.hasAsked = true
            return .wantAll(nodes)
        }
        if let places = self.turn.wantPlaces.removeFirst(Self.messagePlaces) {
            self.turn.hasAsked = true
            return .want(places)
        }
        if let places = self.turn.stampPlaces.removeFirst(Self.messagePlaces) {
            self.turn.hasAsked = true
            let stamps = self.turn.stamps[self.turn.stamped..<self.turn.stamped + places.count]
            self.turn.stamped = stamps.endIndex
            return .stamps(StampList(places: places, stamps: Array(stamps)))
        }
        return nil
    }

    /// The next of the nodes that differ, one level deeper.
    private mutating func nextShown<Reader: EntryReader>(_ reader: Reader) throws(Reader.Failure) -> SessionMessage {
        self.turn.hasAsked = true
        let depth = self.turn.showNodes.depth
        if depth > 0 || self.turn.childDepth == 0 {
            if depth >= self.leafDepth { return try self.nextLeaves(reader) }
            self.turn.childDepth = self.childDepth(below: depth)
        }
        let childDepth = self.turn.childDepth
        let parents = self.turn.showNodes.next(max(1, Self.messageEntries >> (childDepth - depth)), &self.turn.shown)
        var sums: [UInt8] = []
        for parent in parents {
            for index in DigestNode(depth: depth, index: parent).indexes(atDepth: childDepth) {
                let digest = try reader.digest(of: DigestNode(depth: childDepth, index: index))
                sums.append(digest.sum, byteCount: self.width.sumByteCount)
            }
        }
        return .compare(Comparison(parents: parents, childDepth: childDepth, sums: sums))
    }

    private mutating func nextLeaves<Reader: EntryReader>(_ reader: Reader) throws(Reader.Failure) -> SessionMessage {
        let depth = self.turn.showNodes.depth
        var list = LeafList(leaves: NodeList(depth: depth), counts: PackedNumbers(), entries: [])
        var entries = 0
        while entries < Self.messageEntries, let index = self.turn.showNodes.next(&self.turn.shown) {
            let leaf = DigestNode(depth: depth, index: index)
            var count = 0
            let width = self.width
            try reader.visit(leaf.tokens) { entry in
                switch width {
                case .short:
                    list.entries.append(UInt128((entry.token.rawValue << UInt64(depth)) >> 40), byteCount: 3)
                    list.entries.append(entry.fingerprint, byteCount: 3)
                case .full:
                    list.entries.append(UInt128(entry.token.rawValue), byteCount: 8)
                    list.entries.append(entry.fingerprint, byteCount: 16)
                }
                count += 1
                return true
            }
            list.leaves.append(index)
            list.counts.append(UInt64(count))
            entries += count + 1
        }
        return .leaves(list)
    }

    /// The next records that the peer lacks; nil where there are none left.
    private mutating func nextGiven<Reader: EntryReader>(_ reader: Reader) throws(Reader.Failure) -> SessionMessage? {
        guard self.purpose != .count else { return nil }
        var batch = Batch(isHeaders: self.purpose == .list)
        while !batch.isFull {
            if let node = self.turn.giveNodes.first {
                try self.give(node, &batch, reader)
            } else if let place = self.turn.givePlaces.first {
                try reader.visit(place.tokens) { entry in batch.take(entry) }
                self.turn.givePlaces.removeFirst()
                batch.entries += 1
            } else {
                break
            }
        }
        guard !batch.bytes.isEmpty else { return nil }
        return batch.isHeaders ? .headers(batch.bytes) : .records(batch.bytes)
    }

    /// Goes through a node until it ends or the batch is full.
    private mutating func give<Reader: EntryReader>(_ node: DigestNode, _ batch: inout Batch, _ reader: Reader) throws(Reader.Failure) {
        let start = self.turn.giveFrom ?? node.tokens.lowerBound
        var next: Token?
        try reader.visit(start...node.tokens.upperBound) { entry in
            // All entries of one token go together, as a token is what the next message begins with.
            guard batch.isFull, entry.token != batch.lastToken else { return batch.take(entry) }
            next = entry.token
            return false
        }
        self.turn.giveFrom = next
        if next == nil { self.turn.giveNodes.removeFirst() }
    }

    private struct Batch {
        let isHeaders: Bool
        var bytes: [UInt8] = []
        var entries = 0
        var lastToken: Token?

        init(isHeaders: Bool) { self.isHeaders = isHeaders }

        var isFull: Bool { self.entries >= RepairSession.messageEntries || self.bytes.count >= RepairSession.messageBytes / 2 }

        /// Damaged entries are passed over: they are never sent.
        mutating func take(_ entry: some ReadableEntry) -> Bool {
            self.entries += 1
            self.lastToken = entry.token
            if entry.isIntact {
                if self.isHeaders { entry.appendHeader(to: &self.bytes) } else { entry.appendRecord(to: &self.bytes) }
            }
            return true
        }
    }
}
