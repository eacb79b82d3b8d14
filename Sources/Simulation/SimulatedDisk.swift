import Storage
import Synchronization

/// A folder in memory that forgets, tears, fills up and fails as real ones do, and always the same way for the same seed.
///
/// Every file has its synced contents and the changes made since, the folder its synced names and the changes made since. What the
/// running program sees is all of them; what a power cut leaves is the synced part and any selection of the rest: see `crash`.
///
///     write → unsynced changes ─ sync ──────→ synced contents        create, rename, remove → unsynced ─ syncFolder → synced names
///                  └ crash: any of them, torn ────┘                                              └ crash: any of them ──┘
///
/// A program that is killed loses nothing that it wrote: the next one opens the same disk.
package final class SimulatedDisk: Disk {
    /// The contents of a file, whatever its name: a removed file stays for those who have it open.
    struct Inode {
        var synced: [UInt8] = []
        var current: [UInt8] = []
        var unsynced: [Change] = []
    }

    /// A change of a file's contents that no sync has covered.
    struct Change {
        /// Counts the changes of the whole disk: the order in which they were made.
        let order: Int
        let kind: Kind
        /// True where a sync failed to write it: later ones pass over it, as the system believes it written.
        var isStranded = false

        enum Kind {
            case write([UInt8], at: Int)
            case truncate(to: Int)
        }
    }

    /// A change of a name that no `syncFolder` has covered.
    struct NameChange {
        let name: String
        /// Nil where the name goes.
        let inode: Int?
        /// A renaming is one change: both names or neither.
        var newName: String?
    }

    struct State {
        var inodes: [Inode] = []
        var names: [String: Int] = [:]
        var syncedNames: [String: Int] = [:]
        var nameChanges: [NameChange] = []
        var changeCount = 0
        var faults = DiskFaults()
    }

    let state: Mutex<State>

    package init(faults: DiskFaults = DiskFaults()) {
        var state = State()
        state.faults = faults
        self.state = Mutex(state)
    }

    init(_ state: State) { self.state = Mutex(state) }

    // MARK: Disk

    /// In order, so that no run depends on how a dictionary hashes.
    package func fileNames() throws(DiskError) -> [String] {
        try self.change { state throws(DiskError) in
            try state.faults.meet(.list, "")
            return state.names.keys.sorted()
        }
    }

    package func create(_ name: String) throws(DiskError) -> any DiskFile {
        let inode = try self.change { state throws(DiskError) in
            try state.faults.meet(.create, name)
            guard state.names[name] == nil else { throw DiskError(operation: .create, name: name, code: SystemCode.exists, isFull: false) }
            state.inodes.append(Inode())
            state.names[name] = state.inodes.count - 1
            state.nameChanges.append(NameChange(name: name, inode: state.inodes.count - 1))
            return state.inodes.count - 1
        }
        return SimulatedFile(disk: self, inode: inode, name: name)
    }

    package func open(_ name: String) throws(DiskError) -> any DiskFile {
        let inode = try self.change { state throws(DiskError) in
            try state.faults.meet(.open, name)
            return try state.inode(named: name, for: .open)
        }
        return SimulatedFile(disk: self, inode: inode, name: name)
    }

    package func remove(_ name: String) throws(DiskError) {
        try self.change { state throws(DiskError) in
            try state.faults.meet(.remove, name)
            let inode = try state.inode(named: name, for: .remove)
            state.faults.release(state.inodes[inode].current.count)
            state.names[name] = nil
            state.nameChanges.append(NameChange(name: name, inode: nil))
        }
    }

    package func rename(_ name: String, to newName: String) throws(DiskError) {
        try self.change { state throws(DiskError) in
            try state.faults.meet(.rename, name)
            let inode = try state.inode(named: name, for: .rename)
            state.names[name] = nil
            state.names[newName] = inode
            state.nameChanges.append(NameChange(name: name, inode: inode, newName: newName))
        }
    }

    package func syncFolder() throws(DiskError) {
        try self.change { state throws(DiskError) in
            try state.faults.meet(.syncFolder, "")
            state.syncedNames = state.names
            state.nameChanges.removeAll()
        }
    }

    /// Runs one operation whole. `Mutex` rethrows untyped where the result is generic, so the error travels beside it.
    func change<Result>(_ body: (inout sending State) throws(DiskError) -> Result) throws(DiskError) -> Result {
        try self.state.withLock { state throws(DiskError) in try body(&state) }
    }
}

extension SimulatedDisk.State {
    func inode(named name: String, for operation: DiskError.Operation) throws(DiskError) -> Int {
        guard let inode = self.names[name] else { throw DiskError(operation: operation, name: name, code: SystemCode.notFound, isFull: false) }
        return inode
    }

    mutating func write(_ bytes: [UInt8], at offset: Int, to inode: Int) {
        guard !bytes.isEmpty else { return }
        self.inodes[inode].current.write(bytes, at: offset)
        self.note(.write(bytes, at: offset), of: inode)
    }

    mutating func note(_ kind: SimulatedDisk.Change.Kind, of inode: Int) {
        self.changeCount += 1
        self.inodes[inode].unsynced.append(SimulatedDisk.Change(order: self.changeCount, kind: kind))
    }
}

extension [UInt8] {
    /// Overwrites from `offset` on; a gap behind the end is zeros, as in a sparse file.
    mutating func write(_ bytes: [UInt8], at offset: Int) {
        guard offset != self.count else {
            self += bytes
            return
        }  // As a log is written.
        if self.count < offset + bytes.count { self += [UInt8](repeating: 0, count: offset + bytes.count - self.count) }
        self.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }

    mutating func truncate(to count: Int) {
        if self.count > count { self.removeLast(self.count - count) } else { self += [UInt8](repeating: 0, count: count - self.count) }
    }

    mutating func apply(_ kind: SimulatedDisk.Change.Kind) {
        switch kind {
        case .write(let bytes, let offset): self.write(bytes, at: offset)
        case .truncate(let count): self.truncate(to: count)
        }
    }
}

/// One open file of a simulated disk.
private final class SimulatedFile: DiskFile {
    private let disk: SimulatedDisk
    private let inode: Int
    private let name: String

    init(disk: SimulatedDisk, inode: Int, name: String) {
        (self.disk, self.inode, self.name) = (disk, inode, name)
    }

    func byteCount() throws(DiskError) -> Int {
        try self.disk.change { state throws(DiskError) in
            try state.faults.meet(.size, self.name)
            return state.inodes[self.inode].current.count
        }
    }

    /// A failing write stores what there was room for, or the first half; never all of it.
    func write(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(pieces.reduce(0) { $0 + $1.count })
        for piece in pieces { bytes += piece }
        try self.disk.change { state throws(DiskError) in
            do throws(DiskError) {
                try state.faults.meet(.write, self.name)
            } catch {
                state.write(Array(bytes.prefix(bytes.count / 2)), at: offset, to: self.inode)
                throw error
            }
            let growth = max(0, offset + bytes.count - state.inodes[self.inode].current.count)
            let granted = state.faults.take(growth)
            state.write(granted == growth ? bytes : Array(bytes.prefix(bytes.count - (growth - granted))), at: offset, to: self.inode)
            if granted < growth { throw DiskError(operation: .write, name: self.name, code: SystemCode.noSpace, isFull: true) }
        }
    }

    /// A failing sync strands what it should have written: it may be on the disk or not, and no later sync writes it.
    func sync() throws(DiskError) {
        try self.disk.change { state throws(DiskError) in
            do throws(DiskError) {
                try state.faults.meet(.sync, self.name)
            } catch {
                for index in state.inodes[self.inode].unsynced.indices { state.inodes[self.inode].unsynced[index].isStranded = true }
                throw error
            }
            for change in state.inodes[self.inode].unsynced where !change.isStranded { state.inodes[self.inode].synced.apply(change.kind) }
            state.inodes[self.inode].unsynced.removeAll { !$0.isStranded }
        }
    }

    func truncate(to byteCount: Int) throws(DiskError) {
        try self.disk.change { state throws(DiskError) in
            try state.faults.meet(.truncate, self.name)
            state.faults.release(max(0, state.inodes[self.inode].current.count - byteCount))
            state.inodes[self.inode].current.truncate(to: byteCount)
            state.note(.truncate(to: byteCount), of: self.inode)
        }
    }

    func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
        try self.disk.change { state throws(DiskError) in
            try state.faults.meet(.read, self.name)
            return Array(state.inodes[self.inode].current.dropFirst(offset).prefix(count))
        }
    }
}
