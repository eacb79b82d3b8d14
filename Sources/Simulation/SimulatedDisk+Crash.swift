import Storage

/// What a power cut leaves, and what rots later.
extension SimulatedDisk {
    /// The unit in which a device writes: a torn write may keep any of its sectors.
    private static let sectorByteCount = 512

    /// A disk as it may be after a power cut now: all that was synced, and of the rest whatever the system happened to write.
    ///
    /// Each unsynced change of a file is kept, lost or torn, at any byte or sector by sector; each unsynced creation, removal and
    /// renaming is kept or lost. The original is not changed, so one moment gives many crashes.
    package func crash(using generator: inout some RandomNumberGenerator) -> SimulatedDisk {
        let state = self.state.withLock { $0 }
        var images: [[UInt8]] = []
        for inode in state.inodes {
            var image = inode.synced
            for change in inode.unsynced { Self.applySome(of: change.kind, to: &image, using: &generator) }
            images.append(image)
        }
        let kept = state.nameChanges.filter { _ in Bool.random(using: &generator) }
        return SimulatedDisk(Self.powerOn(images, Self.names(state.syncedNames, kept)))
    }

    /// Another disk with the same on it, and none of the faults.
    package func copy() -> SimulatedDisk {
        var state = self.state.withLock { $0 }
        state.faults = DiskFaults()
        return SimulatedDisk(state)
    }

    /// A disk after a power cut that kept, in the order of writing, exactly the first bytes that were not synced. Names, and
    /// truncations before the cut, are kept.
    package func crash(keepingUnsyncedBytes byteCount: Int) -> SimulatedDisk {
        let state = self.state.withLock { $0 }
        let changes = state.inodes.indices.flatMap { inode in state.inodes[inode].unsynced.map { (inode: inode, change: $0) } }
        var images = state.inodes.map(\.synced)
        var left = byteCount
        for (inode, change) in changes.sorted(by: { $0.change.order < $1.change.order }) {
            switch change.kind {
            case .truncate(let count): images[inode].truncate(to: count)
            case .write(let bytes, let offset):
                let part = Array(bytes.prefix(left))
                if !part.isEmpty { images[inode].write(part, at: offset) }
                left -= part.count
            }
            if left == 0 { break }
        }
        return SimulatedDisk(Self.powerOn(images, state.names))
    }

    /// The bytes of all writes that no sync has covered.
    package var unsyncedByteCount: Int {
        self.state.withLock { state in
            state.inodes.reduce(0) { sum, inode in
                sum + inode.unsynced.reduce(0) { if case .write(let bytes, _) = $1.kind { $0 + bytes.count } else { $0 } }
            }
        }
    }

    private static func applySome(of kind: Change.Kind, to image: inout [UInt8], using generator: inout some RandomNumberGenerator) {
        guard case .write(let bytes, let offset) = kind else {
            if Bool.random(using: &generator) { image.apply(kind) }
            return
        }
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: image.write(bytes, at: offset)
        case 1: break
        case 2:
            let kept = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
            if !kept.isEmpty { image.write(kept, at: offset) }
        default:
            var start = 0
            while start < bytes.count {
                let end = min(bytes.count, start + Self.sectorByteCount - (offset + start) % Self.sectorByteCount)
                if Bool.random(using: &generator) { image.write(Array(bytes[start..<end]), at: offset + start) }
                start = end
            }
        }
    }

    private static func names(_ synced: [String: Int], _ changes: [NameChange]) -> [String: Int] {
        changes.reduce(into: synced) { names, change in
            if let newName = change.newName {
                names[change.name] = nil
                names[newName] = change.inode
            } else {
                names[change.name] = change.inode
            }
        }
    }

    private static func powerOn(_ images: [[UInt8]], _ names: [String: Int]) -> State {
        var state = State()
        state.inodes = images.map { Inode(synced: $0, current: $0) }
        (state.names, state.syncedNames) = (names, names)
        return state
    }
}

extension SimulatedDisk {
    /// A file's contents as the running program sees them.
    package func contents(of name: String) -> [UInt8] {
        self.state.withLock { state in state.names[name].map { state.inodes[$0].current } ?? [] }
    }

    /// Changes bytes where they lie, as rot does: `change` gets the contents of the file, synced or not.
    package func rot(_ name: String, _ change: (inout [UInt8]) -> Void) {
        self.state.withLock { state in
            guard let inode = state.names[name] else { preconditionFailure("no file \(name)") }
            change(&state.inodes[inode].current)
            state.inodes[inode].synced = state.inodes[inode].current
            state.inodes[inode].unsynced.removeAll()
        }
    }

    /// Flips one bit of a file.
    package func flip(bit: Int, ofByte offset: Int, in name: String) {
        self.rot(name) { $0[offset] ^= 1 << UInt8(bit) }
    }

    /// Flips one bit of one file, that `choice` falls on.
    ///
    /// - Returns: false where all files are empty.
    package func flipBit(choice: UInt64) -> Bool {
        let sizes = self.state.withLock { state in state.names.mapValues { state.inodes[$0].current.count } }.sorted { $0.key < $1.key }
        let total = sizes.reduce(0) { $0 + $1.value }
        guard total > 0 else { return false }
        var offset = Int(choice / 8 % UInt64(total))
        let file = sizes.first { size in
            if offset < size.value { return true }
            offset -= size.value
            return false
        }
        self.flip(bit: Int(choice % 8), ofByte: offset, in: file!.key)
        return true
    }

    /// From now on other faults.
    package func plan(_ faults: DiskFaults) { self.state.withLock { $0.faults = faults } }

    /// The faults as they stand: what is left of the room, and how often each operation was called.
    package var faults: DiskFaults { self.state.withLock { $0.faults } }
}
