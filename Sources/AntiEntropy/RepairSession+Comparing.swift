import Basics
import Digests
import Versioning

/// What differs between a list of the peer's and our own entries.
extension RepairSession {
    func isDifferent(_ own: Digest, _ theirs: UInt128) -> Bool { self.low(own.sum) != theirs }

    private func low(_ sum: UInt128) -> UInt128 {
        self.width == .full ? sum : sum & (UInt128(1) << UInt128(8 * self.width.sumByteCount) - 1)
    }

    mutating func compareSums<Reader: EntryReader>(_ comparison: Comparison, _ reader: Reader) throws(Reader.Failure) -> SessionFault? {
        let depth = comparison.childDepth
        let isFirst = comparison.parents.depth == 0
        guard depth <= self.leafDepth, depth > comparison.parents.depth, comparison.childrenPerParent <= (isFirst ? 256 : 16),
            comparison.sums.count == comparison.parents.count * comparison.childrenPerParent * self.width.sumByteCount
        else { return .malformed }
        if self.turn.showNodes.isEmpty { self.turn.showNodes = NodeList(depth: depth) }
        guard self.turn.showNodes.depth == depth else { return .outOfOrder }
        var offset = 0
        for parent in comparison.parents {
            for index in DigestNode(depth: comparison.parents.depth, index: parent).indexes(atDepth: depth) {
                let theirs = comparison.sums.number(at: offset, byteCount: self.width.sumByteCount)
                offset += self.width.sumByteCount
                let node = DigestNode(depth: depth, index: index)
                let own = try reader.digest(of: node)
                if self.isDifferent(own, theirs) { self.descend(node, own, theirs) }
            }
        }
        return nil
    }

    private mutating func descend(_ node: DigestNode, _ own: Digest, _ theirs: UInt128) {
        if own.entries == 0 {
            self.turn.askNodes.append(node)
        } else if theirs == 0 {
            self.give(node, entries: own.entries)
        } else if self.turn.showNodes.count < Self.maximumPlaces {
            self.turn.showNodes.append(node.index)
        } else {
            self.turn.wasCut = true
        }
    }

    /// The peer has nothing in this node, or asks for all that is there.
    mutating func give(_ node: DigestNode, entries: UInt64) {
        self.tally.ranges += 1
        self.tally.onlyHere += Int(clamping: entries)
        self.turn.giveNodes.append(node)
    }

    /// An entry of ours as a list of leaves names it.
    private struct Listed {
        let place: UInt64
        let fingerprint: UInt128
        let stamp: Stamp
        let isMerged: Bool
    }

    /// The entries that the peer has listed of one leaf, each read from the message when it is looked at: an array of them would take five times
    /// the message.
    private struct TheirEntries {
        let bytes: [UInt8]
        let start: Int
        let count: Int
        let width: DigestWidth
        let leaf: UInt64

        func place(_ index: Int) -> UInt64 {
            let offset = self.start + index * self.width.entryByteCount
            switch self.width {
            case .short: return self.leaf << 24 | UInt64(self.bytes.low24(at: offset))
            case .full: return UInt64(truncatingIfNeeded: self.bytes.number(at: offset, byteCount: 8))
            }
        }

        func fingerprint(_ index: Int) -> UInt128 {
            let offset = self.start + index * self.width.entryByteCount
            switch self.width {
            case .short: return UInt128(self.bytes.low24(at: offset + 3))
            case .full: return self.bytes.number(at: offset + 8, byteCount: 16)
            }
        }
    }

    mutating func compareLeaves<Reader: EntryReader>(_ list: LeafList, _ reader: Reader) throws(Reader.Failure) -> SessionFault? {
        guard self.addsUp(list) else { return .malformed }
        var start = 0
        for (leaf, count) in zip(list.leaves, list.counts) {
            let node = DigestNode(depth: self.leafDepth, index: leaf)
            let theirs = TheirEntries(bytes: list.entries, start: start, count: Int(count), width: self.width, leaf: leaf)
            start += theirs.count * self.width.entryByteCount
            guard self.areInOrder(theirs, in: node) else { return .malformed }
            self.compare(try self.own(node, reader), theirs)
        }
        return nil
    }

    /// Whether there is a count for each leaf, and there are as many entries as all counts together.
    private func addsUp(_ list: LeafList) -> Bool {
        var rest = UInt64(list.entries.count)
        for count in list.counts {
            guard count <= rest / UInt64(self.width.entryByteCount) else { return false }
            rest -= count * UInt64(self.width.entryByteCount)
        }
        return rest == 0 && list.counts.count == list.leaves.count
    }

    private func areInOrder(_ theirs: TheirEntries, in node: DigestNode) -> Bool {
        let depth = UInt64(self.placeDepth - node.depth)
        var last: UInt64 = 0
        for index in 0..<theirs.count {
            let place = theirs.place(index)
            guard place >> depth == node.index, place >= last else { return false }
            last = place
        }
        return true
    }

    private func own<Reader: EntryReader>(_ node: DigestNode, _ reader: Reader) throws(Reader.Failure) -> [Listed] {
        var own: [Listed] = []
        let nameDepth = self.placeDepth
        let isShort = self.width == .short
        try reader.visit(node.tokens) { entry in
            let fingerprint = isShort ? entry.fingerprint & 0xff_ffff : entry.fingerprint
            own.append(
                Listed(
                    place: entry.token.rawValue >> UInt64(64 - nameDepth), fingerprint: fingerprint, stamp: entry.stamp,
                    isMerged: entry.isMerged))
            return true
        }
        return own
    }

    /// Merges two lists in the order of places. Several entries at one place are told apart by their fingerprints; what is then left over on
    /// both sides may be different keys, so both cross and merging sorts it out.
    private mutating func compare(_ own: [Listed], _ theirs: TheirEntries) {
        var (i, j) = (0, 0)
        let before = self.tally.entries
        while i < own.count || j < theirs.count {
            let place = min(i < own.count ? own[i].place : .max, j < theirs.count ? theirs.place(j) : .max)
            let ownEnd = own[i...].firstIndex { $0.place != place } ?? own.count
            let theirEnd = (j..<theirs.count).first { theirs.place($0) != place } ?? theirs.count
            let onlyOwn = own[i..<ownEnd].filter { entry in !(j..<theirEnd).contains { theirs.fingerprint($0) == entry.fingerprint } }
            let onlyTheirs = (j..<theirEnd).count { index in
                let fingerprint = theirs.fingerprint(index)
                return !own[i..<ownEnd].contains { $0.fingerprint == fingerprint }
            }
            self.differs(at: place, own: onlyOwn, theirs: onlyTheirs, isAlone: ownEnd - i == 1 && theirEnd - j == 1)
            (i, j) = (ownEnd, theirEnd)
        }
        if self.tally.entries > before { self.tally.ranges += 1 }
    }

    private mutating func differs(at place: UInt64, own: [Listed], theirs: Int, isAlone: Bool) {
        guard !own.isEmpty || theirs > 0 else { return }
        let both = min(own.count, theirs)
        self.tally.inBoth += both
        self.tally.onlyHere += own.count - both
        self.tally.onlyThere += theirs - both
        guard self.purpose != .count else { return }
        guard self.turn.wantPlaces.count + self.turn.givePlaces.count + self.turn.stamps.count < Self.maximumPlaces else {
            self.turn.wasCut = true
            return
        }
        if self.purpose == .repair, isAlone, self.width == .short, !own[0].isMerged {
            self.turn.stampPlaces.append(self.place(place))
            self.turn.stamps.append(own[0].stamp)
            return
        }
        if !own.isEmpty { self.turn.givePlaces.append(self.place(place)) }
        if theirs > 0 { self.turn.wantPlaces.append(self.place(place)) }
    }

    private func place(_ index: UInt64) -> DigestNode { DigestNode(depth: self.placeDepth, index: index) }

    /// The greater version crosses; where that cannot be told, both do.
    mutating func compareStamps<Reader: EntryReader>(_ list: StampList, _ reader: Reader) throws(Reader.Failure) {
        for (index, theirs) in zip(list.places, list.stamps) {
            let place = DigestNode(depth: list.places.depth, index: index)
            var (own, isMerged): ([Stamp], Bool) = ([], false)
            try reader.visit(place.tokens) { entry in
                own.append(entry.stamp)
                isMerged = isMerged || entry.isMerged
                return true
            }
            let isDecided = own.count == 1 && own[0] != theirs && !isMerged
            if !own.isEmpty, !isDecided || own[0] > theirs { self.turn.givePlaces.append(place) }
            if !isDecided || own[0] < theirs { self.turn.wantPlaces.append(place) }
        }
    }
}

extension [UInt8] {
    /// A number of a few bytes, most significant first.
    ///
    /// - Precondition: the bytes are there.
    func number(at offset: Int, byteCount: Int) -> UInt128 {
        var number: UInt128 = 0
        for byte in self[offset..<offset + byteCount] { number = number << 8 | UInt128(byte) }
        return number
    }

    /// A number of three bytes, as `number` reads it.
    func low24(at offset: Int) -> UInt32 {
        UInt32(self[offset]) << 16 | UInt32(self[offset + 1]) << 8 | UInt32(self[offset + 2])
    }

    mutating func append(_ number: UInt128, byteCount: Int) {
        for byte in (0..<byteCount).reversed() { self.append(UInt8(truncatingIfNeeded: number >> UInt128(8 * byte))) }
    }
}
