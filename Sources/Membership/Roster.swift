import Basics
import Digests

/// Who belongs to a cluster and who no longer does, and the settings that all share: every node's durable copy of one thing.
///
/// Rosters merge: whatever two nodes have decided apart, both keep the union, and all end with the same in whatever order they hear of it. A change
/// is never lost to another of the same time, so that nobody who was let in is forgotten before everybody knows him. What a
/// node has left, or was removed from, it never comes back to under the same id.
///
/// - Invariant: `entries` ascend by id, `settings` by name; no two active members that have been heard of have one name.
/// - Invariant: nothing is taken back: entries are added, their status rises, settings' versions rise; `epoch.number` with them.
/// - Bound: `maximumMembers` active, `maximumEntries` in all, `SharedSetting.maximumCount` settings. At most 780 KiB encoded.
/// - Source: ours; a join semilattice as in Shapiro et al., "Conflict-free Replicated Data Types" (SSS 2011), §3, with a closure.
package struct Roster: Equatable, Sendable {
    package static let maximumMembers = 1_024
    package static let maximumEntries = 4_096
    /// Above the sum of all that is counted into an epoch's number.
    static let maximumNumber: UInt64 = 1 << 56

    /// What has become of a member; it never goes back.
    package enum Status: UInt8, Comparable, Sendable {
        case active
        /// Another id has its place: its node was wiped, or took a new id for another reason.
        case replaced
        /// It stayed away, and the others count on it no more: it may come back under another id, with their data.
        case fenced
        /// By its own operator's word.
        case left
        /// By an operator's word elsewhere.
        case removed

        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    /// In an order without gaps: 96 bytes, of which a peer has sent 45 at least.
    package struct Entry: Equatable, Sendable {
        package fileprivate(set) var member: Member
        package fileprivate(set) var status: Status
        private var hasPredecessor = false
        /// The number of the epoch that admitted it.
        package fileprivate(set) var admitted: UInt64
        private var predecessorID = ReplicaID(high: 0, low: 0)

        /// Whose place it has taken.
        package fileprivate(set) var predecessor: ReplicaID? {
            get { self.hasPredecessor ? self.predecessorID : nil }
            set { (self.hasPredecessor, self.predecessorID) = (newValue != nil, newValue ?? ReplicaID(high: 0, low: 0)) }
        }

        /// True where the name is its own, and nobody else's: it counts, and has been heard of.
        var hasName: Bool { self.status == .active && self.member.start != .none }

        init(_ member: Member, status: Status = .active, admitted: UInt64, predecessor: ReplicaID? = nil) {
            (self.member, self.status, self.admitted) = (member, status, admitted)
            self.predecessor = predecessor
        }
    }

    package private(set) var entries: [Entry] = []
    package private(set) var settings: [SharedSetting] = []
    /// The state of membership and settings, without what members say of themselves.
    package private(set) var epoch: Epoch

    package init() { self.epoch = Epoch(of: [], []) }

    /// The roster of a cluster that is being founded, by one or by several together.
    package init(founders: [ReplicaID]) {
        precondition(founders.count <= Self.maximumMembers, "\(founders.count) founders")
        self.entries = founders.sorted().map { Entry(Member(unheardOf: $0), admitted: 1) }
        self.epoch = Epoch(of: self.entries, [])
    }

    /// From a decoder that has checked order and bounds.
    init(entries: [Entry], settings: [SharedSetting]) {
        (self.entries, self.settings, self.epoch) = (entries, settings, Epoch(of: entries, settings))
    }

    // MARK: Asking

    package subscript(replica: ReplicaID) -> Entry? { self.index(of: replica).map { self.entries[$0] } }

    /// Who counts, ascending.
    package var active: [Member] { self.entries.lazy.filter { $0.status == .active }.map(\.member) }

    package func isActive(_ replica: ReplicaID) -> Bool { self[replica]?.status == .active }

    package func setting(_ name: String) -> SharedSetting? { self.settings.first { $0.name == name } }

    private func index(of replica: ReplicaID) -> Int? {
        let index = self.insertionIndex(of: replica)
        return index < self.entries.count && self.entries[index].member.replica == replica ? index : nil
    }

    private func insertionIndex(of replica: ReplicaID) -> Int {
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].member.replica < replica { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func holder(of name: MemberName, besides replica: ReplicaID) -> Int? {
        self.entries.firstIndex { $0.hasName && $0.member.name == name && $0.member.replica != replica }
    }

    // MARK: Changing

    /// Lets a node in. One that is a member already is described anew.
    ///
    /// - Parameter isReachable: whether the holder of the name that the node brings can be reached. If not, the node takes its place, as a wiped node
    ///   does that returns under its name.
    /// - Returns: whether anything has changed.
    package mutating func admit(_ member: Member, isReachable: (ReplicaID) -> Bool) throws(RosterRefusal) -> Bool {
        if let entry = self[member.replica] {
            guard entry.status == .active else { throw .gone(entry.status) }
            return try self.describe(member)
        }
        let holder = self.holder(of: member.name, besides: member.replica)
        if let holder, isReachable(self.entries[holder].member.replica) {
            throw .nameTaken(member.name, by: self.entries[holder].member.replica)
        }
        try self.checkRoom(replacing: holder != nil)
        let predecessor = holder.map { self.entries[$0].member.replica }
        if let holder { self.retire(at: holder, as: .replaced) }
        self.add(member, predecessor: predecessor)
        return true
    }

    /// Keeps what a member says of itself, unless a later start of it has said something else.
    package mutating func describe(_ member: Member) throws(RosterRefusal) -> Bool {
        guard let index = self.index(of: member.replica), self.entries[index].status == .active else { return false }
        guard member.supersedes(self.entries[index].member) else { return false }
        if let holder = self.holder(of: member.name, besides: member.replica) {
            throw .nameTaken(member.name, by: self.entries[holder].member.replica)
        }
        self.entries[index].member = member
        return true
    }

    /// A member's node goes on under a new id. Where this list does not know the old one, as what it knew of it has rotted on the disk, others' lists
    /// do: there the new one takes its place, once they have heard of it. A node that was gone under the old one is so under the new one.
    package mutating func replace(_ old: ReplicaID, with member: Member) throws(RosterRefusal) {
        let index = self.index(of: old)
        let status = index.map { self.entries[$0].status } ?? .active
        try self.checkRoom(replacing: index != nil)
        if let index, status == .active { self.retire(at: index, as: .replaced) }
        self.add(member, status: status, predecessor: old)
    }

    /// - Returns: whether it was a member until now.
    package mutating func retire(_ replica: ReplicaID, as status: Status) -> Bool {
        guard let index = self.index(of: replica), self.entries[index].status == .active, status != .active else { return false }
        self.retire(at: index, as: status)
        self.close()
        return true
    }

    /// Gives a setting a value.
    package mutating func set(_ name: String, to value: String, by replica: ReplicaID) throws(RosterRefusal) {
        let version = self.setting(name)?.version ?? 0
        guard version < SharedSetting.maximumVersion, version > 0 || self.settings.count < SharedSetting.maximumCount else {
            throw .full(limit: SharedSetting.maximumCount)
        }
        self.keep(SharedSetting(name: name, value: value, version: version + 1, proposer: replica))
        self.epoch = Epoch(of: self.entries, self.settings)
    }

    private func checkRoom(replacing: Bool) throws(RosterRefusal) {
        guard self.entries.count < Self.maximumEntries else { throw .full(limit: Self.maximumEntries) }
        guard replacing || self.entries.count(where: { $0.status == .active }) < Self.maximumMembers else {
            throw .full(limit: Self.maximumMembers)
        }
    }

    private mutating func add(_ member: Member, status: Status = .active, predecessor: ReplicaID?) {
        let index = self.insertionIndex(of: member.replica)
        self.entries.insert(Entry(member, admitted: self.epoch.number + 1, predecessor: predecessor), at: index)
        if status != .active { self.retire(at: index, as: status) }
        self.close()
    }

    /// Nobody dials it any more.
    private mutating func retire(at index: Int, as status: Status) {
        let member = self.entries[index].member
        self.entries[index].status = max(status, self.entries[index].status)
        self.entries[index].member = Member(replica: member.replica, name: member.name, address: nil, start: member.start)
    }

    private mutating func keep(_ setting: SharedSetting) {
        let index = self.settings.firstIndex { $0.name >= setting.name } ?? self.settings.endIndex
        if index == self.settings.endIndex || self.settings[index].name != setting.name {
            self.settings.insert(setting, at: index)
        } else if setting.supersedes(self.settings[index]) {
            self.settings[index] = setting
        }
    }

    // MARK: Merging

    /// Takes over all that another node's roster has beyond this one.
    ///
    /// - Returns: whether anything has changed.
    package mutating func merge(_ other: Roster) throws(RosterRefusal) -> Bool {
        guard self != other else { return false }
        var merged = self
        for entry in other.entries { merged.merge(entry) }
        for setting in other.settings { merged.keep(setting) }
        merged.close()
        guard merged.entries.count <= Self.maximumEntries else { throw .full(limit: Self.maximumEntries) }
        guard merged.entries.count(where: { $0.status == .active }) <= Self.maximumMembers else { throw .full(limit: Self.maximumMembers) }
        guard merged.settings.count <= SharedSetting.maximumCount else { throw .full(limit: SharedSetting.maximumCount) }
        guard merged != self else { return false }
        self = merged
        return true
    }

    private mutating func merge(_ other: Entry) {
        guard let index = self.index(of: other.member.replica) else {
            return self.entries.insert(other, at: self.insertionIndex(of: other.member.replica))
        }
        var entry = self.entries[index]
        if other.member.supersedes(entry.member) { entry.member = other.member }
        entry.admitted = max(entry.admitted, other.admitted)
        entry.predecessor = [entry.predecessor, other.predecessor].compactMap(\.self).max()
        entry.status = max(entry.status, other.status)
        self.entries[index] = entry
        if entry.status != .active { self.retire(at: index, as: entry.status) }
    }

    /// What follows from the entries, whoever told them: whose place another has taken is replaced; of members that came to have one name apart from
    /// each other the one that was admitted last keeps it; and whoever took the place of one that has left or was removed is gone with it, so that nobody who was sent away comes back by
    /// taking a new id before he has heard of it.
    private mutating func close() {
        for predecessor in self.entries.compactMap(\.predecessor) {
            guard let index = self.index(of: predecessor), self.entries[index].status == .active else { continue }
            self.retire(at: index, as: .replaced)
        }
        var byName: [MemberName: Int] = [:]
        for index in self.entries.indices where self.entries[index].hasName {
            let name = self.entries[index].member.name
            guard let other = byName[name] else {
                byName[name] = index
                continue
            }
            let isLater =
                (self.entries[index].admitted, self.entries[index].member.replica) > (
                    self.entries[other].admitted, self.entries[other].member.replica
                )
            self.retire(at: isLater ? other : index, as: .replaced)
            if isLater { byName[name] = index }
        }
        var hasChanged = true
        while hasChanged {
            hasChanged = false
            for index in self.entries.indices {
                guard let status = self.entries[index].predecessor.flatMap({ self[$0]?.status }), status > .replaced,
                    status > self.entries[index].status
                else { continue }
                self.retire(at: index, as: status)
                hasChanged = true
            }
        }
        self.epoch = Epoch(of: self.entries, self.settings)
    }
}

/// A state of membership. Every change makes its number greater; two nodes that changed something apart may have one number and different sums
/// until they have heard of each other.
package struct Epoch: Equatable, Sendable {
    package let number: UInt64
    package let checksum: UInt64

    /// A number that rises with everything that a roster may be told, and the checksum of all of it.
    init(of entries: [Roster.Entry], _ settings: [SharedSetting]) {
        // In pieces: all of it at once would take nearly as much as what a peer's roster came in.
        var (number, bytes) = (UInt64(0), [UInt8]())
        var sum = StreamingChecksum(seed: 0)
        for entry in entries {
            number += 1 + UInt64(entry.status.rawValue)
            bytes.removeAll(keepingCapacity: true)
            bytes.append(entry.member.replica)
            bytes.append(entry.status.rawValue)
            bytes.append(bigEndian: entry.admitted)
            bytes.append(entry.predecessor ?? ReplicaID(high: 0, low: 0))
            bytes.withUnsafeBytes { sum.update($0) }
        }
        for setting in settings {
            number &+= setting.version
            bytes.removeAll(keepingCapacity: true)
            setting.encode(into: &bytes)
            bytes.withUnsafeBytes { sum.update($0) }
        }
        (self.number, self.checksum) = (number, sum.finish())
    }
}

/// Why a roster was not changed. It is as it was.
package enum RosterRefusal: Error, Equatable, Sendable {
    case nameTaken(MemberName, by: ReplicaID)
    case gone(Roster.Status)
    case full(limit: Int)
}

extension RosterRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nameTaken(let name, let holder): "the name \(name) is taken by \(holder)"
        case .gone(let status): "it \(status.text)"
        case .full(let limit): "the cluster's list is full: \(limit)"
        }
    }
}

extension Roster.Status {
    /// What a member with this status has done or met, after its name.
    package var text: String {
        switch self {
        case .active: "is a member"
        case .replaced: "was replaced by another under its name"
        case .fenced: "was fenced"
        case .left: "has left the cluster"
        case .removed: "was removed from the cluster"
        }
    }
}
